"""What the next run of a collection has to look at."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imm_ray.dataset.ports import Slots
from imm_ray.model.image import Arrays, numbers


class Outstanding:
    """Items that no run has covered, and what has changed among the others since the last one."""

    def __init__(self) -> None:
        self.seq_of_new: dict[int, int] = {}
        """By slot, of the items that no run has covered."""
        self.unsettled: set[int] = set()
        """Items whose groups must be looked at."""
        self.lost: set[int] = set()
        """Clusters, by number, that lost items."""
        self.disturbed = False
        """Groups have been formed that no plan has looked at."""
        self.regroup = False
        """Groups may be clusters now that were none when a plan looked at them."""

    def due(self, watermark: int) -> Slots:
        """Return the new items up to a watermark."""
        due = [slot for slot, seq in self.seq_of_new.items() if seq <= watermark]
        return np.array(due, np.int64)

    def are_later(self, slots: Slots, watermark: int) -> NDArray[np.bool_]:
        """Return which items came after a watermark."""
        seqs = self.seq_of_new
        return np.fromiter((seqs.get(s, 0) > watermark for s in slots.tolist()), np.bool_)

    def concerns_a_run(self) -> bool:
        """Return whether a run must look at something besides new items."""
        return bool(self.disturbed or self.unsettled or self.lost or self.regroup)

    def settle(self, covered: Sequence[int]) -> None:
        """Take note that a run has become visible."""
        for slot in covered:
            self.seq_of_new.pop(slot, None)
        self.lost.clear()
        self.unsettled.clear()
        self.disturbed = self.regroup = False

    def facts(self) -> Arrays:
        """Return what a snapshot holds; the rest follows from the store."""
        return {"unsettled": numbers(self.unsettled), "regroup": np.array([self.regroup])}

    def restore(self, facts: Arrays, *, founding_differs: bool) -> None:
        """Take over `facts`; groups may be clusters now if the rule for founding them differs."""
        self.unsettled = set(facts["unsettled"].tolist())
        self.regroup = founding_differs or bool(facts["regroup"][0])
