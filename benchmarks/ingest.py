"""Is indexing as fast as a bare loop that reads, decodes, detects and embeds the same files?

The loop is one thread that does, in this process, exactly what the service's models do with a
picture. Both run on the same cores, one after the other, in the same run; only their ratio counts.
"""

import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.result import report
from imm_ray.embed.models import EmbeddedModels
from imm_ray.media.decode import decode, prepare
from imm_ray.settings import Limits, Models
from tests.ray.quality import read_labels
from tests.ray.server import Album, ServerProcess


def run(data: Path, *, quick: bool) -> None:
    folder = data / "lfw_dev"
    paths = sorted(read_labels(folder))[: 300 if quick else None]
    bare_s = _bare_loop(folder, paths)
    service_s = _service(folder, paths)
    report(
        "ingest",
        files=len(paths),
        bare_loop_s=round(bare_s, 2),
        service_s=round(service_s, 2),
        bare_loop_files_per_s=round(len(paths) / bare_s, 1),
        service_files_per_s=round(len(paths) / service_s, 1),
        ratio=round(bare_s / service_s, 3),
        cores=len(os.sched_getaffinity(0)),
        analysis_threads=Models().analysis_threads,
    )


def _bare_loop(folder: Path, paths: list[str]) -> float:
    models, limits = EmbeddedModels(Models().face, Models().image), Limits()

    def analyze(path: str) -> None:
        data = (folder / path).read_bytes()
        found = decode(data, side=limits.analysis_side, max_pixels=limits.max_pixels)
        rgb = np.asarray(found.image)
        models.analyze(np.ascontiguousarray(rgb[:, :, ::-1]), found.width, found.height)

    prepare()
    analyze(paths[0])  # load what is loaded at first use
    begun = time.perf_counter()
    for path in paths:
        analyze(path)
    return time.perf_counter() - begun


def _service(folder: Path, paths: list[str]) -> float:
    uris = [f"oss://lfw/{path}" for path in paths]
    with (
        TemporaryDirectory() as data,
        ServerProcess(Path(data) / "data", buckets={"lfw": folder}) as server,
    ):
        warm = Album(server.client(), "warm").create()
        warm.index(uris[:1])
        warm.wait(warm.create_figures_task())
        album = Album(server.client(), "ingest").create()
        begun = time.perf_counter()
        album.index(uris)
        left = uris
        while left:
            time.sleep(0.2)
            left = [f.uri for f in album.files(left[:100]) if f.object_status == "Pending"] + left[
                100:
            ]
        seconds = time.perf_counter() - begun
        failed = [f.uri for f in album.files(uris) if f.object_status != "Succeeded"]
    if failed:
        raise SystemExit(f"{len(failed)} files failed, the first {failed[0]}")
    return seconds
