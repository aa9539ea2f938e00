"""What must not enter a dataset, and which runs are stopped."""

from pathlib import Path

import numpy as np
import pytest

from imm_ray.dataset.health import usable
from imm_ray.model import (
    EditKind,
    FileStatus,
    Indexed,
    Outcome,
    Refused,
    SourceStat,
    TaskStatus,
    TaskType,
    Vector,
)
from imm_ray.settings import Clustering
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner
from tests.unit.dataset.photos import person, portraits, uri, uris

GOOD = random_vector("good", DIMENSION)
FAULTS: dict[str, Vector] = {
    "is zero": np.zeros(DIMENSION, np.float16),
    "is not finite": np.where(np.arange(DIMENSION) == 3, np.nan, GOOD).astype(np.float16),
    "is not finite ": np.where(np.arange(DIMENSION) == 3, np.inf, GOOD).astype(np.float16),
    "is constant": np.full(DIMENSION, DIMENSION**-0.5, np.float16),
    "has length 0.500 and not 1": (GOOD / 2).astype(np.float16),
}


@pytest.mark.parametrize("where", ["face", "picture"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_with_a_faulty_vector_fails_and_nothing_of_it_enters(
    owner: Owner, fault: str, where: str
) -> None:
    bad = FAULTS[fault]
    faces = (person("ann", 0), face(bad, left=300) if where == "face" else person("bob", 0))
    broken = picture("x", *faces, vector=bad if where == "picture" else GOOD)
    owner.index(portraits("ann", 2) | {"oss://b/x": broken})
    owner.cluster()
    file = owner.file("oss://b/x")
    assert file.status is FileStatus.FAILED
    assert fault.strip() in file.reason
    assert "Index the file again" in file.reason
    assert file.figures == ()
    assert (len(owner.figures), len(owner.images)) == (2, 0)
    assert set(owner.people().values()) == {frozenset(uris("ann", 0, 1))}
    owner.index({"oss://b/x": picture("y", person("ann", 9))})
    owner.cluster()
    assert len(next(iter(owner.people().values()))) == 3


def test_a_vector_that_is_all_well_is_usable() -> None:
    stat = SourceStat(size=1)
    outcomes: list[Outcome] = [
        picture("x", face(GOOD), vector=near(GOOD, "x", 0.9)),
        Refused("The file is empty."),
        Indexed(stat=stat, content_type="video/mp4", analysis=None),
    ]
    assert [usable(outcome) is outcome for outcome in outcomes] == [True] * 3


def suspicious(folder: Path) -> Owner:
    rules = Clustering(min_entity_count=2, implausible_from=20, implausible_share=0.9)
    return Owner(folder, rules=rules)


def stuck(count: int) -> dict[str, Outcome]:
    """What a model makes of pictures when it says the same of each of them."""
    return {uri("stuck", i): picture(f"stuck{i}", person("stuck", i)) for i in range(count)}


def test_a_run_in_which_one_person_takes_nearly_everything_is_stopped(tmp_path: Path) -> None:
    owner = suspicious(tmp_path)
    owner.index(portraits("ann", 3) | portraits("bob", 2))
    owner.cluster()
    before, constraints = owner.people(), owner.constraints()
    owner.index(stuck(30) | portraits("ann", 1, first=3))
    task = owner.cluster()
    assert (task.status, task.code) == (TaskStatus.FAILED, "ImplausibleResult")
    assert "30 of 31 different new pictures, more than 90%" in task.message
    assert "raise clustering.implausible_share" in task.message
    assert (owner.people(), owner.constraints()) == (before, constraints)
    assert owner.file(uri("stuck", 0)).figures[0].cluster_id is None
    owner.restart()
    assert owner.cluster().code == "ImplausibleResult"
    owner.delete(*stuck(30))
    assert owner.cluster().status is TaskStatus.SUCCEEDED
    assert sorted(map(len, owner.people().values())) == [2, 4]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_stopped_a_run_has_no_part_in_what_is_done_meanwhile(
    tmp_path: Path, restarted: bool
) -> None:
    owner = suspicious(tmp_path)
    middle, *axes = np.eye(DIMENSION)
    left, right = ((0.72 * middle + 0.694 * axis).astype(np.float16) for axis in axes[:2])
    bridge: dict[str, Outcome] = {
        uri("m", i): picture(f"m{i}", face(near(middle.astype(np.float16), f"{i}", 0.99)))
        for i in range(40)
    }
    sides: dict[str, Outcome] = {
        uri(side, i): picture(f"{side}{i}", face(near(vector, f"{side}{i}", 0.98)))
        for side, vector in (("left", left), ("right", right))
        for i in range(2)
    }
    owner.index(sides)
    owner.cluster()
    before = owner.people()
    assert sorted(map(len, before.values())) == [2, 2]
    owner.index(bridge)
    assert owner.cluster().code == "ImplausibleResult"
    if restarted:
        owner.restart()
    owner.applied(EditKind.NAME, {"cluster_id": next(iter(before))})
    owner.applied(EditKind.CONSOLIDATE, {})
    assert owner.people() == before
    owner.index(portraits("ann", 12) | portraits("bob", 12) | portraits("eve", 12))
    assert owner.cluster().status is TaskStatus.SUCCEEDED
    assert sum(map(len, owner.people().values())) == 4 + 40 + 36


def test_a_stopped_run_of_similar_pictures_leaves_the_groups_as_they_were(tmp_path: Path) -> None:
    owner = suspicious(tmp_path)
    centre = random_vector("sea", DIMENSION)
    copies: dict[str, Outcome] = {
        uri("sea", i): picture(f"sea{i}", vector=centre if i % 2 else near(centre, f"{i}", 0.99))
        for i in range(40)
    }
    owner.index({u: copies[u] for u in list(copies)[:5]})
    owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    before = owner.groups()
    owner.index({u: copies[u] for u in list(copies)[5:]})
    task = owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    assert task.code == "ImplausibleResult"
    assert owner.groups() == before
    owner.delete(*list(copies)[5:35])
    assert owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING).status is TaskStatus.SUCCEEDED
    assert [len(files) for files in owner.groups().values()] == [10]


def test_a_thousand_copies_of_one_file_are_no_fault(tmp_path: Path) -> None:
    owner = suspicious(tmp_path)
    one = picture("one", person("ann", 0))
    owner.index({f"oss://b/copy{i}": one for i in range(1000)})
    task = owner.cluster()
    assert task.status is TaskStatus.SUCCEEDED
    (cluster,) = owner.figure_clusters()
    assert (cluster.figure_count, cluster.image_count) == (1000, 1000)


def test_a_share_is_only_looked_at_when_there_are_pictures_enough(tmp_path: Path) -> None:
    owner = suspicious(tmp_path)
    owner.index(stuck(19))
    assert owner.cluster().status is TaskStatus.SUCCEEDED
    owner.index(portraits("ann", 18) | portraits("bob", 3))
    assert owner.cluster().status is TaskStatus.SUCCEEDED
