"""The limits that decide who is one person, as fixed-point similarities."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureLimits:
    """What average link, its second pass and the rule for one photo compare with.

    All similarities are integers on the scale of ``fixed.UNIT``. They come from the model card,
    where they stand on the model's calibrated scale; none is written in code.
    """

    threshold: int
    """Two base clusters are one when their mean similarity reaches this."""
    margin: int
    """A decision this near to its limit is looked at again with everything around it."""
    same_photo: int
    """From this similarity on two faces of one photo may be one person (a mirror, a collage)."""
    strong: int
    """Second pass: a pair from here on is evidence that two base clusters are one person."""
    strong_share: float
    """Second pass: the share of the smaller cluster's members that need such evidence."""
    second_mean: int
    """Second pass: the mean similarity that two base clusters need at least."""
    second_smallest: int
    """Second pass: the members that a base cluster needs at least."""

    def __post_init__(self) -> None:
        if self.same_photo < self.threshold:
            raise ValueError(
                f"same_photo {self.same_photo} is below the threshold {self.threshold}: the limit "
                "for one photo can only be stricter"
            )
        if not 0 < self.strong_share <= 1:
            raise ValueError(f"strong_share {self.strong_share} is no share of 0–1")
