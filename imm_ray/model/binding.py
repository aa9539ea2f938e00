"""Bindings: buckets whose objects a dataset shall have."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class BindingState(StrEnum):
    """``State`` of a binding; IMM's further one, Deleted, is a binding that is no more."""

    READY = "Ready"
    """Waits for its first scan."""
    RUNNING = "Running"
    STOPPED = "Stopped"
    RETRYING = "Retrying"
    FAILED = "Failed"


class BindingPhase(StrEnum):
    """``Phase`` of a binding: what its scan looks at."""

    NONE = ""
    """No scan has begun."""
    FULL_SCANNING = "FullScanning"
    INCREMENTAL_SCANNING = "IncrementalScanning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """One bucket bound to one dataset."""

    uri: str
    """``oss://bucket`` or ``s3://bucket``."""
    state: BindingState = BindingState.READY
    phase: BindingPhase = BindingPhase.NONE
    reason: str = ""
    """Why it is stopped, or has failed."""
    created_at: datetime
    updated_at: datetime
