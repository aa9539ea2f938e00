"""One decoder child as its parent sees it: a process, two shared memories, a deadline."""

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

import imm_ray
from imm_ray.media.frame import read_frame, write_frame
from imm_ray.model import Pixels
from imm_ray.settings import Limits

_MAX_JOBS = 1000
_MAX_RSS_BYTES = 150_000_000
_WALL_PER_CPU_S = 6
"""On a crowded machine a CPU second takes several; past this factor the child is hung, not slow."""
_START_S = 60

NOTHING_MORE: Mapping[str, Any] = MappingProxyType({})


class ChildDied(Exception):
    """The decoder child ended, or did not answer, while it had a job."""


class CpuLimitReached(ChildDied):
    """The decoder child used up the CPU time of one job."""


class DecoderChild:
    """A started and limited decoder process.

    Notes
    -----
    Bytes and pixels travel in two memfds that the child inherits: they have no name, so nothing is
    left over whichever process is killed. The parent sizes them, as the child may not grow any
    file. The child gets an empty environment but for what finds its modules: it must not hold the
    service's secrets.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._jobs = 0
        pixels_bytes = 3 * limits.analysis_side**2
        with ExitStack() as resources:
            self._input_fd = _memory("input", resources)
            self._pixels_fd = _memory("pixels", resources)
            errors_fd = _memory("errors", resources)
            os.ftruncate(self._pixels_fd, pixels_bytes)
            self._process = self._start(pixels_bytes, errors_fd)
            resources.callback(self._end)
            try:
                self._receive(_START_S)
            except ChildDied as error:
                errors = os.pread(errors_fd, 4000, 0).decode(errors="replace")
                raise RuntimeError(f"a decoder child can not start: {error}\n{errors}") from error
            self._resources = resources.pop_all()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def run(self, data: bytes, job: Mapping[str, Any] = NOTHING_MORE) -> dict[str, Any]:
        """Return the child's answer for one picture, or raise `ChildDied`.

        ``job`` asks for something else than the pixels (see ``decode_worker``).
        """
        self._jobs += 1
        os.ftruncate(self._input_fd, len(data))
        view = memoryview(data)
        while view:
            view = view[os.pwrite(self._input_fd, view, len(data) - len(view)) :]
        try:
            write_frame(self._stdin, {"size": len(data), **job})
        except OSError as error:
            raise self._died() from error
        answer = self._receive(self._limits.decode_cpu_s * _WALL_PER_CPU_S)
        os.ftruncate(self._input_fd, 0)
        return answer

    def read_pixels(self, shape: tuple[int, int, int]) -> Pixels:
        """Return a copy of the pixels of the last answer."""
        data = os.pread(self._pixels_fd, math.prod(shape), 0)
        return np.frombuffer(data, np.uint8).reshape(shape)

    def read_bytes(self, count: int) -> bytes:
        """Return the first bytes of where the pixels of an answer are."""
        return os.pread(self._pixels_fd, count, 0)

    def is_worn(self) -> bool:
        """Return True when the child should make room for a fresh one."""
        if self._jobs >= _MAX_JOBS:
            return True
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        except OSError:
            return True
        return pages * os.sysconf("SC_PAGE_SIZE") > _MAX_RSS_BYTES

    def close(self) -> None:
        """End the process and give back its memory."""
        self._resources.close()

    def _end(self) -> None:
        self._process.kill()
        with self._process:  # closes the pipes and waits
            pass

    def _start(self, pixels_bytes: int, errors_fd: int) -> subprocess.Popen[bytes]:
        settings = {
            "side": self._limits.analysis_side,
            "max_pixels": self._limits.max_pixels,
            "memory_bytes": self._limits.decode_memory_bytes,
            "cpu_s": self._limits.decode_cpu_s,
            "pixels_bytes": pixels_bytes,
        }
        fds = (self._input_fd, self._pixels_fd)
        arguments = [*map(str, fds), json.dumps(settings)]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "imm_ray.media.decode_worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors_fd,
            pass_fds=fds,
            env=_environment(),
            bufsize=0,
        )

    @property
    def _stdin(self) -> int:
        assert self._process.stdin is not None
        return self._process.stdin.fileno()

    def _receive(self, timeout_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        try:
            answer = read_frame(self._process.stdout.fileno(), timeout_s=timeout_s)
        except (TimeoutError, ValueError) as error:
            self._process.kill()
            raise ChildDied(f"pid={self.pid} {error}") from error
        if answer is None:
            raise self._died()
        return answer

    def _died(self) -> ChildDied:
        status = self._process.wait()
        kind = CpuLimitReached if status == -signal.SIGPROF else ChildDied
        return kind(f"pid={self.pid} status={status}")


def _memory(name: str, resources: ExitStack) -> int:
    fd = os.memfd_create(f"imm-ray-{name}")
    resources.callback(os.close, fd)
    return fd


def _environment() -> dict[str, str]:
    """Return what a child needs to find this package and its libraries."""
    home = str(Path(imm_ray.__file__).parents[1])
    kept = {k: v for k, v in os.environ.items() if k in ("LD_LIBRARY_PATH", "LANG", "PATH")}
    others = os.environ.get("PYTHONPATH", "")
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, (home, others))),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MALLOC_ARENA_MAX": "1",
    }
