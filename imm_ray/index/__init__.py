"""The vector index: which stored vectors are near given ones."""

from imm_ray.index.candidates import Candidates
from imm_ray.index.open import VectorIndex, open_index

__all__ = ["Candidates", "VectorIndex", "open_index"]
