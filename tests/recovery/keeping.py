"""An owner that writes snapshots, whenever a test says so, and goes on from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest.mock import patch
from uuid import UUID

from imm_ray.cluster.base_clusterer import EXACT_ITEMS
from imm_ray.dataset.book import Book
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.engine import DatasetEngine, Notices
from imm_ray.dataset.snapshot.shelf import Shelf
from imm_ray.model import ClusterKind, DatasetId
from imm_ray.settings import Snapshots
from imm_ray.store import ownership, snapshots
from imm_ray.store.blobs import Blobs, LocalBlobs
from imm_ray.store.snapshots import Snapshot
from tests.unit.dataset.owner import DIMENSION, Owner, tell_request, tell_task

BINDING = {"model": "m", "dimension": DIMENSION}


class OnDemand(Shelf):
    """Writes nothing between the engine's other calls: how far that comes is a matter of time."""

    def step(self) -> bool:
        """Do nothing."""
        return False


class Keeping(Owner):
    """An `Owner` with a shelf: `save` writes a snapshot, `restart` goes on from the newest."""

    def __init__(
        self,
        folder: Path,
        *,
        exact_items: int = EXACT_ITEMS,
        blobs: Blobs | None = None,
        settings: Snapshots | None = None,
    ) -> None:
        self.folder = folder / "snapshots"
        self.blobs = blobs or LocalBlobs(self.folder)
        self.settings = settings or Snapshots(least_items=0)
        self.binding = BINDING
        super().__init__(folder, exact_items=exact_items)

    def restart(self) -> None:
        """Forget everything in memory and take the dataset again."""
        with self.engine_database.write() as tx:
            lease = ownership.take(tx, self.dataset_id, "host", 1)
        self.figures, self.images = self._figures(), self._images()
        self.book = Book(self.figures, self.clusterer)
        collections = {ClusterKind.FIGURE: self.figures, ClusterKind.SIMILAR: self.images}
        self.lease = lease
        self.shelf = OnDemand(
            self.engine_database,
            lease,
            blobs=self.blobs,
            settings=self.settings,
            collections=collections,
            bindings=dict.fromkeys(ClusterKind, self.binding),
            clock=self.clock,
        )
        self.engine = DatasetEngine(
            self.engine_database,
            lease,
            account="a",
            thumbnails=self.thumbnails,
            collections=collections,
            book=self.book,
            rules=self.rules,
            notices=Notices(task=tell_task, request=tell_request),
            clock=self.clock,
            shelf=self.shelf,
        )
        self.engine.load()

    def save(self, *, anew: bool = False) -> None:
        """Write a snapshot."""
        assert self.engine.save(anew=anew)

    def rows(self, kind: ClusterKind = ClusterKind.FIGURE) -> list[Snapshot]:
        """Return the snapshots that there are, the newest first."""
        with self.database.read() as tx:
            return snapshots.listed(tx, self.dataset_id, kind)

    def files(self) -> dict[str, bytes]:
        """Return all files of the local store by name."""
        folder = self.folder / self.dataset_id
        return {p.name: p.read_bytes() for p in folder.iterdir()} if folder.is_dir() else {}

    def path(self, name: str) -> Path:
        """Return a file of the local store."""
        return self.folder / DatasetId(self.dataset_id) / name

    def neighbours(self) -> dict[str, dict[str, int]]:
        """Return the list of each figure in the graph, by figures."""
        return neighbours_of(self.figures)


def neighbours_of(collection: Collection) -> dict[str, dict[str, int]]:
    """Return the neighbours of each item in the graph, with their similarities."""
    items = collection.items
    slots = (items.alive & items.in_graph).nonzero()[0]
    rows = collection.clusterer.rows(slots)
    names = dict(zip(slots.tolist(), items.item_ids(slots), strict=True))
    found: dict[str, dict[str, int]] = {}
    at = 0
    for slot, count in zip(rows.slots.tolist(), rows.counts.tolist(), strict=True):
        part = slice(at, at + count)
        near = zip(rows.ids[part].tolist(), rows.similarities[part].tolist(), strict=True)
        found[names[slot]] = {names[other]: s for other, s in near if other in names}
        at += count
    return found


@contextmanager
def opened(
    *, exact_items: int = EXACT_ITEMS, settings: Snapshots | None = None
) -> Iterator[Keeping]:
    """An owner in a folder of its own, with the same ids every time."""
    ids = Random(0)

    def next_id() -> UUID:
        return UUID(int=ids.getrandbits(128), version=4)

    with TemporaryDirectory() as folder, patch("uuid.uuid4", next_id):
        owner = Keeping(Path(folder), exact_items=exact_items, settings=settings)
        try:
            yield owner
        finally:
            owner.shelf.close()
            owner.database.close()
