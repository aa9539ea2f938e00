"""What an index does, and how to get one."""

from typing import Protocol

from imm_ray.index.candidates import Candidates, Slots, Wide
from imm_ray.index.exact import ExactIndex
from imm_ray.index.report import IndexReport
from imm_ray.model import Vectors
from imm_ray.model.image import Image
from imm_ray.settings import Index


class VectorIndex(Protocol):
    """Stored vectors by slot. One writer; no call may overlap another.

    A slot is a small number from 0 up, free for reuse after its removal. `within` and `nearest`
    are exact but for the ``ivf`` tier, whose recall `report` tells.
    """

    def __len__(self) -> int: ...

    def add(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` under ``slots``, none of which may be stored."""

    def remove(self, slots: Slots) -> None:
        """Forget ``slots``, all of which must be stored."""

    def vectors(self, slots: Slots) -> Vectors:
        """Return the stored vectors of ``slots``, bit by bit as they were added."""

    def wide(self, slots: Slots) -> Wide:
        """Return the stored vectors of ``slots`` as float32; the fast way to get many."""

    def within(self, vectors: Vectors, cosine: float) -> Candidates:
        """Return every stored item at ``cosine`` or nearer to each query, by query row and slot."""

    def nearest(self, vectors: Vectors, k: int) -> Candidates:
        """Return the ``k`` (or all, if fewer) nearest items of each query, the nearest first."""

    def tend(self) -> bool:
        """Do one step, of some 100 ms at most, of upkeep that is due; return whether more is.

        False also while a thread still works in the background: ask again later.
        """

    def report(self) -> IndexReport:
        """Return the tier, its size and how much it finds."""

    def close(self) -> None:
        """Stop what runs in the background and free the memory. Nothing may be called after it."""


class LastingIndex(VectorIndex, Protocol):
    """An index whose state can be kept and taken over by another one of its kind."""

    @property
    def dimension(self) -> int:
        """The length of a vector."""

    def state(self, size: int) -> Image:
        """Return what is known of the slots below ``size`` besides their vectors."""

    def restore(self, image: Image) -> None:
        """Forget everything, and take over a `state`; `add_restored` brings the vectors back."""

    def add_restored(self, slots: Slots, vectors: Vectors) -> None:
        """Store ``vectors`` where the `restore` d state had them: no list is chosen again."""


def open_index(settings: Index, dimension: int, *, cosine: float, threads: int = 1) -> LastingIndex:
    """Return an empty index of the kind that the settings name.

    FAISS is loaded only when it is asked for.

    Parameters
    ----------
    settings
        The section ``index``.
    dimension
        The length of a vector.
    cosine
        What the caller mostly searches for: recall is measured at it.
    threads
        Threads of a search.
    """
    if settings.backend == "exact":
        return ExactIndex(dimension)
    from imm_ray.index.tiered import TieredIndex, TierRules

    rules = TierRules(ivf_from=settings.ivf_from, recall=settings.recall)
    return TieredIndex(dimension, rules, cosine=cosine, threads=threads)
