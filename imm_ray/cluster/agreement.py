"""How alike two partitions of the same items are."""

import numpy as np
from numpy.typing import NDArray


def adjusted_rand_index(a: NDArray[np.integer], b: NDArray[np.integer]) -> float:
    """Return the adjusted Rand index (Hubert and Arabie 1985): 1 equal, 0 as by chance.

    >>> adjusted_rand_index(np.array([1, 1, 2]), np.array([7, 7, 9]))
    1.0
    """
    _, rows = np.unique(a, return_inverse=True)
    _, columns = np.unique(b, return_inverse=True)
    cells = np.unique(rows.astype(np.int64) * (len(b) + 1) + columns, return_counts=True)[1]
    both, of_a, of_b = (_pairs(sizes) for sizes in (cells, np.bincount(rows), np.bincount(columns)))
    all_pairs = _pairs(np.array([len(a)]))
    expected = of_a * of_b / all_pairs if all_pairs else 0.0
    most = (of_a + of_b) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _pairs(sizes: NDArray[np.integer]) -> float:
    wide = sizes.astype(np.float64)
    return float((wide * (wide - 1) / 2).sum())
