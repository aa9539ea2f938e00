"""What the engine needs from outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.run import Run
from imm_ray.measure import UNMEASURED as UNMEASURED
from imm_ray.measure import Measures as Measures
from imm_ray.model import Outcome, Source, Vectors
from imm_ray.model.image import Image, Rows

Slots = NDArray[np.int64]
"""Item numbers of one engine's lifetime: shape ``(n,)``."""


class EmbedderDied(Exception):
    """The embedder was lost while it held these files; one of them may be the cause."""


class EmbedderUnavailable(Exception):
    """There is no embedder at the moment; the files are not to blame."""


class Embedder(Protocol):
    """Turns files into figures and vectors."""

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        """Return one outcome for each source, in their order.

        Raises
        ------
        EmbedderDied
        EmbedderUnavailable
        """


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime:
        """Return the aware time."""


class Candidates(Protocol):
    """An index's answer: ``slots[i]`` is near the query of row ``query_rows[i]``."""

    @property
    def query_rows(self) -> NDArray[np.int64]:
        """Rows of the queries."""

    @property
    def slots(self) -> Slots:
        """Stored items."""

    @property
    def cosines(self) -> NDArray[np.float32]:
        """How near, rounded."""


class IndexReport(Protocol):
    """What an index says about itself."""

    @property
    def tier(self) -> str:
        """Which kind of search it does."""

    @property
    def recall(self) -> float | None:
        """The share of near pairs that it finds, as last measured; None: exact or not measured."""

    @property
    def changing(self) -> bool:
        """Whether upkeep is due or under way: see ``tend``."""


class VectorIndex(Protocol):
    """Stored vectors and their neighbours. One thread at a time."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store vectors under slots that are not in use."""

    def remove(self, slots: Slots) -> None:
        """Forget slots."""

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item whose cosine to a query is at least ``cosine``."""

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of slots, bit for bit as added."""

    def wide(self, slots: Slots) -> NDArray[np.float32]:
        """Return the stored vectors of slots as float32."""

    def state(self, size: int) -> Image:
        """Return what it knows of the slots below ``size`` besides their vectors."""

    def restore(self, image: Image) -> None:
        """Forget everything, and take over a `state`; `add_restored` brings the vectors back."""

    def add_restored(self, slots: Slots, vectors: Vectors) -> None:
        """Store vectors where the `restore` d state had them."""

    def tend(self) -> bool:
        """Do a bounded step of upkeep that is due; return whether more is."""

    def report(self) -> IndexReport:
        """Return its state."""

    def close(self) -> None:
        """Free what it holds; nothing may be called after it."""

    def __len__(self) -> int: ...


class Clusterer(Protocol):
    """Keeps groups of items: `cluster.figures` and `cluster.similar`."""

    @property
    def search_cosine(self) -> float:
        """What to ask the index for."""

    @property
    def threshold_cosine(self) -> float:
        """The cosine from which on two groups are one."""

    @property
    def is_approximate(self) -> bool:
        """Whether a consolidation may change anything."""

    @property
    def capped_lists(self) -> int:
        """How many items have more neighbours than are kept."""

    def __len__(self) -> int: ...

    def insert(self, new: Newcomers, found: Candidates) -> None:
        """Add items with their neighbours."""

    def remove(self, slots: Slots) -> None:
        """Take items out."""

    def freed(self) -> Slots:
        """Return slots of removed items that may be used again; often none."""

    def hollow(self) -> Slots:
        """Return items that need a `refill` before the next run."""

    def refill(self, slots: Slots, found: Candidates) -> None:
        """Give items their neighbours again."""

    def touch(self, slots: Slots) -> None:
        """Have the next run return the groups of ``slots`` in any case."""

    def run(self) -> Run:
        """Return the groups of what changed."""

    def consolidate(self) -> Run:
        """Cluster everything; return all groups."""

    def means(self, slots: Slots) -> NDArray[np.float64]:
        """Return the mean cosine of each item to the others of its group."""

    def state(self, size: int) -> Image:
        """Return what it knows of the slots below ``size``, without their neighbours."""

    def owners(self) -> list[int]:
        """Return the numbers of the clusters that a `state` refers to."""

    def restore(self, image: Image, owners: Mapping[int, int]) -> None:
        """Forget everything, and take over a `state`, whose ``owners`` have other numbers now.

        `put_rows` and `resume` must follow.
        """

    def marks(self, size: int) -> NDArray[np.uint64]:
        """Return a number of each slot's neighbours that changes when they do."""

    def rows(self, slots: Slots) -> Rows:
        """Return the neighbours of slots."""

    def put_rows(self, rows: Rows) -> None:
        """Give slots back their neighbours, each slot once."""

    def resume(self) -> None:
        """Compute what follows from what was restored; the vectors must be known."""
