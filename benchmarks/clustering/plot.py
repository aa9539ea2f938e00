"""Results as pictures, where matplotlib is installed."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.result import report

_OURS, _OTHERS = ("#0b6e4f", "#63b995"), ("#3d4f6b", "#9fb1cc")
_STAGES = ("#9fb1cc", "#e0a458", "#0b6e4f", "#b56576", "#6d597a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """How good one method was on one sample."""

    method: str
    size: int
    """How many items the sample has."""
    items: int
    """How many of them the method was given."""
    pairwise_f: float
    bcubed_f: float
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one delta cost with ``stored`` vectors in the index."""

    label: str
    """What the search was done with, such as the tier."""
    stored: int
    delta: int
    milliseconds: Mapping[str, float]
    """By stage, in the order they run; the same stages in all costs of one plot."""


def plot_peers(bars: Sequence[Bar], path: Path) -> None:
    """Write a picture of every method's F at every size, the best on top; means over samples."""
    if (pyplot := _pyplot(path)) is None:
        return
    means = _means(bars)
    sizes = sorted({bar.size for bar in means})
    methods = _by_quality(means)
    figure, axes = pyplot.subplots(figsize=(9, 1.6 + 0.28 * len(methods) * (len(sizes) + 0.6)))
    height = 0.8 / len(sizes)
    for bar in means:
        place = sizes.index(bar.size)
        y = len(methods) - 1 - methods.index(bar.method) + 0.4 - height * (place + 0.5)
        colour = (_OURS if bar.ours else _OTHERS)[min(place, 1)]
        axes.barh(y, bar.pairwise_f, height * 0.92, color=colour)
        axes.plot(bar.bcubed_f, y, "o", color="white", markeredgecolor="black", markersize=5)
        axes.text(1.005, y, f"{bar.pairwise_f:.3f}  {_items(bar)}", va="center", fontsize=8)
    axes.set_yticks(range(len(methods)), methods[::-1])
    start = max(0.0, min(min(bar.pairwise_f, bar.bcubed_f) for bar in means) // 0.1 / 10)
    axes.set_xlim(start, 1.0)
    axes.set_xlabel(f"pairwise F (bar) and BCubed F (dot); the axis starts at {start:.1f}")
    axes.set_title(
        "Synthetic faces: peers at their best of a grid on these labels,\n"
        "imm_ray with limits calibrated on other seeds",
        fontsize=10,
    )
    _save(figure, path)


def plot_costs(costs: Sequence[Cost], path: Path) -> None:
    """Write a picture of where the time of a delta goes, for each number of stored vectors."""
    if (pyplot := _pyplot(path)) is None:
        return
    figure, axes = pyplot.subplots(figsize=(2.4 + 1.5 * len(costs), 4.5))
    below = [0.0] * len(costs)
    stages = list(dict.fromkeys(stage for cost in costs for stage in cost.milliseconds))
    for number, stage in enumerate(stages):
        values = [cost.milliseconds.get(stage, 0.0) for cost in costs]
        colour = _STAGES[number % len(_STAGES)]
        axes.bar(range(len(costs)), values, 0.6, bottom=below, label=stage, color=colour)
        below = [low + value for low, value in zip(below, values, strict=True)]
    for place, total in enumerate(below):
        axes.text(place, total, f"{total:,.0f} ms", ha="center", va="bottom", fontsize=9)
    axes.set_xticks(range(len(costs)), [f"{cost.stored:,}\n{cost.label}" for cost in costs])
    axes.set_ylim(0, 1.12 * max(below))
    axes.set_ylabel("milliseconds")
    axes.set_xlabel("vectors stored")
    axes.set_title(f"Cost of a delta of {costs[0].delta:,}", fontsize=10)
    axes.legend(fontsize=8)
    _save(figure, path)


def _means(bars: Sequence[Bar]) -> list[Bar]:
    """Return one bar for each method and size."""
    alike: dict[tuple[str, int], list[Bar]] = {}
    for bar in bars:
        alike.setdefault((bar.method, bar.size), []).append(bar)
    return [
        replace(
            some[0],
            pairwise_f=sum(bar.pairwise_f for bar in some) / len(some),
            bcubed_f=sum(bar.bcubed_f for bar in some) / len(some),
        )
        for some in alike.values()
    ]


def _items(bar: Bar) -> str:
    return f"{bar.items:,}" + (f" of {bar.size:,}" if bar.items != bar.size else "")


def _by_quality(bars: Sequence[Bar]) -> list[str]:
    """Return the methods, the best first, by pairwise F on their largest sample."""
    largest = {bar.method: bar.pairwise_f for bar in sorted(bars, key=lambda bar: bar.size)}
    return sorted(largest, key=lambda method: -largest[method])


def _pyplot(path: Path) -> Any:
    """Return matplotlib, drawing to files; report it and return None where it is missing."""
    if find_spec("matplotlib") is None:
        report(
            "clustering plot",
            file=path.name,
            absent="matplotlib is not installed: pip install 'imm-ray[bench]'",
        )
        return None
    importlib.import_module("matplotlib").use("agg")
    return importlib.import_module("matplotlib.pyplot")


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=140, bbox_inches="tight")
    importlib.import_module("matplotlib.pyplot").close(figure)
    report("clustering plot", file=str(path))
