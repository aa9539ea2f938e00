"""Edits: added by the ingress, applied in order by the owner."""

from datetime import timedelta

import pytest

from imm_ray.errors import ResourceNotFound
from imm_ray.model import DatasetId, Edit, EditKind, EditStatus, TaskId
from imm_ray.store import edits, ownership, tables, work
from imm_ray.store.edits import SettledEdit
from imm_ray.store.ownership import Fenced
from tests.unit.store.album import Album, applied


def pending(album: Album, limit: int = 500) -> list[Edit]:
    with album.database.read() as tx:
        return edits.pending(tx, album.dataset_id, limit=limit)


def test_an_edit_waits_with_a_seq_of_its_own(album: Album) -> None:
    with album.database.write() as tx:
        made = [
            edits.add(
                tx,
                album.dataset_id,
                kind,
                {"number": number, "inner": {"list": ["ä", None]}},
                album.clock(),
                task_id=TaskId("t"),
            )
            for number, kind in enumerate(EditKind)
        ]
    assert pending(album) == made
    assert pending(album, limit=2) == made[:2]
    assert len({edit.seq for edit in made}) == len(made)
    assert [edit.seq for edit in made] == sorted(edit.seq for edit in made)
    assert {edit.status for edit in made} == {EditStatus.PENDING}
    with album.database.read() as tx:
        assert edits.get(tx, album.dataset_id, made[3].edit_id) == made[3]


def test_edits_are_listed_newest_first_in_pages(album: Album) -> None:
    made = [album.edit(EditKind.NAME, {"n": n}) for n in range(5)]
    listed: list[Edit] = []
    with album.database.read() as tx:
        for _ in range(3):
            after = listed[-1].seq if listed else None
            listed += edits.list_edits(tx, album.dataset_id, limit=2, after=after)
        assert edits.list_edits(tx, DatasetId("other"), limit=9) == []
    assert listed == made[::-1]


def test_a_settled_edit_says_what_became_of_it_and_ends_once(album: Album) -> None:
    first, second, third = (album.edit(EditKind.MERGE, {"n": n}) for n in range(3))
    album.clock.advance(timedelta(seconds=1))
    refused = SettledEdit(
        edit_id=second.edit_id,
        status=EditStatus.REFUSED,
        reason="There is no such person.",
        effect={},
    )
    with album.database.write() as tx:
        edits.settle(tx, album.lease, 4, [applied(first, moved=["f1"]), refused], album.clock())
        edits.settle(tx, album.lease, 5, [applied(second, moved=["f2"])], album.clock())
    assert pending(album) == [third]
    with album.database.read() as tx:
        done = edits.get(tx, album.dataset_id, first.edit_id)
        not_done = edits.get(tx, album.dataset_id, second.edit_id)
    assert (done.status, done.run, done.effect) == (EditStatus.APPLIED, 4, {"moved": ["f1"]})
    assert done.applied_at == album.clock()
    assert (not_done.status, not_done.reason, not_done.run) == (
        EditStatus.REFUSED,
        "There is no such person.",
        4,
    )


def test_an_edit_of_another_dataset_is_not_found_and_not_settled(album: Album) -> None:
    edit = album.edit(EditKind.NAME, {})
    with album.database.write() as tx:
        with pytest.raises(ResourceNotFound):
            edits.get(tx, DatasetId("other"), edit.edit_id)
        with pytest.raises(ResourceNotFound):
            edits.add(tx, DatasetId("other"), EditKind.NAME, {}, album.clock())
        lease = album.lease
        album.lease = ownership.take(tx, album.dataset_id, "host", 1)
        with pytest.raises(Fenced):
            edits.settle(tx, lease, 1, [applied(edit)], album.clock())
    assert pending(album) == [edit]


def test_an_edit_that_waits_is_work(album: Album) -> None:
    def left() -> tuple[int, int, list[DatasetId]]:
        with album.database.read() as tx:
            return (
                work.pending_of_dataset(tx, album.dataset_id),
                work.pending_of_account(tx, "a"),
                work.datasets_with_work(tx),
            )

    assert left() == (0, 0, [])
    edit = album.edit(EditKind.CONSOLIDATE, {})
    assert left() == (1, 1, [album.dataset_id])
    with album.database.write() as tx:
        edits.settle(tx, album.lease, 1, [applied(edit)], album.clock())
    assert left() == (0, 0, [])
    assert album.rows(tables.edit) == 1


def test_every_text_of_a_waiting_edit_is_mentioned(album: Album) -> None:
    over = album.edit(EditKind.NAME, {"ClusterId": "settled"})
    with album.database.write() as tx:
        edits.settle(tx, album.lease, 1, [applied(over)], album.clock())
    album.edit(EditKind.MERGE, {"from": "A", "to": {"id": "B", "n": 1}, "items": ["C", ["D"]]})
    with album.database.read() as tx:
        assert edits.mentioned(tx, album.dataset_id) == {"A", "B", "C", "D"}
