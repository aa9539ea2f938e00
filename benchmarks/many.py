"""Ten thousand datasets registered, some touched at random: how long, and how much memory?

The whole service in one process, with an embedder whose answers are given in advance: what is
measured is the datasets' coming and going. ``--ray`` runs the same through `imm-ray serve`, with
the default models and pictures of ``--data``. PSS counts a page that several processes share once.
"""

import argparse
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import structlog
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.utils_models import Config
from sqlalchemy import func, select

from benchmarks.result import report
from imm_ray.settings import load_settings
from imm_ray.store import tables
from imm_ray.store.database import Database
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    LocalImm,
    face,
    near,
    picture,
    random_vector,
)
from tests.ray.server import KEY, ServerProcess

PROJECT = "many"
_SEED = 20261122
_CLIENTS = 4
_SAMPLE_S = 0.2
_FACE, _IMAGE = 128, 1280


class Peak:
    """The most memory and threads, and the most datasets in memory, that were ever seen."""

    def __init__(
        self, processes: Callable[[], Sequence[psutil.Process]], active: Callable[[], int]
    ) -> None:
        self._processes = processes
        self._active = active
        self._closed = threading.Event()
        self.pss = self.threads = self.active = 0

    def look(self) -> int:
        """Return the memory now, in bytes."""
        pss = threads = 0
        for process in self._processes():
            try:
                pss += process.memory_full_info().pss
                threads += process.num_threads()
            except psutil.NoSuchProcess:
                continue
        self.pss, self.threads = max(self.pss, pss), max(self.threads, threads)
        self.active = max(self.active, self._active())
        return pss

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look now and then within the block."""
        thread = threading.Thread(target=self._loop)
        thread.start()
        try:
            yield
        finally:
            self._closed.set()
            thread.join()

    def _loop(self) -> None:
        while not self._closed.wait(_SAMPLE_S):
            self.look()


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks many", description=__doc__)
    parser.add_argument("--datasets", type=int, default=10_000)
    parser.add_argument("--touched", type=int, default=500)
    parser.add_argument("--files", type=int, default=4, help="of each touched dataset")
    parser.add_argument("--most", type=int, default=100, help="owners.max_active")
    parser.add_argument("--threads", type=int, default=8, help="owners.threads")
    parser.add_argument("--ray", action="store_true", help="over Ray, with the default models")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="labelled sets")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    (_over_ray if options.ray else _in_process)(options)


def _in_process(options: argparse.Namespace) -> None:
    with TemporaryDirectory() as folder:
        key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
        settings = load_settings(
            None,
            data=Path(folder),
            auth={"users": [key]},
            owners=_owners(options),
            clustering={"min_entity_count": 2},
        )
        embedder = FakeEmbedder()
        me = psutil.Process()
        with LocalImm(Path(folder), embedder, settings=settings) as imm:
            peak = Peak(lambda: [me], lambda: imm.host.active)
            client = _client(imm.address, (ACCESS_KEY_ID, ACCESS_KEY_SECRET))

            def uris(name: str) -> list[str]:
                made = [f"oss://b/{name}/{number}" for number in range(options.files)]
                person = random_vector(name, _FACE)
                for uri in made:
                    shot = near(random_vector(f"shot {name}", _IMAGE), uri, 0.97)
                    seen = face(near(person, uri, 0.99))
                    embedder.outcomes[uri] = picture(uri, seen, vector=shot)
                return made

            _measure(options, client, peak, uris, imm.database, "in one process, no Ray")


def _over_ray(options: argparse.Namespace) -> None:
    folder = options.data / "lfw_dev"
    paths = sorted(path.relative_to(folder) for path in folder.glob("images/*/*.jpg"))
    with TemporaryDirectory() as data:
        settings = {"owners": _owners(options), "clustering": {"min_entity_count": 2}}
        server = ServerProcess(Path(data) / "data", buckets={"lfw": folder}, settings=settings)
        with server:
            database = Database(f"sqlite:///{Path(data) / 'data' / 'imm.db'}")
            peak = Peak(server.processes, lambda: _leased(database))
            choice = random.Random(_SEED)

            def uris(name: str) -> list[str]:
                return [f"oss://lfw/{path}" for path in choice.sample(paths, options.files)]

            client = _client(server.address, KEY)
            _measure(options, client, peak, uris, database, "imm-ray serve, default models")
            database.close()


def _owners(options: argparse.Namespace) -> dict[str, float]:
    return {"max_active": options.most, "slice_s": 1.0, "threads": options.threads}


def _measure(
    options: argparse.Namespace,
    client: Client,
    peak: Peak,
    uris: Callable[[str], list[str]],
    database: Database,
    how: str,
) -> None:
    client.create_project(models.CreateProjectRequest(project_name=PROJECT))
    names = [f"d{number:05}" for number in range(options.datasets)]
    with ThreadPoolExecutor(_CLIENTS) as clients, peak.watched():
        begun = time.perf_counter()
        list(clients.map(lambda name: _create(client, name), names))
        registered_s = time.perf_counter() - begun
        with_rows_only = peak.look()
        touched = random.Random(_SEED).sample(names, options.touched)
        work = [(name, uris(name)) for name in touched]
        begun = time.perf_counter()
        list(clients.map(lambda item: _touch(client, *item), work))
        acknowledged_s = time.perf_counter() - begun
        while _count(database, "Running"):
            time.sleep(_SAMPLE_S)
        ended_s = time.perf_counter() - begun
    report(
        "many",
        how=how,
        datasets=options.datasets,
        touched=options.touched,
        files_each=options.files,
        registered_s=round(registered_s, 1),
        acknowledged_s=round(acknowledged_s, 1),
        all_ended_s=round(ended_s, 1),
        tasks_succeeded=_count(database, "Succeeded"),
        tasks_failed=_count(database, "Failed"),
        cap=options.most,
        engine_threads=options.threads,
        most_active=peak.active,
        pss_with_rows_only_mb=with_rows_only // 2**20,
        peak_pss_mb=peak.pss // 2**20,
        most_threads=peak.threads,
    )


def _create(client: Client, name: str) -> None:
    client.create_dataset(models.CreateDatasetRequest(project_name=PROJECT, dataset_name=name))


def _touch(client: Client, name: str, uris: Sequence[str]) -> None:
    names = {"project_name": PROJECT, "dataset_name": name}
    files = [models.InputFile(uri=uri) for uri in uris]
    client.batch_index_file_meta(models.BatchIndexFileMetaRequest(files=files, **names))
    client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**names))


def _client(address: str, key: tuple[str, str]) -> Client:
    return Client(
        Config(
            endpoint=address,
            protocol="http",
            access_key_id=key[0],
            access_key_secret=key[1],
            connect_timeout=30_000,
            read_timeout=30_000,
        )
    )


def _count(database: Database, status: str) -> int:
    t = tables.task.c
    with database.read() as tx:
        return int(tx.scalar(select(func.count(t.task_id)).where(t.status == status)) or 0)


def _leased(database: Database) -> int:
    """Return how many datasets have an owner that has not left."""
    o = tables.ownership.c
    with database.read() as tx:
        return int(tx.scalar(select(func.count(o.dataset_id)).where(o.lease_until > 0)) or 0)
