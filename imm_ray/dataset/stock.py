"""The items of a dataset as the database has them."""

from collections.abc import Iterator, Sequence

from imm_ray.cluster.founding import is_core, is_good
from imm_ray.dataset.items import Item
from imm_ray.model import ClusterKind, DatasetId
from imm_ray.settings import Clustering
from imm_ray.store import loading
from imm_ray.store.database import Database
from imm_ray.store.results import StoredFigure, StoredImage


class Stock:
    """Reads items of one dataset, in the engine's terms.

    Parameters
    ----------
    rules
        Say which faces are good, and which only follow.
    """

    def __init__(self, database: Database, dataset_id: DatasetId, rules: Clustering) -> None:
        self._database = database
        self._dataset_id = dataset_id
        self._rules = rules

    def everything(self, kind: ClusterKind) -> Iterator[Item]:
        """Yield all items of a kind."""
        if kind is ClusterKind.FIGURE:
            return map(self.figure, loading.figures(self._database, self._dataset_id))
        return map(image, loading.images(self._database, self._dataset_id))

    def some(self, kind: ClusterKind, ids: Sequence[str]) -> Iterator[Item]:
        """Yield those of the named items that exist."""
        if kind is ClusterKind.FIGURE:
            return map(self.figure, loading.figures_of(self._database, self._dataset_id, ids))
        return map(image, loading.images_of(self._database, self._dataset_id, ids))

    def figure(self, figure: StoredFigure) -> Item:
        """Return a figure as an item."""
        return Item(
            item_id=figure.figure_id,
            file_id=figure.file_id,
            seq=figure.seq,
            vector=figure.vector,
            is_good=is_good(figure, self._rules),
            is_core=is_core(figure, self._rules),
            quality=figure.quality,
        )


def image(image: StoredImage) -> Item:
    """Return a picture as an item."""
    return Item(
        item_id=image.file_id,
        file_id=image.file_id,
        seq=image.seq,
        vector=image.vector,
        is_good=True,
        quality=0.0,
    )
