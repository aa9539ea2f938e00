"""The probes of a balancer: answered to anybody, in two words."""

from typing import Any

import anyio
import pytest

from imm_ray.api.asgi import AsgiApp, build_asgi
from tests.wire.rig import Rig


async def ask(app: AsgiApp, path: str, method: str = "GET") -> tuple[int, bytes]:
    sent: list[Any] = []
    scope = {"type": "http", "path": path, "method": method, "headers": [], "query_string": b""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(event: Any) -> None:
        sent.append(event)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize(
    ("works", "answer"),
    [(True, (200, b'{"Status":"ok"}')), (False, (503, b'{"Status":"unavailable"}'))],
)
def test_readiness_says_yes_or_no_and_not_why(
    works: bool, answer: tuple[int, bytes], tmp_path: Any
) -> None:
    async def ready() -> bool:
        return works

    with Rig(tmp_path) as rig:
        app = build_asgi(rig.service, {"h"}, ready)
        assert anyio.run(ask, app, "/readyz") == answer
        assert anyio.run(ask, app, "/readyz", "HEAD") == (answer[0], b"")
        assert anyio.run(ask, app, "/healthz") == (200, b'{"Status":"ok"}')
        assert anyio.run(ask, app, "/readyz", "POST")[0] == 403
        assert anyio.run(ask, app, "/readyz/x")[0] == 403
