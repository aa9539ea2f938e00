"""A tiered index with every list probed, against the exact one, at every step of its changes."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from imm_ray.index.candidates import Slots
from imm_ray.index.exact import ExactIndex
from imm_ray.index.tiered import TieredIndex, TierRules
from tests.unit.cluster.sample import crowd
from tests.unit.index.executors import OnCall

D = 8
SLOTS = 60
POOL = crowd(7, count=200, dimension=D, people=12)
QUERIES = POOL[::9]


def in_a_gap(cosine: float) -> float:
    """The middle of the widest gap near ``cosine``, where rounding cannot move a pair over it."""
    cosines = np.unique(QUERIES.astype(np.float64) @ POOL.astype(np.float64).T)
    near = cosines[np.abs(cosines - cosine) < 0.02]
    widest = int(np.diff(near).argmax())
    return float(near[widest : widest + 2].mean())


LIMIT = in_a_gap(0.7)

batches = st.lists(st.integers(0, SLOTS - 1), min_size=1, max_size=20, unique=True)


class Life(RuleBasedStateMachine):
    @initialize(products=st.sampled_from([1, 64, 10**6]))
    def open(self, products: int) -> None:
        self.executor = OnCall()
        rules = TierRules(ivf_from=16, least_probes=10**6, products=products)
        self.index = TieredIndex(D, rules, cosine=LIMIT, executor=self.executor)
        self.exact = ExactIndex(D)
        self.stored: set[int] = set()

    @rule(batch=batches, first=st.integers(0, len(POOL) - 1))
    def add(self, batch: list[int], first: int) -> None:
        slots = np.array([slot for slot in batch if slot not in self.stored], np.int64)
        vectors = POOL[(first + np.arange(len(slots))) % len(POOL)]
        self.index.add(slots, vectors)
        self.exact.add(slots, vectors)
        self.stored.update(slots.tolist())

    @rule(batch=batches)
    def remove(self, batch: list[int]) -> None:
        slots = np.array([slot for slot in batch if slot in self.stored], np.int64)
        self.index.remove(slots)
        self.exact.remove(slots)
        self.stored.difference_update(slots.tolist())

    @rule(steps=st.integers(1, 12))
    def tend(self, steps: int) -> None:
        for _ in range(steps):
            self.index.tend()

    @rule()
    def train(self) -> None:
        self.executor.work()

    @rule(k=st.integers(1, 70))
    def look(self, k: int) -> None:
        found, truth = self.index.within(QUERIES, LIMIT), self.exact.within(QUERIES, LIMIT)
        assert found.query_rows.tolist() == truth.query_rows.tolist()
        assert found.slots.tolist() == truth.slots.tolist()
        assert np.allclose(found.cosines, truth.cosines, atol=1e-6)
        best, most = self.index.nearest(QUERIES, k), self.exact.nearest(QUERIES, k)
        assert best.query_rows.tolist() == most.query_rows.tolist()
        assert np.allclose(best.cosines, most.cosines, atol=1e-6)

    @invariant()
    def every_vector_is_in_one_part(self) -> None:
        if not hasattr(self, "index"):
            return
        slots: Slots = np.array(sorted(self.stored), np.int64)
        held = sum(part.holds(slots).astype(int) for part in self.index._parts)
        assert np.all(held == 1)
        assert len(self.index) == self.index.report().count == len(slots)
        assert self.index.vectors(slots).tobytes() == self.exact.vectors(slots).tobytes()
        assert self.index.wide(slots).tobytes() == self.exact.wide(slots).tobytes()


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
