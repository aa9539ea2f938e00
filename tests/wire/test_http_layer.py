"""Raw bytes on the wire: what our code answers, and what the HTTP server answers by itself.

The second list is the one in `imm_ray.api.asgi`. Its rows that need Ray Serve's proxy or HAProxy
are tested where those run (tests/ray).
"""

import json
import socket

import pytest

from tests.wire.server import Server

CLOSE = b"Connection: close\r\n\r\n"
EMPTY = b"Content-Length: 0\r\n" + CLOSE


def send(server: Server, line: bytes, rest: bytes, *, host: bytes | None = None) -> bytes:
    """Return the raw answer to a request with a good Host header, or with ``host``."""
    names = host if host is not None else b"Host: " + server.endpoint.encode() + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(line + b"\r\n" + names + rest)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def code_of(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    error = json.loads(body)
    assert b"content-type: application/json;charset=utf-8" in head
    assert f"x-acs-request-id: {error['RequestId']}".encode() in head
    return status, error["Code"]


POST = b"POST / HTTP/1.1"


@pytest.mark.parametrize(
    ("line", "rest", "expected"),
    [
        (b"POST /?a=" + b"x" * 60_000 + b" HTTP/1.1", EMPTY, (400, "MissingParameter")),
        (b"POST / HTTP/1.0", EMPTY, (400, "MissingParameter")),
        (b"POST /#fragment HTTP/1.1", EMPTY, (400, "MissingParameter")),
        (b"TRACE / HTTP/1.1", EMPTY, (403, "UnsupportedHTTPMethod")),
        (b"PATCH / HTTP/1.1", EMPTY, (403, "UnsupportedHTTPMethod")),
        (b"OPTIONS * HTTP/1.1", EMPTY, (404, "InvalidApi.NotFound")),
        (b"POST /%2e%2e/ HTTP/1.1", EMPTY, (404, "InvalidApi.NotFound")),
        (b"POST /%00 HTTP/1.1", EMPTY, (404, "InvalidApi.NotFound")),
        (POST, b"Expect: 100-continue\r\n" + EMPTY, (400, "MissingParameter")),
        (POST, b"x-a: " + b"y" * 70_000 + b"\r\n" + EMPTY, (400, "InvalidArgument")),
        (POST, b"".join(b"x-%d: 1\r\n" % i for i in range(300)) + EMPTY, (400, "InvalidArgument")),
        (POST, b"x-acs-action: \xff\xfe\r\n" + EMPTY, (404, "InvalidApi.NotFound")),
        (POST, b"x-acs-action: a\r\nX-ACS-Action: b\r\n" + EMPTY, (400, "IncompleteSignature")),
        (
            POST,
            b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 5\r\n"
            + CLOSE
            + b"--x--",
            (400, "InvalidArgument"),
        ),
        (
            POST,
            b"Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n"
            + CLOSE
            + b"3\r\na=%\r\n0\r\n\r\n",
            (400, "InvalidArgument"),
        ),
    ],
)
def test_our_own_answers(
    server: Server, line: bytes, rest: bytes, expected: tuple[int, str]
) -> None:
    assert code_of(send(server, line, rest)) == expected


@pytest.mark.parametrize(
    "names",
    [
        b"",
        b"Host:\r\n",
        b"Host: 127.0.0.1\r\nHost: 127.0.0.1\r\n",
        b"Host: evil.example, 127.0.0.1\r\n",
        b"Host: evil.example\r\nX-Forwarded-Host: 127.0.0.1\r\n",
    ],
)
def test_there_is_one_host_and_it_is_ours(server: Server, names: bytes) -> None:
    assert code_of(send(server, POST, EMPTY, host=names)) == (403, "NoPermission")


def test_the_host_of_an_absolute_target_does_not_count(server: Server) -> None:
    answer = send(server, b"POST http://127.0.0.1/ HTTP/1.1", EMPTY, host=b"Host: evil.example\r\n")
    assert code_of(answer) == (403, "NoPermission")


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n"),
        (b"NONSENSE / HTTP/1.1", EMPTY),
        (b"CONNECT evil.example:80 HTTP/1.1", EMPTY),
        ("POST /ü HTTP/1.1".encode(), EMPTY),
        (b"POST /?a=" + b"x" * 70_000 + b" HTTP/1.1", EMPTY),
        (POST, b"x-acs-action : a\r\n" + EMPTY),
        (POST, b"x-a: 1\r\n 2\r\n" + EMPTY),
        (POST, b"x-acs-action: a\0b\r\n" + EMPTY),
        (POST, b"Content-Length: 1\r\nContent-Length: 2\r\n" + CLOSE + b"ab"),
        (POST, b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" + CLOSE + b"0\r\n\r\n"),
        (POST, b"Transfer-Encoding: chunked\r\n" + CLOSE + b"zz\r\n\r\n"),
    ],
)
def test_answers_of_the_http_server(server: Server, line: bytes, rest: bytes) -> None:
    answer = send(server, line, rest)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"\r\n\r\nInvalid HTTP request received.")


def test_there_are_no_websockets(server: Server) -> None:
    rest = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answer = send(server, b"GET / HTTP/1.1", rest)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_ranges_are_not_looked_at(server: Server) -> None:
    ranges = b"Range: bytes=" + b",".join(b"%d-%d" % (i, i) for i in range(10_000)) + b"\r\n"
    answer = send(server, b"GET /healthz HTTP/1.1", ranges + CLOSE)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_second_request_in_the_same_bytes_is_a_request(server: Server) -> None:
    """Nothing of it is taken for a body of the first."""
    host = b"Host: " + server.endpoint.encode() + b"\r\n"
    second = b"PUT / HTTP/1.1\r\n" + host + EMPTY
    answer = send(server, POST, b"Content-Length: 0\r\n\r\n" + second)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"MissingParameter" in answer
    assert b"UnsupportedHTTPMethod" in answer
