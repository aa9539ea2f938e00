"""Plain HTTP, well formed and not: whatever is sent, the answer is IMM's JSON."""

import json
import socket

import httpx
import pytest

from imm_ray.api.rpc import MAX_BODY_BYTES
from tests.wire.server import Server


def code_of(response: httpx.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/json;charset=utf-8"
    body = response.json()
    assert body["RequestId"] == response.headers["x-acs-request-id"]
    assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert f"q={body['Code']}&" in body["Recommend"]
    return response.status_code, body["Code"]


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/", (400, "MissingParameter")),
        ("POST", "/?Action=GetProject", (400, "MissingParameter")),
        ("POST", "/?Action=GetProject&Version=2017-09-06", (400, "InvalidVersion")),
        ("POST", "/?Action=NoSuch&Version=2020-09-30", (404, "InvalidApi.NotFound")),
        ("POST", "/?Action=%3Cb%3E&Version=2020-09-30", (404, "InvalidApi.NotFound")),
        ("POST", "/?Action=GetProject&Version=2020-09-30", (400, "IncompleteSignature")),
        ("GET", "/?Action=DeleteDataset&Version=2020-09-30", (403, "UnsupportedHTTPMethod")),
        ("POST", "/?a=%zz", (400, "InvalidArgument")),
        ("POST", "/?a=1&a=2", (400, "InvalidArgument")),
        ("POST", "/?a=%ff", (400, "InvalidArgument")),
        ("POST", "/?a=%00", (400, "InvalidArgument")),
        ("POST", "/projects", (404, "InvalidApi.NotFound")),
        ("POST", "//", (404, "InvalidApi.NotFound")),
        ("POST", "/..;/", (404, "InvalidApi.NotFound")),
        ("GET", "/healthz/x", (404, "InvalidApi.NotFound")),
        ("PUT", "/", (403, "UnsupportedHTTPMethod")),
        ("DELETE", "/", (403, "UnsupportedHTTPMethod")),
        ("OPTIONS", "/", (403, "UnsupportedHTTPMethod")),
    ],
)
def test_wrong_requests(
    server: Server, method: str, target: str, expected: tuple[int, str]
) -> None:
    assert code_of(httpx.request(method, f"http://{server.endpoint}{target}")) == expected


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1:1", "", "127.0.0.1"]
)
def test_another_host_is_refused(server: Server, host: str) -> None:
    response = httpx.post(f"http://{server.endpoint}/", headers={"host": host})
    assert code_of(response) == (403, "NoPermission")


def test_localhost_is_this_server(server: Server) -> None:
    response = httpx.post(
        f"http://{server.endpoint}/", headers={"host": f"LOCALHOST:{server.port}"}
    )
    assert code_of(response) == (400, "MissingParameter")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_strangers_page_is_refused(server: Server, headers: dict[str, str]) -> None:
    response = httpx.post(f"http://{server.endpoint}/", headers=headers)
    assert code_of(response) == (403, "NoPermission")


def test_a_body_that_is_too_large(server: Server) -> None:
    body = b"a=" + b"x" * MAX_BODY_BYTES
    response = httpx.post(f"http://{server.endpoint}/", content=body)
    assert code_of(response) == (400, "InvalidArgument")
    assert str(MAX_BODY_BYTES) in response.json()["Message"]


def test_a_body_of_another_type(server: Server) -> None:
    response = httpx.post(f"http://{server.endpoint}/", json={"Action": "ListProjects"})
    assert code_of(response) == (400, "InvalidArgument")


def test_health_is_told_to_anybody(server: Server) -> None:
    response = httpx.get(f"http://{server.endpoint}/healthz", headers={"host": "10.0.0.1"})
    assert (response.status_code, response.json()) == (200, {"Status": "ok"})


def test_a_client_that_leaves_in_the_middle(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"POST / HTTP/1.1\r\nHost: {server.endpoint}\r\nContent-Length: 10\r\n\r\nab"
        connection.sendall(head.encode())
    assert httpx.get(f"http://{server.endpoint}/healthz").status_code == 200


def test_a_repeated_authorization_header(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        lines = (
            "POST /?Action=ListProjects&Version=2020-09-30 HTTP/1.1",
            f"Host: {server.endpoint}",
            "Authorization: a",
            "Authorization: b",
            "Content-Length: 0",
            "Connection: close",
        )
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["Code"] == "IncompleteSignature"
