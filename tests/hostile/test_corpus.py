"""Every file of the hostile corpus on the whole way, from the index request to its status."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hostile import survey
from imm_ray.model import DetectedFace, Pixels, Vector
from imm_ray.testing import random_vector

DIMENSION = 1280


@dataclass(frozen=True)
class Seen:
    """What cheap models see: no face, and a vector that follows from the pixels."""

    faces: tuple[DetectedFace, ...]
    vector: Vector | None
    image_score: float


class CheapModels:
    """Stands for the models, whose cost is not what is asked here."""

    def analyze(self, pixels: Pixels, width: int, height: int) -> Seen:
        """Return a vector of the picture's mean colour."""
        return Seen((), random_vector(str(np.mean(pixels, axis=(0, 1))), DIMENSION), 0.5)


@pytest.mark.timeout(600)
def test_every_file_gets_its_verdict_and_harms_nobody(shared: Path, tmp_path: Path) -> None:
    rows = survey(shared / "data" / "hostile_dev", tmp_path, models=CheapModels())
    assert len(rows) > 400
    assert {f"{row.path}: {fault}" for row in rows for fault in row.faults} == set()
