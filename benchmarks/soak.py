"""A day of life in minutes: does anything grow that should not?

The whole service in this process on a clock that is moved: photos come and go in a dataset that
keeps its size, albums are made and deleted, tasks run, people are named and merged, and once an
hour the service stops and starts again. What is measured is what is there at the end of each hour.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Self

import httpx
import numpy as np
import psutil
import structlog
from sqlalchemy import func, select

from benchmarks.result import report
from imm_ray.api.canonical import canonical_query
from imm_ray.api.signature import sign
from imm_ray.cli.client import encode
from imm_ray.embed.cards import load_card
from imm_ray.runtime.dispatcher import Dispatcher
from imm_ray.runtime.purge import Purge
from imm_ray.settings import Models, Settings, load_settings
from imm_ray.store import tables
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import open_relaxed
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    LocalImm,
    ManualClock,
    face,
    near,
    picture,
    random_vector,
)

PROJECT = "soak"
GROWS = frozenset({"cluster_event", "edit", "figure_constraint", "retired_cluster"})
"""Tables that may grow: what people did and what became of their clusters is kept for ever.

Events are never deleted: they hold ids, and nothing biometric. Edits, the pairs that must or must
not be together, and merged-away clusters stay as long as what they speak of.
"""

_STREAM, _ALBUM = "stream", "album"
_KEPT = 160
"""Files of the stream: as many leave as come."""
_NEW = 12
_PEOPLE = 30
_RETENTION_DAYS = 0.25
"""Tasks are kept for six hours, so that their number settles within the day."""
_TOPIC = "file"
_M_ARENA_MAX = -8


@dataclass(frozen=True, slots=True)
class Hour:
    """What was there at the end of a simulated hour."""

    pss_mb: float
    handles: int
    threads: int
    objects: int
    database_kb: int
    rows: Mapping[str, int]


@dataclass(slots=True)
class Growth:
    """How what is there has changed over the last half of the hours, in percent of its mean."""

    hours: list[Hour] = field(default_factory=list)

    def percent(self, values: Sequence[float]) -> float:
        """Return the fitted growth over the last half."""
        half = list(values)[len(values) // 2 :]
        if len(half) < 2 or not np.mean(half):
            return 0.0
        slope = np.polyfit(np.arange(len(half)), half, 1)[0]
        return float(100 * slope * (len(half) - 1) / np.mean(half))

    def of_rows(self) -> dict[str, float]:
        """Return the growth of each table that has rows."""
        names = self.hours[-1].rows
        found = {name: self.percent([hour.rows[name] for hour in self.hours]) for name in names}
        return {name: percent for name, percent in found.items() if names[name] or percent}

    def figures(self) -> dict[str, Any]:
        """Return them for a line of results."""
        last = self.hours[-1]
        return {
            "pss_mb": round(last.pss_mb, 1),
            "pss_percent": round(self.percent([h.pss_mb for h in self.hours]), 2),
            "objects_percent": round(self.percent([h.objects for h in self.hours]), 2),
            "handles": last.handles,
            "handles_percent": round(self.percent([h.handles for h in self.hours]), 2),
            "threads": last.threads,
            "threads_percent": round(self.percent([h.threads for h in self.hours]), 2),
            "database_kb": last.database_kb,
            "database_percent": round(self.percent([h.database_kb for h in self.hours]), 2),
            "rows": dict(last.rows),
            "rows_percent": {name: round(p, 2) for name, p in self.of_rows().items()},
        }


class Life:
    """The service and its only client, on a clock of their own; leaving the block stops both."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._chance = Random(seed)
        self._clock = ManualClock()
        self._embedder = FakeEmbedder()
        self._settings = _settings(folder)
        self._number = 0
        self._there: list[str] = []
        models = Models()
        self._dimensions = [load_card(name).dimension for name in (models.face, models.image)]

    def __enter__(self) -> Self:
        self._start()
        self._call("CreateProject", ProjectName=PROJECT)
        self._call("CreateDataset", **_names(_STREAM))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def step(self, minutes: int) -> None:
        """Let some time pass, with what happens in it."""
        self._clock.advance(timedelta(minutes=minutes))
        self._there += self._index(_STREAM, _NEW)
        gone, self._there = self._there[:-_KEPT], self._there[-_KEPT:]
        if gone:
            self._call("BatchDeleteFileMeta", **_names(_STREAM), URIs=gone)
        for uri in gone:
            del self._embedder.outcomes[uri]
        for action in ("CreateFigureClusteringTask", "CreateSimilarImageClusteringTask"):
            self._call(action, **_names(_STREAM), Notification=_TOLD)
        self._imm.settle()
        self._edit()
        self._album()
        self._imm.settle()
        self._chores()

    def restart(self) -> None:
        """Stop the service and start it on what it has stored."""
        self._stack.close()
        self._start()

    def look(self) -> Hour:
        """Return what is there now."""
        self._embedder.calls.clear()
        gc.collect()
        me = psutil.Process()
        with self._imm.database.read() as tx:
            rows = {
                table.name: int(tx.scalar(select(func.count()).select_from(table)) or 0)
                for table in tables.metadata.sorted_tables
            }
        return Hour(
            pss_mb=me.memory_full_info().pss / 2**20,
            handles=me.num_fds(),
            threads=threading.active_count(),
            objects=len(gc.get_objects()),
            database_kb=sum(
                path.stat().st_size // 1024 for path in self._settings.data.glob("imm.db*")
            ),
            rows=rows,
        )

    def _start(self) -> None:
        with ExitStack() as stack:
            self._imm = stack.enter_context(
                LocalImm(
                    self._settings.data,
                    self._embedder,
                    settings=self._settings,
                    clock=self._clock,
                )
            )
            self._http = stack.enter_context(httpx.Client(trust_env=False, timeout=60))
            self._database = Database(self._settings.store_url)
            stack.callback(self._database.close)
            self._stack = stack.pop_all()

    def _call(self, action: str, **params: Any) -> dict[str, Any]:
        query = encode(params)
        headers = sign(
            query,
            action=action,
            host=self._imm.address,
            access_key_id=ACCESS_KEY_ID,
            secret=ACCESS_KEY_SECRET,
            now=self._clock(),
        )
        url = httpx.URL(f"http://{self._imm.address}/", query=canonical_query(query).encode())
        response = self._http.post(url, headers=headers)
        if response.status_code != 200:
            raise RuntimeError(f"{action}: {response.status_code} {response.text[:300]}")
        return dict(json.loads(response.text))

    def _index(self, dataset: str, count: int) -> list[str]:
        uris = []
        for _ in range(count):
            self._number += 1
            uri = f"oss://soak/{self._number}.jpg"
            self._embedder.outcomes[uri] = self._photo(str(self._number))
            uris.append(uri)
        files = [{"URI": uri, "CustomLabels": {"a": "b"}} for uri in uris]
        self._call("BatchIndexFileMeta", **_names(dataset), Files=files, Notification=_TOLD)
        return uris

    def _photo(self, seed: str) -> Any:
        person = f"person {self._chance.randrange(_PEOPLE)}"
        place = f"place {self._chance.randrange(_PEOPLE)}"
        faces, images = self._dimensions
        return picture(
            seed,
            face(near(random_vector(person, faces), seed, 0.985)),
            vector=near(random_vector(place, images), seed, 0.97),
        )

    def _edit(self) -> None:
        """Name somebody, and merge two people, of whom the smaller is deleted some hours later."""
        people = self._call("QueryFigureClusters", **_names(_STREAM), MaxResults=20)
        found = [person["ObjectId"] for person in people["FigureClusters"]]
        if len(found) < 3 or self._chance.random() < 0.7:
            return
        one, other = self._chance.sample(found, 2)
        name = {"ObjectId": one, "Name": f"name {self._number}"}
        self._call("UpdateFigureCluster", **_names(_STREAM), FigureCluster=name)
        self._call("CreateFigureClustersMergingTask", **_names(_STREAM), From=other, To=one)

    def _album(self) -> None:
        """Make an album, use it, and delete it with all that is in it."""
        self._call("CreateDataset", **_names(_ALBUM))
        uris = self._index(_ALBUM, 4)
        self._call("CreateFigureClusteringTask", **_names(_ALBUM))
        self._imm.settle()
        self._call("BatchDeleteFileMeta", **_names(_ALBUM), URIs=uris)
        self._call("DeleteDataset", **_names(_ALBUM))
        for uri in uris:
            del self._embedder.outcomes[uri]

    def _chores(self) -> None:
        """Do what the steward does in a cluster."""
        dispatcher = Dispatcher(self._database, self._settings.notifications, self._clock)
        asyncio.run(dispatcher.deliver_due())
        with closing(open_relaxed(self._database)) as relaxed:
            Purge(
                self._database, self._clock, relaxed=relaxed, retention_days=_RETENTION_DAYS
            ).run()
        Path(self._settings.notifications.topics[_TOPIC].target).write_text("")


