"""A double that keeps what is measured."""

from collections import Counter

from imm_ray.measure import Measure


class RecordedMeasures:
    """Keeps everything; asks of each measure that it is used as the table says.

    Attributes
    ----------
    totals
        Sums of counters, and the last values of gauges, by name and labels.
    values
        What was observed, in order, by name and labels.
    """

    def __init__(self) -> None:
        self.totals: Counter[tuple[str, ...]] = Counter()
        self.values: dict[tuple[str, ...], list[float]] = {}

    def count(self, measure: Measure, amount: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        assert measure.kind == "counter"
        assert amount >= 0
        self.totals[_key(measure, labels)] += amount  # type: ignore[assignment]  # also floats

    def set(self, measure: Measure, value: float, **labels: str) -> None:
        """Set a gauge."""
        assert measure.kind == "gauge"
        self.totals[_key(measure, labels)] = value  # type: ignore[assignment]  # also floats

    def observe(self, measure: Measure, value: float, **labels: str) -> None:
        """Keep a value of a histogram."""
        assert measure.kind == "histogram"
        self.values.setdefault(_key(measure, labels), []).append(value)


def _key(measure: Measure, labels: dict[str, str]) -> tuple[str, ...]:
    assert set(labels) == set(measure.labels), f"{measure.name} has the labels {measure.labels}"
    return (measure.name, *(labels[name] for name in measure.labels))
