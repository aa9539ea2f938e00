"""Values of what changes clusters: edits by hand, what they lay down for ever, and lineage."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from imm_ray.model.entity import (
    NO_TASK,
    ClusterId,
    ClusterKind,
    DatasetId,
    JsonObject,
    TaskId,
)


class EditKind(StrEnum):
    """What a client changes by hand."""

    NAME = "name"
    MERGE = "merge"
    MOVE = "move"
    REMOVE = "remove"
    SPLIT = "split"
    UNDO = "undo"
    CONSOLIDATE = "consolidate"


class EditStatus(StrEnum):
    """Where an edit stands."""

    PENDING = "Pending"
    APPLIED = "Applied"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change by hand: acknowledged when it is stored, true when the owner has applied it."""

    edit_id: str
    dataset_id: DatasetId
    seq: int
    """Edits are applied in this order; each has a number of its own."""
    kind: EditKind
    payload: JsonObject
    """What the client wants."""
    task_id: TaskId = NO_TASK
    """The task that ends with the edit, if a client waits for one."""
    status: EditStatus = EditStatus.PENDING
    reason: str = ""
    """Why it was refused, for a person to read."""
    effect: JsonObject = field(default_factory=dict)
    """What applying it changed: what an UNDO needs."""
    run: int = 0
    """The run that it became visible with."""
    created_at: datetime
    applied_at: datetime | None = None


class ConstraintKind(StrEnum):
    """What an edit lays down for ever about a figure and a cluster."""

    PIN = "pin"
    """The figure belongs to the cluster."""
    BAN = "ban"
    """The figure never belongs to the cluster."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """Kept until its figure or its cluster goes; ``edit_id`` is the edit that it comes from."""

    item_id: str
    cluster_id: ClusterId
    kind: ConstraintKind
    edit_id: str


class EventKind(StrEnum):
    """What happens to clusters."""

    BORN = "born"
    JOINED = "joined"
    LEFT = "left"
    MERGED = "merged"
    SPLIT = "split"
    MOVED = "moved"
    DISSOLVED = "dissolved"
    RESTORED = "restored"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One change of one cluster by a run."""

    event: EventKind
    cluster_id: ClusterId
    other_id: ClusterId
    """The other cluster of a merge, split or move; ``NO_CLUSTER`` if none."""
    items: tuple[str, ...]
    edit_id: str = ""
    """The edit that caused it; '' when the run itself did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent(ClusterEvent):
    """A `ClusterEvent` as it is kept for ever.

    A long one is kept in parts with the same facts and successive positions: ``items`` are those of
    the part, ``item_count`` is the number of all.
    """

    kind: ClusterKind
    run: int
    position: int
    item_count: int
    task_id: TaskId
    at: datetime


@dataclass(frozen=True, slots=True)
class Retirement:
    """The end of a cluster's id; its heir is the cluster that readers of the id are led to."""

    cluster_id: ClusterId
    into: ClusterId
    """``NO_CLUSTER``: dissolved without an heir."""
