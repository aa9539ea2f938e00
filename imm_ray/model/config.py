"""What a ``DatasetConfig`` says of figures."""

from imm_ray.model.entity import JsonObject


def auto_clustering(config: JsonObject) -> bool | None:
    """Return ``AutoClustering``, None when it is not said."""
    said = _figure(config).get("AutoClustering")
    return said if isinstance(said, bool) else None


def min_entity_count(config: JsonObject) -> int | None:
    """Return ``MinEntityCount``, None when it is not said.

    >>> min_entity_count({"SmartCluster": {"Figure": {"MinEntityCount": 2}}})
    2
    """
    said = _figure(config).get("MinEntityCount")
    return said if isinstance(said, int) else None


def _figure(config: JsonObject) -> JsonObject:
    figure: JsonObject = config.get("SmartCluster", {}).get("Figure", {})
    return figure
