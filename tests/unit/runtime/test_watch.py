"""The janitor's look at owner actors: frozen ones are replaced, old ones retired."""

from dataclasses import dataclass, field

import pytest

from imm_ray.runtime.watch import Answer, Watch

ANSWER_S = 10.0


class Said:
    """An answer to a ping, given later, or never, or an error."""

    def __init__(self) -> None:
        self.value: int | Exception | None = None

    def get(self) -> int | None:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@dataclass
class Cluster:
    """Actors that answer as told."""

    running: list[str] = field(default_factory=list)
    answers: dict[str, int | Exception | None] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)

    def names(self) -> list[str]:
        return list(self.running)

    def ping(self, name: str) -> Answer:
        said = Said()
        said.value = self.answers.get(name)
        return said

    def replace(self, name: str) -> None:
        self.replaced.append(name)
        self.running.remove(name)

    def retire(self, name: str) -> None:
        self.retired.append(name)
        self.running.remove(name)


class Janitor:
    """A watch over a cluster, and its time."""

    def __init__(self, cluster: Cluster) -> None:
        self.now = 0.0
        self.watch = Watch(
            cluster, hosts=1, generation=7, answer_s=ANSWER_S, monotonic=lambda: self.now
        )

    def look_for(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.watch.look()
            self.now += 1.0


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def janitor(cluster: Cluster) -> Janitor:
    return Janitor(cluster)


def test_an_owner_that_stops_answering_is_replaced(cluster: Cluster, janitor: Janitor) -> None:
    cluster.running, cluster.answers = ["owner-7-0"], {"owner-7-0": 3}
    janitor.look_for(5 * ANSWER_S)
    assert cluster.replaced == []
    cluster.answers["owner-7-0"] = None
    janitor.look_for(ANSWER_S / 2)
    assert cluster.replaced == []
    janitor.look_for(ANSWER_S)
    assert cluster.replaced == ["owner-7-0"]


def test_one_that_starts_has_more_time(cluster: Cluster, janitor: Janitor) -> None:
    cluster.running = ["owner-7-0"]
    janitor.look_for(2 * ANSWER_S)
    assert cluster.replaced == []
    janitor.look_for(2 * ANSWER_S)
    assert cluster.replaced == ["owner-7-0"]


def test_one_that_died_is_left_to_ray(cluster: Cluster, janitor: Janitor) -> None:
    cluster.running, cluster.answers = ["owner-7-0"], {"owner-7-0": RuntimeError("died")}
    janitor.look_for(5 * ANSWER_S)
    assert cluster.replaced == []


def test_those_of_earlier_applications_are_retired_and_newer_ones_are_not(
    cluster: Cluster, janitor: Janitor
) -> None:
    cluster.running = ["owner-6-0", "steward-6", "owner-7-0", "owner-8-0", "steward-8", "other"]
    cluster.answers = dict.fromkeys(cluster.running, 1)
    janitor.look_for(3)
    assert sorted(cluster.retired) == ["owner-6-0", "steward-6"]
    assert cluster.replaced == []


def test_a_process_for_one_large_dataset_ends_when_that_rests(
    cluster: Cluster, janitor: Janitor
) -> None:
    cluster.running = ["owner-7-0", "owner-7-large"]
    cluster.answers = {"owner-7-0": 0, "owner-7-large": 1}
    janitor.look_for(10)
    assert cluster.replaced == []
    cluster.answers["owner-7-large"] = 0
    janitor.look_for(10)
    assert cluster.replaced == ["owner-7-large"]
