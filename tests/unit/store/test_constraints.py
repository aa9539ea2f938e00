"""Constraints: for ever, until the figure or the cluster goes."""

from typing import Any

import pytest

from imm_ray.model import ClusterId, Constraint, ConstraintKind
from imm_ray.store import constraints, files, ownership, tables
from imm_ray.store.ownership import Fenced
from tests.unit.store.album import Album

A, B = ClusterId("A"), ClusterId("B")


def pin(item_id: str, cluster_id: ClusterId, edit_id: str = "e") -> Constraint:
    return Constraint(item_id, cluster_id, ConstraintKind.PIN, edit_id)


def ban(item_id: str, cluster_id: ClusterId, edit_id: str = "e") -> Constraint:
    return Constraint(item_id, cluster_id, ConstraintKind.BAN, edit_id)


def change(
    album: Album, *, added: tuple[Constraint, ...] = (), removed: tuple[Constraint, ...] = ()
) -> None:
    with album.database.write() as tx:
        constraints.change(tx, album.lease, added=added, removed=removed)


def test_constraints_are_added_taken_back_and_replaced(album: Album) -> None:
    a0, a1 = album.figure("a0"), album.figure("a1")
    change(album, added=(pin(a0, A), ban(a0, B), pin(a1, A)))
    assert album.constraints() == {pin(a0, A), ban(a0, B), pin(a1, A)}
    change(album, removed=(pin(a0, A), pin(a0, B)), added=(ban(a0, A), pin(a1, A, "later")))
    assert album.constraints() == {ban(a0, A), ban(a0, B), pin(a1, A, "later")}
    change(album, removed=(ban(a0, A),), added=(ban(a0, A, "1"), ban(a0, A, "2")))
    assert ban(a0, A, "2") in album.constraints()
    assert len(album.constraints()) == 3


def test_many_constraints_of_one_figure_are_all_loaded(album: Album) -> None:
    a0, a1 = sorted((album.figure("a0"), album.figure("a1")))
    many = {
        constraint
        for n in range(600)
        for constraint in (pin(a0, ClusterId(f"C{n}")), ban(a1, ClusterId(f"C{n}")))
    }
    change(album, added=tuple(many))
    loaded = list(constraints.load(album.database, album.dataset_id))
    assert len(loaded) == len(many)
    assert set(loaded) == many
    change(album, removed=tuple(many))
    assert album.constraints() == set()


def test_a_figure_that_was_deleted_meanwhile_gets_none(album: Album) -> None:
    a0, a1 = album.figure("a0"), album.figure("a1")
    album.delete("a0")
    change(album, added=(pin(a0, A), pin(a1, A)))
    assert album.constraints() == {pin(a1, A)}


def test_a_fenced_owner_changes_none(album: Album) -> None:
    with album.database.write() as tx:
        ownership.take(tx, album.dataset_id, "other", 1)
    with pytest.raises(Fenced):
        change(album, added=(pin(album.figure("a0"), A),))
    assert album.constraints() == set()


def test_a_ban_goes_with_its_figure_and_a_pin_when_the_owner_has_seen_that(album: Album) -> None:
    album.run({"A": ["a0", "a1"]})
    a0, a1, b0 = (album.figure(uri) for uri in ("a0", "a1", "b0"))
    change(album, added=(pin(a0, A), pin(a1, A), ban(b0, A)))
    album.delete("a0", "b0")
    assert album.constraints() == {pin(a0, A), pin(a1, A)}
    change(album, removed=(pin(a0, A),))
    assert album.constraints() == {pin(a1, A)}


def test_a_photo_indexed_again_keeps_the_constraints_of_the_figures_it_keeps(album: Album) -> None:
    album.run({"A": ["a0", "a1"]})
    a0, a1 = album.figure("a0"), album.figure("a1")
    change(album, added=(ban(a0, ClusterId("B")), ban(a1, ClusterId("B"))))
    album.index("a0", left=10)
    album.index("a1", left=400)
    assert album.figure("a0") == a0
    assert album.figure("a1") != a1
    assert album.constraints() == {ban(a0, ClusterId("B"))}


def test_the_last_figure_takes_name_cover_and_constraints_with_it(album: Album) -> None:
    album.run({"A": ["a0", "a1"], "B": ["b0"]})
    album.name("A", "Ann")
    album.name("B", "Bob")
    a1, b0, b1 = album.figure("a1"), album.figure("b0"), album.figure("b1")
    change(album, added=(pin(a1, A), ban(b1, A), ban(b0, A), pin(b0, B)))
    album.delete("a0")
    assert album.people()["A"].name == "Ann"
    assert album.people()["A"].cover is not None
    assert len(album.constraints()) == 4
    album.delete("a1")
    assert set(album.people()) == {"B"}
    assert album.constraints() == {pin(b0, B)}
    assert name_of(album, "A") == ("", "", {})
    assert name_of(album, "B") == ("Bob", "id of Bob", {"is": "Bob"})
    album.run({})
    assert name_of(album, "A") is None


def test_a_changed_photo_takes_the_name_of_a_cluster_that_it_leaves_empty(album: Album) -> None:
    album.run({"A": ["a0"]})
    album.name("A", "Ann")
    change(album, added=(ban(album.figure("b1"), A),))
    album.index("a0", left=400)
    assert name_of(album, "A") == ("", "", {})
    assert album.constraints() == set()


def test_a_cluster_that_a_staged_run_fills_again_keeps_its_name(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0", "b1"]})
    album.name("A", "Ann")
    run = album.stage({"A": ["b0"]})
    change(album, added=(ban(album.figure("b2"), A),))
    album.delete("a0")
    assert album.publish(run)
    assert album.people()["A"].name == "Ann"
    assert len(album.constraints()) == 1


def test_a_cluster_that_only_a_discarded_run_filled_goes_with_its_constraints(
    album: Album,
) -> None:
    album.run({"A": ["a0"], "B": ["b0", "b1"]})
    album.name("A", "Ann")
    album.stage({"A": ["b0"]})
    change(album, added=(ban(album.figure("b2"), A),))
    album.delete("a0")
    album.run({})
    assert name_of(album, "A") is None
    assert album.constraints() == set()


def test_rows_that_an_earlier_run_left_behind_bury_nobody(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"]})
    album.name("A", "Ann")
    run = album.stage({"B": ["a0"]}, retired={"A": "B"})
    album.publish(run)
    with album.database.read() as tx:
        assert files.get(tx, album.dataset_id, ["a0"])[0].figures[0].cluster_id == "B"
    album.delete("a0")
    assert album.resolve("A") == "B"
    assert album.rows(tables.retired_cluster) == 1


def name_of(album: Album, cluster_id: str) -> tuple[Any, ...] | None:
    c = tables.cluster.c
    with album.database.read() as tx:
        query = tables.cluster.select().where(c.cluster_id == cluster_id)
        row = tx.execute(query).first()
    return None if row is None else (row.name, row.custom_id, row.custom_labels)
