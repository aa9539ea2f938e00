"""Puts an engine together from the settings and the dataset's model cards."""

import uuid

from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.incremental import figure_clusterer, similar_clusterer
from imm_ray.dataset.collection import Collection, GroupRule
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.representatives import Themselves
from imm_ray.embed.cards import ModelCard, card_of_model
from imm_ray.index.open import open_index
from imm_ray.model import ClusterId, ClusterKind
from imm_ray.settings import Settings
from imm_ray.store import datasets, projects
from imm_ray.store.database import Database
from imm_ray.store.ownership import DatasetGone, Lease

_WITHOUT_MODELS = ("Official:DefaultEmptyId", "Official:OSSBasicMeta")
"""Templates without operators for faces or pictures: tasks succeed and change nothing."""


def open_engine(
    database: Database, lease: Lease, settings: Settings, *, notices: Notices, clock: Clock
) -> DatasetEngine:
    """Return the engine of the leased dataset; nothing is loaded yet.

    Raises
    ------
    DatasetGone
    ValueError
        The dataset was made with a model that this version does not know.
    """
    with database.read() as tx:
        dataset = datasets.by_id(tx, lease.dataset_id)
        if dataset is None:
            raise DatasetGone(f"dataset {lease.dataset_id} does not exist")
        template = (
            dataset.template_id or projects.get(tx, dataset.account, dataset.project).template_id
        )
    return DatasetEngine(
        database,
        lease,
        collections={
            ClusterKind.FIGURE: _figures(card_of_model(dataset.face_model), settings),
            ClusterKind.SIMILAR: _images(card_of_model(dataset.image_model), settings),
        },
        rules=settings.clustering,
        notices=notices,
        clock=clock,
        analyzes=template not in _WITHOUT_MODELS,
    )


def _figures(card: ModelCard, settings: Settings) -> Collection:
    index = open_index(settings.index.backend, card.dimension)
    scale = card.scale
    clusterer = figure_clusterer(
        threshold=scale.threshold, same_photo=scale.same_photo, vectors=index.vectors
    )
    rule = GroupRule(
        mint=lambda: ClusterId(f"Cluster-{uuid.uuid4()}"),
        smallest=1,
        good_to_found=settings.clustering.min_entity_count,
        confidence=lambda cosine: min(1.0, max(0.0, scale.scaled(cosine))),
    )
    return Collection(index, clusterer, Themselves(), rule, dimension=card.dimension)


def _images(card: ModelCard, settings: Settings) -> Collection:
    index = open_index(settings.index.backend, card.dimension)
    scale = card.scale
    clusterer = similar_clusterer(threshold=scale.threshold, vectors=index.vectors)
    rule = GroupRule(
        mint=lambda: ClusterId(f"SimilarImageCluster-{uuid.uuid4()}"),
        smallest=2,
        good_to_found=2,
        confidence=lambda cosine: min(1.0, max(0.0, scale.scaled(cosine))),
    )
    return Collection(index, clusterer, Duplicates(), rule, dimension=card.dimension)
