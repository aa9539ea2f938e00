"""The texts that are signed: canonical forms of a request (IMM's signatures V3 and V1)."""

import hashlib
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from imm_ray.api.credential import V3_ALGORITHM


def percent_encode(text: str) -> str:
    """Return ``text`` with everything but RFC 3986's unreserved characters as ``%XX``.

    >>> percent_encode("a b~*/é")
    'a%20b~%2A%2F%C3%A9'
    """
    return quote(text, safe="")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """Return ``parameters`` sorted by name and percent-encoded.

    >>> canonical_query({"b": "1 2", "A": ""})
    'A=&b=1%202'
    """
    return "&".join(
        f"{percent_encode(name)}={percent_encode(parameters[name])}"
        for name in sorted(parameters, key=str.encode)
    )


def v3_string_to_sign(
    method: str,
    query: Mapping[str, str],
    *,
    headers: Iterable[tuple[str, str]],
    signed_headers: Iterable[str],
    body: bytes,
) -> str:
    """Return the text that ACS3-HMAC-SHA256 signs.

    Parameters
    ----------
    headers
        All headers, names in lower case.
    signed_headers
        Names of those that are signed, in lower case and sorted.
    """
    values: dict[str, list[str]] = {name: [] for name in signed_headers}
    for name, value in headers:
        if name in values:
            values[name].append(value.strip())
    lines = "".join(f"{name}:{','.join(sorted(values[name]))}\n" for name in values)
    canonical_request = "\n".join(
        (method, "/", canonical_query(query), lines, ";".join(values), sha256_hex(body))
    )
    # Headers travel as latin-1: encoding them so restores the bytes that the client hashed.
    return f"{V3_ALGORITHM}\n{sha256_hex(canonical_request.encode('latin-1'))}"


def v1_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return the text that signature V1 signs: all parameters but ``Signature``."""
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    return f"{method}&%2F&{percent_encode(canonical_query(signed))}"


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in lower-case hex."""
    return hashlib.sha256(content).hexdigest()
