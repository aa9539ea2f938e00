"""Death, limits and leftovers of the decoder children."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imm_ray.errors import SourceError
from imm_ray.media import decoder as decoder_module
from imm_ray.media.child import ChildDied
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits
from tests.unit.media.pictures import corner, encoded

PICTURE = encoded(corner())
MAX_PSS_KB = 35_000


def memories() -> int:
    """Return how many shared memories of the decoder this process holds."""
    links = [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    return sum("memfd:imm-ray" in link for link in links)


def test_children_start_at_first_use() -> None:
    with Decoder(Limits()) as decoder:
        assert decoder.pids() == []
        decoder.decode(PICTURE)
        assert len(decoder.pids()) == 1


def test_a_child_killed_with_a_job_costs_nothing() -> None:
    with Decoder(Limits(decode_processes=2)) as decoder, ThreadPoolExecutor(4) as threads:
        decoder.decode(PICTURE)
        (pid,) = decoder.pids()
        os.kill(pid, signal.SIGSTOP)
        jobs = [threads.submit(decoder.decode, PICTURE) for _ in range(8)]
        os.kill(pid, signal.SIGKILL)
        assert [job.result().width for job in jobs] == [80] * 8
        assert pid not in decoder.pids()


def test_the_cpu_limit_is_final_at_once() -> None:
    with Decoder(Limits()) as decoder, ThreadPoolExecutor(1) as threads:
        decoder.decode(PICTURE)
        (pid,) = decoder.pids()
        os.kill(pid, signal.SIGSTOP)
        job = threads.submit(decoder.decode, PICTURE)
        os.kill(pid, signal.SIGPROF)  # what the kernel sends when the timer of the job runs out
        os.kill(pid, signal.SIGCONT)
        with pytest.raises(SourceError, match="10 s of CPU time"):
            job.result()
        assert decoder.decode(PICTURE).width == 80


class DyingChild:
    """A child that dies whenever it gets a picture."""

    starts = 0
    pid = 0

    def __init__(self, limits: Limits) -> None:
        type(self).starts += 1

    def run(self, data: bytes, job: Mapping[str, Any]) -> dict[str, object]:
        raise ChildDied("killed")

    def close(self) -> None:
        pass


def test_a_picture_that_kills_three_children_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_module, "DecoderChild", DyingChild)
    monkeypatch.setattr(DyingChild, "starts", 0)
    with Decoder(Limits()) as decoder, pytest.raises(SourceError, match="died 3 times"):
        decoder.decode(PICTURE)
    assert DyingChild.starts == 3


def test_memory_is_limited_and_its_lack_is_a_reason() -> None:
    bomb = encoded(Image.new("RGB", (8000, 8000)), compress_level=1)
    with Decoder(Limits(decode_memory_bytes=100_000_000)) as decoder:
        decoder.decode(PICTURE)
        before = decoder.pids()
        with pytest.raises(SourceError, match="more memory"):
            decoder.decode(bomb)
        assert decoder.decode(PICTURE).width == 80
        assert decoder.pids() == before


@pytest.mark.parametrize("limit", ["_MAX_RSS_BYTES", "_MAX_JOBS"])
def test_a_worn_child_is_replaced(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(f"imm_ray.media.child.{limit}", 1)
    with Decoder(Limits()) as decoder:
        decoder.decode(PICTURE)
        assert decoder.pids() == []
        with pytest.raises(SourceError):
            decoder.decode(b"no picture")
        assert decoder.pids() == []


def test_nothing_is_left_after_close() -> None:
    before = memories()
    decoder = Decoder(Limits())
    decoder.decode(PICTURE)
    (pid,) = decoder.pids()
    os.kill(pid, signal.SIGKILL)
    decoder.decode(PICTURE)
    assert memories() == before + 3
    pids = decoder.pids()
    decoder.close()
    assert memories() == before
    for old in (pid, *pids):
        assert not Path(f"/proc/{old}").exists()
    with pytest.raises(RuntimeError, match="closed"):
        decoder.decode(PICTURE)


def test_a_child_is_small_and_holds_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMM_RAY_AUTH__SECRET", "a secret of the service")
    with Decoder(Limits()) as decoder:
        decoder.decode(PICTURE)
        (pid,) = decoder.pids()
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        pss = next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        assert pss <= MAX_PSS_KB
        limits = Path(f"/proc/{pid}/limits").read_text()
        for name in ("Max open files", "Max file size", "Max core file size"):
            line = next(line for line in limits.splitlines() if line.startswith(name))
            assert line[len(name) :].split()[:2] == ["0", "0"]


def test_a_child_ends_with_its_parent() -> None:
    code = (
        "import sys; from imm_ray.media.decoder import Decoder;"
        "from imm_ray.settings import Limits;"
        "decoder = Decoder(Limits()); decoder.decode(bytes.fromhex(sys.argv[1]));"
        "print(decoder.pids()[0], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, PICTURE.hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.kill()
            ended, _, _ = select.select([child], [], [], 30)
            assert ended, "the child outlives its parent"
        finally:
            os.close(child)


def test_a_child_that_can_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr("imm_ray.media.child.imm_ray.__file__", "/nowhere/imm_ray/__init__.py")
    monkeypatch.setattr("imm_ray.media.child.sys.executable", "/bin/false")
    before = memories()
    with Decoder(Limits()) as decoder, pytest.raises(RuntimeError, match="can not start"):
        decoder.decode(PICTURE)
    assert memories() == before
