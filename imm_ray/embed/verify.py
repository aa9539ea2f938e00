"""Compares the model files with their cards."""

import ctypes
import hashlib
from dataclasses import dataclass
from pathlib import Path

from imm_ray.embed.cards import ModelCard, WeightsFile, cards
from imm_ray.embed.detector import SYMBOL, library


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """One file of one model, compared with its card."""

    name: str
    file: Path
    ok: bool
    expected: str
    actual: str


class DamagedModel(Exception):
    """A model file is not the one that its card describes."""


def verify_models() -> list[ModelCheck]:
    """Return a check of every model file, and of the detector's library."""
    return [*(check for card in cards() for check in _checks(card)), _check_detector()]


def require_intact(card: ModelCard) -> None:
    """Return when all files of a model are intact.

    Raises
    ------
    DamagedModel
    """
    for check in _checks(card):
        if not check.ok:
            raise DamagedModel(
                f"the model file {check.file.name} of {check.name} has sha256 {check.actual}, "
                f"its card says {check.expected}: install the package again"
            )


def _checks(card: ModelCard) -> list[ModelCheck]:
    found = [(file, _sha256(file)) for file in card.files]
    return [
        ModelCheck(card.name, file.path, actual == file.sha256, file.sha256, actual)
        for file, actual in found
    ]


def _sha256(file: WeightsFile) -> str:
    if not file.path.is_file():
        return "no file"
    with file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_detector() -> ModelCheck:
    expected = f"symbol {SYMBOL}"
    try:
        path = library()
        found = hasattr(ctypes.CDLL(str(path)), SYMBOL)
    except (ModuleNotFoundError, OSError) as error:
        return ModelCheck("yunet", Path("libfacedetection.so"), False, expected, str(error))
    return ModelCheck("yunet", path, found, expected, expected if found else "no such symbol")
