"""How long does a restart take, with a snapshot and without, and what does a snapshot cost?

Wall times on a machine that others use say little; seconds of this process's processor are beside
them. Each size runs in a process of its own.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import structlog

from benchmarks.clustering.streams import figure_collection
from benchmarks.restart.synthetic import DIMENSION, PERSON, fill, ids, make_database, vectors
from benchmarks.result import report
from imm_ray.cluster.fixed import search_cosine, to_fixed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.lists import WIDTH
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.items import Item
from imm_ray.dataset.snapshot.keeper import SnapshotKeeper, Surroundings
from imm_ray.dataset.stock import Stock
from imm_ray.index import open_index
from imm_ray.model import ClusterKind, DatasetId, FileId
from imm_ray.settings import Clustering, Index, Snapshots
from imm_ray.store import loading, ownership, snapshots
from imm_ray.store.blobs import LocalBlobs
from imm_ray.store.database import Database
from imm_ray.testing import ManualClock

_KIND = ClusterKind.FIGURE
_DELTA = 1_000
_LIMITS = FigureLimits(
    threshold=to_fixed(0.45),
    margin=to_fixed(0.02),
    same_photo=to_fixed(0.9),
    strong=to_fixed(2.0),
    strong_share=1.0,
    second_mean=to_fixed(2.0),
    second_smallest=1,
)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks restart", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument(
        "--without-until",
        type=int,
        default=100_000,
        help="sizes up to this are also loaded and built again without a snapshot",
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), options.one, without=options.one <= options.without_until)
        return
    for size in options.sizes:
        same = [sys.executable, "-m", "benchmarks", "restart", "--one", str(size)]
        subprocess.run([*same, "--without-until", str(options.without_until)], check=True)


@dataclass
class Spent:
    """Seconds, by the wall and by this process's processor."""

    wall_s: float = 0.0
    cpu_s: float = 0.0


@contextmanager
def spending() -> Iterator[Spent]:
    spent = Spent()
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield spent
    finally:
        spent.wall_s = round(time.perf_counter() - wall, 2)
        spent.cpu_s = round(time.process_time() - cpu, 2)


def measure(folder: Path, count: int, *, without: bool) -> None:
    """Report what snapshots of ``count`` figures cost and give."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    database, dataset_id = make_database(folder, count)
    with database.write() as tx:
        lease = ownership.take(tx, dataset_id, "host", 1)
    warm(folder)
    collection = opened()
    fill(collection, count, ivf_from=Index().ivf_from)
    around = Surroundings(
        database=database,
        lease=lease,
        blobs=LocalBlobs(folder / "snapshots"),
        settings=Snapshots(),
        clock=ManualClock(),
    )
    keeper = SnapshotKeeper(_KIND, collection, {}, around)
    figures: dict[str, Any] = {"stored": count, "dimension": DIMENSION, "faces_a_person": PERSON}
    figures["tier"] = collection.index.report().tier
    figures["write"] = _saved(keeper, database, dataset_id, anew=True)
    collection.put(_newcomers(count))
    figures["write_delta"] = {"items": _DELTA, **_saved(keeper, database, dataset_id)}
    keeper.close()
    collection.index.close()
    del collection, keeper
    figures["restore"] = _restored(around)
    if without:
        figures["without_snapshot"] = _built(database, dataset_id)
    figures["peak_rss_mb"] = psutil.Process().memory_info().rss >> 20
    report("restart", **figures)
    database.close()


def opened() -> Collection:
    """Return an empty collection of faces, as an owner has it."""
    cosine = search_cosine(_LIMITS.threshold, DIMENSION)
    return figure_collection(open_index(Index(), DIMENSION, cosine=cosine), _LIMITS, DIMENSION)


def warm(folder: Path) -> None:
    """Compile what a restart runs, as an owner does when it starts."""
    small = opened()
    fill(small, 100, ivf_from=50)
    slots = small.items.alive.nonzero()[0]
    small.clusterer.put_rows(small.clusterer.rows(slots))
    small.clusterer.marks(small.items.size)
    small.index.close()


def _newcomers(count: int) -> Iterator[Item]:
    """Yield faces that no run has covered: nothing is searched for."""
    names = ids(count, count + _DELTA, 1)
    for name, vector in zip(names, vectors(count, count + _DELTA), strict=True):
        yield Item(
            item_id=name,
            file_id=FileId(name),
            seq=2,
            vector=vector,
            is_good=True,
            quality=0.9,
        )


def _saved(
    keeper: SnapshotKeeper, database: Database, dataset_id: DatasetId, *, anew: bool = False
) -> dict[str, Any]:
    before = keeper.written_bytes
    with spending() as spent:
        keeper.save(anew=anew)
    with database.read() as tx:
        newest = snapshots.listed(tx, dataset_id, _KIND)[0]
    return {
        "wall_s": spent.wall_s,
        "cpu_s": spent.cpu_s,
        "written_mb": round((keeper.written_bytes - before) / 1e6, 1),
        "snapshot_mb": round(newest.bytes_in_all / 1e6, 1),
        "cut_ms": keeper.cut_ms,
    }


def _restored(around: Surroundings) -> dict[str, Any]:
    """Return what a restart takes; the newcomers are not in the database, so they go."""
    dataset_id = around.lease.dataset_id
    collection = opened()
    keeper = SnapshotKeeper(_KIND, collection, {}, around)
    stock = Stock(around.database, dataset_id, Clustering())
    with spending() as spent:
        at = loading.progress(around.database, dataset_id, _KIND)
        if not keeper.restore(at, partial(stock.some, _KIND)):
            raise RuntimeError("the snapshot that was just written can not be used")
    found: dict[str, Any] = {"wall_s": spent.wall_s, "cpu_s": spent.cpu_s}
    found["items"] = len(collection)
    with spending() as first:
        plan = collection.plan(1, always=True)
    found["first_run"] = {"wall_s": first.wall_s, "cpu_s": first.cpu_s, "moves": len(plan.moves)}
    keeper.close()
    collection.index.close()
    return found


def _built(database: Database, dataset_id: DatasetId) -> dict[str, Any]:
    """Return what loading everything from the database takes, and building the graph."""
    collection = opened()
    stock = Stock(database, dataset_id, Clustering())
    with spending() as load:
        at = loading.progress(database, dataset_id, _KIND)
        collection.restore(at, loading.memberships(database, dataset_id, _KIND, at.run))
        collection.put(stock.everything(_KIND))
    with spending() as build:
        while collection.rebuild():
            pass
        collection.plan(1, always=True)
    collection.index.close()
    million = (1_000_000 / len(collection)) ** 2 * build.cpu_s / 3600
    return {
        "load": {"wall_s": load.wall_s, "cpu_s": load.cpu_s},
        "build": {"wall_s": build.wall_s, "cpu_s": build.cpu_s},
        "neighbours_kept": WIDTH,
        "extrapolated_cpu_hours_of_a_million_if_all_pairs_were_compared": round(million, 1),
    }
