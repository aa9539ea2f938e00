"""The shape of every error, and answers in time."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from imm_ray import errors
from imm_ray.api.actions.registry import ACTIONS, Action
from imm_ray.api.asgi import build_asgi
from imm_ray.api.call import Call, Written
from imm_ray.api.service import refuse
from imm_ray.errors import ImmError
from imm_ray.store.database import Tx
from tests.security.world import OWNER, World

ROWS = [row for row in vars(errors).values() if isinstance(row, type) and issubclass(row, ImmError)]


def test_the_table_has_a_row_for_each_error() -> None:
    assert len(ROWS) > 20
    codes = [row.code for row in ROWS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_imms_shape(row: type[ImmError]) -> None:
    response = refuse(row(), request_id="ID", host="h" * 300)
    body = json.loads(response.body)
    assert 400 <= response.status < 600
    assert set(body) == {"RequestId", "HostId", "Code", "Message", "Recommend"}
    assert (body["RequestId"], response.headers["x-acs-request-id"]) == ("ID", "ID")
    assert body["Message"]
    assert len(body["HostId"]) == 255
    comes_back = body["Code"].startswith("Throttling") or body["Code"] == "ServiceUnavailable"
    assert ("x-acs-retry-after" in response.headers) is comes_back
    if comes_back:
        assert int(response.headers["x-acs-retry-after"]) > 0


def test_a_message_has_an_end() -> None:
    response = refuse(errors.InvalidArgument("x" * 100_000), request_id="ID", host=None)
    assert len(response.body) < 3000


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """Make an action take as long as the block."""
    gate = threading.Event()

    def slow(action: Action) -> Action:
        def prepare(given: object) -> Callable[[Tx, Call], Written]:
            def run(tx: Tx, call: Call) -> Written:
                gate.wait(60)
                return Written({})

            return run

        return replace(action, prepare=prepare)

    monkeypatch.setattr("imm_ray.api.service.ACTIONS", {**ACTIONS, name: slow(ACTIONS[name])})
    try:
        yield
    finally:
        gate.set()


@pytest.mark.parametrize("name", ["ListProjects", "CreateProject"])
def test_an_action_that_takes_too_long_is_answered(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limits = {"request_timeout_s": 0.2}
    with World(tmp_path, limits=limits) as world, held(monkeypatch, name):
        response = world.send(world.signed(OWNER, name, ProjectName="p"))
        assert response.status == 503
        assert json.loads(response.body)["Code"] == "ServiceUnavailable"
        assert response.headers["x-acs-retry-after"] == "1000"
        assert "request timed out" in caplog.text
        assert name in caplog.text


def test_a_body_that_never_ends_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imm_ray.api.asgi._RECEIVE_S", 0.05)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(event: Any) -> None:
        sent.append(event)

    with World(tmp_path) as world:
        app = build_asgi(world.service, {"h"})
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": [(b"host", b"h")],
        }
        anyio.run(app, scope, receive, send)
    start, body = sent
    assert start["status"] == 408
    assert json.loads(body["body"])["Code"] == "RequestTimeout"
