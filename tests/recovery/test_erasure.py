"""Nothing is left of erased files: no byte in any file, no id in any row, no hit of a search."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from imm_ray.cli.erasing import erase_all
from imm_ray.crash_point import watched
from imm_ray.dataset.compaction import compact_store
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.erasure import OwnerSilent, Surroundings, Wanted, erase
from imm_ray.dataset.receipt import digest, salted
from imm_ray.dataset.snapshot.erasure import StoredSnapshots
from imm_ray.errors import InvalidArgument, ResourceNotFound
from imm_ray.model import Box, EditKind
from imm_ray.store import fsck, ownership, tables
from imm_ray.store.blobs import LocalBlobs
from imm_ray.store.erasure import compact
from imm_ray.testing import FakeEmbedder, face, picture, random_vector
from tests.recovery.test_crash import Crash
from tests.recovery.test_purge import full as full  # the fixture
from tests.recovery.test_purge import portraits
from tests.unit.dataset.owner import DIMENSION, Owner, tell_request, tell_task
from tests.unit.media.pictures import oriented
from tests.unit.store.rows import contents
from tests.wire.asking import NAMES, Asker, asking, refusal, settings_of
from tests.wire.test_thumbnails import cached, indexed, put

GONE = ("oss://b/ann0", "oss://b/ann1", "oss://b/E10")


UNTIL_NEXT_RUN = ("tombstone", "figure_constraint", "index_request_file")
"""Tables with bare ids that the owner still needs: they go with its next run, or the request."""


def around(owner: Owner, folder: Path, **more: Any) -> Surroundings:
    return Surroundings(
        database=owner.database,
        data=folder,
        thumbnails=owner.thumbnails,
        notices=Notices(task=tell_task, request=tell_request),
        clock=owner.clock,
        snapshots=StoredSnapshots(owner.database, LocalBlobs(folder / "snapshots")),
        **more,
    )


def wanted(*uris: str, person: str = "") -> Wanted:
    return Wanted(account="a", project="p", dataset="d", uris=uris, person=person)


def leave(owner: Owner) -> None:
    """End the owner's lease, as a service that has stopped."""
    with owner.database.write() as tx:
        tx.execute(update(tables.ownership).values(lease_until=0.0))


def vectors(owner: Owner, uris: Sequence[str]) -> list[bytes]:
    f, g = tables.file.c, tables.figure.c
    with owner.database.read() as tx:
        ids = tx.scalars(select(f.file_id).where(f.uri.in_(uris))).all()
        found = [
            *tx.scalars(select(f.vector).where(f.file_id.in_(ids))),
            *tx.scalars(select(g.vector).where(g.file_id.in_(ids))),
        ]
    return [bytes(vector) for vector in found if vector is not None]


def ids(owner: Owner, uris: Sequence[str]) -> set[str]:
    f, g = tables.file.c, tables.figure.c
    with owner.database.read() as tx:
        files = tx.scalars(select(f.file_id).where(f.uri.in_(uris))).all()
        return {*files, *tx.scalars(select(g.figure_id).where(g.file_id.in_(files)))}


def left_on_disk(folder: Path, texts: Sequence[bytes]) -> list[str]:
    """Look for texts, and for parts of them, in the simplest way."""
    return [
        path.name
        for path in folder.rglob("*")
        if path.is_file()
        for text in texts
        for start in range(0, max(1, len(text) - 15), 16)
        if text[start : start + 16] in path.read_bytes()
    ]


def left_in_rows(owner: Owner, ids: set[str], *but: str) -> list[str]:
    return [
        f"{table}: {row}"
        for table, rows in contents(owner.database).items()
        if table not in but
        for row in rows
        if any(some in row for some in ids)
    ]


def test_nothing_is_left_where_no_service_runs(full: Owner, tmp_path: Path) -> None:
    bytes_of = [*vectors(full, GONE), *(uri.encode() for uri in GONE)]
    ids_of = ids(full, GONE)
    kept = portraits("bob", 1)
    key = f"{full.dataset_id}/{full.file(GONE[0]).file_id}/{'a' * 64}"
    full.thumbnails.put(key, b"a face")
    LocalBlobs(tmp_path / "snapshots").put(f"{full.dataset_id}/figure-1", bytes_of[0])
    leave(full)
    assert left_on_disk(tmp_path, bytes_of)
    receipt = erase(wanted(*GONE), around(full, tmp_path))
    assert left_on_disk(tmp_path, bytes_of) == []
    assert left_in_rows(full, ids_of, *UNTIL_NEXT_RUN) == []
    assert full.thumbnails.get(key) is None
    assert receipt.is_complete, receipt
    assert receipt.owner == "none"
    assert receipt.counts["files"] == 3
    assert receipt.counts["history"] > 0
    assert receipt.counts["outbox"] == 0  # the request waits for its other files
    assert receipt.counts["index_request_file"] == 1
    assert (receipt.search.found, receipt.scan.hits) == (0, 0)
    assert fsck.check(full.database) == []
    full.restart()
    full.drain()
    assert left_in_rows(full, ids_of, "tombstone") == []
    assert fsck.check(full.database) == []
    assert full.file(next(iter(kept))).figures


