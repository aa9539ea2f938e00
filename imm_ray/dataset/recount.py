"""I8 from scratch: clusters all vectors anew, in this process, and compares with what is stored.

It reads and never writes, so it may run beside a service at work. A dataset is left out of which
changes wait for a run (a delete, an edit): what is stored lags behind by right then. The clustering
must be deterministic for the comparison: with a list at its cap or an approximate index differences
are a measure of quality and not damage, so such datasets are left out too.
"""

from collections.abc import Iterator

import numpy as np

from imm_ray.dataset.assembly import open_figures, open_images
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.items import Item
from imm_ray.dataset.rules import read_rules
from imm_ray.dataset.stock import Stock
from imm_ray.embed.cards import card_of_model
from imm_ray.model import NO_CLUSTER, ClusterKind, Dataset, DatasetId, Vector
from imm_ray.settings import Settings
from imm_ray.store import constraints, datasets, edits, loading
from imm_ray.store.database import Database
from imm_ray.store.fsck import Violation

_FIGURE, _SIMILAR = ClusterKind.FIGURE, ClusterKind.SIMILAR


def recount(database: Database, settings: Settings) -> Iterator[Violation]:
    """Yield what a clustering from scratch says otherwise, and vectors that are like nothing.

    Memory follows the largest dataset. ``settings`` must be those of the service: its rules decide
    which faces found a cluster.
    """
    with database.read() as tx:
        dataset_ids = datasets.all_ids(tx)
    for dataset_id in dataset_ids:
        with database.read() as tx:
            dataset = datasets.by_id(tx, dataset_id)
        if dataset is not None:
            yield from _figures(database, dataset, settings)
            yield from _images(database, dataset, settings)


def _figures(database: Database, dataset: Dataset, settings: Settings) -> Iterator[Violation]:
    with database.read() as tx:
        rules = read_rules(tx, dataset.dataset_id, settings)
        waits = edits.pending_after(tx, dataset.dataset_id, 0)
    card = card_of_model(dataset.face_model)
    collection, book = open_figures(card, settings, min_entity_count=rules.min_entity_count)
    collection.watcher = book
    _restore(database, dataset.dataset_id, _FIGURE, collection)
    stock = Stock(database, dataset.dataset_id, settings.clustering)
    strange = _put(stock.everything(_FIGURE), collection)
    yield from (_strange("figure", "figure_id", dataset, item) for item in strange)
    book.load(
        constraints.load(database, dataset.dataset_id),
        loading.named_clusters(database, dataset.dataset_id),
    )
    if not waits:
        yield from _compared(dataset.dataset_id, _FIGURE, collection, book.protected)
    collection.index.close()


def _images(database: Database, dataset: Dataset, settings: Settings) -> Iterator[Violation]:
    collection = open_images(card_of_model(dataset.image_model), settings)
    _restore(database, dataset.dataset_id, _SIMILAR, collection)
    stock = Stock(database, dataset.dataset_id, settings.clustering)
    strange = _put(stock.everything(_SIMILAR), collection)
    yield from (_strange("file", "file_id", dataset, item) for item in strange)
    yield from _compared(dataset.dataset_id, _SIMILAR, collection, set())
    collection.index.close()


def _restore(
    database: Database, dataset_id: DatasetId, kind: ClusterKind, collection: Collection
) -> None:
    at = loading.progress(database, dataset_id, kind)
    collection.restore(at, loading.memberships(database, dataset_id, kind, at.run))


def _put(items: Iterator[Item], collection: Collection) -> list[Item]:
    """Put items into a collection, but those that are returned: nothing is like them."""
    usable: list[Item] = []
    strange: list[Item] = []
    for item in items:
        (usable if _is_usable(item.vector) else strange).append(item)
    collection.put(usable)
    return strange


def _compared(
    dataset_id: DatasetId, kind: ClusterKind, collection: Collection, protected: set[int]
) -> Iterator[Violation]:
    if collection.at.disturbed or not collection.at.run:
        return
    plan = collection.plan(collection.at.watermark, protected=protected, consolidate=True)
    if collection.wants_consolidation:
        return
    for move in plan.moves:
        there = "no cluster" if move.cluster_id == NO_CLUSTER else f"the cluster {move.cluster_id}"
        yield Violation(
            "I8",
            "membership",
            f"dataset_id={dataset_id} kind={kind} item_id={move.item_id}",
            f"a clustering from scratch puts the item into {there}",
        )


def _is_usable(vector: Vector) -> bool:
    wide = vector.astype(np.float64)
    return bool(np.isfinite(wide).all() and wide.any())


def _strange(table: str, key: str, dataset: Dataset, item: Item) -> Violation:
    where = f"dataset_id={dataset.dataset_id} {key}={item.item_id}"
    return Violation("I4", table, where, "the vector is all zeros, or not finite")
