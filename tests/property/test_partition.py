"""Without edits the partition depends on what is stored, and on nothing else."""

from itertools import combinations
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imm_ray.cluster.fixed import quantise, to_fixed
from imm_ray.model import Vectors
from tests.property.pool import SAME_PHOTO, THRESHOLD, Figures, Similar
from tests.unit.cluster.sample import Partition, crowd, normalised, similarities

KINDS = pytest.mark.parametrize("kind", [Figures, Similar])
POOL = 24
Step: TypeAlias = tuple[str, list[int]]

rows = st.lists(st.integers(-1, 2), min_size=3, max_size=3).filter(any)
"""Few directions: full of ties and exact duplicates."""
lattice = st.lists(rows, min_size=POOL, max_size=POOL).map(lambda r: normalised(np.array(r)))
random = st.integers(0, 2**32 - 1).map(
    lambda seed: crowd(seed, count=POOL, dimension=5, people=4, noise=0.8)
)
pools = lattice | random
items = st.lists(st.integers(0, POOL - 1), max_size=10)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(st.sampled_from(["insert", "insert", "remove", "run"]), items), max_size=14
)


def at_once(dataset: Figures) -> Partition:
    """The partition of what is stored, made by one run over everything in another order."""
    fresh = type(dataset)(dataset.pool)
    for item in sorted(dataset.stored, reverse=True):
        fresh.insert([item])
    fresh.run()
    return fresh.partition()


def play(dataset: Figures, steps: list[Step]) -> None:
    for verb, chosen in steps:
        if verb == "run":
            dataset.run()
            assert dataset.partition() == at_once(dataset)
        elif verb == "insert":
            dataset.insert(chosen)
        else:
            dataset.remove(chosen)


BRIDGE = normalised(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], *[[0, 0, 1]] * (POOL - 3)]))


@KINDS
@settings(deadline=None, max_examples=60)
@given(pool=pools, steps=steps)
@example(pool=BRIDGE, steps=[("insert", [0, 1, 2]), ("run", []), ("remove", [1])])
def test_runs_equal_one_run_over_everything(
    kind: type[Figures], pool: Vectors, steps: list[Step]
) -> None:
    dataset = kind(pool)
    play(dataset, steps)
    dataset.run()
    assert dataset.partition() == at_once(dataset)


@KINDS
@settings(deadline=None, max_examples=30)
@given(pool=pools, order=st.permutations(range(POOL)), cut=st.integers(0, POOL))
def test_neither_order_nor_split_matter(
    kind: type[Figures], pool: Vectors, order: list[int], cut: int
) -> None:
    straight, split = kind(pool), kind(pool)
    straight.insert(range(POOL))
    straight.run()
    for part in (order[:cut], order[cut:]):
        for item in part:
            split.insert([item])
        split.run()
    assert split.partition() == straight.partition()


@KINDS
@settings(deadline=None, max_examples=30)
@given(pool=pools, stay=items, guests=items)
def test_what_comes_and_goes_leaves_no_trace(
    kind: type[Figures], pool: Vectors, stay: list[int], guests: list[int]
) -> None:
    dataset = kind(pool)
    dataset.insert(stay)
    dataset.run()
    before, stored = dataset.partition(), len(dataset.index)
    there = set(dataset.stored)
    dataset.insert(guests)
    dataset.run()
    dataset.remove(sorted(dataset.stored - there))
    dataset.run()
    assert dataset.partition() == before
    assert len(dataset.index) == stored


@settings(deadline=None, max_examples=60)
@given(pool=pools, steps=steps)
def test_every_pair_of_similar_images_reaches_the_threshold(
    pool: Vectors, steps: list[Step]
) -> None:
    dataset = Similar(pool)
    play(dataset, steps)
    dataset.run()
    alike = similarities(quantise(pool)) >= to_fixed(THRESHOLD)
    for group in dataset.partition():
        assert all(alike[i, j] for i, j in combinations(group, 2))


@settings(deadline=None, max_examples=60)
@given(pool=pools, steps=steps)
def test_no_two_people_of_one_photo_are_one_person(pool: Vectors, steps: list[Step]) -> None:
    dataset = Figures(pool)
    play(dataset, steps)
    dataset.run()
    alike = similarities(quantise(pool)) >= to_fixed(SAME_PHOTO)
    for group in dataset.partition():
        for i, j in combinations(group, 2):
            assert i // 2 != j // 2 or alike[i, j]


def test_a_run_looks_at_what_was_touched_and_at_nothing_else() -> None:
    pool = normalised(np.repeat(np.eye(6), 4, axis=0) + np.arange(24)[:, None] / 1000)
    dataset = Similar(pool)
    dataset.insert([item for item in range(24) if item != 9])
    everything = dataset.run()
    assert (everything.ledger["items_new"], everything.ledger["clusters_touched"]) == (23, 6)
    assert dataset.run().assignment is None
    dataset.insert([9])
    run = dataset.run()
    assert (run.ledger["items_new"], run.ledger["items_reclustered"]) == (1, 4)
    assert run.ledger["distances_computed"] == 3


def test_ten_thousand_identical_images_are_one_node() -> None:
    dataset = Similar(np.repeat(normalised(np.array([[3, 4], [4, 3]])), [10_000, 1], axis=0))
    dataset.insert(range(10_001))
    run = dataset.run()
    assert (len(dataset.index), dataset.clusterer.pair_count) == (2, 1)
    assert (run.ledger["items_reclustered"], run.ledger["distances_computed"]) == (2, 1)
    assert dataset.partition() == {frozenset(range(10_001))}
    dataset.remove(range(9_998))
    dataset.run()
    assert dataset.partition() == {frozenset([9_998, 9_999, 10_000])}
    assert (len(dataset.index), dataset.clusterer.pair_count) == (2, 1)