def test_a_receipt_tells_who_knows_and_nobody_else(full: Owner, tmp_path: Path) -> None:
    leave(full)
    text = erase(wanted(*GONE), around(full, tmp_path)).text()
    told = json.loads(text)
    assert told["complete"] is True
    assert told["sha256"] == digest(told)
    assert salted(told["salt"], GONE[0]) in told["files"]
    assert not any(uri in text for uri in GONE)
    told["rows_left"] = 1
    assert told["sha256"] != digest(told)


def test_a_running_owner_is_waited_for(full: Owner, tmp_path: Path) -> None:
    done = threading.Event()
    receipts = []

    def run() -> None:
        receipts.append(erase(wanted(*GONE), around(full, tmp_path)))
        done.set()

    thread = threading.Thread(target=run)
    with full.database.write() as tx:
        ownership.renew(tx, full.engine._lease)
    thread.start()
    while not done.wait(0.05):
        with full.database.write() as tx:
            ownership.renew(tx, full.engine._lease)
        full.engine.mend()
    thread.join()
    assert receipts[0].is_complete
    assert receipts[0].owner == "mended"


def test_an_owner_that_does_not_answer_is_told(full: Owner, tmp_path: Path) -> None:
    with full.database.write() as tx:
        ownership.renew(tx, full.engine._lease)
    with pytest.raises(OwnerSilent, match="run this again"):
        erase(wanted(*GONE), around(full, tmp_path, patience_s=0))


def test_who_is_erased_twice_is_looked_for_once_more(full: Owner, tmp_path: Path) -> None:
    leave(full)
    assert erase(wanted(*GONE), around(full, tmp_path)).is_complete
    again = erase(wanted(*GONE), around(full, tmp_path))
    assert again.is_complete
    assert again.counts["files"] == 0
    assert again.scan.texts >= len(GONE)


def test_a_person_goes_with_all_files_that_show_her(full: Owner, tmp_path: Path) -> None:
    person = full.cluster_of("oss://b/ann0")
    shown = [uri for uri in portraits("ann", 3) if full.cluster_of(uri) == person]
    leave(full)
    bytes_of = [*vectors(full, shown), *(uri.encode() for uri in shown)]
    receipt = erase(wanted(person=person), around(full, tmp_path))
    assert receipt.is_complete
    assert receipt.counts["files"] >= len(shown)
    assert left_on_disk(tmp_path, bytes_of) == []
    with pytest.raises(InvalidArgument, match="no file shows"):
        erase(wanted(person=person), around(full, tmp_path))


def test_a_dataset_goes_as_a_whole(full: Owner, tmp_path: Path) -> None:
    f = tables.file.c
    with full.database.read() as tx:
        uris = tx.scalars(select(f.uri)).all()
    bytes_of = [*vectors(full, uris), *(uri.encode() for uri in uris)]
    ids_of = ids(full, uris)
    receipt = erase(wanted(), around(full, tmp_path))
    assert receipt.is_complete, receipt
    assert receipt.counts["files"] == len(uris)
    assert left_on_disk(tmp_path, bytes_of) == []
    assert left_in_rows(full, ids_of) == []
    with pytest.raises(ResourceNotFound):
        erase(wanted(), around(full, tmp_path))


def test_what_is_left_is_told_and_where(full: Owner, tmp_path: Path) -> None:
    (tmp_path / "dump").write_bytes(b"x" * 5 + vectors(full, GONE)[0])
    leave(full)
    receipt = erase(wanted(*GONE), around(full, tmp_path))
    assert not receipt.is_complete
    assert receipt.scan.where == ["dump"]
    assert receipt.scan.rewritten


def test_a_copy_under_another_name_stays_and_is_told(full: Owner, tmp_path: Path) -> None:
    (outcome,) = portraits("ann", 1).values()
    full.index({"oss://b/copy-of-ann": outcome})
    full.drain()
    leave(full)
    receipt = erase(wanted(*GONE), around(full, tmp_path))
    assert receipt.is_complete, receipt
    assert receipt.scan.kept_elsewhere > 0
    assert receipt.search.identical == 2
    assert receipt.search.nearest > 0.99


def test_whatever_moment_it_dies_at_it_can_be_done_again(full: Owner, tmp_path: Path) -> None:
    bytes_of = [*vectors(full, GONE), *(uri.encode() for uri in GONE)]
    ids_of = ids(full, GONE)
    leave(full)
    for name in ("erasure.scrubbed", "erasure.redacted", "erasure.deleted", "erasure.log_cut"):
        with watched(_stop_at(name)), pytest.raises(Crash):
            erase(wanted(*GONE), around(full, tmp_path))
    assert erase(wanted(*GONE), around(full, tmp_path)).is_complete
    assert left_on_disk(tmp_path, bytes_of) == []
    assert left_in_rows(full, ids_of, *UNTIL_NEXT_RUN) == []


