"""Edits look at what they change: after a restart, and beside many photos that wait for a task."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.dataset.items import ItemTable
from imm_ray.dataset.ports import Slots
from imm_ray.model import EditKind
from imm_ray.testing import picture
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import person, portraits, uri, uris
from tests.unit.dataset.test_items import item, some_id


@pytest.mark.parametrize("explained", [False, True])
def test_the_first_edit_after_a_restart_consolidates_once(owner: Owner, explained: bool) -> None:
    owner.index(portraits("ann", 4) | portraits("bob", 3))
    owner.cluster()
    before = owner.people()
    owner.restart()
    if explained:
        a, b = (owner.figure(uri("ann", i)).figure_id for i in (0, 1))
        assert owner.engine.explain(a, b).together
    owner.figures.bring_in()
    ledger = owner.figures.plan(0, always=True).ledger
    assert (ledger["items_reclustered"], ledger["items_stored"]) == (7, 7)
    assert ledger["distances_computed"] >= 3
    # What `bring_in` has cost is told once.
    assert owner.figures.plan(0, always=True).ledger["items_reclustered"] == 0
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == before


def test_what_a_restart_finds_better_becomes_visible_with_the_first_edit(tmp_path: Path) -> None:
    owner = Owner(tmp_path, exact_items=0)
    owner.index(portraits("ann", 3))
    owner.cluster()
    (ann,) = owner.people()
    # A run died after its task had ended otherwise: the store does not know where one figure is.
    stray = owner.figure(uri("ann", 2)).figure_id
    owner.restart()
    owner.figures.places.put(owner.figures.items.slots_of([stray]), np.zeros(1, np.int32))
    owner.applied(EditKind.NAME, {"cluster_id": ann})
    slots = owner.figures.items.slots_of([stray])
    assert owner.figures.places.cluster_id(int(owner.figures.places.of(slots)[0])) == ann


def test_a_person_keeps_the_id_when_the_anchor_waits_for_a_run_across_a_restart(
    owner: Owner,
) -> None:
    owner.index(portraits("ann", 4))
    owner.cluster()
    (ann,) = owner.people()
    owner.name(ann, "Ann")
    anchors = [i for i in range(4) if owner.figure(uri("ann", i)).figure_id in pinned(owner)]
    owner.index({uri("ann", i): picture(f"again{i}", person("ann", 10 + i)) for i in anchors})
    owner.drain()
    owner.restart()
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == {ann: uris("ann", 0, 1, 2, 3)}


def pinned(owner: Owner) -> set[str]:
    return {constraint.item_id for constraint in owner.constraints()}


def test_an_edit_does_not_look_at_every_photo_that_waits(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.index(portraits("ann", 3) | portraits("bob", 2))
    owner.cluster()
    owner.index(portraits("cat", 150))
    owner.drain()
    ann, bob = owner.cluster_of(uri("ann", 0)), owner.cluster_of(uri("bob", 0))
    looked_at = 0
    item_ids = ItemTable.item_ids

    def counted(table: ItemTable, slots: Slots) -> list[str]:
        nonlocal looked_at
        looked_at += len(slots)
        return item_ids(table, slots)

    monkeypatch.setattr(ItemTable, "item_ids", counted)
    owner.applied(EditKind.MERGE, {"to": ann, "from": [bob]})
    assert owner.people() == {ann: uris("ann", 0, 1, 2) | uris("bob", 0, 1)}
    assert 0 < looked_at < 150


def test_an_item_is_found_without_a_look_at_all() -> None:
    table = ItemTable()
    count = 30_000
    table.add([item(number, file=number % 7) for number in range(count)])
    table.slot_of(some_id(1))
    tracemalloc.start()
    try:
        assert table.slot_of(some_id(5)) == 5
        assert table.slots_of([some_id(9), some_id(7), some_id(-9)]).tolist() == [7, 9]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < count, "not even one byte for each item"


@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 19), max_size=6, unique=True)), max_size=12
    ),
    wanted=st.lists(st.integers(0, 24)),
)
def test_items_are_found_however_slots_are_used_again(
    steps: list[tuple[bool, list[int]]], wanted: list[int]
) -> None:
    table, here = ItemTable(), dict[int, int]()
    for comes, numbers in steps:
        if comes:
            new = [number for number in numbers if number not in here]
            slots = table.add([item(number) for number in new])
            here.update(zip(new, slots.tolist(), strict=True))
        else:
            gone = np.array([here.pop(number) for number in numbers if number in here], np.int64)
            table.remove(gone)
            table.release(gone)
    expected = sorted({here[number] for number in wanted if number in here})
    assert table.slots_of(map(some_id, wanted)).tolist() == expected
