"""Columns of items by slot."""

import uuid
from random import Random

import numpy as np
import pytest

from imm_ray.dataset import by_key
from imm_ray.dataset.by_key import SlotsByKey
from imm_ray.dataset.items import Item, ItemTable
from imm_ray.dataset.ports import Slots
from imm_ray.model import FileId, Vector

VECTOR: Vector = np.array([1, 0], np.float16)


def some_id(number: int) -> str:
    return str(uuid.UUID(int=Random(number).getrandbits(128), version=4))


def item(number: int, *, file: int = 0, quality: float = 0.5, good: bool = True) -> Item:
    return Item(
        item_id=some_id(number),
        file_id=FileId(some_id(-1 - file)),
        seq=number,
        vector=VECTOR,
        is_good=good,
        is_core=quality > 0.3,
        quality=quality,
    )


def slots(*numbers: int) -> Slots:
    return np.array(numbers, np.int64)


def test_items_are_found_by_id_and_by_file() -> None:
    table = ItemTable()
    added = table.add([item(0, file=7), item(1, file=7), item(2, file=8)])
    assert len(table) == 3
    assert table.item_ids(added) == [some_id(0), some_id(1), some_id(2)]
    assert table.file_ids(added[:1]) == [some_id(-8)]
    assert table.of_file(FileId(some_id(-8))).tolist() == added[:2].tolist()
    assert table.slot_of(some_id(2)) == added[2]
    assert table.slots_of([some_id(2), some_id(0), some_id(5)]).tolist() == [added[0], added[2]]


@pytest.mark.parametrize("unknown", ["", "Cluster-1", some_id(9), some_id(0).upper()])
def test_what_is_no_id_of_an_item_is_not_found(unknown: str) -> None:
    table = ItemTable()
    table.add([item(0)])
    assert table.slot_of(unknown) is None
    assert table.slots_of([unknown]).tolist() == []
    assert table.slots_of([]).tolist() == []


def test_a_removed_item_is_nowhere_and_its_slot_waits_for_its_release() -> None:
    table = ItemTable()
    first, second = table.add([item(0), item(1)]).tolist()
    table.remove(slots(first))
    assert len(table) == 1
    assert table.slot_of(some_id(0)) is None
    assert table.of_file(FileId(some_id(-1))).tolist() == [second]
    assert first not in table.add([item(2)]).tolist()
    table.release(slots(first))
    assert table.add([item(3, file=5)]).tolist() == [first]
    assert table.of_file(FileId(some_id(-6))).tolist() == [first]
    assert first not in table.of_file(FileId(some_id(-1))).tolist()


def test_only_items_that_share_a_photo_have_one() -> None:
    table = ItemTable()
    added = table.add([item(0, file=1), item(1, file=2), item(2, file=1), item(3, file=3)])
    photos = table.photos(added)
    assert photos[0] == photos[2] >= 0
    assert photos[[1, 3]].tolist() == [-1, -1]
    table.remove(added[:1])
    assert table.photos(added[2:3]).tolist() == [-1]


def test_the_best_is_a_good_one_of_the_best_quality() -> None:
    table = ItemTable()
    added = table.add(
        [item(0, quality=0.7), item(1, quality=0.9), item(2, quality=0.99, good=False)]
    )
    assert table.best(added) == added[1]
    assert table.best(added[2:]) == added[2]


def test_entries_are_items_as_they_were_added() -> None:
    table = ItemTable()
    items = [item(0, file=3, quality=0.25, good=False), item(1, file=4, quality=0.75)]
    added = table.add(items)
    again = table.entries(added, [0, 1], np.stack([VECTOR, VECTOR]))
    for was, now in zip(items, again, strict=True):
        assert np.array_equal(was.vector, now.vector)
        assert (was.item_id, was.file_id, was.seq) == (now.item_id, now.file_id, now.seq)
        assert (was.is_good, was.is_core, was.quality) == (now.is_good, now.is_core, now.quality)


def test_files_are_found_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_key, "_FEWEST", 3)
    found, expected = SlotsByKey(), dict[int, list[int]]()
    random = Random(0)
    for start in range(0, 60, 4):
        keys = [random.randrange(2**62, 2**62 + 9) * 2 + 1 for _ in range(4)]
        found.add(np.array(keys, np.uint64), np.arange(start, start + 4))
        for slot, key in enumerate(keys, start):
            expected.setdefault(key, []).append(slot)
    for key, here in expected.items():
        assert sorted(found.get(key)) == here
    assert found.get(3) == []


def test_a_slot_that_is_used_again_is_found_under_its_latest_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(by_key, "_FEWEST", 1)
    found = SlotsByKey()
    found.add(np.array([7, 7], np.uint64), slots(0, 1))
    found.add(np.array([9, 9], np.uint64), slots(1, 2))
    assert found.get(7) == [0]
    assert sorted(found.get(9)) == [1, 2]
