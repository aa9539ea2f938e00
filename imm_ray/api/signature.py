"""Signature V3, ACS3-HMAC-SHA256: verified for every client, made for our own."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime

from imm_ray.api.canonical import sha256_hex, v3_string_to_sign
from imm_ray.api.credential import V3_ALGORITHM, V1Credential, V3Credential
from imm_ray.api.keyring import AccessKey, Identity, KeyRing
from imm_ray.api.rpc import API_VERSION, HttpRequest, RpcRequest
from imm_ray.api.signature_v1 import verify_v1
from imm_ray.api.window import check_nonce, check_time
from imm_ray.errors import IncompleteSignature, InvalidSecurityToken, SignatureDoesNotMatch

_REQUIRED = frozenset(
    {
        "host",
        "x-acs-action",
        "x-acs-content-sha256",
        "x-acs-date",
        "x-acs-signature-nonce",
        "x-acs-version",
    }
)


def verify(
    request: RpcRequest, keys: KeyRing, *, now: datetime, since: datetime | None = None
) -> Identity:
    """Return who signed ``request``, after ``since``.

    Whether the nonce was used before is not checked here: the caller remembers it in a transaction.

    Raises
    ------
    ImmError
        The request is not signed, or its signature, time or security token is not valid.
    """
    match request.credential:
        case None:
            raise IncompleteSignature(
                "The request is not signed: it has neither the header Authorization nor the "
                "parameter Signature."
            )
        case V1Credential() as credential:
            return verify_v1(request, credential, keys=keys, now=now, since=since)
        case V3Credential() as credential:
            return _verify_v3(request, credential, keys=keys, now=now, since=since)


def _verify_v3(
    request: RpcRequest,
    credential: V3Credential,
    *,
    keys: KeyRing,
    now: datetime,
    since: datetime | None,
) -> Identity:
    http = request.http
    _check_signed_headers(http, credential.signed_headers)
    check_time(http.header("x-acs-date") or "", now=now, since=since)
    nonce = check_nonce(http.header("x-acs-signature-nonce") or "")
    key = keys.find(credential.access_key_id)
    text = v3_string_to_sign(
        http.method,
        request.query,
        headers=http.headers,
        signed_headers=credential.signed_headers,
        body=http.body,
    )
    same_body = hmac.compare_digest(
        sha256_hex(http.body).encode(), _bytes(http.header("x-acs-content-sha256"))
    )
    same = hmac.compare_digest(_sign(text, key).encode(), _bytes(credential.signature))
    keys.check_known(key)
    if not (same and same_body):
        raise SignatureDoesNotMatch()
    if http.header("x-acs-accesskey-id") not in (None, key.access_key_id):
        raise InvalidSecurityToken("x-acs-accesskey-id differs from the Credential.")
    key.check_token(http.header("x-acs-security-token"), now=now)
    return key.identify(nonce=nonce)


def _check_signed_headers(http: HttpRequest, signed: tuple[str, ...]) -> None:
    """Refuse a list that leaves out what the request's meaning depends on."""
    sent = {name for name, _ in http.headers}
    needed = _REQUIRED | {name for name in sent if name.startswith("x-acs-")}
    if http.body and "content-type" in sent:
        needed |= {"content-type"}
    if list(signed) != sorted(set(signed)):
        raise IncompleteSignature("SignedHeaders is not a sorted list without repetition.")
    if unsigned := sorted(needed - set(signed)):
        raise IncompleteSignature(f"The header {unsigned[0]} must be signed.")
    if absent := sorted(set(signed) - sent):
        raise IncompleteSignature(f"The signed header {absent[0]} is not in the request.")


def sign(
    parameters: Mapping[str, str],
    *,
    action: str,
    host: str,
    access_key_id: str,
    secret: str,
    security_token: str = "",
    method: str = "POST",
    form: bytes = b"",
    now: datetime,
    nonce: str = "",
) -> dict[str, str]:
    """Return the headers of a signed request.

    Parameters
    ----------
    parameters
        Those of the query, decoded.
    form
        The form body as it will be sent, if any.
    nonce
        A text that is never used twice; '' makes one.
    """
    headers = {
        "accept": "application/json",
        "host": host,
        "x-acs-action": action,
        "x-acs-content-sha256": sha256_hex(form),
        "x-acs-date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce or secrets.token_hex(16),
        "x-acs-version": API_VERSION,
    }
    if form:
        headers["content-type"] = "application/x-www-form-urlencoded"
    if security_token:
        headers |= {"x-acs-accesskey-id": access_key_id, "x-acs-security-token": security_token}
    signed = sorted(headers)
    text = v3_string_to_sign(
        method, parameters, headers=headers.items(), signed_headers=signed, body=form
    )
    key = AccessKey(account="", user_name="", access_key_id=access_key_id, secret=secret)
    return headers | {
        "authorization": f"{V3_ALGORITHM} Credential={access_key_id},"
        f"SignedHeaders={';'.join(signed)},Signature={_sign(text, key)}"
    }


def _sign(text: str, key: AccessKey) -> str:
    return hmac.new(key.secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _bytes(value: str | None) -> bytes:
    """Return ``value`` for `hmac.compare_digest`, which takes text only if it is ASCII."""
    return (value or "").encode("utf-8", "surrogatepass")
