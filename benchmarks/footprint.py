"""How soon is a server ready, and how much memory do all its idle processes take together?

PSS counts a page that several processes share once.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.result import report
from tests.ray.server import Album, ServerProcess

_SETTLED_S = 10.0


def run(data: Path, *, quick: bool) -> None:
    with TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data", buckets={"lfw": data / "lfw_dev"})
        begun = time.perf_counter()
        server.start()
        ready_s = time.perf_counter() - begun
        with_nothing = _pss(server)
        uris = [f"oss://lfw/{p.relative_to(data / 'lfw_dev')}" for p in _some(data / "lfw_dev")]
        album = Album(server.client(), "idle").create()
        album.index(uris)
        album.wait(album.create_figures_task())
        album.wait(album.create_similar_task(), "SimilarImageClustering")
        time.sleep(_SETTLED_S)
        after_work = _pss(server)
        server.stop()
    report(
        "footprint",
        ready_s=round(ready_s, 1),
        idle_pss_mb=sum(with_nothing.values()),
        idle_after_work_pss_mb=sum(after_work.values()),
        processes=after_work,
    )


def _some(folder: Path) -> list[Path]:
    return sorted(folder.glob("images/*/*.jpg"))[:200]


def _pss(server: ServerProcess) -> dict[str, int]:
    """Return the PSS in MB of each kind of process."""
    found: dict[str, int] = {}
    for process in server.processes():
        try:
            name = _name(process)
            found[name] = found.get(name, 0) + process.memory_full_info().pss // 2**20
        except psutil.NoSuchProcess:
            continue
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _name(process: psutil.Process) -> str:
    """Return what a process is for, without the paths of this machine."""
    command = [part.rpartition("/")[2] for part in process.cmdline()]
    return " ".join(command)[:60].strip() or process.name()
