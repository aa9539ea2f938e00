"""Snapshots that can not be trusted are refused; what was deleted is in none."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from imm_ray import crash_point
from imm_ray.dataset.snapshot.erasure import forget, sweep_snapshots
from imm_ray.dataset.snapshot.segment import digest
from imm_ray.model import ClusterKind, DatasetId, Indexed, Outcome, TaskType
from imm_ray.settings import Snapshots
from imm_ray.store.blobs import BlobError, LocalBlobs
from imm_ray.store.results import to_blob
from imm_ray.testing import face, near, picture, random_vector
from tests.recovery.keeping import Keeping
from tests.unit.dataset.owner import DIMENSION

PEOPLE = ("ann", "bob", "cid")


def album(count: int = 4) -> dict[str, Outcome]:
    return {
        f"oss://b/{name}{i}": picture(
            f"{name}{i}",
            face(near(random_vector(name, DIMENSION), f"{name}{i}", 0.95)),
            vector=near(random_vector(f"shot {name}", DIMENSION), f"{name}{i}", 0.97),
        )
        for name in PEOPLE
        for i in range(count)
    }


def vectors_of(outcome: Outcome) -> list[bytes]:
    assert isinstance(outcome, Indexed)
    assert outcome.analysis is not None
    assert outcome.analysis.vector is not None
    return [to_blob(outcome.analysis.faces[0].vector), to_blob(outcome.analysis.vector)]


def run(owner: Keeping) -> None:
    for task_type in (TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING):
        owner.cluster(task_type)


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Keeping]:
    owner = Keeping(tmp_path)
    owner.index(album())
    run(owner)
    yield owner
    owner.shelf.close()
    owner.database.close()


def restarted(owner: Keeping) -> tuple[list[int], list[str]]:
    """Restart; return the snapshots that were used, and why others were not."""
    with capture_logs() as logs:
        owner.restart()
    used = [log["number"] for log in logs if log["event"] == "snapshot restored"]
    return used, [log["why"] for log in logs if log["event"] == "snapshot refused"]


def test_a_restart_goes_on_from_the_snapshot_and_searches_for_nobody(owner: Keeping) -> None:
    owner.save()
    people, lists = owner.people(), owner.neighbours()
    used, refused = restarted(owner)
    assert (len(used), refused) == (2, [])
    assert owner.neighbours() == lists != {}
    ledger = owner.cluster().ledger
    assert ledger["distances_computed"] == 0
    owner.index({"oss://b/new": album(9)["oss://b/ann8"]})
    run(owner)
    assert {uris - {"oss://b/new"} for uris in owner.people().values()} == set(people.values())


def torn(share: int) -> Callable[[bytes], bytes]:
    return lambda data: data[: len(data) * share // 7]


def flipped(place: int) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        at = len(data) * place // 8
        return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]

    return flip


@pytest.mark.parametrize("ending", [".json", ""])
def test_a_damaged_file_is_never_used(owner: Keeping, ending: str) -> None:
    owner.save()
    places = owner.people(), owner.groups()
    files = owner.files()
    for damage in (*map(torn, range(1, 7)), *map(flipped, range(8))):
        for name, data in files.items():
            if name.endswith(".json") == bool(ending):
                owner.path(name).write_bytes(damage(data))
        used, refused = restarted(owner)
        assert used == []
        assert len(refused) == 2
        assert all("SHA-256" in why or "bytes" in why for why in refused)
    run(owner)
    assert (owner.people(), owner.groups()) == places


def test_a_missing_file_and_a_link_are_refused(owner: Keeping, tmp_path: Path) -> None:
    owner.save()
    for name, data in owner.files().items():
        (tmp_path / name).write_bytes(data)
        owner.path(name).unlink()
        if name.endswith(".json"):
            owner.path(name).symlink_to(tmp_path / name)
    assert restarted(owner)[0] == []
    assert len(owner.figures) == len(album())


def test_what_was_made_with_another_model_or_other_limits_is_refused(owner: Keeping) -> None:
    owner.save()
    owner.binding = {**owner.binding, "model": "another"}
    used, refused = restarted(owner)
    assert used == []
    assert refused == ["its model is 'm', not 'another'"] * 2


def test_the_files_of_another_dataset_are_refused_though_they_are_whole(
    owner: Keeping, tmp_path: Path
) -> None:
    """As if somebody had copied both files and rows: the manifest names its dataset."""
    owner.save()
    (tmp_path / "other").mkdir()
    other = Keeping(tmp_path / "other")
    other.index(album())
    run(other)
    other.save()
    for name, data in owner.files().items():
        other.path(name).write_bytes(data)
    with owner.database.read() as tx:
        rows = tx.exec_driver_sql(
            "SELECT manifest, sha256, manifest_bytes, epoch, number, kind FROM snapshot"
        ).all()
    with other.database.write() as tx:
        for row in rows:
            tx.exec_driver_sql(
                "UPDATE snapshot SET manifest=?, sha256=?, manifest_bytes=?, epoch=?, number=? "
                "WHERE kind=?",
                tuple(row),
            )
    used, refused = restarted(other)
    assert used == []
    assert all(why.startswith("its dataset is ") for why in refused)
    other.shelf.close()
    other.database.close()


def test_a_manifest_that_lies_about_sizes_allocates_nothing(owner: Keeping) -> None:
    owner.save()
    (row,) = owner.rows()
    said = json.loads(owner.files()[row.manifest])
    for lie in ({"slots": 2**40}, {"items": 10**9}, {"segments": said["segments"][1:]}):
        data = json.dumps(said | lie).encode()
        owner.path(row.manifest).write_bytes(data)
        with owner.database.write() as tx:
            tx.exec_driver_sql(
                "UPDATE snapshot SET sha256=?, manifest_bytes=? WHERE kind='figure'",
                (digest(data), len(data)),
            )
        assert len(restarted(owner)[0]) == 1, "that of the pictures"


def test_the_one_before_is_used_when_the_newest_is_damaged(owner: Keeping) -> None:
    owner.save()
    owner.index({"oss://b/new": album(9)["oss://b/ann8"]})
    run(owner)
    owner.save()
    newest, before = owner.rows()
    owner.path(newest.manifest).write_bytes(b"{}")
    lists = owner.neighbours()
    used, _ = restarted(owner)
    assert before.number in used
    owner.figures.bring_in()
    assert owner.neighbours() == lists


def test_a_fenced_owner_records_nothing_and_deletes_nothing(owner: Keeping) -> None:
    late = owner.engine
    owner.restart()
    owner.save()
    files, rows = owner.files(), owner.rows()
    with pytest.raises(Exception, match="epoch"):
        late.save(anew=True)
    assert owner.rows() == rows
    assert owner.files().items() >= files.items()
    late.close()


def test_what_is_deleted_is_in_no_file_after_the_next_snapshot(owner: Keeping) -> None:
    owner.save()
    owner.index({"oss://b/new": album(9)["oss://b/ann8"]})
    run(owner)
    owner.save()
    gone = {"oss://b/ann0", "oss://b/bob3"}
    outcomes = album()
    vectors = [vector for uri in gone for vector in vectors_of(outcomes[uri])]
    assert all(any(v in data for data in owner.files().values()) for v in vectors)
    owner.delete(*gone)
    owner.drain()
    owner.save()
    assert not any(v in data for data in owner.files().values() for v in vectors)
    assert len(restarted(owner)[0]) == 2
    assert len(owner.figures) == len(outcomes) - 1


def test_two_snapshots_are_kept_and_nothing_that_they_do_not_need(owner: Keeping) -> None:
    for number in range(4):
        owner.index({f"oss://b/new{number}": album(9)[f"oss://b/ann{5 + number % 4}"]})
        run(owner)
        owner.save()
    rows = [*owner.rows(), *owner.rows(ClusterKind.SIMILAR)]
    assert len(rows) == 4
    named = {row.manifest for row in rows}
    for row in rows:
        said = json.loads(owner.files()[row.manifest])
        named |= {segment["name"] for segment in said["segments"]}
    assert set(owner.files()) == named


def test_a_small_change_does_not_write_everything_again(owner: Keeping) -> None:
    owner.index(album(60))
    run(owner)
    owner.save()
    before = owner.files()
    owner.index({"oss://b/new": album(99)["oss://b/ann98"]})
    run(owner)
    owner.save()
    rows = [name for name in owner.files().keys() - before.keys() if name.startswith("figure")]
    written = sum(len(owner.files()[name]) for name in rows)
    assert written < sum(map(len, before.values()))
    said = json.loads(owner.files()[owner.rows()[0].manifest])
    neighbours = [s["count"] for s in said["segments"] if s["content"] == "rows"]
    assert neighbours[-1] < len(owner.figures) / 2


def test_a_consolidation_after_the_snapshot_is_made_again(owner: Keeping) -> None:
    owner.save()
    owner.figures.found_with(3)
    run(owner)
    assert owner.rows()[0].outdated
    owner.restart()
    assert owner.figures.entrance.must_consolidate


@pytest.mark.parametrize(
    "point",
    [
        "snapshot.cut_taken",
        "blob.synced",
        "blob.renamed",
        "snapshot.segment_written",
        "snapshot.manifest_written",
        "snapshot.recorded",
        "snapshot.pruned",
    ],
)
def test_a_crash_at_any_point_leaves_a_usable_store(owner: Keeping, point: str) -> None:
    owner.save()
    owner.index({"oss://b/new": album(9)["oss://b/ann8"]})
    run(owner)
    lists = owner.neighbours()

    class Crash(BaseException):
        pass

    def crash(name: str) -> None:
        if name == point:
            raise Crash

    with pytest.raises(Crash), crash_point.watched(crash):
        owner.engine.save()
    used, refused = restarted(owner)
    assert (len(used), refused) == (2, [])
    owner.figures.bring_in()
    assert owner.neighbours() == lists
    owner.save(anew=True)
    named = {row.manifest for kind in ClusterKind for row in owner.rows(kind)}
    assert {name for name in owner.files() if name.endswith(".json")} == named
    assert not [name for name in owner.files() if name.startswith("~")]


class FullDisk(LocalBlobs):
    full = True

    def put(self, key: str, data: bytes) -> None:
        if self.full:
            raise BlobError("there is no space left")
        super().put(key, data)


def test_a_full_disk_costs_a_snapshot_and_nothing_else(tmp_path: Path) -> None:
    disk = FullDisk(tmp_path / "snapshots")
    owner = Keeping(tmp_path, blobs=disk)
    owner.index(album())
    run(owner)
    assert not owner.engine.save()
    run(owner)
    disk.full = False
    assert owner.engine.save()
    assert len(restarted(owner)[0]) == 2
    owner.shelf.close()
    owner.database.close()


def test_a_small_dataset_has_no_snapshot(tmp_path: Path) -> None:
    owner = Keeping(tmp_path, settings=Snapshots(least_items=10))
    owner.index(album())
    run(owner)
    owner.engine.save()
    assert owner.rows()
    owner.delete(*list(album())[:4])
    owner.drain()
    owner.engine.save()
    assert (owner.rows(), owner.files()) == ([], {})
    owner.shelf.close()
    owner.database.close()


def test_all_snapshots_of_a_dataset_can_be_forgotten(owner: Keeping) -> None:
    owner.save()
    assert forget(owner.database, owner.blobs, owner.dataset_id) > 4
    assert (owner.rows(), owner.files()) == ([], {})
    assert restarted(owner) == ([], [])
    owner.save(anew=True)
    forget(owner.database, owner.blobs, owner.dataset_id)
    owner.index({"oss://b/new": album(9)["oss://b/ann8"]})
    owner.drain()
    owner.save()
    assert len(restarted(owner)[0]) == 2, "what is not there is not built upon"


def test_what_a_crash_left_half_written_goes_with_the_next_snapshot(owner: Keeping) -> None:
    owner.save()
    for name in ("~figure-1-ab-xyz", "figure-1-ab", "figure-99-ab"):
        owner.path(name).write_bytes(b"torn")
    owner.index({"oss://b/new": album(9)["oss://b/ann8"]})
    owner.drain()
    owner.save()
    left = {name for name in owner.files() if name.endswith(("ab", "xyz"))}
    assert left == {"figure-99-ab"}, "that of a later owner is not ours to delete"


def test_files_of_a_dataset_that_is_no_more_are_swept(owner: Keeping) -> None:
    owner.save()
    gone = DatasetId("00000000-0000-0000-0000-000000000000")
    owner.blobs.put(f"{gone}/figure-1-ab", b"x")
    files = owner.files()
    sweep_snapshots(owner.database, owner.blobs)
    assert owner.blobs.keys(gone) == []
    assert owner.files() == files


def test_a_rebuild_goes_in_portions_and_a_crash_does_not_begin_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imm_ray.dataset.rebuilding.AT_ONCE", 3)
    monkeypatch.setattr("imm_ray.dataset.entrance._PORTION_S", 0)
    monkeypatch.setattr("imm_ray.dataset.pace.LEAST", 4)
    monkeypatch.setattr("imm_ray.dataset.pace.MOST", 4)
    owner = Keeping(tmp_path)
    owner.index(album())
    run(owner)
    places, lists = owner.people(), owner.neighbours()
    forget(owner.database, owner.blobs, owner.dataset_id)
    owner.restart()
    task_id = owner.create_task()
    left = []
    while owner.figures.entrance.absent_count > 4:
        assert owner.engine.run_due_task()
        left.append(owner.figures.entrance.absent_count)
        assert owner.task(task_id).status == "Running"
        assert _shown(owner) == (left[-1], len(album()))
        owner.save()
        assert restarted(owner)[0]
        assert owner.figures.entrance.absent_count == left[-1]
    assert len(left) > 1
    owner.drain()
    assert owner.task(task_id).status == "Succeeded"
    assert _shown(owner) == (0, 0)
    assert (owner.people(), owner.neighbours()) == (places, lists)
    owner.shelf.close()
    owner.database.close()


def _shown(owner: Keeping) -> tuple[int, int]:
    with owner.database.read() as tx:
        row = tx.exec_driver_sql("SELECT rebuild_left, rebuild_total FROM dataset").one()
    return row[0], row[1]
