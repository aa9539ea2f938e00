"""Signature V1, HMAC-SHA1 over the parameters: old clients only, and only keys that allow it."""

import base64
import hashlib
import hmac
from datetime import datetime

from imm_ray.api.canonical import v1_string_to_sign
from imm_ray.api.credential import V1Credential
from imm_ray.api.keyring import Identity, KeyRing
from imm_ray.api.rpc import RpcRequest
from imm_ray.api.window import check_nonce, check_time
from imm_ray.errors import IncompleteSignature, InvalidSignatureMethod, SignatureDoesNotMatch


def verify_v1(
    request: RpcRequest,
    credential: V1Credential,
    *,
    keys: KeyRing,
    now: datetime,
    since: datetime | None = None,
) -> Identity:
    """Return who signed ``request`` in the old way.

    Raises
    ------
    InvalidSignatureMethod
        The method is not HMAC-SHA1 in version 1.0, or the key's user has no ``v1 = true``.
    ImmError
        As for signature V3.
    """
    if (credential.method, credential.version) != ("HMAC-SHA1", "1.0"):
        raise InvalidSignatureMethod()
    for name in ("Action", "Version"):
        # The headers are not signed in V1: what they say must be said by a signed parameter too.
        if name not in request.parameters:
            raise IncompleteSignature(f"The parameter {name} is missing.")
    check_time(credential.timestamp, now=now, since=since)
    check_nonce(credential.nonce)
    key = keys.find(credential.access_key_id)
    if not key.v1:
        raise InvalidSignatureMethod(
            "Specified signature method is not valid: this key signs with ACS3-HMAC-SHA256; "
            "HMAC-SHA1 must be allowed by v1 = true in the settings of its user."
        )
    text = v1_string_to_sign(request.http.method, request.parameters)
    digest = hmac.new(f"{key.secret}&".encode(), text.encode(), hashlib.sha1).digest()
    same = hmac.compare_digest(base64.b64encode(digest), credential.signature.encode())
    keys.check_known(key)
    if not same:
        raise SignatureDoesNotMatch()
    key.check_token(credential.security_token, now=now)
    return key.identify(nonce=credential.nonce)
