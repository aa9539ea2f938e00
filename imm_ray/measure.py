"""What the service measures of itself: one table of all metrics, and the port that takes them.

Prometheus scrapes them at ``/metrics`` of ``server.metrics_port``, and in a cluster, with ``ray_``
in front of each name, at the metrics port of each Ray node. No label holds what a client has named:
neither datasets nor files, only actions, kinds and the operator's own topics.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["counter", "gauge", "histogram"]

_QUICK_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric: a row of the table."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    """Upper bounds of a histogram's buckets."""


REQUEST_SECONDS = Measure(
    "imm_ray_request_seconds",
    "histogram",
    "Seconds from a request to its answer; for writes, until they are durable. `status` is HTTP's",
    ("action", "status"),
    _QUICK_S,
)
BACKLOG = Measure(
    "imm_ray_backlog",
    "gauge",
    "What waits for owners: `what` is files, tasks or edits",
    ("what",),
)
FILES = Measure(
    "imm_ray_files_total",
    "counter",
    "Files whose indexing has ended: indexed or failed",
    ("outcome",),
)
INDEXING_SECONDS = Measure(
    "imm_ray_indexing_seconds",
    "histogram",
    "Seconds from the acknowledgement of a file to its stored result",
    (),
    _SLOW_S,
)
EMBED_SECONDS = Measure(
    "imm_ray_embed_seconds", "histogram", "Seconds of one call to the embedder", (), _QUICK_S
)
EMBEDDED = Measure(
    "imm_ray_embedded_files_total",
    "counter",
    "Files that came back from the embedder: its throughput",
)
REFUSED = Measure(
    "imm_ray_refused_files_total",
    "counter",
    "Files that could not be fetched or decoded; `transient` is yes where another try may help",
    ("transient",),
)
CLUSTERING_SECONDS = Measure(
    "imm_ray_clustering_seconds",
    "histogram",
    "Seconds until a clustering is visible: of a task, from its acknowledgement; of a stream, from "
    "the first result that it covers",
    ("kind", "trigger"),
    _SLOW_S,
)
RUN_SECONDS = Measure(
    "imm_ray_run_seconds", "histogram", "Seconds of a clustering run itself", ("kind",), _SLOW_S
)
RUN_ITEMS = Measure(
    "imm_ray_run_items_total", "counter", "New items that clustering runs have taken in", ("kind",)
)
RUN_DISTANCES = Measure(
    "imm_ray_run_distances_total",
    "counter",
    "Distances that clustering runs have computed; divided by the items, the cost of what is new",
    ("kind",),
)
OUTBOX = Measure(
    "imm_ray_outbox_messages",
    "gauge",
    "Notifications: `state` is waiting, or dead for those that were given up",
    ("state",),
)
OUTBOX_AGE = Measure(
    "imm_ray_outbox_oldest_seconds",
    "gauge",
    "Age of the oldest notification that waits; 0 for none",
)
NOTIFICATIONS = Measure(
    "imm_ray_notifications_total",
    "counter",
    "Attempts to deliver: `outcome` is delivered, failed, or dead for the last one",
    ("topic", "outcome"),
)
NOTIFICATION_SECONDS = Measure(
    "imm_ray_notification_seconds", "histogram", "Seconds of one attempt", ("topic",), _QUICK_S
)
ENGINES = Measure("imm_ray_engines", "gauge", "Datasets in the memory of an owner", ("host",))
TAKEN = Measure(
    "imm_ray_datasets_taken_total", "counter", "Datasets that an owner has taken: epochs raised"
)
ENGINE_FAILURES = Measure(
    "imm_ray_engine_failures_total", "counter", "Engines that failed and are opened anew"
)
OWNER_RESTARTS = Measure(
    "imm_ray_owner_restarts_total",
    "counter",
    "Owner processes that replaced one that has died or was fenced",
    ("host",),
)
EPOCHS = Measure(
    "imm_ray_owner_epochs",
    "gauge",
    "Sum of the epochs of all datasets: how often any was taken, as the store has it",
)

MEASURES = (
    REQUEST_SECONDS,
    BACKLOG,
    FILES,
    INDEXING_SECONDS,
    EMBED_SECONDS,
    EMBEDDED,
    REFUSED,
    CLUSTERING_SECONDS,
    RUN_SECONDS,
    RUN_ITEMS,
    RUN_DISTANCES,
    OUTBOX,
    OUTBOX_AGE,
    NOTIFICATIONS,
    NOTIFICATION_SECONDS,
    ENGINES,
    TAKEN,
    ENGINE_FAILURES,
    OWNER_RESTARTS,
    EPOCHS,
)


class Measures(Protocol):
    """Takes what is measured. A call is quick, never fails and never blocks."""

    def count(self, measure: Measure, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter."""

    def set(self, measure: Measure, value: float, **labels: str) -> None:
        """Set a gauge."""

    def observe(self, measure: Measure, value: float, **labels: str) -> None:
        """Add a value to a histogram."""


class Unmeasured:
    """Measures nothing."""

    def count(self, measure: Measure, amount: float = 1.0, **labels: str) -> None:
        """Do nothing."""

    def set(self, measure: Measure, value: float, **labels: str) -> None:
        """Do nothing."""

    def observe(self, measure: Measure, value: float, **labels: str) -> None:
        """Do nothing."""


UNMEASURED: Measures = Unmeasured()
