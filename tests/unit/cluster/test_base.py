import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.cluster.base import BaseClusters
from imm_ray.cluster.fixed import FixedVectors
from imm_ray.cluster.graph import Slots

COUNT = 24
VECTORS = np.random.default_rng(0).integers(-9000, 9000, (COUNT, 3)).astype(np.int16)
moves = st.lists(
    st.tuples(st.lists(st.integers(0, COUNT - 1), unique=True), st.integers(-1, 5)), max_size=12
)


def fixed(slots: Slots) -> FixedVectors:
    return VECTORS[slots]


def clusters(count: int) -> BaseClusters:
    base = BaseClusters(3)
    base.reserve(COUNT)
    base.new_numbers(count)
    return base


def state(base: BaseClusters, number: int) -> None:
    """Record key and sum of a cluster as its members are now."""
    members = base.members(np.array([number]))
    sums = VECTORS[members].sum(axis=0, dtype=np.int32)[None]
    base.state(np.array([number]), np.array([members.min()], np.uint64), sums)


@settings(deadline=None)
@given(steps=moves)
def test_members_labels_and_sums_follow_every_move(steps: list[tuple[list[int], int]]) -> None:
    base = clusters(6)
    label = np.full(COUNT, -1)
    for slots, number in steps:
        base.move(np.array(slots, np.int64), np.full(len(slots), number))
        label[slots] = number
        for touched in range(6):
            if (label == touched).any():
                state(base, touched)
    assert base.label[:COUNT].tolist() == label.tolist()
    assert base.numbers().tolist() == sorted(set(label.tolist()) - {-1})
    for number in base.numbers().tolist():
        members = np.flatnonzero(label == number)
        assert sorted(base.members(np.array([number])).tolist()) == members.tolist()
        assert base.size[number] == len(members)
        sums = base.sums(np.array([number]), fixed)
        assert sums.tolist() == [VECTORS[members].sum(axis=0, dtype=int).tolist()]


@settings(deadline=None)
@given(gone=st.lists(st.integers(0, COUNT - 1), unique=True))
def test_what_is_taken_out_leaves_right_sums_and_frees_empty_clusters(gone: list[int]) -> None:
    base = clusters(3)
    homes = np.array([0] * 14 + [1] * 9 + [2])
    base.move(np.arange(COUNT), homes)
    for number in range(3):
        state(base, number)
    shrunk = base.take_out(np.array(gone, np.int64), VECTORS[gone])
    left = {n: [i for i in range(COUNT) if homes[i] == n and i not in gone] for n in range(3)}
    hit = {int(homes[i]) for i in gone}
    assert shrunk.tolist() == sorted(n for n in hit if left[n])
    living = [n for n in range(3) if left[n]]
    assert base.numbers().tolist() == living
    sums = base.sums(np.array(living, np.int64), fixed)
    assert sums.tolist() == [VECTORS[left[n]].sum(axis=0, dtype=int).tolist() for n in living]
    freed = [n for n in range(3) if not left[n]]
    assert sorted(base.new_numbers(len(freed) + 1).tolist()) == [*freed, 3]


def test_kept_sums_are_used_again_by_other_clusters() -> None:
    base = clusters(2)
    for _ in range(600):
        base.move(np.arange(COUNT), np.zeros(COUNT, np.int64))
        state(base, 0)
        base.move(np.arange(COUNT), np.ones(COUNT, np.int64))
        state(base, 1)
        base.release(np.array([0]))
        assert base.new_numbers(1).tolist() == [0]
    assert len(base._sums) == 256
    assert base.sums(np.array([1]), fixed).tolist() == [VECTORS.sum(axis=0, dtype=int).tolist()]


def test_making_room_keeps_what_is_there() -> None:
    base = clusters(1)
    base.move(np.arange(3), np.zeros(3, np.int64))
    base.reserve(100_000)
    assert base.label[:4].tolist() == [0, 0, 0, -1]
    assert base.label[-1] == -1
    numbers = base.new_numbers(50_000)
    base.move(np.array([99_999]), numbers[-1:])
    assert base.numbers().tolist() == [0, numbers[-1]]
