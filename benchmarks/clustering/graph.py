"""The exact nearest neighbours of a sample, on which every peer works."""

from dataclasses import dataclass
from typing import TypeAlias

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from imm_ray.model import Vectors

_QUERIES_AT_ONCE = 4096

Rows: TypeAlias = NDArray[np.int32]
Cosines: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Undirected edges, each once: rows ``u < v`` and their cosine."""

    count: int
    """How many items there are, those without an edge included."""
    u: Rows
    v: Rows
    cosine: Cosines

    def over(self, least: float) -> "Pairs":
        """Return the pairs at ``least`` or over."""
        near = self.cosine >= np.float32(least)
        return Pairs(self.count, self.u[near], self.v[near], self.cosine[near])

    def matrix(self) -> csr_array:
        """Return both directions as a sparse matrix with sorted columns."""
        rows, columns = np.concatenate((self.u, self.v)), np.concatenate((self.v, self.u))
        values = np.concatenate((self.cosine, self.cosine))
        found = csr_array((values, (rows, columns)), shape=(self.count, self.count))
        found.sort_indices()
        return found


@dataclass(frozen=True, slots=True)
class Graph:
    """The ``k`` nearest others of every item, the nearest first: arrays ``(n, k)``."""

    neighbours: Rows
    cosines: Cosines
    pairs: Pairs
    """Each pair that stands in the list of either end."""

    def __len__(self) -> int:
        return len(self.neighbours)


def exact_graph(vectors: Vectors, k: int) -> Graph:
    """Return the graph of the ``k`` nearest others of every vector, by comparing all with all."""
    if not 0 < k < len(vectors):
        raise ValueError(f"{len(vectors)} vectors have no {k} others each: ask for fewer")
    wide = vectors.astype(np.float32)
    index = faiss.IndexFlatIP(wide.shape[1])
    index.add(wide)
    neighbours = np.empty((len(wide), k), np.int32)
    cosines = np.empty((len(wide), k), np.float32)
    for start in range(0, len(wide), _QUERIES_AT_ONCE):
        part = slice(start, start + _QUERIES_AT_ONCE)
        near, found = index.search(wide[part], k + 1)
        others = found != np.arange(start, start + len(found))[:, None]
        others[others.all(axis=1), -1] = False  # among many duplicates an item may miss itself
        neighbours[part] = found[others].reshape(-1, k)
        cosines[part] = near[others].reshape(-1, k)
    return Graph(neighbours, cosines, _pairs(neighbours, cosines))


def _pairs(neighbours: Rows, cosines: Cosines) -> Pairs:
    count, k = neighbours.shape
    rows = np.repeat(np.arange(count), k)
    others = neighbours.ravel().astype(np.int64)
    keys = np.minimum(rows, others) * count + np.maximum(rows, others)
    keys, first = np.unique(keys, return_index=True)
    u, v = np.divmod(keys, count)
    return Pairs(count, u.astype(np.int32), v.astype(np.int32), cosines.ravel()[first])
