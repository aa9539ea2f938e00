"""The HTTP face of `ImmService`: one path, two methods, and JSON whatever is asked.

Some requests never get here; Ray Serve's HTTP layer answers them by itself, without IMM's JSON:

===================================================  ==============================================
what comes                                           what it answers
===================================================  ==============================================
no HTTP/1 at all; a method that HTTP does not know;  400, text/plain, ``Invalid HTTP request
a header that is malformed, folded or has a NUL;     received.`` (uvicorn)
contradicting lengths; a chunk that is none
a request line of more than 64 KiB                   the same
a request for a WebSocket                            403, empty
``/-/healthz`` and ``/-/routes``                     200, ``success``; the name of the app (Serve)
a request while no replica serves, or whose replica  503 or 500, text/plain (Serve); a client may
dies                                                 send it again
a request to an HTTP proxy that has just started     404, text/plain, ``Path '/' not found. Ping``
and does not know the app yet (a start, or it had    ``...`` (Serve); nothing was done, a client may
died), or to one that does not know it any more,     send it again
because the service is being stopped
the same behind the HAProxy ingress                  HAProxy's own 400, 408, 502, 503 and 504, HTML
===================================================  ==============================================

A client that sends its header lines too slowly holds a connection of that layer and nothing here;
to limit it is the work of a proxy in front.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any, TypeAlias

from imm_ray.api.call import new_request_id
from imm_ray.api.rpc import MAX_BODY_BYTES, HttpRequest
from imm_ray.api.service import ImmService, Response, refuse
from imm_ray.errors import (
    ImmError,
    InvalidApi,
    InvalidArgument,
    NoPermission,
    RequestTimeout,
    UnsupportedMethod,
)
from imm_ray.settings import Server

Scope: TypeAlias = MutableMapping[str, Any]
Event: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = {"content-type": "application/json;charset=utf-8", "cache-control": "no-store"}
_HEALTHY = Response(200, _JSON, b'{"Status":"ok"}')
_NOT_READY = Response(503, _JSON, b'{"Status":"unavailable"}')
_DEFAULT_PORTS = (80, 443)
_RECEIVE_S = 10.0


class _Gone(Exception):
    """The client went away before its request was complete."""


def accepted_hosts(server: Server, port: int) -> frozenset[str]:
    """Return the values of the Host header that name this server.

    Any other is refused: a page of a stranger whose name resolves to this machine (DNS rebinding)
    must not reach a server that trusts its network.

    Parameters
    ----------
    port
        The port that is really served; ``server.port`` may be 0.
    """
    names = {server.host}
    if server.host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::"):
        names |= {"127.0.0.1", "localhost", "::1"}
    own = {f"[{name}]" if ":" in name else name for name in names}
    hosts = {f"{name}:{port}" for name in own} | set(server.public_hosts)
    if port in _DEFAULT_PORTS:
        hosts |= own
    return frozenset(host.lower() for host in hosts)


def build_asgi(
    service: ImmService,
    hosts: Collection[str],
    ready: Callable[[], Awaitable[bool]] | None = None,
) -> AsgiApp:
    """Return the ASGI application of ``service``.

    ``POST /`` and ``GET /`` are the API, ``GET /healthz`` answers 200 to anybody, ``GET /readyz``
    200 or 503 (`api.readiness`); everything else is an IMM error.

    Parameters
    ----------
    hosts
        The accepted values of the Host header, in lower case (`accepted_hosts`).
    ready
        Says whether requests can be served; without it they always can.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            try:
                response = await _health(scope, ready) or await _respond(
                    service, hosts, scope, receive
                )
            except _Gone:
                return
            await _send(send, response, scope["method"])
        else:
            await send({"type": "websocket.close", "code": 1000})

    return app


async def _health(scope: Scope, ready: Callable[[], Awaitable[bool]] | None) -> Response | None:
    """Return the answer to a probe, None for anything else."""
    if scope["method"] not in ("GET", "HEAD"):
        return None
    if scope["path"] == "/healthz":
        return _HEALTHY
    if scope["path"] == "/readyz":
        return _HEALTHY if ready is None or await ready() else _NOT_READY
    return None


async def _respond(
    service: ImmService, hosts: Collection[str], scope: Scope, receive: Receive
) -> Response:
    headers = tuple(
        (name.decode("latin-1").lower(), value.decode("latin-1").strip())
        for name, value in scope["headers"]
    )
    sent = [value for name, value in headers if name == "host"]
    try:
        _check_host(sent, hosts)
        _check_origin(headers, hosts)
        _check_target(scope)
        async with asyncio.timeout(_RECEIVE_S):
            body = await _read_body(receive)
    except TimeoutError:
        late = RequestTimeout(f"The request was not received within {_RECEIVE_S:g} seconds.")
        return refuse(late, request_id=new_request_id(), host=sent[0])
    except ImmError as error:
        return refuse(error, request_id=new_request_id(), host=sent[0] if sent else None)
    client = scope.get("client")
    return await service.handle(
        HttpRequest(
            method=scope["method"],
            query=scope["query_string"],
            headers=headers,
            body=body,
            peer=client[0] if client else "",
        )
    )


def _check_host(sent: Collection[str], hosts: Collection[str]) -> None:
    if len(sent) != 1 or next(iter(sent)).lower() not in hosts:
        raise NoPermission(
            "The Host header does not name this server. Use the address it is served at, or add "
            "the name to server.public_hosts in its settings."
        )


def _check_origin(headers: Collection[tuple[str, str]], hosts: Collection[str]) -> None:
    """Refuse what a browser sends for a page of another site; SDKs send neither header.

    Without signatures (``auth.mode = "none"``) this is all that keeps a stranger's page from using
    a server on the reader's machine.
    """
    for name, value in headers:
        foreign_origin = name == "origin" and value.partition("://")[2].lower() not in hosts
        foreign_site = name == "sec-fetch-site" and value not in ("same-origin", "none")
        if foreign_origin or foreign_site:
            raise NoPermission("A page of another site may not use this server.")


def _check_target(scope: Scope) -> None:
    if scope["path"] != "/":
        raise InvalidApi()
    if scope["method"] not in ("GET", "POST"):
        raise UnsupportedMethod()


async def _read_body(receive: Receive) -> bytes:
    """Return the body; reading stops as soon as it is too large."""
    body = bytearray()
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise _Gone
        body += event.get("body", b"")
        more = event.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise InvalidArgument(
                f"The request body is larger than {MAX_BODY_BYTES} bytes. Send fewer items in one "
                "request."
            )
    return bytes(body)


async def _send(send: Send, response: Response, method: str) -> None:
    headers = {**response.headers, "content-length": str(len(response.body))}
    await send(
        {
            "type": "http.response.start",
            "status": response.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
