"""Random small datasets whose files have every kind of member that a query can ask for."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from imm_ray.model import (
    Box,
    ClusterId,
    ClusterKind,
    Dataset,
    DatasetId,
    File,
    HeadPose,
    Indexed,
    Outcome,
    Project,
    Refused,
    SourceStat,
)
from imm_ray.store import datasets, files, ownership, projects, results, staging, tables
from imm_ray.store.database import Database, Tx
from imm_ray.store.files import InputFile
from imm_ray.store.ownership import Lease
from imm_ray.testing import face, picture, random_vector

NOW = datetime(2026, 11, 21, 22, 7, tzinfo=UTC)
WORDS = ("Ann", "ann lee", "Straße", "STRASSE", "100%", "a_b", "axb", "Ёлка", "ёлка", "10", "9.5")
NAMES = ("a.jpg", "B/a.jpg", "b/c.JPG", "100%.png", "x_y/ü.heic")
KEYS = ("City", "city", "n", "Пол")
PLACES = ("48.1,11.5", "48.13, 11.61", "-33.9,151.2", "0.3,179.9", "0.2,-179.8")
TIMES = ("2020-01-01T00:00:00", "2020-01-01T00:00:00+08:00", "2021-06-30T12:00:00.5Z")
NUMBERS = ("0", "0.5", "1", "2", "480", "640", "1000", "-3.5")


@dataclass(frozen=True)
class World:
    dataset: Dataset
    clusters: tuple[str, ...]
    """Of the visible run; those of a run in progress are not among them."""


def build(database: Database, seed: int) -> World:
    """Make a dataset with files in every state, and clusters in two runs, one of them staged."""
    rng = random.Random(seed)
    name = f"d{seed}"
    made = Dataset(
        dataset_id=DatasetId(f"dataset-{seed}"),
        account="a",
        project=name,
        name=name,
        face_model="f",
        image_model="i",
        created_at=NOW,
        updated_at=NOW,
    )
    project = Project(account="a", name=name, created_at=NOW, updated_at=NOW)
    with database.write() as tx:
        projects.create(tx, project)
        datasets.create(tx, made)
        lease = ownership.take(tx, made.dataset_id, "test", 1)
        _index(tx, lease, made, rng, "first", rng.randint(1, 9))
        clusters = tuple(f"Cluster-{seed}-{number}" for number in range(3))
        _run(tx, lease, rng, clusters, number=1, publish=True)
        _index(tx, lease, made, rng, "second", rng.randint(0, 3))
        _run(tx, lease, rng, (f"Cluster-{seed}-staged",), number=2, publish=False)
        waiting = [_input(rng, f"waiting/{n}") for n in range(rng.randint(0, 2))]
        files.index(tx, datasets.get(tx, "a", name, name), waiting, NOW)
    return World(made, clusters)


def files_of(tx: Tx, dataset: Dataset) -> list[File]:
    f = tables.file.c
    ids = tx.scalars(tables.file.select().with_only_columns(f.file_id)).all()
    return list(files.by_id(tx, dataset.dataset_id, ids).values())


def _index(
    tx: Tx, lease: Lease, made: Dataset, rng: random.Random, folder: str, count: int
) -> None:
    inputs = [_input(rng, f"{folder}/{number}") for number in range(count)]
    now = NOW + timedelta(hours=rng.randint(0, 3))
    files.index(tx, datasets.get(tx, "a", made.project, made.name), inputs, now)
    waiting = results.pending(tx, made.dataset_id, limit=99)
    done = [results.Result(file, _outcome(rng, file.uri)) for file in waiting]
    results.commit(tx, lease, done, now, lambda finished: [])


def _input(rng: random.Random, folder: str) -> InputFile:
    said: dict[str, Any] = {
        "CustomId": rng.choice(("", *WORDS)),
        "Title": rng.choice(WORDS),
        "MediaType": rng.choice(("image", "other")),
        "LatLong": rng.choice(PLACES),
        "ProduceTime": rng.choice(TIMES[1:]),
        "CustomLabels": {
            key: rng.choice((*WORDS, 3, 9.5, True, ""))
            for key in rng.sample(KEYS, rng.randint(0, 3))
        },
        "Labels": [
            {"LabelName": rng.choice(WORDS), "LabelConfidence": rng.choice((0.25, 0.5, 1))}
            for _ in range(rng.randint(1, 3))
        ],
        "Addresses": [
            {"City": rng.choice(WORDS), "Country": rng.choice(("", "cn"))}
            for _ in range(rng.randint(1, 2))
        ],
    }
    kept = {name: value for name, value in said.items() if rng.random() < 0.6}
    return InputFile(f"oss://b/{folder}/{rng.choice(NAMES)}", kept)


def _outcome(rng: random.Random, uri: str) -> Outcome:
    kind = rng.choice(("picture", "picture", "picture", "video", "refused"))
    if kind == "refused":
        return Refused("The file is empty.")
    stat = SourceStat(
        size=rng.choice((0, 480, 1000)),
        etag=rng.choice(("", "e")),
        modified_at=rng.choice((None, NOW)),
        content_hash="00",
    )
    if kind == "video":
        return Indexed(stat=stat, content_type="video/mp4", analysis=None)
    faces = [
        replace(
            face(random_vector(f"{uri}{n}", 4), left=100 * n, quality=rng.choice((0.25, 0.5, 1.0))),
            box=Box(100 * n, 0, rng.choice((10, 640)), 10),
            head_pose=HeadPose(rng.choice((-3.5, 2.0)), 0.0, 0.0),
        )
        for n in range(rng.randint(0, 3))
    ]
    made = picture(uri, *faces, score=rng.choice((0.25, 0.5)))
    assert made.analysis is not None
    analysis = replace(
        made.analysis,
        width=rng.choice((480, 640)),
        produce_time=rng.choice(("", TIMES[0])),
        lat_long=rng.choice(("", PLACES[0])),
        exif=rng.choice(({}, {"Model": rng.choice(WORDS)})),
    )
    return Indexed(stat=stat, content_type="image/jpeg", analysis=analysis)


def _run(
    tx: Tx,
    lease: Lease,
    rng: random.Random,
    clusters: tuple[str, ...],
    *,
    number: int,
    publish: bool,
) -> None:
    g = tables.figure.c
    figures = tx.execute(
        tables.figure.select()
        .where(g.dataset_id == lease.dataset_id)
        .with_only_columns(g.figure_id, g.file_id)
        .order_by(g.figure_id)
    ).all()
    moves = [
        staging.Move(row.figure_id, row.file_id, ClusterId(rng.choice(clusters)), 0.5)
        for row in figures
        if rng.random() < 0.8
    ]
    figure = ClusterKind.FIGURE
    first = {move.cluster_id: move.item_id for move in moves}
    stated = [staging.StatedCluster(cluster_id, item, True) for cluster_id, item in first.items()]
    staging.stage_members(tx, lease, figure, number, moves)
    staging.stage_states(tx, lease, figure, number, stated, NOW)
    if publish:
        end = staging.RunEnd(
            watermark=datasets.acknowledged(tx, lease.dataset_id),
            edits_until=datasets.acknowledged(tx, lease.dataset_id),
            at=NOW,
        )
        assert staging.publish(tx, lease, figure, number, end, lambda task: [])
