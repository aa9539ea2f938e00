"""History, redirects from retired ids, and the return of a retired cluster."""

from datetime import timedelta

import pytest

from imm_ray.model import (
    NO_CLUSTER,
    ClusterEvent,
    ClusterId,
    ClusterKind,
    Constraint,
    ConstraintKind,
    EditKind,
    EventKind,
    RecordedEvent,
    Retirement,
    TaskId,
)
from imm_ray.store import edits, lineage, tables
from tests.unit.store.album import FIGURE, Album, applied

A, B, C = ClusterId("A"), ClusterId("B"), ClusterId("C")


def born(cluster_id: ClusterId, *items: str) -> ClusterEvent:
    return ClusterEvent(EventKind.BORN, cluster_id, NO_CLUSTER, items)


def history(
    album: Album, cluster_id: ClusterId, limit: int = 99, after: tuple[int, int] | None = None
) -> list[RecordedEvent]:
    with album.database.read() as tx:
        return lineage.history(tx, album.dataset_id, cluster_id, limit=limit, after=after)


def test_a_history_is_read_newest_first_in_pages(album: Album) -> None:
    for n in range(3):
        events = [born(A, f"{n}"), born(B, "x"), ClusterEvent(EventKind.JOINED, A, B, (f"j{n}",))]
        album.run({}, events=events)
    expected = ["j2", "2", "j1", "1", "j0", "0"]
    assert [event.items[0] for event in history(album, A)] == expected
    paged: list[RecordedEvent] = []
    for _ in range(4):
        after = (paged[-1].run, paged[-1].position) if paged else None
        paged += history(album, A, limit=2, after=after)
    assert paged == history(album, A)


def test_an_event_is_kept_with_its_cause(album: Album) -> None:
    album.clock.advance(timedelta(seconds=9))
    event = ClusterEvent(EventKind.MERGED, A, B, ("f1", "f2"), "edit 1")
    with album.database.write() as tx:
        end = lineage.stage(
            tx, album.lease, FIGURE, 1, [event], 5, task_id=TaskId("t"), now=album.clock()
        )
    assert end == 6
    assert history(album, A) == []
    album.publish(1)
    assert history(album, A) == [
        RecordedEvent(
            EventKind.MERGED,
            A,
            B,
            ("f1", "f2"),
            "edit 1",
            kind=FIGURE,
            run=1,
            position=5,
            item_count=2,
            task_id=TaskId("t"),
            at=album.clock(),
        )
    ]


@pytest.mark.parametrize(("items", "parts"), [(0, [0]), (500, [500]), (1201, [500, 500, 201])])
def test_a_long_event_is_kept_in_parts(album: Album, items: int, parts: list[int]) -> None:
    ids = tuple(f"f{n}" for n in range(items))
    with album.database.write() as tx:
        end = lineage.stage(
            tx, album.lease, FIGURE, 1, [born(A, *ids), born(A, "last")], 0, now=album.clock()
        )
    album.publish(1)
    assert end == len(parts) + 1
    kept = history(album, A)[:0:-1]
    assert [len(event.items) for event in kept] == parts
    assert {event.item_count for event in kept} == {items}
    assert tuple(item for event in kept for item in event.items) == ids


def test_nothing_of_a_run_is_seen_before_it_is_visible(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"]})
    run = album.stage({"B": ["a0"]}, retired={"A": "B"}, events=[born(A, "x")])
    assert (album.resolve("A"), history(album, A)) == ("A", [])
    album.publish(run)
    assert album.resolve("A") == "B"
    assert len(history(album, A)) == 1


def test_a_discarded_run_leaves_no_lineage(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"], "C": ["a1"]})
    album.name("C", "Cy")
    album.run({"B": ["a1"]}, retired={"C": "B"})
    people = album.people()
    many = [born(ClusterId(f"X{n}"), "x") for n in range(1100)]
    album.stage({"B": ["a0"], "C": ["a1"]}, retired={"A": "B"}, restored=["C"], events=many)
    album.discard()
    assert album.rows(tables.cluster_event) == 0
    assert album.people() == people
    assert (album.resolve("A"), album.resolve("C")) == ("A", "B")
    album.run({})
    assert (album.resolve("A"), album.resolve("C")) == ("A", "B")
    album.run({"C": ["a1"]}, restored=["C"])
    assert album.people()["C"].name == "Cy"


def test_a_redirect_follows_every_step_to_a_visible_cluster(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["a1"], "C": ["a2"], "D": ["b0"]})
    album.run({"B": ["a0"]}, retired={"A": "B"})
    album.run({"C": ["a0", "a1"]}, retired={"B": "C"})
    assert [album.resolve(i) for i in "ABC"] == ["C", "C", "C"]
    with album.database.read() as tx:
        found = lineage.resolve_all(tx, album.dataset_id, ["B", "x", "D", "A", "C", "B"])
    assert list(found.items()) == [("B", "C"), ("D", "D"), ("A", "C"), ("C", "C")]
    album.run({"": ["a0", "a1", "a2"]}, retired={"C": NO_CLUSTER})
    assert [album.resolve(i) for i in "ABC"] == [None, None, None]


def test_a_redirect_in_a_circle_leads_nowhere(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["a1"], "C": ["a2"]})
    album.run({"": ["a0", "a1", "a2"]}, retired={"A": "B", "B": "C", "C": "A"})
    assert [album.resolve(i) for i in "ABC"] == [None, None, None]