_TOLD = {"MNS": {"TopicName": _TOPIC}}


def _names(dataset: str) -> dict[str, Any]:
    return {"ProjectName": PROJECT, "DatasetName": dataset}


def _settings(folder: Path) -> Settings:
    user = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    return load_settings(
        None,
        data=folder / "data",
        auth={"users": [user]},
        clustering={"min_entity_count": 2},
        notifications={"topics": {_TOPIC: str(folder / "told.jsonl")}},
        tasks={"retention_days": _RETENTION_DAYS},
    )


def live(folder: Path, *, hours: int, step_minutes: int = 10, seed: int = 1) -> Growth:
    """Return how what is there has grown over so many simulated hours."""
    growth = Growth()
    with Life(folder, seed) as life:
        for _ in range(hours):
            for _ in range(60 // step_minutes):
                life.step(step_minutes)
            growth.hours.append(life.look())
            life.restart()
    return growth


def _keep_one_arena() -> None:
    """Have glibc give back what threads free: with many arenas 7 % more seemed to be in use."""
    ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, 1)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--hours", type=int, default=24, help="simulated")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    _keep_one_arena()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    begun = time.perf_counter()
    with TemporaryDirectory() as folder:
        growth = live(Path(folder), hours=options.hours, seed=options.seed)
    report(
        "soak",
        hours=options.hours,
        seconds=round(time.perf_counter() - begun),
        **growth.figures(),
    )
