"""Erases files, a person's files or a whole dataset, and makes sure that nothing is left.

It works beside a running service, through the rules by which clients delete: the owner learns of it
as of every delete, from the store.
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from imm_ray import __version__
from imm_ray.crash_point import reached
from imm_ray.dataset.engine import Notices
from imm_ray.dataset.ports import Clock
from imm_ray.dataset.proof import look_at_bytes, search
from imm_ray.dataset.publisher import ShortTransactions
from imm_ray.dataset.purge import purge_datasets
from imm_ray.dataset.receipt import Receipt, salted
from imm_ray.dataset.thumbnail_sweep import KeptThumbnails
from imm_ray.errors import ImmError, InvalidArgument
from imm_ray.model import DatasetId, FileId
from imm_ray.store import datasets, files, ownership, purge
from imm_ray.store.blobs import BlobError
from imm_ray.store.database import Database, Tx
from imm_ray.store.erasure import compact, redact, scrub, traces
from imm_ray.store.erasure.traces import Traces
from imm_ray.store.outage import interruption_of

_FILES_AT_ONCE = 50
_POLL_S = 0.2

NOT_COVERED = (
    "photos themselves, backups, and messages that were delivered already",
    "copies that the disk, the file system or its snapshots keep of overwritten blocks",
)
NOT_COVERED_ON_A_SERVER = (
    "the database server's own files, which are not below the data folder: its log, replicas and "
    "archives; its tables were written anew without the erased rows",
)


class Unfinished(Exception):
    """The erasure has begun, and could not go on; the text says why, and what to do."""


class OwnerSilent(Unfinished):
    """The files are deleted, but a running owner has not taken them out of its memory in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be erased of a dataset: files by URI, those that show a person, or all."""

    account: str
    project: str
    dataset: str
    uris: Sequence[str] = ()
    person: str = ""

    @property
    def is_all(self) -> bool:
        """Whether the dataset itself goes."""
        return not (self.uris or self.person)


class KeptSnapshots(Protocol):
    """Snapshots of engines, which hold vectors."""

    def forget(self, dataset_id: DatasetId) -> None:
        """Throw those of a dataset away; its owner makes a new one without what was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What an erasure works with."""

    database: Database
    data: Path
    thumbnails: KeptThumbnails
    notices: Notices
    clock: Clock
    snapshots: KeptSnapshots | None = None
    patience_s: float = 60.0
    """How long to wait for a running owner, and for readers of the database's log."""


@dataclass(slots=True)
class _Done:
    """What has been deleted by now."""

    begun_at: datetime
    dataset_id: DatasetId
    traces: Traces
    counts: dict[str, int] = field(default_factory=dict)
    owner: str = "none"


def erase(wanted: Wanted, around: Surroundings, *, skip: Sequence[Path] = ()) -> Receipt:
    """Delete what is wanted, wait until it is gone, look for what is left, and tell.

    Done twice it does no harm: what is gone already is looked for once more. Files in ``skip`` are
    not looked into.

    Raises
    ------
    ResourceNotFound
        There is no such dataset.
    InvalidArgument
        No file shows the person.
    Unfinished
    """
    begun_at = around.clock()
    dataset_id, uris = _find(wanted, around.database)
    found = traces.of_uris(around.database, dataset_id, uris)
    try:
        return _carried_out(wanted, around, _Done(begun_at, dataset_id, found), skip)
    except Exception as error:
        told = isinstance(error, BlobError | ImmError)
        if (why := str(error) if told else interruption_of(error)) is None:
            raise
        raise Unfinished(
            f"the erasure has begun, and something may be left: {why}. Run this again"
        ) from error


def _carried_out(
    wanted: Wanted, around: Surroundings, done: _Done, skip: Sequence[Path]
) -> Receipt:
    """Delete what was found, and look for what is left."""
    found = done.traces
    done.counts |= {
        "files": len(found.file_ids),
        "figures": len(found.figure_ids),
        "vectors": found.vector_count,
    }
    if wanted.is_all:
        _delete_dataset(wanted, around)
    else:
        _delete_files(around, done)
    done.counts |= redact.redact(around.database, wanted.account, found.uris)
    reached("erasure.deleted")
    return _made_sure(wanted, around, done, skip)


