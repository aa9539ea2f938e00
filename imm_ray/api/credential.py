"""The credential that a request carries: signature V3, signature V1, or none. Never two at once."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from imm_ray.errors import IncompleteSignature, InvalidSignatureMethod

V3_ALGORITHM = "ACS3-HMAC-SHA256"

PROTOCOL_PARAMETERS = frozenset(
    {
        "AccessKeyId",
        "Action",
        "BearerToken",
        "Format",
        "RegionId",
        "SecurityToken",
        "Signature",
        "SignatureMethod",
        "SignatureNonce",
        "SignatureType",
        "SignatureVersion",
        "Timestamp",
        "Version",
    }
)
"""Parameters of the protocol; no action has a parameter of one of these names."""

_V1_MARKS = frozenset({"AccessKeyId", "Signature", "SignatureMethod", "SecurityToken"})
_V3_MARKS = frozenset(
    {
        "authorization",
        "x-acs-content-sha256",
        "x-acs-date",
        "x-acs-security-token",
        "x-acs-signature-nonce",
    }
)
_TOKEN_HEADERS = frozenset({"x-acs-bearer-token", "x-acs-zero-trust-idtoken"})
_OTHER_ALGORITHMS = ("ACS3-HMAC-SM3", "ACS3-RSA-SHA256")
_AUTHORIZATION = re.compile(
    rf"{V3_ALGORITHM} Credential=([^,\s]{{1,128}}),SignedHeaders=([^,\s]{{1,4096}}),"
    r"Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class V3Credential:
    """``Authorization: ACS3-HMAC-SHA256 …``."""

    access_key_id: str
    signed_headers: tuple[str, ...]
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class V1Credential:
    """``AccessKeyId`` and ``Signature`` among the parameters."""

    access_key_id: str
    method: str
    version: str
    timestamp: str
    nonce: str
    signature: str = field(repr=False)
    security_token: str | None = field(repr=False)


Credential: TypeAlias = V3Credential | V1Credential


def read_credential(
    headers: Iterable[tuple[str, str]], parameters: Mapping[str, str]
) -> Credential | None:
    """Return the one credential among ``headers`` and ``parameters``, None if there is none.

    Raises
    ------
    IncompleteSignature
        Parts of two kinds are mixed, or a part is missing or malformed.
    InvalidSignatureMethod
        The kind is one that this service does not know: bearer and id tokens, SM3, RSA.
    """
    sent = dict(headers)
    by_token = _TOKEN_HEADERS & sent.keys() or _is_bearer(parameters)
    by_v1, by_v3 = _V1_MARKS & parameters.keys(), _V3_MARKS & sent.keys()
    if (by_v1 and by_v3) or (by_token and "authorization" in sent):
        raise IncompleteSignature("The request mixes credentials of more than one kind.")
    if by_token:
        raise InvalidSignatureMethod(
            "Specified signature method is not valid: bearer and id tokens are not accepted; "
            "sign the request with an access key."
        )
    if by_v1:
        return _read_v1(parameters)
    return _read_v3(sent["authorization"]) if "authorization" in sent else None


def _is_bearer(parameters: Mapping[str, str]) -> bool:
    return "BearerToken" in parameters or parameters.get("SignatureType") == "BEARERTOKEN"


def _read_v3(authorization: str) -> V3Credential:
    if authorization.startswith(_OTHER_ALGORITHMS):
        raise InvalidSignatureMethod()
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None:
        raise IncompleteSignature(
            "The header Authorization does not have the form "
            f"'{V3_ALGORITHM} Credential=…,SignedHeaders=…,Signature=…'."
        )
    access_key_id, signed_headers, signature = match.groups()
    return V3Credential(access_key_id, tuple(signed_headers.split(";")), signature)


def _read_v1(parameters: Mapping[str, str]) -> V1Credential:
    needed = (
        "AccessKeyId",
        "SignatureMethod",
        "SignatureVersion",
        "Timestamp",
        "SignatureNonce",
        "Signature",
    )
    for name in needed:
        if not parameters.get(name):
            raise IncompleteSignature(f"The parameter {name} of the signature is missing.")
    return V1Credential(
        access_key_id=parameters["AccessKeyId"],
        method=parameters["SignatureMethod"],
        version=parameters["SignatureVersion"],
        timestamp=parameters["Timestamp"],
        nonce=parameters["SignatureNonce"],
        signature=parameters["Signature"],
        security_token=parameters.get("SecurityToken"),
    )
