"""What is said of a cluster that a merge has given away, before any run has shown the merge."""

import pytest

from imm_ray.model import ClusterId, EditKind, FigureCluster
from imm_ray.store import edits, people
from imm_ray.store.people import ClusterChanges
from tests.unit.dataset.owner import InterruptedDatabase, Owner
from tests.unit.dataset.photos import portraits, uri
from tests.unit.dataset.test_splits import ask_merge, cancel

_MEMBERS = {
    "name": "Name",
    "custom_id": "CustomId",
    "custom_labels": "CustomLabels",
    "chosen_cover": "Cover",
}


def say(owner: Owner, cluster_id: ClusterId, changes: ClusterChanges) -> None:
    """Acknowledge an UpdateFigureCluster as an ingress does."""
    changed = [_MEMBERS[column] for column in changes.values if column in _MEMBERS]
    payload = {"cluster_id": cluster_id, "changed": changed}
    with owner.database.write() as tx:
        edits.add(tx, owner.dataset_id, EditKind.NAME, payload, owner.clock())
        people.change(
            tx, owner.dataset_id, cluster_id, changes, expected_version=None, now=owner.clock()
        )


def cluster(owner: Owner, cluster_id: ClusterId) -> FigureCluster:
    (found,) = (c for c in owner.figure_clusters() if c.cluster_id == cluster_id)
    return found


@pytest.fixture
def two(owner: Owner) -> tuple[ClusterId, ClusterId]:
    """The clusters of Ann, with three photos, and of Bob, with two."""
    owner.index(portraits("ann", 3) | portraits("bob", 2))
    owner.cluster()
    return owner.cluster_of(uri("ann", 0)), owner.cluster_of(uri("bob", 0))


def test_the_heir_has_what_was_said_after_the_merge(
    owner: Owner, two: tuple[ClusterId, ClusterId]
) -> None:
    ann, bob = two
    cover = owner.figure(uri("bob", 1))
    say(owner, ann, ClusterChanges(custom_id="kept"))
    ask_merge(owner, ann, bob)
    said = ClusterChanges(name="Both", custom_labels={"a": "b"}, chosen_cover=cover.figure_id)
    say(owner, bob, said)
    owner.drain()
    heir = cluster(owner, ann)
    assert (heir.name, heir.custom_id, heir.custom_labels) == ("Both", "kept", {"a": "b"})
    assert heir.cover is not None
    assert heir.cover.uri == uri("bob", 1)
    assert heir.meta_lock_version == 2


def test_what_was_said_before_the_merge_ends_with_it(
    owner: Owner, two: tuple[ClusterId, ClusterId]
) -> None:
    ann, bob = two
    say(owner, bob, ClusterChanges(name="Bob", custom_id="b"))
    ask_merge(owner, ann, bob)
    say(owner, bob, ClusterChanges(custom_id="c"))
    owner.drain()
    assert (cluster(owner, ann).name, cluster(owner, ann).custom_id) == ("", "c")


def test_what_is_said_of_the_heir_later_counts_more(
    owner: Owner, two: tuple[ClusterId, ClusterId]
) -> None:
    ann, bob = two
    ask_merge(owner, ann, bob)
    say(owner, bob, ClusterChanges(name="Bob", custom_id="b"))
    say(owner, ann, ClusterChanges(name="Ann"))
    owner.drain()
    assert (cluster(owner, ann).name, cluster(owner, ann).custom_id) == ("Ann", "b")


def test_a_name_goes_through_a_chain_of_merges(
    owner: Owner, two: tuple[ClusterId, ClusterId]
) -> None:
    ann, bob = two
    owner.index(portraits("cid", 2))
    owner.cluster()
    cid = owner.cluster_of(uri("cid", 0))
    ask_merge(owner, bob, cid)
    ask_merge(owner, ann, bob)
    say(owner, cid, ClusterChanges(name="All"))
    owner.drain()
    assert cluster(owner, ann).name == "All"


def test_a_merge_that_is_taken_back_leaves_it_where_it_was_said(
    owner: Owner, two: tuple[ClusterId, ClusterId]
) -> None:
    ann, bob = two
    task = ask_merge(owner, ann, bob)
    say(owner, bob, ClusterChanges(name="Bob"))
    cancel(owner, task)
    owner.drain()
    assert (cluster(owner, ann).name, cluster(owner, bob).name) == ("", "Bob")


def test_a_merge_that_is_refused_leaves_it_where_it_was_said(
    owner: Owner, two: tuple[ClusterId, ClusterId]
) -> None:
    ann, bob = two
    ask_merge(owner, ann, bob)
    owner.delete(*owner.people()[ann])
    say(owner, bob, ClusterChanges(name="Bob"))
    owner.drain()
    assert cluster(owner, bob).name == "Bob"


@pytest.mark.parametrize("step", range(1, 6))
def test_a_name_that_comes_while_the_merge_is_staged_is_kept(owner: Owner, step: int) -> None:
    database = InterruptedDatabase(owner.url)
    owner.engine_database = database
    owner.restart()
    owner.index(portraits("ann", 3) | portraits("bob", 2))
    owner.cluster()
    ann, bob = (owner.cluster_of(uri(name, 0)) for name in ("ann", "bob"))
    ask_merge(owner, ann, bob)
    database.interrupt(step, lambda: say(owner, bob, ClusterChanges(name="Both")))
    owner.drain()
    assert database.interrupted
    assert cluster(owner, ann).name == "Both"
    database.close()
