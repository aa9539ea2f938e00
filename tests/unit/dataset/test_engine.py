"""What clients may rely on, seen from the store."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from imm_ray.dataset.ports import EmbedderDied, EmbedderUnavailable
from imm_ray.dataset.service import DatasetService
from imm_ray.model import (
    NO_CLUSTER,
    FileStatus,
    Indexed,
    Outcome,
    Refused,
    Source,
    TaskStatus,
    TaskType,
)
from imm_ray.store import outbox, ownership, work
from imm_ray.store.database import Database, Tx
from imm_ray.store.ownership import DatasetGone, Fenced, Lease
from imm_ray.store.requests import IndexRequest
from imm_ray.store.results import Result
from imm_ray.testing import FakeEmbedder, face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, InterruptedDatabase, Owner
from tests.unit.dataset.photos import person, portraits, shots

SIMILAR = TaskType.SIMILAR_IMAGE_CLUSTERING


def test_faces_of_one_person_become_one_cluster(owner: Owner) -> None:
    owner.index(portraits("ann", 3) | portraits("bob", 2) | portraits("eve", 1))
    task = owner.cluster()
    assert task.status is TaskStatus.SUCCEEDED
    assert sorted(map(sorted, owner.people().values())) == [
        ["oss://b/ann0", "oss://b/ann1", "oss://b/ann2"],
        ["oss://b/bob0", "oss://b/bob1"],
    ]
    assert task.ledger["items_new"] == 6


def test_a_figure_is_unavailable_before_a_run_and_independent_after(owner: Owner) -> None:
    owner.index(portraits("eve", 1))
    owner.drain()
    assert owner.file("oss://b/eve0").figures[0].cluster_id is None
    owner.cluster()
    assert owner.file("oss://b/eve0").figures[0].cluster_id == NO_CLUSTER


def test_a_task_without_news_changes_nothing(owner: Owner) -> None:
    owner.index(portraits("ann", 3))
    owner.cluster()
    before = owner.people()
    task = owner.cluster()
    assert owner.people() == before
    assert task.ledger["items_new"] == task.ledger["items_reclustered"] == 0


def test_new_faces_join_the_person_they_know(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    owner.cluster()
    (ann,) = owner.people()
    owner.index(portraits("ann", 2, first=2))
    owner.cluster()
    assert set(owner.people()) == {ann}
    assert len(owner.people()[ann]) == 4


def test_a_task_covers_what_was_acknowledged_before_it(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    first = owner.create_task()
    owner.index(portraits("ann", 1, first=2))
    owner.drain()
    assert owner.task(first).ledger["items_new"] == 2
    assert owner.file("oss://b/ann2").figures[0].cluster_id is None
    owner.cluster()
    assert len(next(iter(owner.people().values()))) == 3


def test_a_cluster_shrinks_and_dissolves_with_its_files(owner: Owner) -> None:
    owner.index(portraits("ann", 3))
    owner.cluster()
    owner.delete("oss://b/ann0")
    assert [len(files) for files in owner.people().values()] == [2]
    owner.cluster()
    owner.delete("oss://b/ann1")
    owner.cluster()
    assert [len(files) for files in owner.people().values()] == [1]
    owner.delete("oss://b/ann2")
    assert owner.people() == {}


def test_a_group_of_pictures_needs_two(owner: Owner) -> None:
    owner.index(shots("sea", 3) | shots("hill", 1))
    owner.cluster(SIMILAR)
    ((group, files),) = owner.groups().items()
    assert files == ["oss://b/sea2", "oss://b/sea1", "oss://b/sea0"]
    owner.delete("oss://b/sea1")
    assert owner.groups() == {group: ["oss://b/sea2", "oss://b/sea0"]}
    owner.delete("oss://b/sea2")
    assert owner.groups() == {}
    owner.cluster(SIMILAR)
    owner.index(shots("sea", 2, first=1))
    owner.cluster(SIMILAR)
    assert [len(files) for files in owner.groups().values()] == [3]


def test_identical_pictures_are_one_group_and_outlive_their_first(owner: Owner) -> None:
    same = random_vector("same", DIMENSION)
    owner.index({f"oss://b/{i}": picture(f"{i}", vector=same) for i in range(30)})
    task = owner.cluster(SIMILAR)
    assert [len(files) for files in owner.groups().values()] == [30]
    assert task.ledger["distances_computed"] == 0
    owner.delete(*(f"oss://b/{i}" for i in range(10)))
    owner.index({"oss://b/late": picture("late", vector=near(same, "x", 0.9))})
    owner.cluster(SIMILAR)
    assert [len(files) for files in owner.groups().values()] == [21]


def test_two_faces_of_one_photo_are_two_people(owner: Owner) -> None:
    both = picture("both", person("ann", 7), person("ann", 8, left=200))
    owner.index(portraits("ann", 2) | {"oss://b/both": both})
    owner.cluster()
    figures = owner.file("oss://b/both").figures
    assert figures[0].cluster_id != figures[1].cluster_id


def test_too_few_good_faces_found_no_cluster_but_may_join_one(tmp_path: Path) -> None:
    owner = Owner(tmp_path, minimum=3)
    poor: dict[str, Outcome] = {
        f"oss://b/poor{i}": picture(f"poor{i}", person("ann", 10 + i, quality=0.5))
        for i in range(4)
    }
    owner.index(poor | portraits("ann", 2))
    owner.cluster()
    assert owner.people() == {}
    owner.index(portraits("ann", 1, first=2))
    owner.cluster()
    assert [len(files) for files in owner.people().values()] == [7]


@pytest.mark.parametrize(
    "task_type", [TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING]
)
def test_a_restart_at_any_time_changes_nothing(owner: Owner, task_type: TaskType) -> None:
    owner.index(portraits("ann", 3) | shots("sea", 3))
    owner.restart()
    owner.cluster(task_type)
    before = owner.people(), owner.groups()
    owner.restart()
    assert (owner.people(), owner.groups()) == before
    owner.index(portraits("bob", 2) | shots("hill", 2))
    owner.cluster(task_type)
    after = owner.people(), owner.groups()
    assert all(after[n].items() >= before[n].items() for n in (0, 1))
    owner.delete("oss://b/ann0", "oss://b/sea2")
    owner.restart()
    owner.cluster(task_type)
    assert [len(v) for v in owner.people().values()] in ([2, 2], [])
    owner.restart()
    task = owner.cluster(task_type)
    assert task.ledger["clusters_changed"] == 0


def test_a_changed_picture_keeps_the_ids_of_faces_that_stayed(owner: Owner) -> None:
    owner.index({"oss://b/x": picture("v1", person("ann", 1), person("bob", 1, left=300))})
    owner.index(portraits("ann", 2))
    owner.cluster()
    ann, bob = (figure.figure_id for figure in owner.file("oss://b/x").figures)
    owner.index({"oss://b/x": picture("v2", person("ann", 2, left=10))})
    owner.drain()
    (left,) = owner.file("oss://b/x").figures
    assert left.figure_id == ann
    assert left.figure_id != bob
    owner.cluster()
    assert [len(files) for files in owner.people().values()] == [3]


def test_unchanged_bytes_keep_everything(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    owner.cluster()
    before = owner.people()
    file = owner.file("oss://b/ann0")
    unchanged = Indexed(stat=file.stat, content_type="", analysis=None, unchanged=True)
    owner.index({"oss://b/ann0": unchanged})
    task = owner.cluster()
    assert owner.people() == before
    again = owner.file("oss://b/ann0")
    assert (again.content_type, again.stat, again.width) == ("image/jpeg", file.stat, 640)
    assert task.ledger["items_new"] == 0


def test_a_result_of_an_older_revision_is_dropped(owner: Owner) -> None:
    owner.index(portraits("ann", 1))
    (stale,) = owner.engine.pull(10, [])
    owner.index({"oss://b/ann0": picture("new", person("bob", 1))})
    old = picture("old", person("ann", 1), person("ann", 2, left=200))
    owner.engine.commit([Result(stale, old)])
    assert owner.file("oss://b/ann0").status is FileStatus.PENDING
    owner.drain()
    assert len(owner.file("oss://b/ann0").figures) == 1


def test_a_result_for_a_deleted_file_is_dropped(owner: Owner) -> None:
    owner.index(portraits("ann", 1))
    (stale,) = owner.engine.pull(10, [])
    owner.delete("oss://b/ann0")
    owner.engine.commit([Result(stale, picture("x", person("ann", 1)))])
    assert owner.uris() == []


def test_a_refused_file_fails_alone_and_the_task_goes_on(owner: Owner) -> None:
    owner.index(portraits("ann", 2) | {"oss://b/bad": Refused("The file is empty.")})
    task = owner.cluster()
    assert task.status is TaskStatus.SUCCEEDED
    bad = owner.file("oss://b/bad")
    assert (bad.status, bad.reason) == (FileStatus.FAILED, "The file is empty.")
    assert len(owner.people()) == 1


def test_a_file_that_kills_the_embedder_fails_alone(owner: Owner) -> None:
    owner.index(portraits("ann", 5) | {"oss://b/bomb": picture("bomb")})

    def die(sources: object) -> None:
        if any(source.uri == "oss://b/bomb" for source in sources):  # type: ignore[attr-defined]
            raise EmbedderDied("SIGSEGV")

    owner.embedder.hook = die
    owner.drain()
    assert owner.file("oss://b/bomb").status is FileStatus.FAILED
    assert "3 times" in owner.file("oss://b/bomb").reason
    assert all(owner.file(f"oss://b/ann{i}").status is FileStatus.SUCCEEDED for i in range(5))


class DyingEmbedder:
    """Dies of the bomb with every call that it has, once a second call is under way."""

    def __init__(self, good: FakeEmbedder) -> None:
        self.good = good
        self.most_calls = 0
        self.calls: set[int] = set()
        self.company = asyncio.Event()
        self.death = asyncio.Event()

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        me = id(sources)
        self.calls.add(me)
        self.most_calls = max(self.most_calls, len(self.calls))
        armed = any(source.uri == "oss://b/bomb" for source in sources)
        if len(self.calls) > 1:
            self.company.set()
        if armed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.company.wait(), 0.2)
            self.death.set()
        doomed = armed or len(self.calls) > 1
        if doomed:
            await self.death.wait()
        self.calls.remove(me)
        if doomed:
            raise EmbedderDied("SIGSEGV")
        return await self.good.embed(sources)


def test_suspects_are_embedded_alone_and_only_the_guilty_one_fails(owner: Owner) -> None:
    owner.index({"oss://b/bomb": picture("bomb")})  # the oldest: in the first call, with company
    owner.index(portraits("ann", 3) | portraits("bob", 40))

    async def work() -> int:
        embedder = DyingEmbedder(owner.embedder)
        service = DatasetService(owner.engine, embedder, retry_s=0)
        await service.drain()
        service.close()
        return embedder.most_calls

    assert asyncio.run(work()) == 2
    failed = [uri for uri in owner.uris() if owner.file(uri).status is FileStatus.FAILED]
    assert failed == ["oss://b/bomb"]


def test_nothing_is_embedded_beside_a_suspect(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    owner.engine.blame(owner.engine.pull(10, []))
    (suspect,) = owner.engine.pull(10, [])
    owner.index(portraits("bob", 1))
    assert owner.engine.pull(10, [suspect]) == []
    (innocent,) = owner.engine.pull(10, [])
    assert innocent.attempts == 0
    assert owner.engine.pull(10, [innocent]) == []


def test_a_repeated_request_takes_no_file_out_of_a_task(owner: Owner) -> None:
    owner.index(portraits("ann", 3))
    task_id = owner.create_task()
    owner.index(portraits("ann", 3))
    owner.drain()
    assert owner.task(task_id).ledger["items_new"] == 3
    assert [len(files) for files in owner.people().values()] == [3]


def test_a_bucket_that_does_not_answer_costs_no_results(owner: Owner) -> None:
    owner.index(portraits("ann", 3))
    owner.cluster()
    before = owner.people()
    away = Refused("The file can not be fetched from its bucket.", transient=True)
    owner.index(dict.fromkeys(portraits("ann", 3), away))
    owner.cluster()
    assert owner.file("oss://b/ann0").status is FileStatus.FAILED
    assert owner.people() == before
    owner.index(portraits("ann", 3))
    owner.cluster()
    assert owner.people() == before


@pytest.mark.parametrize("step", range(1, 7))
def test_a_delete_may_come_between_any_two_steps_of_a_run(tmp_path: Path, step: int) -> None:
    owner = Owner(tmp_path)
    owner.index(portraits("ann", 4))
    owner.cluster()
    owner.index(portraits("ann", 2, first=4) | portraits("bob", 3))
    owner.drain()
    owner.engine_database = database = InterruptedDatabase(owner.url)
    owner.restart()
    task_id = owner.create_task()
    covers = [cluster.cover for cluster in owner.figure_clusters()]
    gone = {cover.uri for cover in covers if cover is not None} | {"oss://b/bob0", "oss://b/ann5"}
    database.interrupt(step, lambda: owner.delete(*gone))
    owner.drain()
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    sizes = sorted(len(files) for files in owner.people().values())
    assert database.interrupted
    assert sizes == [2, 4]
    assert all(cluster.cover is not None for cluster in owner.figure_clusters())
    owner.cluster()
    assert sorted(len(files) for files in owner.people().values()) == sizes
    database.close()


def test_what_a_changed_file_leaves_behind_is_looked_at_after_a_restart(owner: Owner) -> None:
    # ann0 and ann2 are alike only through ann1.
    middle = random_vector("ann", DIMENSION)
    chain = {
        "oss://b/0": picture("0", face(near(middle, "left", 0.8))),
        "oss://b/1": picture("1", face(middle)),
        "oss://b/2": picture("2", face(near(middle, "right", 0.8))),
    }
    owner.index(dict(chain))
    owner.cluster()
    assert [len(files) for files in owner.people().values()] == [3]
    owner.index({"oss://b/1": Refused("The file is empty.")})
    owner.drain()
    owner.restart()
    task = owner.cluster()
    assert task.ledger["items_reclustered"] == 2


@pytest.mark.parametrize("step", range(1, 8))
def test_a_delete_may_come_between_any_two_reads_of_a_start(tmp_path: Path, step: int) -> None:
    owner = Owner(tmp_path)
    axes = np.eye(DIMENSION)
    left, right = (0.72 * axes[0] + np.sqrt(1 - 0.72**2) * axes[i] for i in (1, 2))
    vectors = [left, axes[0], right]  # 0 and 2 are too unlike without 1
    owner.index(
        {f"oss://b/{i}": picture(f"{i}", face(v.astype(np.float16))) for i, v in enumerate(vectors)}
    )
    owner.cluster()
    assert [len(files) for files in owner.people().values()] == [3]
    owner.engine_database = database = InterruptedReads(owner.url)
    database.interrupt(step, lambda: owner.delete("oss://b/1"))
    owner.restart()
    assert database.interrupted
    owner.cluster()
    assert [len(files) for files in owner.people().values()] == [1]
    database.close()


class InterruptedReads(Database):
    """Lets somebody else write before read transaction number ``step``."""

    def interrupt(self, step: int, what: Callable[[], object]) -> None:
        self.step, self.what, self.interrupted = step, what, False

    @contextmanager
    def read(self, *, deadline: float | None = None) -> Iterator[Tx]:
        self.step = getattr(self, "step", 0) - 1
        if self.step == 0:
            self.what()
            self.interrupted = True
        with super().read(deadline=deadline) as tx:
            yield tx


def test_an_absent_embedder_blames_no_file(owner: Owner) -> None:
    owner.index(portraits("ann", 1))
    absences = iter(range(10))

    def be_absent(sources: object) -> None:
        if next(absences, None) is not None:
            raise EmbedderUnavailable("restarting")

    owner.embedder.hook = be_absent
    owner.drain()
    assert owner.file("oss://b/ann0").status is FileStatus.SUCCEEDED


def test_a_fenced_owner_commits_nothing(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    (first, second) = owner.engine.pull(10, [])
    with owner.database.write() as tx:
        ownership.take(tx, owner.dataset_id, "other", 1)
    with pytest.raises(Fenced):
        owner.engine.commit([Result(first, picture("x")), Result(second, picture("y"))])
    assert owner.file("oss://b/ann0").status is FileStatus.PENDING
    with pytest.raises(Fenced):
        owner.cluster()


def test_an_older_generation_waits_for_the_lease(owner: Owner) -> None:
    with owner.database.write() as tx:
        ownership.take(tx, owner.dataset_id, "new", 5)
    with owner.database.write() as tx, pytest.raises(Fenced):
        ownership.take(tx, owner.dataset_id, "old", 4)
    with owner.database.write() as tx:
        lease = ownership.take(tx, owner.dataset_id, "new", 5)
        ownership.release(tx, lease)
    with owner.database.write() as tx:
        ownership.take(tx, owner.dataset_id, "old", 4)


def test_an_engine_of_a_deleted_dataset_ends(owner: Owner) -> None:
    from imm_ray.store import datasets
    from tests.unit.dataset.owner import tell_task

    owner.index(portraits("ann", 1))
    owner.drain()
    owner.delete("oss://b/ann0")
    task_id = owner.create_task()
    with owner.database.write() as tx:
        datasets.delete(tx, owner.dataset_id, owner.clock(), tell_task)
    with pytest.raises(DatasetGone), owner.database.write() as tx:
        ownership.renew(tx, Lease(owner.dataset_id, 1))
    task = owner.task(task_id)
    assert (task.status, task.code) == (TaskStatus.FAILED, "ResourceNotFound")


def test_an_index_request_is_answered_when_its_last_file_is_done(owner: Owner) -> None:
    request = IndexRequest(
        event_id="E", request_id="R", batch=True, notification={"MNS": {"TopicName": "topic"}}
    )
    owner.index(portraits("ann", 1) | {"oss://b/bad": Refused("No.")}, request=request)
    owner.delete("oss://b/ann0")
    assert messages(owner) == []
    owner.drain()
    assert messages(owner) == [
        "(('oss://b/ann0', 'The file was deleted.'), ('oss://b/bad', 'No.'))"
    ]


def messages(owner: Owner) -> list[str]:
    with owner.database.read() as tx:
        return [waiting.message.body for waiting in outbox.due(tx, owner.clock(), limit=9)]


def test_the_end_of_a_task_and_its_message_are_one_transaction(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    owner.cluster()
    assert messages(owner) == ["Succeeded"]


def test_nothing_is_left_to_do_or_to_sweep(owner: Owner) -> None:
    owner.index(portraits("ann", 3) | shots("sea", 3))
    owner.cluster()
    owner.cluster(SIMILAR)
    owner.delete("oss://b/ann0", "oss://b/sea0")
    owner.cluster()
    owner.cluster(SIMILAR)
    with owner.database.read() as tx:
        assert work.datasets_with_work(tx) == []
        assert work.deleted_since(tx, owner.dataset_id, 0) == []
