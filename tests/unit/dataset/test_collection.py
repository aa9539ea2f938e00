"""What a run covers, what it costs, and what it says of itself."""

from pathlib import Path

import numpy as np
import pytest

from imm_ray.cluster.lists import WIDTH
from imm_ray.model import (
    NO_CLUSTER,
    EditKind,
    Indexed,
    Outcome,
    Task,
    TaskStatus,
    TaskType,
    Vector,
)
from imm_ray.settings import Clustering
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, InterruptedDatabase, Owner
from tests.unit.dataset.photos import person, portraits, shots, uri, uris

SIMILAR = TaskType.SIMILAR_IMAGE_CLUSTERING
ANYTHING = Clustering(min_entity_count=2, implausible_share=1.0)


def people(*names: str, count: int = 3) -> dict[str, Outcome]:
    return {u: o for name in names for u, o in portraits(name, count).items()}


def test_a_run_looks_at_what_is_new_and_at_what_that_touches(owner: Owner) -> None:
    owner.index(people("ann", "bob", "cat", "dan", "eve"))
    first = owner.cluster()
    assert (first.ledger["items_new"], first.ledger["items_reclustered"]) == (15, 15)
    owner.index(portraits("ann", 1, first=3))
    second = owner.cluster()
    assert (second.ledger["items_new"], second.ledger["items_reclustered"]) == (1, 4)
    assert second.ledger["clusters_touched"] == second.ledger["clusters_changed"] == 1
    assert second.ledger["distances_computed"] <= 15
    assert owner.cluster().ledger["items_reclustered"] == 0


def test_early_faces_are_pulled_in_when_a_person_is_founded(tmp_path: Path) -> None:
    owner = Owner(tmp_path, minimum=3)
    poor = portraits("ann", 1, first=7, quality=0.2) | portraits("ann", 1, first=8, quality=0.6)
    for pictures in (portraits("ann", 1), poor, portraits("ann", 1, first=1)):
        owner.index(pictures)
        owner.cluster()
        assert owner.people() == {}
        assert owner.cluster_of(uri("ann", 0)) == NO_CLUSTER
    owner.restart()
    owner.index(portraits("ann", 1, first=2))
    owner.cluster()
    assert list(owner.people().values()) == [uris("ann", 0, 1, 2, 7, 8)]


def test_a_founded_person_stays_below_the_minimum(tmp_path: Path) -> None:
    owner = Owner(tmp_path, minimum=3)
    owner.index(portraits("ann", 3))
    owner.cluster()
    (ann,) = owner.people()
    for number in (0, 1):
        owner.delete(uri("ann", number))
        owner.cluster()
        owner.restart()
        owner.applied(EditKind.CONSOLIDATE, {})
        assert list(owner.people()) == [ann]
    owner.index(portraits("ann", 1, first=5))
    owner.cluster()
    assert owner.people() == {ann: uris("ann", 2, 5)}


def test_poor_faces_follow_but_neither_found_nor_bridge(owner: Owner) -> None:
    middle, *axes = np.eye(DIMENSION)
    ends = [(0.72 * middle + 0.694 * axis).astype(np.float16) for axis in axes[:2]]
    owner.index(
        {
            uri(f"end{side}", i): picture(f"{side} {i}", face(near(end, f"{side}{i}", 0.99)))
            for side, end in enumerate(ends)
            for i in range(2)
        }
    )
    owner.index(
        {
            uri("blur", i): picture(
                f"blur{i}", face(near(middle.astype(np.float16), f"{i}", 0.98), quality=0.1)
            )
            for i in range(5)
        }
    )
    owner.index(portraits("ghost", 4, quality=0.2))
    owner.cluster()
    assert len(owner.people()) == 2
    assert {owner.cluster_of(uri("ghost", i)) for i in range(4)} == {NO_CLUSTER}
    assert NO_CLUSTER not in {owner.cluster_of(uri("blur", i)) for i in range(5)}


def test_the_first_run_after_a_restart_is_a_consolidation_and_changes_nothing(
    tmp_path: Path,
) -> None:
    owner = Owner(tmp_path, exact_items=0)
    owner.index(people("ann", "bob", count=6))
    owner.cluster()
    owner.index(portraits("bob", 1, first=6))
    owner.cluster()
    assert owner.figures.wants_consolidation
    before = owner.people()
    owner.restart()
    owner.delete(uri("ann", 0))
    ledger = owner.cluster().ledger
    assert (ledger["items_new"], ledger["items_reclustered"]) == (0, 12)
    assert not owner.figures.wants_consolidation
    assert {cluster_id: files - {uri("ann", 0)} for cluster_id, files in before.items()} == (
        owner.people()
    )


