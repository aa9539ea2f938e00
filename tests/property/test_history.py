"""Without edits: how a dataset came to what it holds has no influence on its groups."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import TypeAlias

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from imm_ray.cluster.fixed import quantise, to_fixed
from imm_ray.dataset.items import Item
from imm_ray.model import EditKind, FileId, Outcome, TaskType, Vectors
from imm_ray.store.loading import Progress
from imm_ray.testing import face, picture
from tests.property import dataset
from tests.property.effort import NO_HURRY, effort
from tests.unit.cluster.sample import crowd, normalised
from tests.unit.dataset.owner import DIMENSION, IMAGE_LIMIT, Owner
from tests.unit.dataset.test_items import some_id

pytestmark = NO_HURRY

PHOTOS = 12
POOL = 2 * PHOTOS
Step: TypeAlias = tuple[str, list[int]]
Groups: TypeAlias = Counter[frozenset[str]]

rows = st.lists(st.integers(-1, 2), min_size=3, max_size=3).filter(any)
"""Few directions: full of ties and exact duplicates."""
lattice = st.lists(rows, min_size=POOL, max_size=POOL).map(lambda r: widened(np.array(r)))
random = st.integers(0, 2**32 - 1).map(
    lambda seed: widened(crowd(seed, count=POOL, dimension=5, people=4, noise=0.8))
)
pools = lattice | random
photos = st.lists(st.integers(0, PHOTOS - 1), min_size=1, max_size=6)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(["index", "index", "delete", "run", "restart"]), photos),
    min_size=2,
    max_size=9,
)


def widened(rows: np.ndarray[tuple[int, int], np.dtype[np.floating | np.integer]]) -> Vectors:
    """Rows in few dimensions as stored vectors."""
    return normalised(np.pad(rows, ((0, 0), (0, DIMENSION - rows.shape[1]))))


def outcome(pool: Vectors, photo: int) -> Outcome:
    """A photo of one face or, every third, of two; every fifth is a poor picture."""
    faces = pool[2 * photo : 2 * photo + (2 if photo % 3 == 0 else 1)]
    quality = 0.2 if photo % 5 == 4 else 0.95
    seen = [face(vector, left=200 * i, quality=quality) for i, vector in enumerate(faces)]
    return picture(f"{photo}", *seen, vector=pool[2 * photo + 1], score=0.5)


def uri(photo: int) -> str:
    return f"oss://b/{photo}"


def index(owner: Owner, pool: Vectors, chosen: Sequence[int]) -> None:
    owner.index({uri(photo): outcome(pool, photo) for photo in chosen})


def people(owner: Owner) -> Groups:
    """The groups of figures, each named by its photo and place."""
    places = {
        f"{u} {figure.box.left}": figure.cluster_id
        for u in owner.uris()
        for figure in owner.file(u).figures
        if figure.cluster_id
    }
    return dataset.partition(places, places)


def scenes(owner: Owner) -> Groups:
    return Counter(frozenset(uris) for uris in owner.groups().values())


def run(owner: Owner) -> tuple[Groups, Groups]:
    for task_type in (TaskType.FIGURE_CLUSTERING, TaskType.SIMILAR_IMAGE_CLUSTERING):
        owner.cluster(task_type)
    return people(owner), scenes(owner)


def at_once(pool: Vectors, chosen: Sequence[int]) -> tuple[Groups, Groups]:
    """What one task makes of these photos."""
    with dataset.opened() as owner:
        index(owner, pool, chosen)
        return run(owner)


def play(owner: Owner, pool: Vectors, steps: Sequence[Step]) -> set[int]:
    """Take steps; return the photos that are there in the end."""
    here: set[int] = set()
    for verb, chosen in steps:
        if verb == "index":
            index(owner, pool, chosen)
            here.update(chosen)
        elif verb == "delete":
            owner.delete(*map(uri, chosen))
            here.difference_update(chosen)
        elif verb == "restart":
            owner.restart()
        else:
            assert_no_pair_is_too_far(run(owner)[1], pool)
            assert not list(dataset.twice_in_a_photo(dataset.look(owner)))
    return here


def assert_no_pair_is_too_far(scenes: Groups, pool: Vectors) -> None:
    fixed = quantise(pool[1::2]).astype(np.int64)
    for group in scenes:
        for a, b in combinations(group, 2):
            first, second = (int(u.removeprefix(uri(0)[:-1])) for u in (a, b))
            assert fixed[first] @ fixed[second] >= to_fixed(IMAGE_LIMIT)


BRIDGE = widened(
    np.repeat(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], *[[0, 0, 1]] * (PHOTOS - 3)]), 2, axis=0)
)


@effort(20)
@given(pool=pools, steps=steps)
@example(pool=BRIDGE, steps=[("index", [0, 1, 2]), ("run", []), ("delete", [1])])
@example(pool=BRIDGE, steps=[("index", [0, 2]), ("run", []), ("index", [1]), ("restart", [])])
def test_any_way_to_the_same_photos_leads_to_the_same_groups(
    pool: Vectors, steps: list[Step]
) -> None:
    with dataset.opened() as owner:
        here = play(owner, pool, steps)
        found = run(owner)
    assert found == at_once(pool, sorted(here, reverse=True))


@effort(12)
@given(pool=pools, steps=steps)
def test_after_a_consolidation_the_groups_depend_on_the_photos_only(
    pool: Vectors, steps: list[Step]
) -> None:
    with dataset.opened(exact_items=0) as owner:
        here = play(owner, pool, steps)
        owner.cluster()
        owner.applied(EditKind.CONSOLIDATE, {})
        found = people(owner)
    assert found == at_once(pool, sorted(here))[0]


@effort(10)
@given(pool=pools, stay=photos, guests=photos, restarted=st.booleans())
def test_what_comes_and_goes_leaves_no_trace(
    pool: Vectors, stay: list[int], guests: list[int], restarted: bool
) -> None:
    with dataset.opened() as owner:
        index(owner, pool, stay)
        before, pairs = run(owner), owner.similar.pair_count
        guests = [photo for photo in guests if photo not in stay]
        index(owner, pool, guests)
        run(owner)
        if restarted:
            owner.restart()
        owner.delete(*map(uri, guests))
        assert run(owner) == before
        assert owner.similar.pair_count == pairs or restarted
        assert len(owner.figures) == len(owner.figures.index)


def test_ten_thousand_identical_images_are_one_node() -> None:
    vectors = widened(np.array([[3, 4], [4, 3]]))
    items = [
        Item(
            item_id=some_id(number),
            file_id=FileId(some_id(number)),
            seq=1,
            vector=vectors[int(number == 10_000)],
            is_good=True,
            quality=0.0,
        )
        for number in range(10_001)
    ]
    with dataset.opened() as owner:
        images = owner.images
        images.put(items)
        plan = images.plan(1)
        assert (len(images.index), owner.similar.pair_count) == (2, 1)
        assert (plan.ledger["items_reclustered"], plan.ledger["distances_computed"]) == (2, 1)
        assert [len(plan.clusters), len(plan.moves)] == [1, 10_001]
        images.settle(plan, Progress(run=1, watermark=1))
        images.drop([item.file_id for item in items[:9_998]])
        plan = images.plan(1)
        assert (plan.moves, plan.ledger["distances_computed"]) == ([], 1)
        assert (len(images), len(images.index), owner.similar.pair_count) == (3, 2, 1)
