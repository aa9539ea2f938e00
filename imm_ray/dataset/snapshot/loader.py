"""Reading a snapshot back, and bringing it up to date with the database.

Nothing is used before its size and its SHA-256 are those that were recorded. The database remains
the authority: which items exist, and which clusters they are in, is read from it.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imm_ray.dataset.collection import Collection
from imm_ray.dataset.items import Item
from imm_ray.dataset.places import NOWHERE
from imm_ray.dataset.ports import Slots
from imm_ray.dataset.snapshot.manifest import Manifest, read_manifest
from imm_ray.dataset.snapshot.segment import Content, Segment, SnapshotRefused, decode, digest
from imm_ray.model import ClusterId, ClusterKind, DatasetId, JsonObject
from imm_ray.model.image import Arrays, Image, Rows
from imm_ray.store import loading
from imm_ray.store.blobs import Blobs
from imm_ray.store.database import Database
from imm_ray.store.loading import Progress
from imm_ray.store.snapshots import Snapshot

Fetch = Callable[[list[str]], Iterable[Item]]
"""Reads items by id from the database."""


def manifest_of(
    blobs: Blobs, dataset_id: DatasetId, row: Snapshot, binding: JsonObject
) -> Manifest:
    """Return the manifest that a row names.

    Raises
    ------
    SnapshotRefused
    BlobError
    """
    data = blobs.get(f"{dataset_id}/{row.manifest}", row.manifest_bytes)
    if digest(data) != row.sha256:
        raise SnapshotRefused(f"{row.manifest} is not what was recorded: its SHA-256 is another")
    return read_manifest(data, binding=binding, epoch=row.epoch, number=row.number)


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """Puts the segments of one snapshot into a collection."""

    blobs: Blobs
    dataset_id: DatasetId
    manifest: Manifest

    def restore(self, collection: Collection) -> NDArray[np.uint64]:
        """Make the collection what it was; return the marks of its neighbours.

        Raises
        ------
        SnapshotRefused
        BlobError
            The collection has parts of the snapshot in it then.
        """
        facts = self._read(self.manifest.of(Content.FACTS)[0])
        image = Image(self._joined(Content.COLUMNS), facts)
        collection.index.restore(image.part("index"))
        pages = self._pages(collection)
        collection.restore_image(image, pages)
        self._put_rows(collection)
        collection.clusterer.resume()
        return collection.clusterer.marks(self.manifest.slots)

    def _pages(self, collection: Collection) -> Arrays:
        """Return the columns of all pages; their vectors go to the index one after the other."""
        joined: Arrays = {}
        for segment in self.manifest.of(Content.PAGE):
            page = self._read(segment)
            vectors = page.pop("vectors")
            held = segment.first + np.flatnonzero(page.pop("held"))
            if vectors.dtype != np.float16 or vectors.shape != (len(held), collection.dimension):
                raise SnapshotRefused(f"{segment.name} has vectors of another number or length")
            collection.index.add_restored(held, vectors)
            self._take(joined, page, segment)
        return joined or collection.items.page(0, 0)

    def _joined(self, content: Content) -> Arrays:
        joined: Arrays = {}
        for segment in self.manifest.of(content):
            self._take(joined, self._read(segment), segment)
        return joined

    def _take(self, joined: Arrays, part: Arrays, segment: Segment) -> None:
        """Copy the columns of a segment to their places."""
        for name, column in part.items():
            if len(column) != segment.count:
                raise SnapshotRefused(f"{segment.name} has not {segment.count} of {name}")
            if name not in joined:
                joined[name] = np.zeros((self.manifest.slots, *column.shape[1:]), column.dtype)
            joined[name][segment.first : segment.first + segment.count] = column

    def _put_rows(self, collection: Collection) -> None:
        """Give every slot its neighbours: the latest segment that names it has them."""
        done = np.zeros(self.manifest.slots, np.bool_)
        for segment in reversed(self.manifest.of(Content.ROWS)):
            part = self._read(segment)
            rows = Rows(part["slots"], part["counts"], part["ids"], part["similarities"])
            if rows.counts.sum(dtype=np.int64) != len(rows.ids):
                raise SnapshotRefused(f"{segment.name} has not as many neighbours as it says")
            for numbers in (rows.slots, rows.ids):
                if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(done):
                    raise SnapshotRefused(f"{segment.name} names slots that there are not")
            collection.clusterer.put_rows(rows.of(~done[rows.slots]))
            done[rows.slots] = True

    def _read(self, segment: Segment) -> Arrays:
        data = self.blobs.get(f"{self.dataset_id}/{segment.name}", segment.size)
        if digest(data) != segment.sha256:
            raise SnapshotRefused(
                f"{segment.name} is not what was recorded: its SHA-256 is another"
            )
        return decode(data)


@dataclass(frozen=True, slots=True)
class Tail:
    """What the database has that a snapshot has not, and the reverse."""

    database: Database
    dataset_id: DatasetId
    kind: ClusterKind

    def apply(
        self, collection: Collection, at: Progress, fetch: Fetch, *, consolidate: bool
    ) -> None:
        """Bring a restored collection up to what is stored and visible now."""
        slot_of = _slots_by_name(collection)
        gone, missing = self._compare(collection, slot_of)
        numbers, elsewhere = self._places(collection, slot_of, at.run, set(missing))
        numbers[gone] = NOWHERE
        collection.resume(at, numbers, elsewhere=elsewhere, consolidate=consolidate)
        collection.discard(gone)
        collection.put(fetch(missing))

    def _compare(
        self, collection: Collection, slot_of: dict[bytes, int]
    ) -> tuple[Slots, list[str]]:
        """Return the slots of items that are stored no more as they are here, and who is not here.

        An item that was indexed again is both.
        """
        items = collection.items
        stays = np.zeros(items.size, np.bool_)
        missing: list[str] = []
        for ids, seqs in loading.versions(self.database, self.dataset_id, self.kind):
            slots = _found(slot_of, ids)
            here = slots >= 0
            here[here] = items.seq[slots[here]] == np.array(seqs, np.int64)[here]
            stays[slots[here]] = True
            missing += [ids[place] for place in np.flatnonzero(~here).tolist()]
        return np.flatnonzero(items.alive & ~stays), missing

    def _places(
        self, collection: Collection, slot_of: dict[bytes, int], run: int, missing: set[str]
    ) -> tuple[NDArray[np.int32], dict[str, ClusterId]]:
        """Return the cluster number of each slot, and the clusters of missing items."""
        numbers = np.zeros(collection.items.size, np.int32)
        elsewhere: dict[str, ClusterId] = {}
        number = collection.places.number
        for ids, cluster_ids in loading.placed(self.database, self.dataset_id, self.kind, run):
            slots = _found(slot_of, ids)
            here = slots >= 0
            found = np.fromiter((number(ClusterId(c)) for c in cluster_ids), np.int32, len(ids))
            numbers[slots[here]] = found[here]
            if missing:
                pairs = zip(ids, cluster_ids, strict=True)
                elsewhere |= {i: ClusterId(c) for i, c in pairs if i in missing}
        return numbers, elsewhere


def _slots_by_name(collection: Collection) -> dict[bytes, int]:
    slots = np.flatnonzero(collection.items.alive)
    names = collection.items.names(slots).astype(">u8").tobytes()
    return dict(zip(_sixteens(names), slots.tolist(), strict=True))


def _found(slot_of: dict[bytes, int], ids: Iterable[str]) -> Slots:
    """Return the slots of items by their ids, which are UUIDs; -1 for those that are not here."""
    names = bytes.fromhex("".join(ids).replace("-", ""))
    return np.fromiter((slot_of.get(name, -1) for name in _sixteens(names)), np.int64)


def _sixteens(names: bytes) -> Iterator[bytes]:
    return (names[at : at + 16] for at in range(0, len(names), 16))
