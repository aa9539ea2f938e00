"""What an index says about itself."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """The state of an index, for ledgers and operators."""

    tier: Literal["exact", "flat", "flat+ivf", "ivf"]
    count: int
    """Vectors stored."""
    lists: int = 0
    """Inverted lists; 0 while there are none."""
    probes: int = 0
    """Inverted lists that a query looks into."""
    recall: float | None = None
    """The share of near pairs that `within` finds, as last measured; None: not measured."""
    moved: int = 0
    """Vectors that have changed tier, ever."""
    changing: bool = False
    """Whether a training, a move or a measurement is due or under way."""
