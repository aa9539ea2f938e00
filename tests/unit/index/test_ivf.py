import numpy as np

from imm_ray.index.candidates import Slots
from imm_ray.index.exact import ExactIndex
from imm_ray.index.ivf import IvfIndex
from imm_ray.model import Vectors
from tests.unit.cluster.sample import crowd

D = 16
STORED = crowd(3, count=600, dimension=D, people=40)
CENTROIDS = crowd(4, count=12, dimension=D, people=12).astype(np.float32)


def filled(probes: int) -> IvfIndex:
    index = IvfIndex(CENTROIDS, probes=probes)
    index.add(np.arange(len(STORED)), STORED)
    return index


def test_fewer_probes_find_a_part_with_the_same_cosines() -> None:
    exact = ExactIndex(D)
    exact.add(np.arange(len(STORED)), STORED)
    truth = exact.within(STORED, 0.5)
    cosines = dict(
        zip(
            zip(truth.query_rows.tolist(), truth.slots.tolist(), strict=True),
            truth.cosines.tolist(),
            strict=True,
        )
    )
    counts = []
    for probes in (1, 3, 12):
        found = filled(probes).within(STORED, 0.5)
        for row, slot, cosine in zip(found.query_rows, found.slots, found.cosines, strict=True):
            assert abs(cosines[row, slot] - cosine) < 1e-5
        counts.append(len(found))
    assert 0 < counts[0] < counts[1] < counts[2] == len(truth)


def test_a_pair_has_one_cosine_whatever_else_is_searched_for() -> None:
    index = filled(12)
    whole = index.within(STORED, 0.3)
    for row in (0, 17, 599):
        alone = index.within(STORED[row : row + 1], 0.3)
        here = whole.query_rows == row
        assert alone.slots.tolist() == whole.slots[here].tolist()
        assert alone.cosines.tobytes() == whole.cosines[here].tobytes()


def test_nearest_has_no_more_than_the_probed_lists_hold() -> None:
    queries = STORED[:5]
    found = filled(1).nearest(queries, 10**4)
    sizes = np.bincount(_lists(STORED), minlength=12)
    expected = sizes[_lists(queries)]
    assert np.bincount(found.query_rows, minlength=5).tolist() == expected.tolist()
    falls = np.diff(found.cosines)[np.diff(found.query_rows) == 0] <= 0
    assert falls.all()


def test_more_probes_than_lists_are_all_lists() -> None:
    assert filled(100).report().probes == 12
    assert len(filled(100).within(STORED[:3], -1.5)) == 3 * len(STORED)


def test_ranks_tell_which_lists_are_probed() -> None:
    index = filled(3)
    ranks = index.ranks(STORED[:20].astype(np.float32))
    assert np.sort(ranks, axis=1).tolist() == [list(range(12))] * 20
    lists = _lists(STORED)
    found = index.within(STORED[:20], -1.5)
    for row in range(20):
        probed = set(lists[found.slots[found.query_rows == row]].tolist())
        assert probed == set(np.flatnonzero(ranks[row] < 3).tolist())


def _lists(vectors: Vectors) -> Slots:
    lists: Slots = np.argmax(vectors.astype(np.float32) @ CENTROIDS.T, axis=1)
    return lists
