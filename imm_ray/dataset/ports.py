"""What the engine needs from outside."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from imm_ray.model import Outcome, Source, Vectors

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


class VectorIndex(Protocol):
    """Stored vectors and their neighbours. One thread at a time."""

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store vectors under slots that are not in use."""

    def remove(self, slots: Slots) -> None:
        """Forget slots."""

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item whose cosine to a query is at least ``cosine``."""

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of slots, bit for bit as added."""

    def __len__(self) -> int: ...
