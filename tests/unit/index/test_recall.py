import numpy as np
import pytest

from imm_ray.index.candidates import Slots
from imm_ray.index.ivf import IvfIndex
from imm_ray.index.recall import RecallCurve
from tests.unit.cluster.sample import crowd

D = 16
STORED = crowd(3, count=700, dimension=D, people=60)
WIDE = STORED.astype(np.float32)
CENTROIDS = crowd(4, count=12, dimension=D, people=12).astype(np.float32)


def curve_of(index: IvfIndex, own: Slots) -> RecallCurve:
    curve = RecallCurve(WIDE[own], own, index.ranks(WIDE[own]), cosine=0.6)
    for first in range(0, index.pages, 7):
        slots, lists, wide = index.portion(first, 7)
        curve.count(wide, slots, lists)
    return curve


def test_the_curve_is_what_searches_find() -> None:
    index = IvfIndex(CENTROIDS, probes=1)
    index.add(np.arange(len(STORED)), STORED)
    own = np.arange(0, len(STORED), 5)
    curve = curve_of(index, own)
    near = WIDE[own] @ WIDE.T >= 0.6
    near[np.arange(len(own)), own] = False
    for probes in range(1, 13):
        index.probes = probes
        found = index.within(STORED[own], 0.6)
        others = int((own[found.query_rows] != found.slots).sum())
        assert curve.recall(probes) == others / int(near.sum())
    assert curve.recall(12) == 1


def test_it_takes_the_fewest_probes_that_reach_the_recall() -> None:
    index = IvfIndex(CENTROIDS, probes=1)
    index.add(np.arange(len(STORED)), STORED)
    curve = curve_of(index, np.arange(0, len(STORED), 5))
    for target in (0.1, 0.5, 0.9, 0.97, 1.0):
        probes = curve.probes(target, least=1, most=12)
        assert (curve.recall(probes) or 0) >= target
        assert probes == 1 or (curve.recall(probes - 1) or 0) < target
    assert curve.probes(1.0, least=1, most=2) == 2
    assert curve.probes(0.1, least=4, most=12) == 4


def test_without_pairs_there_is_nothing_to_measure() -> None:
    own = np.arange(3)
    queries = np.eye(3, D, dtype=np.float32)
    curve = RecallCurve(queries, own, np.zeros((3, 12), np.int32), cosine=0.5)
    curve.count(queries, own, np.zeros(3, np.int64))
    assert curve.recall(1) is None
    assert curve.probes(0.9, least=5, most=8) == 5
    assert curve.probes(0.9, least=5, most=3) == 3


@pytest.mark.parametrize("count", [1, 511, 513, 1100])
def test_everything_near_everything_is_counted(count: int) -> None:
    queries = np.tile(np.eye(1, D, dtype=np.float32), (count, 1))
    curve = RecallCurve(queries, np.arange(count), np.zeros((count, 2), np.int32), cosine=0.9)
    curve.count(queries, np.arange(count), np.ones(count, np.int64))
    assert curve._pairs_by_rank.tolist() == [count * (count - 1), 0]
