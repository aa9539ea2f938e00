"""How a result is printed."""

import json
import os
import platform
import subprocess
from typing import Any

import imm_ray


def report(benchmark: str, **figures: Any) -> None:
    """Print one result with the machine and the commit that gave it."""
    print(
        json.dumps(
            {
                "benchmark": benchmark,
                **figures,
                "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
                "python": platform.python_version(),
                "version": imm_ray.__version__,
                "commit": _commit(),
            }
        ),
        flush=True,
    )


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()
