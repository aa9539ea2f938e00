"""A disk that is full, fails, or can only be read: refused in IMM's words, and over when it is."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models

from imm_ray.media.thumbnails import DiskThumbnails
from imm_ray.testing import FakeEmbedder, face, picture, random_vector
from tests.conftest import missing
from tests.recovery.outage_world import Process
from tests.wire.asking import HERE, asking, refusal, settings_of
from tests.wire.rig import Rig

NAMES = {"ProjectName": "p", "DatasetName": "d"}
MEGABYTE = 2**20


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk of its own."""
    folder.mkdir()
    if os.geteuid() != 0:
        missing("root", "only root can mount a disk of a certain size")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        missing("root", f"mount is refused here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    return ballast


def batch(name: str) -> list[dict[str, str]]:
    return [{"URI": f"oss://b/{name}-{number}-{'x' * 400}"} for number in range(100)]


def index_until_refused(call: Any) -> tuple[list[str], tuple[int, dict[str, Any]]]:
    """Return the names of the batches that were acknowledged, and the first refusal."""
    acknowledged: list[str] = []
    for number in range(500):
        answer = call("BatchIndexFileMeta", Files=batch(f"n{number}"), **NAMES)
        if answer[0] != 200:
            return acknowledged, answer
        acknowledged.append(f"n{number}")
    raise AssertionError("the disk never was full")


def require_refused(answer: tuple[int, dict[str, Any]]) -> None:
    status, body = answer
    assert (status, body["Code"]) == (503, "ServiceUnavailable"), body
    assert "Traceback" not in body["Message"]
    assert body["Message"].endswith("try again.")


def count(rig: Rig) -> int:
    return int(rig.call("GetDataset", **NAMES)["Dataset"]["FileCount"])


def test_a_full_disk_refuses_writes_answers_reads_and_recovers(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=8m") as disk, Rig(disk) as rig:
        rig.album()

        def call(action: str, **given: Any) -> tuple[int, dict[str, Any]]:
            return rig.try_call(action, **given)

        acknowledged, refusal = index_until_refused(call)
        ballast = fill(disk)
        require_refused(refusal)
        made = 0
        while (
            response := rig.send(rig.request("CreateProject", ProjectName=f"q{made}"))
        ).status == 200:
            made += 1  # pages that the log has already
        require_refused((response.status, json.loads(response.body)))
        assert int(response.headers["x-acs-retry-after"]) > 0
        for _ in range(3):
            assert count(rig) == 100 * len(acknowledged)
            assert len(rig.call("ListProjects")["Projects"]) == made + 1
        ballast.unlink()
        remount(disk, "size=32m")
        assert rig.call("BatchIndexFileMeta", Files=batch("after"), **NAMES)
        for name in acknowledged:
            found = rig.call("GetFileMeta", URI=batch(name)[-1]["URI"], **NAMES)
            assert len(found["Files"]) == 1
        assert count(rig) == 100 * (len(acknowledged) + 1)


def test_files_that_may_not_grow_refuse_writes_answer_reads_and_recover(tmp_path: Path) -> None:
    with Process(tmp_path) as service:
        service.call("CreateProject", ProjectName="p")
        service.call("CreateDataset", **NAMES)
        service.ask("largest_file", bytes=4 * MEGABYTE)
        acknowledged, refusal = index_until_refused(service.call)
        require_refused(refusal)
        assert refusal[1]["retry"] > 0
        service.ask("largest_file", bytes=0)
        require_refused(service.call("CreateProject", ProjectName="q"))
        status, body = service.call("GetDataset", **NAMES)
        assert (status, body["Dataset"]["FileCount"]) == (200, 100 * len(acknowledged))
        assert service.ask("repeat", action="ListProjects", given={}) == [200, "SignatureNonceUsed"]
        service.ask("largest_file", bytes=-1)
        assert service.call("BatchIndexFileMeta", Files=batch("after"), **NAMES)[0] == 200
        assert service.ask("repeat", action="ListProjects", given={}) == [200, "SignatureNonceUsed"]
    with Rig(tmp_path) as rig:
        rig.clock.move(seconds=1)
        assert count(rig) == 100 * (len(acknowledged) + 1)


def test_too_few_file_handles_refuse_and_recover(tmp_path: Path) -> None:
    with Process(tmp_path) as service:
        service.call("CreateProject", ProjectName="p")
        service.ask("new_connections")
        service.ask("hold_files", most=128)
        require_refused(service.call("GetProject", ProjectName="p"))
        service.ask("let_files_go")
        assert service.call("GetProject", ProjectName="p")[0] == 200
        assert service.call("CreateProject", ProjectName="q")[0] == 200


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose fsync fails on demand."""
    compiler = shutil.which("cc")
    if compiler is None:
        missing("cc", "there is no C compiler, which makes the fsync that fails")
    library = tmp_path_factory.mktemp("shim") / "fsync.so"
    source = Path(__file__).with_name("fsync.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True
    )
    return library


def test_what_could_not_be_synced_is_not_acknowledged(shim: Path, tmp_path: Path) -> None:
    flag, data = tmp_path / "fails", tmp_path / "data"
    data.mkdir()
    with Process(data, LD_PRELOAD=str(shim), FAIL_FSYNC=str(flag)) as service:
        assert service.call("CreateProject", ProjectName="before")[0] == 200
        flag.touch()
        require_refused(service.call("CreateProject", ProjectName="during"))
        assert service.call("GetProject", ProjectName="before")[0] == 200
        status, body = service.call("GetProject", ProjectName="during")
        assert (status, body["Code"]) == (400, "ResourceNotFound")
        flag.unlink()
        assert service.call("CreateProject", ProjectName="after")[0] == 200
    with Rig(data) as rig:
        names = {p["ProjectName"] for p in rig.call("ListProjects")["Projects"]}
    assert names == {"before", "after"}


@pytest.mark.parametrize("options", ["size=64k,ro", "size=64k"])
def test_a_folder_that_takes_nothing_is_a_clear_error_at_the_start(
    tmp_path: Path, options: str
) -> None:
    with mounted(tmp_path / "disk", options) as disk:
        if "ro" not in options:
            fill(disk)
        done = subprocess.run(
            [sys.executable, "-m", "imm_ray.cli", "serve", "--data", str(disk), "--port", "0"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3, done.stderr
    assert f"imm-ray: {disk} can not be used: " in done.stderr
    assert "Traceback" not in done.stderr


def test_thumbnails_on_a_full_disk_cost_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = f"dataset/file/{'a' * 64}"
    with mounted(tmp_path / "disk", "size=64k") as disk:
        kept = DiskThumbnails(disk / "thumbnails", MEGABYTE)
        kept.put(key, b"small")
        ballast = fill(disk)
        kept.put(f"dataset/file/{'b' * 64}", bytes(9000))
        assert kept.get(f"dataset/file/{'b' * 64}") is None
        assert "thumbnail not kept" in caplog.text
        ballast.unlink()
        remount(disk, "ro")
        assert kept.get(key) == b"small"
        remount(disk, "rw")


def test_an_owner_waits_for_space_and_goes_on_without_a_restart(tmp_path: Path) -> None:
    uri = "oss://b/one.jpg"
    embedder = FakeEmbedder({uri: picture("one", face(random_vector("one", 128)))})
    ballast: list[Path] = []

    def fill_once(sources: object) -> None:
        if not ballast:
            ballast.append(fill(disk))

    embedder.hook = fill_once
    with (
        mounted(tmp_path / "disk", "size=4m") as disk,
        asking(settings_of(disk), embedder) as asker,
    ):
        asker.create()
        file = models.InputFile(uri=uri)
        asker.client.index_file_meta(models.IndexFileMetaRequest(**HERE, file=file))
        settled = threading.Thread(target=asker.imm.settle)
        settled.start()
        deadline = time.monotonic() + 60
        while not ballast:
            assert time.monotonic() < deadline
            settled.join(0.01)
        code, status, _ = refusal(asker.create)
        assert (code, status) == ("ServiceUnavailable", 503)
        ballast[0].unlink()
        settled.join(60)
        assert asker.figure(uri)
        assert len(embedder.calls) == 2  # what came of the first call was refused by the disk
