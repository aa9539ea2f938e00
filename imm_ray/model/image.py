"""What a part of an engine is, as plain arrays: what a snapshot holds of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Arrays by name; the parts of a name are joined by dots."""

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Image:
    """State that `restore` of the same class takes over: copies, so the state may go on changing.

    Neighbours are not in it; see `Rows`.
    """

    columns: Arrays = field(default_factory=dict)
    """One entry, or row, for each slot."""
    facts: Arrays = field(default_factory=dict)
    """Whatever is not by slot."""

    def under(self, name: str) -> "Image":
        """Return the image with ``name`` before all names."""
        return Image(_renamed(self.columns, name), _renamed(self.facts, name))

    def part(self, name: str) -> "Image":
        """Return what was put `under` a name."""
        return Image(_part(self.columns, name), _part(self.facts, name))

    @staticmethod
    def join(*images: "Image") -> "Image":
        """Return one image of several; no name may be in two."""
        columns: Arrays = {}
        facts: Arrays = {}
        for image in images:
            columns |= image.columns
            facts |= image.facts
        return Image(columns, facts)


@dataclass(frozen=True, slots=True)
class Rows:
    """Neighbours of some slots: those of ``slots[i]`` are the next ``counts[i]`` of ``ids``."""

    slots: NDArray[np.int64]
    counts: NDArray[np.int32]
    ids: NDArray[np.int32]
    similarities: NDArray[np.int32]

    def of(self, chosen: NDArray[np.bool_]) -> "Rows":
        """Return the rows of the chosen slots."""
        inside = np.repeat(chosen, self.counts)
        return Rows(
            self.slots[chosen], self.counts[chosen], self.ids[inside], self.similarities[inside]
        )


def column(array: NDArray[_Scalar], size: int, fill: Any = 0) -> NDArray[_Scalar]:
    """Return a copy of the first ``size`` entries; those that are not there yet are ``fill``.

    >>> column(np.array([4, 5], np.int32), 3, -1).tolist()
    [4, 5, -1]
    """
    copy = np.full((size, *array.shape[1:]), fill, array.dtype)
    here = array[:size]
    copy[: len(here)] = here
    return copy


def numbers(values: Any) -> NDArray[np.int64]:
    """Return some whole numbers as an array, ascending if they are a set."""
    ordered = sorted(values) if isinstance(values, set | frozenset) else list(values)
    return np.array(ordered, np.int64)


def pairs(values: Mapping[int, int]) -> NDArray[np.int64]:
    """Return a map of numbers as an array of shape ``(n, 2)``, by key.

    >>> pairs({3: 1, 2: 7}).tolist()
    [[2, 7], [3, 1]]
    """
    return np.array(sorted(values.items()), np.int64).reshape(-1, 2)


def _renamed(arrays: Arrays, name: str) -> Arrays:
    return {f"{name}.{key}": array for key, array in arrays.items()}


def _part(arrays: Arrays, name: str) -> Arrays:
    prefix = f"{name}."
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}
