"""The demo: the main job on one folder, with a server that lives only as long."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from rich.console import Console

from imm_ray.cli.album import PHOTOS
from imm_ray.cli.client import ImmClient
from imm_ray.cli.folder import regular_files
from imm_ray.cli.job import Job
from imm_ray.cli.progress import Stages
from imm_ray.cli.report import Report
from imm_ray.cli.result import BUCKET, Findings, result_json
from imm_ray.cli.summary import print_summary
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Settings, load_settings


class NothingDone(Exception):
    """Nothing could be done: there is no file, or none of them could be indexed."""


class RunningServer(Protocol):
    """A server that accepts requests."""

    @property
    def endpoint(self) -> str:
        """``http://HOST:PORT``."""

    @property
    def access_key_id(self) -> str:
        """The id of a root user's key."""

    @property
    def access_key_secret(self) -> str:
        """The secret of that key."""


Start = Callable[[Settings], AbstractContextManager[RunningServer]]


def run_demo(folder: Path, out: Path, *, port: int, console: Console, start: Start) -> Findings:
    """Return what is in the pictures of ``folder``; ``out`` then holds the report and the result.

    Parameters
    ----------
    port
        Where the server listens meanwhile; 0 takes a free port.
    start
        Starts a server; it is stopped, and its data removed, before this returns.

    Raises
    ------
    NothingDone
        There is no file, or none could be indexed; of the latter there is a report too.
    """
    paths = regular_files(folder, skip=out)
    if not paths:
        raise NothingDone(f"there is no file to index in {folder} (hidden files do not count)")
    out.mkdir(parents=True, exist_ok=True)
    stages = Stages(console)
    found, settings = _found(folder, paths, port=port, stages=stages, start=start)
    (out / "result.json").write_text(json.dumps(result_json(found), indent=1), "ascii")
    with (
        stages.stage("Writing the report", total=None) as stage,
        Decoder(settings.limits) as decoder,
    ):
        report = Report(folder, out, title=_title(folder), decode=decoder.decode)
        report.write(
            found,
            seconds=stages.seconds,
            on_photo=lambda done, total: stage.update(done, f"{done} of {total} photos"),
        )
    print_summary(console, found, seconds=stages.seconds, out=out)
    if not found.succeeded:
        raise NothingDone(f"none of the {len(paths)} files in {folder} could be indexed")
    return found


def _found(
    folder: Path, paths: list[str], *, port: int, stages: Stages, start: Start
) -> tuple[Findings, Settings]:
    with ExitStack() as stack:
        data = stack.enter_context(
            TemporaryDirectory(prefix="imm-ray-demo-", ignore_cleanup_errors=True)
        )
        settings = load_settings(
            None,
            data=Path(data),
            server={"host": "127.0.0.1", "port": port, "tls_cert": None, "tls_key": None},
            buckets={BUCKET: str(folder.resolve())},
        )
        running = stack.enter_context(ExitStack())
        with stages.stage("Starting"):
            server = running.enter_context(start(settings))
        with ImmClient(server.endpoint, server.access_key_id, server.access_key_secret) as client:
            found = Job(client, stages).run(paths)
        with stages.stage("Stopping"):
            running.close()
        return found, settings


def _title(folder: Path) -> str:
    return "Sample album" if folder == PHOTOS else folder.resolve().name or str(folder)
