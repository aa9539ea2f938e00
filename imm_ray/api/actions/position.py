"""Positions in lists of clusters: the sort value and the id of the last cluster given out."""

from datetime import datetime
from typing import Any

from imm_ray.api.paging import Position
from imm_ray.model import FigureCluster, SimilarImageCluster, from_microseconds, to_microseconds


def position_of(sort: str, cluster: FigureCluster | SimilarImageCluster) -> Position:
    """Return where ``cluster`` stands in a list sorted by ``sort`` (`store.clusters`)."""
    names = {"item_count": "figure_count"}
    value = getattr(cluster, names.get(sort, sort))
    if isinstance(value, datetime):
        value = to_microseconds(value)
    return [value, cluster.cluster_id]


def after(sort: str, position: Position | None) -> tuple[Any, str] | None:
    """Return a position as the store takes it."""
    if position is None:
        return None
    value, cluster_id = position
    if sort.endswith("_at"):
        return from_microseconds(int(value)), str(cluster_id)
    return value, str(cluster_id)
