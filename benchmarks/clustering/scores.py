"""How well a partition fits the truth: pairwise, BCubed and adjusted Rand, in ``O(n log n)``."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.int64]
"""The cluster of each item: shape ``(n,)``, any numbers."""


class Score(NamedTuple):
    """Precision, recall and their harmonic mean."""

    precision: float
    recall: float
    f: float


class _Table(NamedTuple):
    """Where two partitions meet: cells that are not empty, and the sizes of all clusters."""

    cells: Labels
    truth_of_cell: Labels
    found_of_cell: Labels
    truth: Labels
    found: Labels


def pairwise(truth: Labels, found: Labels) -> Score:
    """Return the score over pairs of items; precision is 1 where no pair was found.

    >>> pairwise(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 6]))
    Score(precision=0.5, recall=0.3333333333333333, f=0.4)
    """
    table = _contingency(truth, found)
    both, real, made = _pairs(table.cells), _pairs(table.truth), _pairs(table.found)
    return _score(both / made if made else 1.0, both / real if real else 1.0)


def bcubed(truth: Labels, found: Labels) -> Score:
    """Return the mean over items of the score of the item's own cluster."""
    if not len(truth):
        return Score(1.0, 1.0, 1.0)
    table = _contingency(truth, found)
    squares = table.cells.astype(np.float64) ** 2
    precision = float((squares / table.found[table.found_of_cell]).sum()) / len(truth)
    recall = float((squares / table.truth[table.truth_of_cell]).sum()) / len(truth)
    return _score(precision, recall)


def ari(truth: Labels, found: Labels) -> float:
    """Return the adjusted Rand index: 1 for equal partitions, about 0 for independent ones."""
    table = _contingency(truth, found)
    both, real, made = _pairs(table.cells), _pairs(table.truth), _pairs(table.found)
    pairs = len(truth) * (len(truth) - 1) // 2
    expected = real * made / pairs if pairs else 0.0
    top = (real + made) / 2
    return 1.0 if top == expected else (both - expected) / (top - expected)


def figures(truth: Labels, found: Labels) -> dict[str, float | int]:
    """Return every score of one partition, rounded for a report."""
    pairs, items = pairwise(truth, found), bcubed(truth, found)
    return {
        "pairwise_f": round(pairs.f, 4),
        "pairwise_precision": round(pairs.precision, 4),
        "pairwise_recall": round(pairs.recall, 4),
        "bcubed_f": round(items.f, 4),
        "bcubed_precision": round(items.precision, 4),
        "bcubed_recall": round(items.recall, 4),
        "ari": round(ari(truth, found), 4),
        "clusters": len(np.unique(found)),
    }


def _contingency(truth: Labels, found: Labels) -> _Table:
    if len(truth) != len(found):
        raise ValueError(f"{len(truth)} truths for {len(found)} found labels: give one for each")
    _, rows, truth_sizes = np.unique(truth, return_inverse=True, return_counts=True)
    _, columns, found_sizes = np.unique(found, return_inverse=True, return_counts=True)
    keys, cells = np.unique(rows * max(len(found_sizes), 1) + columns, return_counts=True)
    of_truth, of_found = np.divmod(keys, max(len(found_sizes), 1))
    return _Table(cells, of_truth, of_found, truth_sizes, found_sizes)


def _pairs(sizes: Labels) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _score(precision: float, recall: float) -> Score:
    total = precision + recall
    return Score(precision, recall, 2 * precision * recall / total if total else 0.0)
