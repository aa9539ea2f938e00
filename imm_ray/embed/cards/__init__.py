"""Model cards: what a model is, where it comes from, how its similarities are to be read.

Light to import: owners read cards and load no model.
"""

import math
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class SecondPass(BaseModel):
    """When two base clusters are one person although their mean link is below the threshold.

    Both must be each other's best by mean link; lengths are on the scale of the `Calibration`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    slack: float = Field(ge=0)
    """How far below the threshold their mean link may be."""
    offset: float = Field(ge=0)
    """How far above the threshold a similarity is strong evidence."""
    share: float = Field(gt=0, le=1)
    """The share of the smaller one's members that need strong evidence in the other one."""
    smallest: int = Field(ge=1)
    """Members that the smaller one needs."""


class Calibration(BaseModel):
    """How the similarities of a model's stored vectors are to be read; measured on labelled sets.

    ``different_mean`` and ``same_mean`` are cosines. They make the scale on which all other values
    stand: 0 like strangers, 1 like two pictures of the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    different_mean: float = Field(ge=-1, le=1)
    """Mean cosine of two faces of different people, or of two unrelated pictures."""
    same_mean: float = Field(ge=-1, le=1)
    """Mean cosine of two faces of one person, or of two shots of the same."""
    threshold: float
    """From here on two groups are one."""
    margin: float = Field(0.0, ge=0)
    """How much a mean link may move when half of a person's faces are missing."""
    same_photo: float = math.inf
    """From here on two faces of one photo may be one person (a mirror, a collage)."""
    second_pass: SecondPass | None = None
    """None: clusters are what average link makes of them."""

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.different_mean >= self.same_mean:
            raise ValueError(
                f"different_mean {self.different_mean} is not below same_mean {self.same_mean}: "
                "such a model can not tell the two apart"
            )
        if self.threshold > self.same_photo:
            raise ValueError(
                f"the threshold {self.threshold} is above same_photo {self.same_photo}: the limit "
                "for one photo can only be stricter"
            )
        return self

    def scaled(self, cosine: float) -> float:
        """Return a cosine on the common scale: 0 like strangers, 1 like two pictures of the same.

        >>> calibration = Calibration(different_mean=0.5, same_mean=1.0, threshold=0.6)
        >>> calibration.scaled(0.75), calibration.cosine(0.6)
        (0.5, 0.8)
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
