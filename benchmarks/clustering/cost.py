"""What does a delta of 1,000 faces cost with 10,000, 100,000 and a million stored, and what memory?

Each size runs in a process of its own, so that its memory is its own. The stored faces are put in
and clustered at once; then deltas are put in and planned, as tasks do it. Beside them the same
delta is searched by plain FAISS flat over the same vectors, in the same process: ratios compare.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import faiss
import numpy as np
import psutil

from benchmarks.clustering.limits import Scale, calibrate
from benchmarks.clustering.plot import Cost, plot_costs
from benchmarks.clustering.streams import SearchTimer, figure_collection, items
from benchmarks.clustering.synthetic import DIMENSION, Faces, faces
from benchmarks.result import report
from imm_ray.cluster.fixed import search_cosine
from imm_ray.dataset.collection import Collection
from imm_ray.index import open_index
from imm_ray.model import Vectors
from imm_ray.settings import Index
from imm_ray.store.loading import Progress

_SEED, _CALIBRATION_SEED = 1, 1001
_DELTA, _DELTAS = 1_000, 4
_FLAT_BASELINE_UNTIL = 300_000  # a million float32 vectors more would disturb the memory measured
_PEERS_K = 64
_PUT_AT_ONCE = 16_384
_SIZES = {10_000: "flat", 100_000: "flat", 1_000_000: "ivf"}


def run(data: Path, *, quick: bool, out: Path) -> None:
    scale = calibrate([faces(3_000, seed=_CALIBRATION_SEED)])
    sizes = [3_000, 10_000] if quick else list(_SIZES)
    found = []
    for size in sizes:
        found.append(_in_own_process(size, scale))
        report("clustering cost", **found[-1])
    first, last = found[0], found[-1]
    report(
        "clustering cost, growth",
        stored=[first["stored"], last["stored"]],
        total_ratio=round(last["total_ms"] / first["total_ms"], 2),
    )
    plot_costs([_bar(figures) for figures in found], out / "clustering-cost.png")


def _bar(figures: dict[str, Any]) -> Cost:
    stages = ("put", "search", "graph", "cluster", "assign")
    return Cost(
        label=figures["tier"],
        stored=figures["stored"],
        delta=figures["delta"],
        milliseconds={stage: figures[f"{stage}_ms"] for stage in stages},
    )


def _in_own_process(size: int, scale: Scale) -> dict[str, Any]:
    with tempfile.NamedTemporaryFile() as file:
        for chunk in Faces(size + _DELTA * _DELTAS, seed=_SEED).chunks():
            file.write(chunk.vectors.tobytes())
        file.flush()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.clustering.cost", str(size), file.name],
            input=json.dumps(asdict(scale)),
            text=True,
            stdout=subprocess.PIPE,
            check=True,
        )
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def measure(stored: int, scale: Scale, faces_file: Path) -> dict[str, Any]:
    """Return what deltas cost with so many faces stored.

    They, and those of the deltas, are read from a file: who makes them holds memory that would be
    measured else.
    """
    limits = scale.figure_limits()
    cosine = search_cosine(limits.threshold, DIMENSION)
    index = open_index(Index(), DIMENSION, cosine=cosine)
    timer = SearchTimer(index)
    collection = figure_collection(index, limits, DIMENSION)
    collection.restore(Progress(run=1, watermark=1), [])
    empty = _resident()
    with faces_file.open("rb") as file:
        with _Peak() as peak:
            _fill(collection, stored, file)
            _finish_upkeep(collection)
        news = _read_faces(file, _DELTA * _DELTAS)
    begun = time.perf_counter()
    collection.settle(collection.plan(1, consolidate=True), Progress(run=2, watermark=1))
    build_s = time.perf_counter() - begun
    deltas = [_measure_delta(collection, timer, news, n) for n in range(_DELTAS)]
    steady = _resident()
    figures = {
        name: round(float(np.median([d[name] for d in deltas[1:]])), 1) for name in deltas[0]
    }
    begun = time.perf_counter()
    plan = collection.plan(1 + _DELTAS, consolidate=True)
    consolidation_s = time.perf_counter() - begun
    figures |= _against_flat(collection, news) if stored <= _FLAT_BASELINE_UNTIL else {}
    told = index.report()
    return {
        "stored": stored,
        "delta": _DELTA,
        "tier": told.tier,
        "recall": told.recall,
        **figures,
        "build_s": round(build_s, 1),
        "consolidation_s": round(consolidation_s, 1),
        "drift": plan.ledger.get("drift"),
        "lists_at_cap": plan.ledger.get("lists_at_cap"),
        "bytes_per_figure": round((steady - empty) / len(collection)),
        "peak_bytes_per_figure_while_filling": round((peak.bytes - empty) / len(collection)),
        "vector_bytes": 2 * DIMENSION,
    }


def _read_faces(file: BinaryIO, count: int) -> Vectors:
    return np.frombuffer(file.read(2 * DIMENSION * count), np.float16).reshape(-1, DIMENSION)


def _fill(collection: Collection, stored: int, file: BinaryIO) -> None:
    """Put ``stored`` faces in, as an owner does."""
    for first in range(0, stored, _PUT_AT_ONCE):
        vectors = _read_faces(file, min(_PUT_AT_ONCE, stored - first))
        collection.put(items(vectors, first=first, seq=1))
        collection.tend()


def _finish_upkeep(collection: Collection) -> None:
    """Wait until the index is as it will stay at its size: its lists made anew and measured."""
    while collection.tend() or collection.index.report().changing:
        time.sleep(0.01)


def _measure_delta(
    collection: Collection, timer: SearchTimer, news: Vectors, number: int
) -> dict[str, float]:
    vectors = news[number * _DELTA : (number + 1) * _DELTA]
    searched = timer.seconds
    begun = time.perf_counter()
    collection.put(items(vectors, first=10**8 + number * _DELTA, seq=2 + number))
    put = time.perf_counter()
    plan = collection.plan(2 + number)
    done = time.perf_counter()
    collection.settle(plan, Progress(run=3 + number, watermark=2 + number))
    search_ms = 1e3 * (timer.seconds - searched)
    return {
        "total_ms": 1e3 * (done - begun),
        "put_ms": 1e3 * (put - begun),
        "search_ms": search_ms,
        "graph_ms": plan.milliseconds["graph"] - search_ms,
        "cluster_ms": plan.milliseconds["cluster"],
        "assign_ms": plan.milliseconds["assign"],
        "items_reclustered": plan.ledger["items_reclustered"],
        "distances_computed": plan.ledger["distances_computed"],
    }


def _against_flat(collection: Collection, news: Vectors) -> dict[str, float]:
    """Return what plain FAISS needs for the search of one delta."""
    faiss.omp_set_num_threads(1)
    flat = faiss.IndexFlatIP(DIMENSION)
    for start in range(0, len(collection), 16_384):
        slots = np.arange(start, min(start + 16_384, len(collection)))
        flat.add(collection.index.wide(slots))
    times = []
    for number in range(_DELTAS):
        queries = news[number * _DELTA : (number + 1) * _DELTA].astype(np.float32)
        begun = time.perf_counter()
        flat.search(queries, _PEERS_K)
        times.append(1e3 * (time.perf_counter() - begun))
    return {"plain_faiss_flat_ms": round(float(np.median(times)), 1)}


class _Peak:
    """The most memory that this process holds meanwhile, looked at every few milliseconds."""

    def __enter__(self) -> "_Peak":
        self.bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.bytes = max(self.bytes, _resident())


def _resident() -> int:
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    _size, _file = int(sys.argv[1]), Path(sys.argv[2])
    print(json.dumps(measure(_size, Scale(**json.load(sys.stdin)), _file)))