def test_a_dataset_that_grows_is_consolidated_and_says_what_that_changed(tmp_path: Path) -> None:
    owner = Owner(tmp_path, exact_items=0)
    drifts = []
    for number in range(6):
        owner.index(
            {u: o for name in "abcdef" for u, o in portraits(name, 1, first=number).items()}
        )
        drifts.append(owner.cluster().ledger.get("drift"))
    grown = [drift for drift in drifts if drift is not None]
    assert len(grown) >= 4  # each time by a fifth at least
    assert all(drift["adjusted_rand_index"] == 1.0 for drift in grown)
    owner.index(portraits("a", 1, first=9))
    assert "drift" not in owner.cluster().ledger  # less than a tenth is new
    assert sorted(map(len, owner.people().values())) == [6, 6, 6, 6, 6, 7]


def test_the_ledger_names_the_index_and_counts_the_lists_at_their_cap(owner: Owner) -> None:
    owner.index(people("ann"))
    ledger = owner.cluster().ledger
    assert ledger["index"] == owner.figures.index.report().tier == "exact"
    assert ledger["lists_at_cap"] == 0
    assert {"graph", "cluster", "assign", "plan", "stage"} <= ledger["milliseconds"].keys()
    owner.index({uri("ann", i): picture(f"ann{i}", person("ann", i)) for i in range(WIDTH + 5)})
    ledger = owner.cluster().ledger
    assert ledger["lists_at_cap"] == WIDTH + 5
    assert ledger["items_stored"] == WIDTH + 5


def test_a_thousand_pictures_of_two_contents_are_two_nodes(tmp_path: Path) -> None:
    owner = Owner(tmp_path, rules=ANYTHING)
    same = random_vector("same", DIMENSION)
    near_it = near(same, "x", 0.9)
    owner.index({uri("same", i): picture(f"same{i}", vector=same) for i in range(500)})
    owner.index({uri("near", i): picture(f"near{i}", vector=near_it) for i in range(500)})
    ledger = owner.cluster(SIMILAR).ledger
    assert (ledger["items_new"], ledger["distances_computed"]) == (1000, 1)
    assert (len(owner.images.index), owner.similar.pair_count) == (2, 1)
    assert [len(files) for files in owner.groups().values()] == [1000]


def test_a_copy_that_came_after_a_task_takes_no_part_in_it(owner: Owner) -> None:
    owner.index(shots("sea", 2))
    task_id = owner.create_task(SIMILAR)
    copies: dict[str, Outcome] = {
        uri("copy", i): picture(f"sea{i}", vector=v) for i, v in enumerate(vectors_of(owner))
    }
    owner.index(copies)
    owner.drain()
    assert owner.task(task_id).ledger["items_new"] == 2
    assert list(map(set, owner.groups().values())) == [uris("sea", 0, 1)]
    owner.cluster(SIMILAR)
    assert list(map(set, owner.groups().values())) == [uris("sea", 0, 1) | uris("copy", 0, 1)]


def vectors_of(owner: Owner) -> list[Vector]:
    """The vectors of all pictures that were ever indexed."""
    outcomes = owner.embedder.outcomes.values()
    analyses = [outcome.analysis for outcome in outcomes if isinstance(outcome, Indexed)]
    return [a.vector for a in analyses if a is not None and a.vector is not None]


@pytest.mark.parametrize("step", range(1, 4))
def test_the_cover_is_a_member_when_one_that_is_covered_later_leaves(
    tmp_path: Path, step: int
) -> None:
    owner = Owner(tmp_path)
    owner.engine_database = database = InterruptedDatabase(owner.url)
    owner.restart()
    owner.index(portraits("ann", 3))
    owner.cluster()
    (ann,) = owner.people()
    figure = owner.figure(uri("ann", 0)).figure_id
    owner.index(
        {uri("ann", i): picture(f"again{i}", person("ann", 10 + i, quality=0.9)) for i in range(3)}
    )
    owner.create_task()
    database.interrupt(step, lambda: owner.ask(EditKind.REMOVE, {"figure_id": figure}))
    owner.drain()
    assert database.interrupted
    (cluster,) = owner.figure_clusters()
    assert (cluster.cluster_id, cluster.figure_count) == (ann, 2)
    assert cluster.cover is not None
    assert cluster.cover.uri in uris("ann", 1, 2)
    database.close()


@pytest.mark.parametrize(
    "task_type", [TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING]
)
def test_a_plan_that_is_not_published_is_made_again(owner: Owner, task_type: TaskType) -> None:
    owner.index(portraits("ann", 3) | shots("sea", 3))
    owner.cluster(task_type)
    owner.index(portraits("ann", 1, first=3) | shots("sea", 1, first=3))
    owner.delete(uri("ann", 0), uri("sea", 0))
    owner.drain()
    collection = owner.figures if task_type is TaskType.FIGURE_CLUSTERING else owner.images
    for _ in range(2):
        plan = collection.plan(10_000)
        assert (len(plan.moves), len(plan.clusters), len(plan.covered)) == (1, 1, 1)
    task: Task = owner.cluster(task_type)
    assert task.status is TaskStatus.SUCCEEDED
    found = owner.people() if task_type is TaskType.FIGURE_CLUSTERING else owner.groups()
    assert [len(files) for files in found.values()] == [3]
