"""How the ingress asks owners: a dead one is looked up anew, a failure is the service's own."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from imm_ray.errors import ImmError, ResourceNotFound, ServiceUnavailable
from imm_ray.model import ClusterKind, DatasetId, Found, Pair, Search
from imm_ray.runtime import owners_port
from imm_ray.runtime.owners_port import OwnerActors
from imm_ray.store.ownership import DatasetGone

HERE = DatasetId("here")


class Remote:
    """A method of an actor."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer

    async def remote(self, *_: object) -> Any:
        return self._answer()


class Actor:
    def __init__(self, answer: Callable[[], Any]) -> None:
        self.search = self.explain = Remote(answer)


class Lookup:
    """The directory: knows one actor after the other."""

    def __init__(self, *answers: Callable[[], Any]) -> None:
        self._actors = [Actor(answer) for answer in answers]
        self.forgotten = 0

    async def owner(self, dataset_id: DatasetId) -> Any:
        assert dataset_id == HERE
        return self._actors[self.forgotten]

    def drop(self, dataset_id: DatasetId) -> None:
        assert dataset_id == HERE
        self.dropped = True

    def forget(self) -> None:
        self.forgotten += 1


def fails(error: BaseException) -> Callable[[], Any]:
    def answer() -> Any:
        raise error

    return answer


def task_error(cause: Exception) -> RayTaskError:
    return RayTaskError("search", "a traceback", cause)  # type: ignore[no-untyped-call]  # of Ray


def port(lookup: Lookup) -> OwnerActors:
    return OwnerActors(lookup)  # type: ignore[arg-type]  # a directory without Ray


def test_an_owner_that_died_is_looked_up_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners_port, "_AGAIN_S", 0)
    lookup = Lookup(fails(ActorDiedError()), fails(ActorDiedError()), Found)
    assert asyncio.run(port(lookup).search(HERE, Search())) == Found()
    assert lookup.forgotten == 2


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (DatasetGone("it does not exist"), ResourceNotFound),
        (TimeoutError(), ServiceUnavailable),
        (ZeroDivisionError(), ServiceUnavailable),
    ],
)
def test_a_failure_of_the_owner(cause: Exception, expected: type[ImmError]) -> None:
    lookup = Lookup(fails(task_error(cause)))
    with pytest.raises(expected):
        asyncio.run(port(lookup).explain(HERE, Pair(ClusterKind.FIGURE, "a", "b")))