def test_a_cluster_without_figures_is_not_visible(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"]})
    album.run({"B": ["a0"]}, retired={"A": "B"})
    album.delete("a0")
    assert album.resolve("A") == "B"
    album.delete("b0")
    assert (album.resolve("A"), album.resolve("B")) == (None, None)


def test_a_restored_cluster_is_as_it_was(album: Album) -> None:
    album.run({"A": ["a0", "a1"], "B": ["b0"]})
    album.name("A", "Ann")
    before = album.people()["A"]
    album.clock.advance(timedelta(days=1))
    album.run({"B": ["a0", "a1"]}, retired={"A": "B"})
    assert set(album.people()) == {"B"}
    assert album.rows(tables.cluster) == 1
    run = album.stage({"A": ["a0", "a1"]}, restored=["A"])
    assert album.resolve("A") == "B"
    album.publish(run)
    album.sweep()
    after = album.people()["A"]
    assert (after.name, after.custom_id, after.custom_labels) == (
        "Ann",
        "id of Ann",
        {"is": "Ann"},
    )
    assert (after.created_at, after.meta_lock_version) == (before.created_at, 7)
    assert album.resolve("A") == "A"
    assert album.rows(tables.retired_cluster) == 0


def test_only_what_is_retired_can_be_restored(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"]})
    album.run({"B": ["a0"]}, retired={"A": "B"})
    with album.database.write() as tx:
        asked = [C, A, B]
        assert lineage.restore(tx, album.lease, FIGURE, 3, asked) == [A]
        assert lineage.restore(tx, album.lease, FIGURE, 3, asked) == []
        assert lineage.restore(tx, album.lease, ClusterKind.SIMILAR, 3, asked) == []
        lineage.retire(tx, album.lease, FIGURE, 3, [Retirement(B, C)], album.clock())
        assert lineage.restore(tx, album.lease, FIGURE, 3, asked) == []


def test_a_cluster_can_be_retired_again_before_anything_is_swept(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"], "C": ["b1"]})
    album.publish(album.stage({"B": ["a0"]}, retired={"A": "B"}))
    album.publish(album.stage({"A": ["a0"]}, restored=["A"]))
    album.publish(album.stage({"C": ["a0"]}, retired={"A": "C"}))
    assert album.resolve("A") == "C"
    album.sweep()
    assert album.resolve("A") == "C"
    assert album.rows(tables.retired_cluster) == 1


def test_the_latest_retirement_holds(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"], "C": ["b1"]})
    album.publish(album.stage({"B": ["a0"]}, retired={"A": "B"}))
    run = album.stage({}, retired={"A": "C"})
    assert album.resolve("A") == "B"
    album.publish(run)
    assert album.resolve("A") == "C"
    album.sweep()
    assert album.rows(tables.retired_cluster) == 1


def test_a_restored_cluster_that_empties_leads_no_longer_to_its_heir(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"]})
    album.run({"B": ["a0"]}, retired={"A": "B"})
    album.publish(album.stage({"A": ["a0"]}, restored=["A"]))
    album.publish(album.stage({"": ["a0"]}))
    assert album.resolve("A") is None


def test_the_dead_keep_nobody_whom_they_took_in(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["a1"], "C": ["a2"]})
    album.name("A", "Ann")
    album.run({"B": ["a0"]}, retired={"A": "B"})
    album.run({"C": ["a0", "a1"]}, retired={"B": "C"})
    album.delete("a0", "a1")
    assert album.rows(tables.retired_cluster) == 2
    album.delete("a2")
    assert album.rows(tables.retired_cluster) == 0


def test_a_cluster_that_is_restored_out_of_a_dead_one_lives(album: Album) -> None:
    album.run({"A": ["a0", "a1"], "B": ["b0"], "C": ["b1"]})
    album.name("A", "Ann")
    album.run({"B": ["a0"], "C": ["a1"]}, retired={"A": "B"})
    ban = Constraint(album.figure("b2"), A, ConstraintKind.BAN, "e")
    album.add_constraints(ban)
    run = album.stage({"A": ["a1"]}, restored=["A"])
    album.delete("a0", "b0")
    assert album.publish(run)
    album.sweep()
    people = {i: (cluster.name, cluster.figure_count) for i, cluster in album.people().items()}
    assert people == {"A": ("Ann", 1), "C": ("", 1)}
    assert album.constraints() == {ban}


def test_a_sweep_spares_a_cluster_that_a_waiting_edit_names(album: Album) -> None:
    album.run({"A": ["a0"], "B": ["b0"], "C": ["b1"]})
    edit = album.edit(EditKind.NAME, {"cluster": {"id": "A"}, "name": "Ann"})
    album.run({"B": ["a0", "b1"]}, retired={"A": "B", "C": "B"})
    kept = album.rows(tables.cluster)
    assert kept == 2
    with album.database.write() as tx:
        edits.settle(tx, album.lease, 3, [applied(edit)], album.clock())
    album.sweep()
    assert album.rows(tables.cluster) == 1


def test_a_retirement_of_what_was_never_stored_is_left_out(album: Album) -> None:
    with album.database.write() as tx:
        lineage.retire(tx, album.lease, FIGURE, 1, [Retirement(A, B)], album.clock())
    assert album.rows(tables.retired_cluster) == 0
