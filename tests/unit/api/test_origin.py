from pathlib import Path

import pytest

from imm_ray.api.origin import Origin, read_origin
from imm_ray.api.rpc import HttpRequest
from imm_ray.settings import Server

PLAIN = Server()
TLS = Server(tls_cert=Path("c"), tls_key=Path("k"))
PROXY = Server(behind_tls_proxy=True)
FOR, PROTO = "x-forwarded-for", "x-forwarded-proto"


def origin(server: Server, *headers: tuple[str, str], peer: str = "192.0.2.1") -> Origin:
    return read_origin(HttpRequest(method="POST", headers=headers, peer=peer), server)


def test_without_a_proxy_it_is_the_peer() -> None:
    assert origin(PLAIN) == Origin("192.0.2.1", secure=False)
    assert origin(TLS) == Origin("192.0.2.1", secure=True)
    assert origin(PLAIN, peer="").address is None
    assert origin(PLAIN, (PROTO, "https")).secure is False


def test_without_a_proxy_a_forwarded_address_is_nobodys() -> None:
    """Servers replace the peer by it when the connection comes from loopback."""
    assert origin(PLAIN, (FOR, "10.0.0.1"), peer="10.0.0.1").address is None
    assert origin(TLS, (FOR, ""), peer="10.0.0.1") == Origin(None, secure=True)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["10.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["10.0.0.1", "203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9, "], None),
        (["unknown"], None),
        (["203.0.113.9, _hidden"], None),
        ([""], None),
        ([], "192.0.2.1"),
    ],
)
def test_behind_a_proxy_it_is_what_the_proxy_saw(forwarded: list[str], address: str | None) -> None:
    assert origin(PROXY, *((FOR, value) for value in forwarded)).address == address


def test_the_proxy_tells_whether_the_client_used_tls() -> None:
    assert origin(PROXY).secure
    assert origin(PROXY, (PROTO, "HTTPS")).secure
    assert not origin(PROXY, (PROTO, "https"), (PROTO, "http")).secure
    assert not origin(PROXY, (PROTO, "https, http")).secure
