"""Model cards: what a model is, where it comes from, how its similarities are to be read.

Light to import: owners read cards and load no model.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

WEIGHTS = Path(__file__).parents[1] / "weights"


class WeightsFile(BaseModel):
    """One file of a model, below ``embed/weights``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file is."""
        return WEIGHTS / self.name


class Calibration(BaseModel):
    """How the cosines of a model's stored vectors are to be read; measured on labelled sets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    different_mean: float
    """Mean cosine of two faces of different people, or of two unrelated pictures."""
    same_mean: float
    """Mean cosine of two faces of one person, or of two shots of the same."""
    threshold: float
    """From this cosine on two groups are one."""
    same_photo: float = 1.0
    """From this cosine on two faces of one photo may be one person (a mirror, a collage)."""

    def scaled(self, cosine: float) -> float:
        """Return a cosine on the common scale: 0 like strangers, 1 like two pictures of the same.

        >>> Calibration(different_mean=0.5, same_mean=1.0, threshold=0.8).scaled(0.75)
        0.5
        """
        return (cosine - self.different_mean) / (self.same_mean - self.different_mean)

    def cosine(self, scaled: float) -> float:
        """Return the cosine of a value on the common scale (the inverse of `scaled`)."""
        return self.different_mean + scaled * (self.same_mean - self.different_mean)


class ModelCard(BaseModel):
    """One model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Literal["detector", "face", "image"]
    model_id: str
    """Changes whenever vectors do: vectors of different ids are never compared."""
    title: str
    dimension: int
    input: str
    output: str
    licence: str
    origin: str
    measured: str
    weaknesses: str
    files: tuple[WeightsFile, ...]
    calibration: Calibration | None = None

    @property
    def scale(self) -> Calibration:
        """The calibration of a model that makes vectors.

        Raises
        ------
        ValueError
            The model makes none.
        """
        if self.calibration is None:
            raise ValueError(f"the model {self.name} makes no vectors to compare")
        return self.calibration


@cache
def cards() -> tuple[ModelCard, ...]:
    """Return the cards of all models that come with the package, by name."""
    files = sorted(Path(__file__).parent.glob("*.toml"))
    return tuple(ModelCard.model_validate(tomllib.loads(file.read_text())) for file in files)


def load_card(name: str) -> ModelCard:
    """Return the card of a model by the name that settings use.

    Raises
    ------
    ValueError
        There is none; the text lists those that there are.
    """
    return _find("name", name)


def card_of_model(model_id: str) -> ModelCard:
    """Return the card of the model that a dataset recorded at its creation.

    Raises
    ------
    ValueError
        This version does not have that model.
    """
    return _find("model_id", model_id)


def _find(field: Literal["name", "model_id"], value: str) -> ModelCard:
    for card in cards():
        if getattr(card, field) == value:
            return card
    known = ", ".join(getattr(card, field) for card in cards())
    raise ValueError(f"there is no model {value!r}; this version has {known}")
