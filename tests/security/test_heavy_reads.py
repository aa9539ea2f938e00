"""Queries of one account do not keep the other accounts waiting."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.call import Call, Written
from imm_ray.store.database import Tx
from tests.security.world import OWNER, STRANGER, World

LONG = """WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50000000)
SELECT count(*) FROM n"""
NAMES = {"ProjectName": "p", "DatasetName": "d"}


@contextmanager
def queries_that(
    run: Callable[[Tx], Any], monkeypatch: pytest.MonkeyPatch, action: str = "SimpleQuery"
) -> Iterator[None]:
    """Have every query do this."""

    def prepare(given: object) -> Callable[[Tx, Call], Written]:
        return lambda tx, call: Written({"TotalHits": run(tx)})

    changed = {action: replace(ACTIONS[action], prepare=prepare)}
    with monkeypatch.context() as patch:
        patch.setattr("imm_ray.api.service.ACTIONS", {**ACTIONS, **changed})
        yield


async def answer(world: World, who: str, action: str, **parameters: str) -> tuple[int, Any]:
    response = await world.service.handle(world.signed(who, action, **parameters))
    return response.status, json.loads(response.body)


SCANS = [name for name, action in ACTIONS.items() if action.scans]


def test_which_reads_take_turns() -> None:
    assert {"SimpleQuery", "FuzzyQuery", "QueryFigureClusters", "QuerySimilarImageClusters"} <= {
        *SCANS
    }


@pytest.mark.parametrize("action", SCANS)
def test_others_are_answered_while_the_queries_of_an_account_go_on(
    action: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def held(tx: Tx) -> int:
        begun.release()
        gate.wait(60)
        return 0

    limits = {"request_timeout_s": 60, "queries_at_once": 3, "queries_waiting": 30}

    async def story(world: World) -> None:
        heavy = [asyncio.create_task(answer(world, OWNER, action, **NAMES)) for _ in range(40)]
        for _ in range(3):
            await asyncio.to_thread(begun.acquire)
        while sum(task.done() for task in heavy) < 7:  # noqa: ASYNC110 - they are refused one by one
            await asyncio.sleep(0.001)
        for who in (STRANGER, OWNER):
            status, body = await answer(world, who, "GetProject", ProjectName="p")
            assert (status, body["Project"]["ProjectName"]) == (200, "p")
        assert sum(task.done() for task in heavy) == 7
        gate.set()
        codes = Counter(body.get("Code", "done") for _, body in await asyncio.gather(*heavy))
        assert codes == {"done": 33, "Throttling.User": 7}

    with World(tmp_path, limits=limits) as world:
        for who in (OWNER, STRANGER):
            world.ask(who, "CreateProject", ProjectName="p")
        with queries_that(held, monkeypatch, action):
            try:
                asyncio.run(story(world))
            finally:
                gate.set()


def test_queries_of_others_are_answered_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turns are those of an account, not of everybody."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def held(tx: Tx) -> int:
        begun.release()
        gate.wait(60)
        return 0

    async def story(world: World) -> None:
        heavy = [asyncio.create_task(answer(world, OWNER, "SimpleQuery", **NAMES)) for _ in "ab"]
        await asyncio.to_thread(begun.acquire)
        status, body = await answer(world, STRANGER, "ListTasks", ProjectName="p")
        gate.set()
        assert (status, body["Tasks"]) == (200, [])
        assert [status for status, _ in await asyncio.gather(*heavy)] == [200, 200]

    limits = {"request_timeout_s": 5, "queries_at_once": 1}
    with World(tmp_path, limits=limits) as world:
        world.ask(STRANGER, "CreateProject", ProjectName="p")
        with queries_that(held, monkeypatch):
            try:
                asyncio.run(story(world))
            finally:
                gate.set()


class Long:
    """A read that takes seconds; keeps why it ended before."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def __call__(self, tx: Tx, *_: object) -> int:
        try:
            return int(tx.exec_driver_sql(LONG).scalar_one())
        except Exception as error:
            self.ended.append(str(error))
            raise


def test_a_query_is_stopped_when_its_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its thread is free: more of them than there are threads leave nothing behind."""
    long = Long()
    limits = {"request_timeout_s": 0.3, "queries_at_once": 4}

    async def story(world: World) -> list[tuple[int, Any]]:
        asked = (answer(world, OWNER, "SimpleQuery", **NAMES) for _ in range(20))
        return await asyncio.gather(*asked)

    with World(tmp_path, limits=limits) as world:
        with queries_that(long, monkeypatch):
            answers = asyncio.run(story(world))
        world.service.close()  # returns when no read goes on
        assert {(status, body["Code"]) for status, body in answers} == {(503, "ServiceUnavailable")}
        assert long.ended
        assert all("interrupted" in why for why in long.ended)


def test_a_read_of_an_action_that_asks_is_stopped_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = Long()
    monkeypatch.setattr("imm_ray.api.actions.explaining.datasets.get", long)
    with World(tmp_path) as world:
        world.service._ask_s = 0.3  # a test need not wait as long as the SDKs do
        two = {"FigureId1": "a", "FigureId2": "b"}
        status, body = world.answer(OWNER, "ImmRayExplain", **NAMES, **two)
        world.service.close()
        assert (status, body["Code"]) == (503, "ServiceUnavailable"), body
        assert len(long.ended) == 1
        assert "interrupted" in long.ended[0]
