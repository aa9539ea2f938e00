"""The vector index: which stored vectors are near given ones."""

from imm_ray.index.candidates import Candidates
from imm_ray.index.open import LastingIndex, VectorIndex, open_index
from imm_ray.index.report import IndexReport

__all__ = ["Candidates", "IndexReport", "LastingIndex", "VectorIndex", "open_index"]
