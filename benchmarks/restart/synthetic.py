"""A dataset of many faces as it is after its first run: a database, and an engine's memory.

Faces come in persons of 25 who stand in each other's lists; the graph is written down as arrays,
because building that of a million by search takes the better part of an hour. Vectors are random
directions with a common part in each person: what is read, written and compared is as long as that
of real faces, and no clustering is measured here.
"""

import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from imm_ray.cluster.fixed import UNIT
from imm_ray.dataset.collection import Collection
from imm_ray.index.training import lists_for
from imm_ray.model import Dataset, DatasetId, Project, Vectors
from imm_ray.model.image import Arrays, Image, Rows
from imm_ray.store import datasets, migrate, projects
from imm_ray.store.database import Database
from imm_ray.store.loading import Progress
from imm_ray.testing import ManualClock

DIMENSION = 512
PERSON = 25
"""Faces of one person: each has the 24 others in its list."""
_FACES_OF_A_PHOTO = 2
_AT_ONCE = 20_000
_FOREVER = 2**62


def vectors(first: int, stop: int) -> Vectors:
    """Return the vectors of some faces: the same for the same faces."""
    found = np.empty((stop - first, DIMENSION), np.float16)
    for person in range(first // PERSON, -(-stop // PERSON)):
        rng = np.random.default_rng(person)
        wide = rng.standard_normal((PERSON + 1, DIMENSION), np.float32)
        wide = wide[1:] + 1.2 * wide[0]
        wide /= np.linalg.norm(wide, axis=1, keepdims=True)
        begin, end = max(first, person * PERSON), min(stop, (person + 1) * PERSON)
        found[begin - first : end - first] = wide[begin - person * PERSON : end - person * PERSON]
    return found


def ids(first: int, stop: int, kind: int) -> list[str]:
    """Return ids of faces, photos or clusters."""
    return [str(uuid.UUID(int=(kind << 96) + number)) for number in range(first, stop)]


def make_database(folder: Path, count: int) -> tuple[Database, DatasetId]:
    """Return a database with ``count`` clustered faces of one dataset."""
    path = folder / "imm.db"
    database = Database(f"sqlite:///{path}")
    migrate.upgrade(database)
    dataset_id = DatasetId(ids(0, 1, 9)[0])
    now = ManualClock()()
    with database.write() as tx:
        projects.create(tx, Project(account="a", name="p", created_at=now, updated_at=now))
        dataset = Dataset(
            dataset_id=dataset_id,
            account="a",
            project="p",
            name="d",
            face_model="f",
            image_model="i",
            created_at=now,
            updated_at=now,
        )
        datasets.create(tx, dataset)
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA synchronous=OFF")
        raw.execute("UPDATE dataset SET seq=1, figure_run=1, figure_watermark=1")
        for first in range(0, count, _AT_ONCE):
            add_rows(raw, dataset_id, first, min(count, first + _AT_ONCE))
    raw.close()
    return database, dataset_id


def add_rows(raw: sqlite3.Connection, dataset_id: str, first: int, stop: int) -> None:
    """Store some faces with their photos and places."""
    photos = ids(first // _FACES_OF_A_PHOTO, stop // _FACES_OF_A_PHOTO, 2)
    raw.executemany(
        "INSERT INTO file (file_id, dataset_id, uri, revision, seq, status, attributes, exif, "
        "created_at, updated_at) VALUES (?, ?, ?, 1, 1, 'Succeeded', '{}', '{}', 0, 0)",
        [(photo, dataset_id, f"oss://b/{photo}") for photo in photos],
    )
    figures = ids(first, stop, 1)
    raw.executemany(
        'INSERT INTO figure (figure_id, dataset_id, file_id, seq, "left", top, width, height, '
        "confidence, quality, sharpness, pitch, roll, yaw, vector) "
        "VALUES (?, ?, ?, 1, 0, 0, 99, 99, 1, 0.9, 1, 0, 0, 0, ?)",
        [
            (figure, dataset_id, photos[place // _FACES_OF_A_PHOTO], vector.tobytes())
            for place, (figure, vector) in enumerate(
                zip(figures, vectors(first, stop), strict=True)
            )
        ],
    )
    raw.executemany(
        "INSERT INTO membership (dataset_id, kind, item_id, from_run, to_run, cluster_id, file_id, "
        f"confidence) VALUES (?, 'figure', ?, 1, {_FOREVER}, ?, ?, 0.9)",
        [
            (
                dataset_id,
                figure,
                f"Cluster-{ids((first + place) // PERSON, (first + place) // PERSON + 1, 3)[0]}",
                photos[place // _FACES_OF_A_PHOTO],
            )
            for place, figure in enumerate(figures)
        ],
    )


def fill(collection: Collection, count: int, *, ivf_from: int) -> None:
    """Make an empty collection what it is after a run over ``count`` faces."""
    image = _image(collection.image(), count, has_lists=count > ivf_from)
    collection.index.restore(image.part("index"))
    for first in range(0, count, _AT_ONCE):
        stop = min(count, first + _AT_ONCE)
        collection.index.add_restored(np.arange(first, stop), vectors(first, stop))
    collection.restore_image(image, _pages(count))
    for rows in _rows(count):
        collection.clusterer.put_rows(rows)
    places = np.arange(count, dtype=np.int32) // PERSON
    used = [collection.places.number(f"Cluster-{i}") for i in ids(0, int(places[-1]) + 1, 3)]  # type: ignore[arg-type]  # a ClusterId is such a text
    collection.resume(
        Progress(run=1, watermark=1),
        np.array(used, np.int32)[places],
        elsewhere={},
        consolidate=False,
    )


def _pages(count: int) -> Arrays:
    numbers = np.arange(count, dtype=np.uint64)
    return {
        "item": np.stack((np.full(count, 1 << 32, np.uint64), numbers), axis=1),
        "file": np.stack((np.full(count, 2 << 32, np.uint64), numbers // 2), axis=1),
        "seq": np.ones(count, np.int64),
        "good": np.ones(count, np.bool_),
        "core": np.ones(count, np.bool_),
        "quality": np.full(count, 0.9, np.float32),
        "alive": np.ones(count, np.bool_),
    }


def _image(blank: Image, count: int, *, has_lists: bool) -> Image:
    slots = np.arange(count, dtype=np.int32)
    person = slots // PERSON
    keys = np.random.default_rng(0).integers(0, 2**63, count).astype(np.uint64)
    columns = {name: np.zeros(count, array.dtype) for name, array in blank.columns.items()}
    for name in ("in_graph", "clusterer.base.core", "clusterer.base.lists.alive"):
        columns[name][:] = True
    columns["clusterer.base.lists.keys"] = keys
    columns["clusterer.base.base.label"] = person
    columns["clusterer.base.photos.photo"] = (slots // _FACES_OF_A_PHOTO).astype(np.int64)
    columns["clusterer.base.components.parent"] = person * PERSON
    columns["clusterer.base.components.weight"][:] = PERSON
    smallest = np.minimum.reduceat(keys, np.arange(0, count, PERSON))
    facts = blank.facts | {"clusterer.base.base.key": smallest}
    if has_lists:
        lists = lists_for(count)
        columns["index.list"] = (person % lists).astype(np.int32)
        facts |= {
            "index.centroids": vectors(0, lists).astype(np.float32),
            "index.probes": np.array([64]),
            "index.due": np.array([2 * count + 1, 2 * count]),
            "index.recall": np.array([0.95]),
        }
    return Image(columns, facts)


def _rows(count: int) -> Iterator[Rows]:
    step = PERSON * 2_000
    for first in range(0, count, step):
        slots = np.arange(first, min(count, first + step))
        others = (slots // PERSON * PERSON)[:, None] + np.arange(PERSON)
        others = np.minimum(others, count - 1)
        apart = (others != slots[:, None]) & (np.diff(others, prepend=-1) != 0)
        yield Rows(
            slots,
            apart.sum(axis=1).astype(np.int32),
            others[apart].astype(np.int32),
            np.full(int(apart.sum()), UNIT * 6 // 10, np.int32),
        )
