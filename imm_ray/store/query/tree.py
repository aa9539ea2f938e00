"""Conditions on files, as a tree of values that has been checked; the members are IMM's of File.

A condition is true or false of every file: what a file does not say makes a comparison false, and
its negation true.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from imm_ray.store.query.field import Field


class Comparison(StrEnum):
    """How a member is compared with a value."""

    EQ = "eq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    PREFIX = "prefix"
    """It begins with the value."""
    PHRASE = "match-phrase"
    """The value occurs in it, whatever the case of letters."""


class Junction(StrEnum):
    """How a group combines its conditions."""

    AND = "and"
    OR = "or"
    NOT = "not"
    """None of them holds."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison; of an array's member it holds when it does for any element."""

    field: Field
    comparison: Comparison
    value: str | float | datetime


@dataclass(frozen=True, slots=True)
class Exists:
    """The file says something of the member."""

    field: Field


@dataclass(frozen=True, slots=True)
class Within:
    """The file's place is not further away than ``metres`` over the ground."""

    latitude: float
    longitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class InBox:
    """The file's place is in a rectangle; one that ends west of its begin crosses 180 degrees."""

    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True, slots=True)
class InPolygon:
    """The file's place is in a polygon of (latitude, longitude) on the plane of degrees."""

    corners: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions combined; of none at all AND and NOT hold, OR does not."""

    junction: Junction
    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Nested:
    """One element of the array fulfils ``inside``, whose members are all of that array."""

    array: str
    inside: "Condition"


@dataclass(frozen=True, slots=True)
class Mentions:
    """Each word, without the case of its letters, occurs somewhere in the texts of the file."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Never:
    """Holds for no file: it is about a member that no file has here."""


Condition: TypeAlias = (
    Compare | Exists | Within | InBox | InPolygon | Mentions | Group | Nested | Never
)

EVERYTHING = Group(Junction.AND, ())
"""Holds for every file."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One member to sort by; files without it come last in either direction."""

    field: Field
    descending: bool
