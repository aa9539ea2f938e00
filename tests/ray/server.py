"""`imm-ray serve` as a process of its own, and the official SDK as its client."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.utils_models import Config

KEY = ("testak", "testsecret")
READY = "imm-ray ready at http://"
START_S = 60.0
TASK_S = 240.0
POLL_S = 0.1
IN_A_ROW = 5


def wait_until_steady(address: str) -> None:
    """Return when answers come one after the other: HAProxy begins anew as replicas arrive."""
    deadline = time.monotonic() + START_S
    in_a_row = 0
    while in_a_row < IN_A_ROW:
        in_a_row = in_a_row + 1 if _answers(address) else 0
        if time.monotonic() > deadline:
            raise AssertionError(f"{address} did not answer within {START_S:g} s")
        time.sleep(POLL_S)  # other processes need the cores more than we do


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/healthz").status_code < 500
    except httpx.TransportError:
        return False


class ServerProcess:
    """One `imm-ray serve`; leaving the block stops it and checks that it stopped cleanly."""

    def __init__(
        self,
        data: Path,
        *,
        buckets: Mapping[str, Path],
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._data = data
        self.folder = data.parent
        config = data.with_suffix(".yaml")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(settings or {}))  # JSON is YAML
        self._command = [
            *(sys.executable, "-m", "imm_ray.cli", "serve"),
            *("--config", str(config), "--data", str(data), "--port", "0"),
            *("--access-key", ":".join(KEY)),
            *(part for name, path in buckets.items() for part in ("--bucket", f"{name}={path}")),
        ]
        self.address = ""

    def start(self) -> None:
        """Return when requests are served."""
        self._log = self._data.with_suffix(".log").open("a")
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )
        line = self._first_line()
        if not line.startswith(READY):
            self.kill_all()
            raise AssertionError(f"no server: {line!r} {self.log()[-3000:]}")
        self.address = line.removeprefix(READY).strip()

    def _first_line(self) -> str:
        """Return the first line on stdout, or what there is after `START_S` seconds."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], START_S)
        return self._process.stdout.readline() if readable else ""

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> int:
        """Signal the server (or every process of its group); return its exit code."""
        if group:
            os.killpg(self._process.pid, number)
        else:
            self._process.send_signal(number)
        code = self._process.wait(60)
        self._close()
        return code

    def kill_all(self) -> None:
        """SIGKILL the server and every process that it started."""
        processes = [*self.processes()]
        for process in processes:
            _kill(process)
        psutil.wait_procs(processes, timeout=10)
        self._process.wait(10)
        self._close()

    def processes(self) -> list[psutil.Process]:
        """Return the server's process and all below it."""
        me = psutil.Process(self._process.pid)
        return [me, *me.children(recursive=True)]

    def actors(self, name: str) -> list[psutil.Process]:
        """Return the Ray worker processes that run the class ``name``."""
        return [p for p in self.processes() if name in " ".join(_command_line(p))]

    def log(self) -> str:
        """Return what it wrote to stderr."""
        return self._data.with_suffix(".log").read_text()

    def client(self, access_key_id: str = KEY[0], access_key_secret: str = KEY[1]) -> Client:
        """Return the official SDK's client."""
        return Client(
            Config(
                endpoint=self.address,
                protocol="http",
                access_key_id=access_key_id,
                access_key_secret=access_key_secret,
                connect_timeout=30_000,
                read_timeout=30_000,
            )
        )

    def _close(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> "ServerProcess":
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            code = self.stop()
            assert error is not None or code == 0


class Album:
    """A dataset seen through the official SDK."""

    def __init__(self, client: Client, project: str, dataset: str = "photos") -> None:
        self.client = client
        self.names = {"project_name": project, "dataset_name": dataset}

    def create(self) -> "Album":
        """Make the project and the dataset."""
        project = self.names["project_name"]
        self.client.create_project(models.CreateProjectRequest(project_name=project))
        self.client.create_dataset(models.CreateDatasetRequest(**self.names))
        return self

    def index(self, uris: Iterable[str], **more: Any) -> None:
        """Index files, a hundred at a time."""
        waiting = list(uris)
        for start in range(0, len(waiting), 100):
            files = [models.InputFile(uri=uri) for uri in waiting[start : start + 100]]
            request = models.BatchIndexFileMetaRequest(files=files, **self.names, **more)
            self.client.batch_index_file_meta(request)

    def files(self, uris: Iterable[str]) -> list[Any]:
        """Return the files' metadata."""
        wanted = list(uris)
        found = []
        for start in range(0, len(wanted), 100):
            request = models.BatchGetFileMetaRequest(uris=wanted[start : start + 100], **self.names)
            found += self.client.batch_get_file_meta(request).body.files
        return found

    def create_figures_task(self, **more: Any) -> str:
        request = models.CreateFigureClusteringTaskRequest(**self.names, **more)
        return str(self.client.create_figure_clustering_task(request).body.task_id)

    def create_similar_task(self, **more: Any) -> str:
        request = models.CreateSimilarImageClusteringTaskRequest(**self.names, **more)
        return str(self.client.create_similar_image_clustering_task(request).body.task_id)

    def get_task(self, task_id: str, task_type: str) -> Any:
        request = models.GetTaskRequest(
            project_name=self.names["project_name"], task_id=task_id, task_type=task_type
        )
        return self.client.get_task(request).body

    def wait(self, task_id: str, task_type: str = "FaceClustering") -> Any:
        """Return the task once it has ended."""
        deadline = time.monotonic() + TASK_S
        while (task := self.get_task(task_id, task_type)).status == "Running":
            assert time.monotonic() < deadline, f"{task_id} runs for more than {TASK_S} s"
            time.sleep(POLL_S)  # a poll of the service, which needs the cores more than we do
        return task

    def people(self, page: int = 100) -> list[Any]:
        """Return all figure clusters, read in pages."""
        found: list[Any] = []
        token = None
        while token is None or token:
            request = models.QueryFigureClustersRequest(
                **self.names, max_results=page, next_token=token
            )
            body = self.client.query_figure_clusters(request).body
            found += body.figure_clusters
            token = body.next_token or ""
        return found

    def groups(self, page: int = 100) -> list[Any]:
        """Return all groups of similar images, read in pages."""
        found: list[Any] = []
        token = None
        while token is None or token:
            request = models.QuerySimilarImageClustersRequest(
                **self.names, max_results=page, next_token=token
            )
            body = self.client.query_similar_image_clusters(request).body
            found += body.similar_image_clusters
            token = body.next_token or ""
        return found

    def delete(self, uris: Iterable[str]) -> None:
        wanted = list(uris)
        for start in range(0, len(wanted), 100):
            request = models.BatchDeleteFileMetaRequest(
                uris=wanted[start : start + 100], **self.names
            )
            self.client.batch_delete_file_meta(request)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
