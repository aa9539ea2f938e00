"""How fast are a backup and its restore, how large is the file, and what memory do they take?

The store is a synthetic one (`benchmarks.serving.store`), so the check finds clusters of which no
history tells; its time is part of the figures. ``scan`` is the look at every byte that an erasure
takes, for 2,000 texts.
"""

import os
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.result import report
from benchmarks.serving.store import fill
from imm_ray.store.backup.make import back_up
from imm_ray.store.backup.restore import restore
from imm_ray.store.database import Database
from imm_ray.store.erasure.scan import scan

T = TypeVar("T")

_FIGURES = 100_000


def run(data: Path, *, quick: bool) -> None:
    """Back a store up, restore it, and look through its bytes."""
    del data  # the store is made here
    figures = _FIGURES // 10 if quick else _FIGURES
    now = datetime.now(UTC)
    with TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "data", figures)
        before_mb = _peak_mb()
        source = Database(f"sqlite:///{folder / 'data' / 'imm.db'}")
        made, backup_s = _timed(lambda: back_up(source, folder / "backup", now=now))
        source.close()
        url = f"sqlite:///{folder / 'restored.db'}"
        _, restore_s = _timed(
            lambda: restore(folder / "backup", url, now=now, even_if_damaged=True)
        )
        peak_mb = _peak_mb()
        texts = [os.urandom(16) for _ in range(2000)]
        seen, scan_s = _timed(lambda: scan(folder / "data", texts))
        report(
            "backup",
            figures=figures,
            rows=made.rows,
            store_mb=round((folder / "data" / "imm.db").stat().st_size / 2**20, 1),
            backup_mb=round((folder / "backup").stat().st_size / 2**20, 1),
            backup_s=round(backup_s, 1),
            backup_rows_per_s=round(made.rows / backup_s),
            restore_s=round(restore_s, 1),
            restore_rows_per_s=round(made.rows / restore_s),
            peak_rss_before_mb=before_mb,
            peak_rss_mb=peak_mb,
            scan_mb_per_s=round(seen.size / 2**20 / scan_s, 1),
        )


def _timed(run: Callable[[], T]) -> tuple[T, float]:
    begun = time.perf_counter()
    return run(), time.perf_counter() - begun


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
