"""Where a request comes from: the client's address and whether its way here was encrypted."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from imm_ray.api.rpc import HttpRequest
from imm_ray.settings import Server


@dataclass(frozen=True, slots=True)
class Origin:
    """The source of a request, as policies see it."""

    address: str | None
    """The client's IP address; None when it is not known for sure."""
    secure: bool
    """Whether TLS protected the request on its way to us or to our proxy."""


def read_origin(http: HttpRequest, server: Server) -> Origin:
    """Return the origin of ``http``.

    Behind a proxy (``server.behind_tls_proxy``) the address is the last one in X-Forwarded-For, the
    one that the proxy itself saw; what stands before it came from the client and may be invented.
    X-Forwarded-Proto, where the proxy sends it, tells whether the client used TLS; a proxy that
    does not send it is taken at its name.

    Without such a proxy both headers come from the client. HTTP servers believe them from
    loopback all the same and replace the address, so the address counts as unknown then.
    """
    forwarded = _last(http, "x-forwarded-for")
    if not server.behind_tls_proxy:
        address = None if forwarded is not None else _address(http.peer)
        return Origin(address, secure=server.tls_cert is not None)
    protocol = _last(http, "x-forwarded-proto")
    return Origin(
        _address(http.peer if forwarded is None else forwarded),
        secure=protocol is None or protocol.lower() == "https",
    )


def _last(http: HttpRequest, name: str) -> str | None:
    values: Sequence[str] = [value for key, value in http.headers if key == name]
    return values[-1].rpartition(",")[2].strip() if values else None


def _address(text: str) -> str | None:
    """Return ``text`` (which may end in a port) as an IP address, None if it is none."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