def _stop_at(name: str) -> Callable[[str], None]:
    def stop(reached: str) -> None:
        if reached == name:
            raise Crash(name)

    return stop


def test_ordinary_deletes_are_complete_after_the_next_compaction(
    full: Owner, tmp_path: Path
) -> None:
    uris = [uri for uri in GONE if "E1" not in uri]
    chosen, ids_of = full.cluster_of("oss://b/bob0"), ids(full, uris)
    bytes_of = [*vectors(full, uris), *(uri.encode() for uri in uris)]
    cover = full.figure("oss://b/ann1").figure_id
    with full.database.write() as tx:
        tx.execute(update(tables.cluster).values(chosen_cover=cover))
    moved = full.applied(
        EditKind.MOVE,
        {"figure_id": full.figure("oss://b/ann1").figure_id, "cluster_id": chosen},
    )
    full.delete(*uris)
    full.drain()
    assert left_in_rows(full, ids_of)
    assert compact_store(full.database) == 1
    assert left_on_disk(tmp_path, bytes_of) == []
    assert left_in_rows(full, ids_of, *UNTIL_NEXT_RUN, "outbox") == []
    assert full.edit(moved).payload["figure_id"] == ""
    assert full.undo(moved).reason.startswith("The figure  does not exist")
    assert compact_store(full.database) == 0
    assert fsck.check(full.database) == []


def test_histories_of_those_who_stay_are_not_touched(full: Owner) -> None:
    before = {event.position: event.items for event in full.events() if event.run == 1}
    full.delete("oss://b/ann0")
    full.drain()
    compact_store(full.database)
    with full.database.read() as tx:
        alive = set(tx.scalars(select(tables.figure.c.figure_id)))
    after = {event.position: event.items for event in full.events() if event.run == 1}
    assert after != before
    assert after == {
        position: tuple(item for item in items if item in alive)
        for position, items in before.items()
    }


def test_a_log_that_is_being_read_is_cut_later(full: Owner) -> None:
    with full.database.read() as tx:
        tx.execute(select(tables.file.c.file_id)).all()
        full.delete("oss://b/ann0")
        assert compact.cut_log(full.database) is False
    assert compact.cut_log(full.database) is True


@contextmanager
def album(tmp_path: Path) -> Iterator[Asker]:
    """A running service with three photos of one person, thumbnails, a name and a move."""
    content = oriented(6)
    person = random_vector("somebody", 128)
    outcomes = {
        f"oss://b/shot-{n}.jpg": indexed(content, (80, 60), Box(8, 6, 20, 16)) for n in range(4)
    }
    outcomes["oss://b/other.jpg"] = picture("other", face(person), vector=random_vector("o", 1280))
    with asking(settings_of(tmp_path), FakeEmbedder(dict(outcomes))) as asker:
        for uri in outcomes:
            put(asker, uri.rpartition("/")[2], content)
        asker.create()
        asker.index(*outcomes)
        asker.cluster()
        for uri in list(outcomes)[:4]:
            asker.extension("ImmRayGetThumbnail", **NAMES, URI=uri)
        yield asker


def test_beside_a_running_service_no_request_finds_them(tmp_path: Path) -> None:
    gone = [f"oss://b/shot-{n}.jpg" for n in range(4)]
    with album(tmp_path) as asker:
        kept = asker.imm.settings.data
        assert len(cached(asker)) == 4
        wanted = Wanted(
            account=asker.imm.settings.auth.users[0].account,
            project="p",
            dataset="d",
            uris=tuple(gone),
        )
        ring = threading.Event()
        steward = threading.Thread(target=_ring_until, args=(asker, ring))
        steward.start()
        try:
            receipt = erase_all(asker.imm.settings, wanted, tmp_path / "receipt", patience_s=60)
        finally:
            ring.set()
            steward.join()
        assert receipt.is_complete, receipt
        assert cached(asker) == []
        assert asker.search_clusters(gone[0]) == []
        code, status, _ = refusal(lambda: asker.figure(gone[0]))
        assert (code, status) == ("ResourceNotFound", 400)
        assert asker.figure("oss://b/other.jpg")
        texts = [uri.encode() for uri in gone]
        texts.append(random_vector(str(Box(8, 6, 20, 16)), 128).astype("<f2").tobytes())
        assert left_on_disk(kept, texts) == []
    assert json.loads((tmp_path / "receipt").read_text())["complete"] is True
    assert left_on_disk(kept, texts) == []


def _ring_until(asker: Asker, done: threading.Event) -> None:
    """Do what the steward does: have datasets with work looked at."""
    while not done.wait(0.2):
        for dataset_id in asker.imm._with_work():
            asker.imm._ring_from_anywhere(dataset_id)


def test_the_vectors_of_the_tests_are_looked_for(full: Owner) -> None:
    assert all(len(vector) == 2 * DIMENSION for vector in vectors(full, GONE))
