"""Metrics through Ray: every process hands them to its node's agent, which Prometheus scrapes.

The agent runs without Ray's dashboard too. It learns of a value within ten seconds
(``RAY_metrics_report_interval_ms``), and forgets those of a process that has ended.
"""

import threading
from typing import Any

import ray
from ray.util.metrics import Counter, Gauge, Histogram

from imm_ray.measure import Measure


class RayMeasures:
    """Implements `measure.Measures`; made in each process that measures."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics: dict[str, Any] = {}

    def count(self, measure: Measure, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        if amount > 0:  # Ray refuses to add nothing
            self._metric(measure).inc(amount, tags=labels)

    def set(self, measure: Measure, value: float, **labels: str) -> None:
        """Set a gauge."""
        self._metric(measure).set(value, tags=labels)

    def observe(self, measure: Measure, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        self._metric(measure).observe(value, tags=labels)

    def _metric(self, measure: Measure) -> Any:
        with self._lock:
            if measure.name not in self._metrics:
                self._metrics[measure.name] = _new(measure)
            return self._metrics[measure.name]


def was_restarted() -> bool:
    """Return whether the actor of this process takes the place of one that has died."""
    return bool(ray.get_runtime_context().was_current_actor_reconstructed)


def _new(measure: Measure) -> Any:
    name, meaning, labels = measure.name, measure.meaning, measure.labels
    if measure.kind == "histogram":
        return Histogram(name, meaning, boundaries=list(measure.bounds), tag_keys=labels)
    return (Counter if measure.kind == "counter" else Gauge)(name, meaning, tag_keys=labels)
