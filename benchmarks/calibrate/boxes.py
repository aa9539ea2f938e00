"""Whether two boxes are of one face."""

from typing import Protocol


class Rectangle(Protocol):
    """A box in any unit."""

    @property
    def left(self) -> float: ...

    @property
    def top(self) -> float: ...

    @property
    def width(self) -> float: ...

    @property
    def height(self) -> float: ...


def overlap(a: Rectangle, b: Rectangle) -> float:
    """Return the intersection over union of two boxes.

    >>> from imm_ray.model import Box
    >>> overlap(Box(0, 0, 2, 2), Box(1, 0, 2, 2))
    0.3333333333333333
    """
    width = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    height = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    both = max(0.0, width) * max(0.0, height)
    return both / (a.width * a.height + b.width * b.height - both) if both else 0.0
