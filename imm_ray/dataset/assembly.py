"""Puts an engine together from the settings and the dataset's model cards."""

import uuid
from dataclasses import asdict

from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import fixed_of, search_cosine, to_fixed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.lists import WIDTH
from imm_ray.cluster.similar import MOST_NEIGHBOURS, SimilarClusterer
from imm_ray.dataset.book import Book
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.places import GroupRule
from imm_ray.dataset.ports import UNMEASURED, Clock, Measures
from imm_ray.dataset.representatives import Themselves
from imm_ray.dataset.rules import read_rules
from imm_ray.dataset.snapshot.shelf import Shelf
from imm_ray.embed.cards import Calibration, ModelCard, card_of_model
from imm_ray.embed.match import mismatch
from imm_ray.index.open import open_index
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.model import ClusterId, ClusterKind, Dataset, JsonObject
from imm_ray.settings import Settings
from imm_ray.store import datasets
from imm_ray.store.blobs import open_blobs
from imm_ray.store.database import Database
from imm_ray.store.ownership import DatasetGone, Lease
from imm_ray.store.trouble import Patience

_RULES_OF_ITEMS = {"min_face_px", "min_face_quality", "max_pose_degrees", "min_core_quality"}
"""Settings that say which faces are good, and which only follow."""


def open_engine(
    database: Database,
    lease: Lease,
    settings: Settings,
    *,
    notices: Notices,
    clock: Clock,
    measures: Measures = UNMEASURED,
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
        rules = read_rules(tx, lease.dataset_id, settings)
    figures, book = open_figures(
        card_of_model(dataset.face_model), settings, min_entity_count=rules.min_entity_count
    )
    collections = {
        ClusterKind.FIGURE: figures,
        ClusterKind.SIMILAR: open_images(card_of_model(dataset.image_model), settings),
    }
    shelf = Shelf(
        database,
        lease,
        blobs=open_blobs(settings),
        settings=settings.snapshots,
        collections=collections,
        bindings=_bindings(dataset, settings),
        clock=clock,
    )
    return DatasetEngine(
        database,
        lease,
        account=dataset.account,
        thumbnails=open_thumbnails(settings),
        collections=collections,
        book=book,
        rules=settings.clustering,
        notices=notices,
        clock=clock,
        rules_now=lambda tx: read_rules(tx, lease.dataset_id, settings),
        mismatch=mismatch(dataset, settings.models),
        measures=measures,
        patience=Patience(
            attempts=settings.owners.give_up_attempts, seconds=settings.owners.give_up_after_s
        ),
        shelf=shelf,
    )


def _bindings(dataset: Dataset, settings: Settings) -> dict[ClusterKind, JsonObject]:
    """Return what makes the snapshots of a dataset useless when it changes."""
    face, image = card_of_model(dataset.face_model), card_of_model(dataset.image_model)
    rules = settings.clustering
    return {
        ClusterKind.FIGURE: {
            "model": dataset.face_model,
            "dimension": face.dimension,
            "limits": asdict(figure_limits(face.scale)),
            "neighbours": WIDTH,
            "rules": rules.model_dump(include=_RULES_OF_ITEMS),
        },
        ClusterKind.SIMILAR: {
            "model": dataset.image_model,
            "dimension": image.dimension,
            "limits": {"threshold": _image_threshold(image)},
            "neighbours": MOST_NEIGHBOURS,
            "rules": {},
        },
    }


def _image_threshold(card: ModelCard) -> int:
    return to_fixed(card.scale.cosine(card.scale.threshold))


def figure_limits(scale: Calibration) -> FigureLimits:
    """Return a face model's calibration as fixed-point similarities.

    A card without a second pass gets one that no pair can pass.
    """
    second = scale.second_pass
    beyond = to_fixed(2.0)

    def fixed(scaled: float) -> int:
        return to_fixed(min(2.0, scale.cosine(scaled)))

    return FigureLimits(
        threshold=fixed(scale.threshold),
        margin=to_fixed(scale.cosine(scale.margin) - scale.cosine(0)),
        same_photo=fixed(scale.same_photo),
        strong=fixed(scale.threshold + second.offset) if second else beyond,
        strong_share=second.share if second else 1.0,
        second_mean=fixed(scale.threshold - second.slack) if second else beyond,
        second_smallest=second.smallest if second else 1,
    )


def open_figures(
    card: ModelCard, settings: Settings, *, min_entity_count: int
) -> tuple[Collection, Book]:
    """Return an empty collection of faces, and the book of its constraints."""
    limits = figure_limits(card.scale)
    cosine = search_cosine(limits.threshold, card.dimension)
    index = open_index(settings.index, card.dimension, cosine=cosine)
    clusterer = FigureClusterer(
        limits, dimension=card.dimension, fixed=lambda slots: fixed_of(index.wide(slots))
    )
    rule = GroupRule(
        mint=lambda: ClusterId(f"Cluster-{uuid.uuid4()}"),
        smallest=1,
        good_to_found=min_entity_count,
        confidence=lambda cosine: min(1.0, max(0.0, card.scale.scaled(cosine))),
    )
    figures = Collection(index, clusterer, Themselves(), rule)
    return figures, Book(figures, clusterer)


def open_images(card: ModelCard, settings: Settings) -> Collection:
    """Return an empty collection of pictures."""
    threshold = _image_threshold(card)
    cosine = search_cosine(threshold, card.dimension)
    index = open_index(settings.index, card.dimension, cosine=cosine)
    clusterer = SimilarClusterer(
        threshold, dimension=card.dimension, fixed=lambda slots: fixed_of(index.wide(slots))
    )
    rule = GroupRule(
        mint=lambda: ClusterId(f"SimilarImageCluster-{uuid.uuid4()}"),
        smallest=2,
        good_to_found=2,
        confidence=lambda cosine: min(1.0, max(0.0, card.scale.scaled(cosine))),
    )
    return Collection(index, clusterer, Duplicates(), rule)