def _find(wanted: Wanted, database: Database) -> tuple[DatasetId, list[str]]:
    with database.read() as tx:
        dataset = datasets.get(tx, wanted.account, wanted.project, wanted.dataset)
        if wanted.is_all:
            return dataset.dataset_id, traces.uris_of_dataset(tx, dataset.dataset_id)
        uris = list(wanted.uris)
        if wanted.person:
            shown = traces.uris_of_person(tx, dataset.dataset_id, wanted.person)
            if not shown:
                raise InvalidArgument.of("person", "no file shows a figure of this cluster")
            uris += shown
    return dataset.dataset_id, uris


def _delete_dataset(wanted: Wanted, around: Surroundings) -> None:
    with around.database.write() as tx:
        named = (wanted.account, wanted.project, wanted.dataset)
        dataset_id = purge.mark(tx, *named, around.clock())
    if around.snapshots is not None:
        around.snapshots.forget(dataset_id)
    purge_datasets(
        around.database, notices=around.notices, clock=around.clock, thumbnails=around.thumbnails
    )


def _delete_files(around: Surroundings, done: _Done) -> None:
    """Delete as DeleteFileMeta does; then take away what only a running owner would."""
    transactions = ShortTransactions(around.database)
    uris = done.traces.uris
    for start in range(0, len(uris), _FILES_AT_ONCE):
        some = uris[start : start + _FILES_AT_ONCE]

        def step(tx: Tx) -> None:
            now, notices = around.clock(), around.notices.request
            files.delete(tx, done.dataset_id, some, now, notices)  # noqa: B023 - used up here

        transactions.commit(step)
    with around.database.read() as tx:
        seq = datasets.acknowledged(tx, done.dataset_id)
    done.owner = _await_owner(around, done.dataset_id)
    around.thumbnails.forget(done.dataset_id, map(FileId, done.traces.file_ids))
    if around.snapshots is not None:
        around.snapshots.forget(done.dataset_id)
    done.counts["history"] = scrub.scrub(around.database, done.dataset_id, seq)


def _await_owner(around: Surroundings, dataset_id: DatasetId) -> str:
    """Wait until the owner, if there is one, has heard of all deletes."""
    deadline = time.monotonic() + around.patience_s
    while True:
        with around.database.read() as tx:
            mended = not traces.deletes_unheard(tx, dataset_id)
            held = ownership.is_held(tx, dataset_id)
        if not held:
            return "none"
        if mended:
            return "mended"
        if time.monotonic() >= deadline:
            raise OwnerSilent(
                f"the files are deleted, but the owner of the dataset {dataset_id} has not taken "
                f"them out of its memory within {around.patience_s:g} s: run this again"
            )
        time.sleep(_POLL_S)


def _made_sure(wanted: Wanted, around: Surroundings, done: _Done, skip: Sequence[Path]) -> Receipt:
    is_file = compact.keeps_a_file(around.database)
    if not is_file:
        compact.rewrite(around.database, patience_s=around.patience_s)
    log_cut = compact.cut_log(around.database, patience_s=around.patience_s)
    found = look_at_bytes(
        around.database, around.data, done.traces, skip=skip, patience_s=around.patience_s
    )
    with around.database.read() as tx:
        rows_left = traces.rows_left(tx, done.traces)
    salt = secrets.token_hex(16)
    person = {"person": salted(salt, wanted.person)} if wanted.person else {}
    return Receipt(
        version=__version__,
        begun_at=_told(done.begun_at),
        ended_at=_told(around.clock()),
        what={
            "account": wanted.account,
            "project": wanted.project,
            "dataset": wanted.dataset,
            "dataset_id": done.dataset_id,
            **person,
        },
        salt=salt,
        files=sorted(salted(salt, uri) for uri in done.traces.uris),
        figures=sorted(salted(salt, figure_id) for figure_id in done.traces.figure_ids),
        counts=done.counts,
        owner=done.owner,
        rows_left=rows_left,
        log_cut=log_cut,
        search=search(around.database, done.dataset_id, done.traces),
        scan=found,
        not_covered=NOT_COVERED + (() if is_file else NOT_COVERED_ON_A_SERVER),
    )


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
