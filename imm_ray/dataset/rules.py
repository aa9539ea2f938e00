"""What holds for one dataset: what it says, else its project, else the settings."""

from dataclasses import dataclass

from imm_ray.model import DatasetId, auto_clustering, min_entity_count
from imm_ray.settings import Settings
from imm_ray.store import datasets
from imm_ray.store.database import Tx
from imm_ray.store.ownership import DatasetGone

_WITHOUT_MODELS = ("Official:DefaultEmptyId", "Official:OSSBasicMeta")
"""Templates without operators for faces or pictures: tasks succeed and change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRules:
    """What an engine follows; clients may change it at any time."""

    analyzes: bool = True
    """Whether models look into files; else they are indexed as metadata only."""
    auto: bool = False
    """Whether figures are clustered after every committed batch, without a task."""
    min_entity_count: int
    """Good faces that found a figure cluster."""


def read_rules(tx: Tx, dataset_id: DatasetId, settings: Settings) -> DatasetRules:
    """Return what holds for a dataset now.

    Raises
    ------
    DatasetGone
    """
    said = datasets.terms(tx, dataset_id)
    if said is None:
        raise DatasetGone(f"dataset {dataset_id} does not exist")
    clustering = settings.clustering
    autos = (auto_clustering(config) for config in said.configs)
    counts = (min_entity_count(config) for config in said.configs)
    return DatasetRules(
        analyzes=said.template_id not in _WITHOUT_MODELS,
        auto=next((auto for auto in autos if auto is not None), clustering.auto),
        min_entity_count=next((n for n in counts if n is not None), clustering.min_entity_count),
    )
