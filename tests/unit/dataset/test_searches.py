"""What is near a vector: nearest items against brute force, clusters by the rule of the engine."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imm_ray.model import (
    ClusterId,
    ClusterKind,
    EditKind,
    FaceFound,
    Found,
    NearCluster,
    Outcome,
    Pair,
    Search,
    TaskType,
    Vector,
)
from imm_ray.testing import face, near, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner
from tests.unit.dataset.photos import person, portraits, shots, uri

NAMES = ("ann", "bob", "eve")


def probe(name: str, cosine: float = 0.95) -> Vector:
    return near(random_vector(name, DIMENSION), "a probe", cosine)


def cluster_of(owner: Owner, vector: Vector) -> ClusterId | None:
    (found,) = owner.engine.search(Search(faces=(vector,))).faces
    return None if found.cluster is None else found.cluster.cluster_id


def people(owner: Owner) -> dict[str, ClusterId]:
    owner.index(portraits("ann", 4) | portraits("bob", 4) | portraits("eve", 3))
    owner.cluster()
    return {name: owner.cluster_of(uri(name, 0)) for name in NAMES}


def test_a_face_belongs_to_its_person(owner: Owner) -> None:
    ids = people(owner)
    assert {name: cluster_of(owner, probe(name)) for name in NAMES} == ids
    assert cluster_of(owner, probe("nobody")) is None
    owner.restart()
    owner.engine.load()
    assert {name: cluster_of(owner, probe(name)) for name in NAMES} == ids


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_each_part_of_a_merged_person_is_recognised(owner: Owner, name: str) -> None:
    ids = people(owner)
    owner.applied(EditKind.MERGE, {"to": ids["ann"], "from": [ids["bob"]]})
    assert cluster_of(owner, probe(name)) == ids["ann"]


def test_a_search_decides_as_the_next_run_does(owner: Owner) -> None:
    people(owner)
    probes = {f"oss://b/p{i}": probe("ann", cosine) for i, cosine in enumerate((0.9, 0.7, 0.3))}
    found = {name: cluster_of(owner, vector) for name, vector in probes.items()}
    poor: dict[str, Outcome] = {
        name: picture(name, face(vector, quality=0.1)) for name, vector in probes.items()
    }
    owner.index(poor)
    owner.cluster()
    assert found == {name: owner.figure(name).cluster_id or None for name in probes}


def test_poor_faces_do_not_speak_for_a_cluster(owner: Owner) -> None:
    ids = people(owner)
    before = owner.engine.search(Search(faces=(probe("ann"),)))
    owner.index(portraits("ann", 2, first=10, quality=0.1))
    owner.cluster()
    assert owner.cluster_of(uri("ann", 10)) == ids["ann"]
    assert owner.engine.search(Search(faces=(probe("ann"),))) == before


def test_a_deleted_face_is_near_nothing(owner: Owner) -> None:
    people(owner)
    owner.delete(*[uri("ann", i) for i in range(4)])
    owner.engine.mend()
    wanted = Search(faces=(probe("ann"),), faces_each=100)
    (found,) = owner.engine.search(wanted).faces
    assert found.cluster is None
    assert len(found.nearest) == 7


@pytest.mark.parametrize("vector", [np.zeros(DIMENSION), np.full(DIMENSION, np.nan)])
def test_what_is_no_vector_is_near_nothing(owner: Owner, vector: Vector) -> None:
    people(owner)
    wrong = vector.astype(np.float16)
    found = owner.engine.search(Search(faces=(wrong,), faces_each=3, image=wrong, images=3))
    assert found == Found(faces=(FaceFound(),))


def test_an_empty_dataset_has_nothing_near(owner: Owner) -> None:
    owner.engine.load()
    found = owner.engine.search(
        Search(faces=(probe("ann"),), faces_each=3, image=probe("sea"), images=3)
    )
    assert found == Found(faces=(FaceFound(),))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(most=st.integers(0, 12), seed=st.integers(0, 10_000))
def test_nearest_are_those_of_brute_force(crowd: Owner, most: int, seed: int) -> None:
    vector = random_vector(str(seed), DIMENSION)
    (found,) = crowd.engine.search(Search(faces=(vector,), faces_each=most)).faces
    stored = {uri(n, i): person(n, i).vector for n in NAMES for i in range(3)}
    cosines = sorted(float(v.astype(float) @ vector.astype(float)) for v in stored.values())[::-1]
    expected = [crowd.figures.confidence(cosine) for cosine in cosines[:most]]
    assert [item.similarity for item in found.nearest] == pytest.approx(expected, abs=2e-3)
    images = crowd.engine.search(Search(image=vector, images=most)).images
    assert len(images) == min(most, 4)
    assert list(images) == sorted(images, key=lambda n: (-n.similarity, n.item_id))


@pytest.fixture
def crowd(owner: Owner) -> Owner:
    owner.index(portraits("ann", 3) | portraits("bob", 3) | portraits("eve", 3))
    same = shots("sea", 1)[uri("sea", 0)]
    owner.index(shots("sea", 3) | {"oss://b/copy": same})
    owner.drain()
    return owner


def test_copies_of_one_picture_are_all_near(crowd: Owner) -> None:
    vector = near(random_vector("sea", DIMENSION), "sea0", 0.97)
    images = crowd.engine.search(Search(image=vector, images=2)).images
    expected = {crowd.file(uri("sea", 0)).file_id, crowd.file("oss://b/copy").file_id}
    assert {image.file_id for image in images} == expected


def test_why_pictures_are_in_one_group_or_not(crowd: Owner) -> None:
    def why(a: str, b: str) -> str | None:
        pair = Pair(ClusterKind.SIMILAR, crowd.file(a).file_id, crowd.file(b).file_id)
        explained = crowd.engine.explain_pair(pair)
        return None if explained is None else explained.reason

    assert why(uri("sea", 0), uri("sea", 1)) is None
    crowd.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    assert why(uri("sea", 0), uri("sea", 1)) == "SameGroup"
    assert why(uri("sea", 0), "oss://b/copy") == "SameGroup"
    crowd.index(shots("hut", 1))
    crowd.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    assert why(uri("sea", 0), uri("hut", 0)) == "TooDifferent"


def test_alike_pictures_that_one_group_can_not_hold(owner: Owner) -> None:
    centre = random_vector("walk", DIMENSION)
    step = owner.images.threshold + 0.02
    chain: dict[str, Outcome] = {"oss://b/w0": picture("w0", vector=centre)}
    chain["oss://b/w1"] = picture("w1", vector=near(centre, "left", step))
    chain["oss://b/w2"] = picture("w2", vector=near(centre, "right", step))
    owner.index(chain)
    owner.cluster(TaskType.SIMILAR_IMAGE_CLUSTERING)
    ids = {name: owner.file(name).file_id for name in chain}
    reasons = {}
    for a, b in (("w0", "w1"), ("w0", "w2"), ("w1", "w2")):
        pair = Pair(ClusterKind.SIMILAR, ids[f"oss://b/{a}"], ids[f"oss://b/{b}"])
        explained = owner.engine.explain_pair(pair)
        assert explained is not None
        reasons[a, b] = explained.reason
    assert sorted([reasons["w0", "w1"], reasons["w0", "w2"]]) == ["MixedGroup", "SameGroup"]
    assert reasons["w1", "w2"] == "TooDifferent"


def test_faces_that_no_run_has_seen_are_not_explained(owner: Owner) -> None:
    owner.index(portraits("ann", 2))
    owner.drain()
    a, b = (owner.figure(uri("ann", i)).figure_id for i in range(2))
    assert owner.engine.explain_pair(Pair(ClusterKind.FIGURE, a, b)) is None


def test_similarity_is_on_the_calibrated_scale(owner: Owner) -> None:
    people(owner)
    (found,) = owner.engine.search(Search(faces=(person("ann", 0).vector,), faces_each=1)).faces
    assert isinstance(found.cluster, NearCluster)
    assert found.nearest[0].similarity == pytest.approx(owner.figures.confidence(1.0), abs=1e-3)
    assert 0 <= found.cluster.similarity <= found.nearest[0].similarity
