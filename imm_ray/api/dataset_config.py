"""``DatasetConfig``, as SDKs 4.7.3 to 4.8.4 send it."""

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, field_validator

from imm_ray.api.json_text import write_json
from imm_ray.api.schema import AsJson, ShortText, Wire
from imm_ray.model import JsonObject

MAX_CONFIG_BYTES = 16_384
MAX_MIN_ENTITY_COUNT = 1000


class FigureClusterConfig(Wire):
    """``FigureClusterConfig``.

    ``AutoClustering`` and ``MinEntityCount`` are honoured. ``AutoGenerate`` is without effect: a
    cover is always chosen, and nothing else is generated. ``EnabledFeatures`` names strategies that
    IMM does not document; it is without effect.
    """

    auto_clustering: bool | None = None
    auto_generate: bool | None = None
    enabled_features: Annotated[list[ShortText], Field(max_length=100)] | None = None
    min_entity_count: Annotated[int, Field(ge=1, le=MAX_MIN_ENTITY_COUNT)] | None = None


class SmartClusterConfig(Wire):
    """``SmartClusterConfig``."""

    figure: FigureClusterConfig | None = None


class DatasetConfig(Wire):
    """``DatasetConfig``; what it asks of models that are not here is refused."""

    insights: dict[str, Any] | None = None
    reverse_image: dict[str, Any] | None = None
    smart_cluster: SmartClusterConfig | None = None

    @field_validator("insights", "reverse_image")
    @classmethod
    def _not_enabled(cls, config: JsonObject | None) -> JsonObject | None:
        """Refuse what would be believed to work: nothing here describes or finds pictures so."""
        if _enables(config):
            raise ValueError(
                "this service has no model for it, so it can not be enabled; leave it out, or say "
                "false for Enable"
            )
        return config

    @property
    def said(self) -> JsonObject:
        """What was said, in wire spelling."""
        return self.model_dump(by_alias=True, exclude_none=True)


def _enables(part: Any) -> bool:
    if isinstance(part, dict):
        return part.get("Enable") is True or any(map(_enables, part.values()))
    return isinstance(part, list) and any(map(_enables, part))


def _is_small(config: DatasetConfig) -> DatasetConfig:
    if len(write_json(config.said).encode()) > MAX_CONFIG_BYTES:
        raise ValueError(f"it has more than {MAX_CONFIG_BYTES} bytes")
    return config


ConfigParameter: TypeAlias = Annotated[DatasetConfig, AfterValidator(_is_small), AsJson]
