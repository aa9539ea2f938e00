"""When snapshots of a collection are written, which are kept, and which one a restart uses."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from imm_ray.crash_point import reached
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.snapshot.loader import Fetch, SnapshotReader, Tail, manifest_of
from imm_ray.dataset.snapshot.manifest import Manifest
from imm_ray.dataset.snapshot.segment import Segment, SnapshotRefused, digest
from imm_ray.dataset.snapshot.writer import SegmentWriter
from imm_ray.model import ClusterKind, JsonObject
from imm_ray.settings import Snapshots
from imm_ray.store import datasets, snapshots
from imm_ray.store.blobs import UNFINISHED, BlobError, Blobs
from imm_ray.store.database import Database
from imm_ray.store.loading import Progress
from imm_ray.store.ownership import Lease
from imm_ray.store.snapshots import Snapshot

_log = structlog.get_logger(__name__)

_RETRY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the keepers of a dataset share."""

    database: Database
    lease: Lease
    blobs: Blobs
    settings: Snapshots
    clock: Clock
    monotonic: Callable[[], float] = time.monotonic


class SnapshotKeeper:
    """Keeps snapshots of the figures or the pictures of one dataset.

    Notes
    -----
    `step` is called between the engine's other calls and does one portion. The order is: segments,
    manifest, row under the lease, then what no row needs is deleted. A process that ends in between
    leaves files that no row names; the next snapshot deletes them.

    A snapshot that holds what has been deleted since is not kept beside a newer one: vectors are
    biometric data. With nothing deleted, ``snapshots.keep`` of them are.
    """

    def __init__(
        self, kind: ClusterKind, collection: Collection, binding: JsonObject, around: Surroundings
    ) -> None:
        self._kind = kind
        self._collection = collection
        self._binding = {**binding, "dataset": around.lease.dataset_id, "kind": str(kind)}
        self._around = around
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"imm-ray-snapshot-{kind}")
        self.cut_ms = 0
        """How long the engine's thread was held by the last cut."""
        self._writer = SegmentWriter(
            collection,
            around.blobs,
            folder=around.lease.dataset_id,
            name=f"{kind}-{around.lease.epoch}",
            executor=self._executor,
        )
        self._work: Iterator[bool] | None = None
        self._has_some = False
        self._newest = 0
        """The snapshot upon whose files the next one builds; 0 for none."""
        self._changes = self._removals = 0
        self._next_at = self._not_before = 0.0

    def restore(self, at: Progress, fetch: Fetch) -> bool:
        """Bring the collection, which is empty, to what is stored, by a snapshot; return if it is.

        The collection is empty still if there is no usable snapshot.
        """
        with self._around.database.read() as tx:
            rows = snapshots.listed(tx, self._around.lease.dataset_id, self._kind)
        self._has_some = bool(rows)
        restored = any(self._restored(row, at, fetch) for row in rows)
        return restored

    def begin(self) -> None:
        """Take the collection, which has been loaded, for unchanged."""
        self._note()

    def step(self) -> bool:
        """Do a portion of what is due; return whether more can be done now.

        A storage that fails costs only time: it is logged, and tried again a minute later.
        """
        if self._work is None:
            self._work = self._due()
        if self._work is None:
            return False
        try:
            more = next(self._work, None)
        except BlobError as error:
            _log.error("snapshot not written", kind=str(self._kind), why=str(error))
            self._writer.undo()
            self._work = None
            self._not_before = self._around.monotonic() + _RETRY_S
            return False
        if more is None:
            self._work = None
        return bool(more)

    def save(self, *, anew: bool = False) -> None:
        """Write what has changed to the end, however little; ``anew`` writes everything.

        Raises
        ------
        BlobError
        """
        if self._work is not None:
            self._writer.undo()
        self._work = None
        if anew:
            self._writer.forget()
        elif self._collection.changes == self._changes:
            return
        work = self._write() if self._is_worth_it else self._forget()
        try:
            for _ in work:
                pass
        except BlobError:
            self._writer.undo()
            raise

    def close(self) -> None:
        """End the thread, after what it has in hand."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    @property
    def written_bytes(self) -> int:
        """Bytes stored so far."""
        return self._writer.written_bytes

    @property
    def _is_worth_it(self) -> bool:
        return len(self._collection) >= self._around.settings.least_items

    def _due(self) -> Iterator[bool] | None:
        changed = self._collection.changes - self._changes
        if not changed or (not self._is_worth_it and not self._has_some):
            return None
        now, settings = self._around.monotonic(), self._around.settings
        if now < self._not_before:
            return None
        if now < self._next_at and changed < settings.share * len(self._collection):
            return None
        return self._write() if self._is_worth_it else self._forget()

    def _write(self) -> Iterator[bool]:
        with self._around.database.read() as tx:
            rows = snapshots.listed(tx, self._around.lease.dataset_id, self._kind)
        if self._was_forgotten(rows):
            self._writer.forget()
            self._newest = 0
        yield from self._writer.ahead()
        begun = time.perf_counter()
        changes, removals = self._collection.changes, self._collection.removals
        consolidations = self._collection.consolidations
        segments = self._writer.cut()
        manifest = self._manifest(segments)
        self.cut_ms = round(1e3 * (time.perf_counter() - begun))
        yield from self._writer.settled()
        data = manifest.encode()
        name = f"{self._kind}-{manifest.epoch}-{manifest.number}.json"
        self._writer.put(name, data)
        yield from self._writer.settled()
        reached("snapshot.manifest_written")
        size = len(data) + sum(segment.size for segment in segments)
        self._record(
            Snapshot(
                number=manifest.number,
                epoch=manifest.epoch,
                manifest=name,
                sha256=digest(data),
                manifest_bytes=len(data),
                bytes_in_all=size,
                items=manifest.items,
                run=manifest.run,
                created_at=self._around.clock(),
                outdated=self._collection.consolidations != consolidations,
            ),
            keep=1 if removals > self._removals else self._around.settings.keep,
        )
        self._writer.keep()
        self._note(changes, removals)
        _log.info("snapshot written", kind=str(self._kind), bytes=size, cut_ms=self.cut_ms)
        self._writer.begin(self._prune)
        yield from self._writer.settled()

    def _manifest(self, segments: list[Segment]) -> Manifest:
        lease, at = self._around.lease, self._collection.at
        with self._around.database.read() as tx:
            number = snapshots.next_number(tx, lease.dataset_id, self._kind)
            seq = datasets.acknowledged(tx, lease.dataset_id)
        return Manifest(
            binding=self._binding,
            epoch=lease.epoch,
            number=number,
            run=at.run,
            watermark=at.watermark,
            seq=seq,
            slots=self._collection.items.size,
            items=len(self._collection),
            segments=segments,
        )

    def _record(self, snapshot: Snapshot, *, keep: int) -> None:
        lease = self._around.lease
        with self._around.database.write() as tx:
            rows = snapshots.listed(tx, lease.dataset_id, self._kind)
            if self._was_forgotten(rows):
                raise BlobError("all snapshots were forgotten while this one was written")
            rows.insert(0, snapshot)
            snapshots.record(tx, lease, self._kind, snapshot)
            snapshots.drop(tx, lease, self._kind, [row.number for row in rows[keep:]])
        self._has_some = True
        self._newest = snapshot.number
        reached("snapshot.recorded")

    def _was_forgotten(self, rows: Sequence[Snapshot]) -> bool:
        """Return whether the files that this snapshot builds upon may be gone: see `erasure`."""
        return self._newest != 0 and self._newest not in {row.number for row in rows}

    def _forget(self) -> Iterator[bool]:
        """Forget all snapshots: with so few items there is none."""
        lease = self._around.lease
        with self._around.database.write() as tx:
            rows = snapshots.listed(tx, lease.dataset_id, self._kind)
            snapshots.drop(tx, lease, self._kind, [row.number for row in rows])
        self._has_some = False
        self._newest = 0
        self._writer.forget()
        self._note()
        self._writer.begin(self._prune)
        yield from self._writer.settled()

    def _prune(self) -> None:
        """Delete what no row needs; what can not be deleted now is tried again next time."""
        try:
            self._delete_unnamed()
        except BlobError as error:
            _log.error("old snapshots not deleted", kind=str(self._kind), why=str(error))
        reached("snapshot.pruned")

    def _delete_unnamed(self) -> None:
        """Delete the files of this kind that no row needs, of this owner and of earlier ones."""
        lease, blobs = self._around.lease, self._around.blobs
        with self._around.database.read() as tx:
            rows = snapshots.listed(tx, lease.dataset_id, self._kind)
        named = {row.manifest for row in rows}
        for row in rows:
            try:
                manifest = manifest_of(blobs, lease.dataset_id, row, self._binding)
            except SnapshotRefused as refusal:
                _log.error("snapshot refused", kind=str(self._kind), why=str(refusal))
                continue
            named.update(segment.name for segment in manifest.segments)
        for key in blobs.keys(lease.dataset_id):
            name = key.rpartition("/")[2]
            if name not in named and self._is_mine(name):
                blobs.delete(key)

    def _is_mine(self, name: str) -> bool:
        """Return whether a file is of this kind, and not of an owner that has come since."""
        kind, _, rest = name.removeprefix(UNFINISHED).partition("-")
        epoch = rest.partition("-")[0]
        return kind == self._kind and epoch.isdecimal() and int(epoch) <= self._around.lease.epoch

    def _restored(self, row: Snapshot, at: Progress, fetch: Fetch) -> bool:
        lease, blobs = self._around.lease, self._around.blobs
        blank, no_page = self._collection.image(), self._collection.items.page(0, 0)
        try:
            if row.run > at.run:
                raise SnapshotRefused(f"it is of run {row.run}, the visible one is {at.run}")
            manifest = manifest_of(blobs, lease.dataset_id, row, self._binding)
            marks = SnapshotReader(blobs, lease.dataset_id, manifest).restore(self._collection)
        except (SnapshotRefused, BlobError, KeyError, ValueError, IndexError) as refusal:
            _log.error(
                "snapshot refused", kind=str(self._kind), number=row.number, why=str(refusal)
            )
            self._collection.index.restore(blank.part("index"))
            self._collection.restore_image(blank, no_page)
            return False
        tail = Tail(self._around.database, lease.dataset_id, self._kind)
        # Counted from before the tail, so that what has come since is written in due time.
        self._note()
        tail.apply(self._collection, at, fetch, consolidate=row.outdated)
        self._writer.adopt(manifest, marks)
        self._newest = row.number
        _log.info("snapshot restored", kind=str(self._kind), number=row.number, items=row.items)
        return True

    def _note(self, changes: int | None = None, removals: int | None = None) -> None:
        """Take note that all changes so far, or so many, are written."""
        collection = self._collection
        self._changes = collection.changes if changes is None else changes
        self._removals = collection.removals if removals is None else removals
        self._next_at = self._around.monotonic() + self._around.settings.every_s
