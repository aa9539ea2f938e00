"""A store as large as a real one: raw rows, written in big transactions.

Every photo has 2 faces, every person 10. Ids are random, so a page of people reads covers from all
over the files, as in a dataset that has lived for a while.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Table, insert
from sqlalchemy.dialects import sqlite

from imm_ray.model import Dataset, DatasetId, Project
from imm_ray.settings import DEFAULT_ACCOUNT, Models
from imm_ray.store import datasets, migrate, projects, tables
from imm_ray.store.database import Database

PROJECT, DATASET, INBOX = "serving", "people", "inbox"
TASK_ID = "FigureClustering-00000000-0000-4000-8000-000000000000"
TASK_TYPE = "FaceClustering"

_FACES_OF_PHOTO = 2
_FACES_OF_PERSON = 10
_FACE_DIMENSION, _IMAGE_DIMENSION = 128, 1280
_ROWS_AT_ONCE = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Filled:
    """What the store holds."""

    figures: int
    files: int
    clusters: int


def fill(data: Path, figures: int) -> Filled:
    """Make ``data/imm.db`` with the dataset `DATASET`, the empty one `INBOX` and one ended task."""
    data.mkdir(parents=True, exist_ok=True)
    database = Database(f"sqlite:///{data / 'imm.db'}")
    migrate.upgrade(database)
    dataset_id = _create(database)
    database.close()
    album = _Album(dataset_id, figures)
    connection = sqlite3.connect(data / "imm.db", isolation_level=None)
    for pragma in ("synchronous=OFF", "cache_size=-1000000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    for table, columns, rows in album.tables():
        _insert(connection, table, columns, rows)
    _finish(connection, album)
    connection.close()
    return album.filled


def _create(database: Database) -> DatasetId:
    now = datetime.now(UTC)
    dataset_id = DatasetId(str(uuid.uuid4()))
    with database.write() as tx:
        projects.create(
            tx, Project(account=DEFAULT_ACCOUNT, name=PROJECT, created_at=now, updated_at=now)
        )
        for name, identity in ((DATASET, dataset_id), (INBOX, DatasetId(str(uuid.uuid4())))):
            models = Models()
            dataset = Dataset(
                dataset_id=identity,
                account=DEFAULT_ACCOUNT,
                project=PROJECT,
                name=name,
                face_model=models.face,
                image_model=models.image,
                created_at=now,
                updated_at=now,
            )
            datasets.create(tx, dataset)
    return dataset_id


class _Album:
    def __init__(self, dataset_id: DatasetId, figures: int) -> None:
        rng = np.random.default_rng(7)
        self._dataset_id = dataset_id
        self.filled = Filled(figures, figures // _FACES_OF_PHOTO, figures // _FACES_OF_PERSON)
        self._now = (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
        self._files = _ids(rng, self.filled.files)
        self._figures = _ids(rng, figures)
        self._people = [f"Cluster-{name}" for name in _ids(rng, self.filled.clusters)]
        # The n-th face of the photo p is the figure 2 p + n, in the id order of both.
        self._person_of = rng.permutation(figures) // _FACES_OF_PERSON
        covers = np.zeros(self.filled.clusters, dtype=np.int64)
        covers[self._person_of] = np.arange(figures)
        self._covers: NDArray[np.int64] = covers
        self._face = rng.integers(0, 255, 2 * _FACE_DIMENSION, dtype=np.uint8).tobytes()
        self._image = rng.integers(0, 255, 2 * _IMAGE_DIMENSION, dtype=np.uint8).tobytes()

    def tables(self) -> Iterator[tuple[Table, Sequence[str], Iterator[Sequence[Any]]]]:
        """Yield tables, columns in the table's order, and rows."""
        yield tables.file, _FILE_COLUMNS, self._file_rows()
        yield tables.figure, _FIGURE_COLUMNS, self._figure_rows()
        yield tables.cluster, _CLUSTER_COLUMNS, self._cluster_rows()
        yield tables.cluster_state, _STATE_COLUMNS, self._state_rows()
        yield tables.membership, _MEMBER_COLUMNS, self._member_rows()
        yield tables.task, _TASK_COLUMNS, iter([self._task_row()])

    def dataset_row(self) -> tuple[Any, ...]:
        return self.filled.files, 1_500_000 * self.filled.files, self._dataset_id

    def _file_rows(self) -> Iterator[Sequence[Any]]:
        told = json.dumps({"CustomId": "member-1", "CustomLabels": {"Name": "Tim"}})
        exif = json.dumps({"Make": "Canon", "Model": "EOS 6D", "DateTime": "2026:06:01 10:00:00"})
        ends = ("image/jpeg", 6000, 4000, 1, 0.7, exif, self._image, self._now, self._now)
        for number, file_id in enumerate(self._files):
            uri = f"oss://photos/2026/{number % 12 + 1:02}/{number:08}.jpg"
            head = (file_id, self._dataset_id, uri, 1, 1, "Succeeded", told, 1_500_000, f"{number}")
            yield (*head, *ends)

    def _figure_rows(self) -> Iterator[Sequence[Any]]:
        ends = (60, 80, 90, 0.99, 0.9, 0.8, 3.0, 1.0, -7.0, self._face)
        for number, figure_id in enumerate(self._figures):
            photo, place = divmod(number, _FACES_OF_PHOTO)
            head = (figure_id, self._dataset_id, self._files[photo], 1, 100 * place)
            yield (*head, *ends)

    def _cluster_rows(self) -> Iterator[Sequence[Any]]:
        for number, cluster_id in enumerate(self._people):
            name = f"Person {number}" if number % 10 == 0 else ""
            yield cluster_id, self._dataset_id, "figure", name, "{}", self._now + number

    def _state_rows(self) -> Iterator[Sequence[Any]]:
        for number, cluster_id in enumerate(self._people):
            cover = self._figures[self._covers[number]]
            yield (
                *(self._dataset_id, "figure", cluster_id, 1, tables.FOREVER),
                *(_FACES_OF_PERSON, _FACES_OF_PERSON, cover, self._now + number),
            )

    def _member_rows(self) -> Iterator[Sequence[Any]]:
        for number, figure_id in enumerate(self._figures):
            person = self._people[self._person_of[number]]
            photo = self._files[number // _FACES_OF_PHOTO]
            begin = (self._dataset_id, "figure", figure_id, 1, tables.FOREVER)
            yield (*begin, person, photo, 0.9)

    def _task_row(self) -> Sequence[Any]:
        names = (DEFAULT_ACCOUNT, PROJECT, self._dataset_id, DATASET)
        asked = json.dumps({"ProjectName": PROJECT, "DatasetName": DATASET})
        end = ("{}", "{}", asked, self._now, self._now, "{}")
        return (TASK_ID, TASK_TYPE, *names, "0ED-event", "request", "Succeeded", 1, 100, *end)


_FILE_COLUMNS = (
    *("file_id", "dataset_id", "uri", "revision", "seq", "status", "attributes", "size", "etag"),
    *("content_type", "width", "height", "orientation", "image_score", "exif", "vector"),
    *("created_at", "updated_at"),
)
_FIGURE_COLUMNS = (
    *("figure_id", "dataset_id", "file_id", "seq", "left", "top", "width", "height"),
    *("confidence", "quality", "sharpness", "pitch", "roll", "yaw", "vector"),
)
_CLUSTER_COLUMNS = ("cluster_id", "dataset_id", "kind", "name", "custom_labels", "created_at")
_STATE_COLUMNS = (
    *("dataset_id", "kind", "cluster_id", "from_run", "to_run", "item_count", "image_count"),
    *("cover_item", "updated_at"),
)
_MEMBER_COLUMNS = (
    *("dataset_id", "kind", "item_id", "from_run", "to_run", "cluster_id", "file_id"),
    "confidence",
)
_TASK_COLUMNS = (
    *("task_id", "task_type", "account", "project", "dataset_id", "dataset_name", "event_id"),
    *("request_id", "status", "watermark", "progress", "tags", "notification"),
    *("request_definition", "started_at", "ended_at", "ledger"),
)


def _ids(rng: np.random.Generator, number: int) -> list[str]:
    """Return random ids in order: rows are then appended, and their neighbours mean nothing."""
    raw = rng.integers(0, 256, (number, 16), dtype=np.uint8)
    return sorted(str(uuid.UUID(bytes=row.tobytes())) for row in raw)


def _insert(
    connection: sqlite3.Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterator[Sequence[Any]],
) -> None:
    dialect = sqlite.dialect()
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = compiled.positiontup
    if order != list(columns):
        raise ValueError(f"{table.name}: the columns are not in the table's order: {order}")
    while some := [row for row, _ in zip(rows, range(_ROWS_AT_ONCE), strict=False)]:
        connection.execute("BEGIN")
        connection.executemany(str(compiled), some)
        connection.execute("COMMIT")


def _finish(connection: sqlite3.Connection, album: _Album) -> None:
    """Make the rows visible, and let the database know their numbers as a long life would."""
    connection.execute(
        "UPDATE dataset SET seq = 1, figure_run = 1, figure_watermark = 1, file_count = ?,"
        " total_file_size = ? WHERE dataset_id = ?",
        album.dataset_row(),
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
