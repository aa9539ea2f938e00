"""What Ray alone shows of owners: frozen ones are replaced, stopped ones leave their datasets."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.ray.quality import read_labels, some_identities
from tests.ray.server import POLL_S, Album, ServerProcess

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

PATIENCE_S = 180.0


@pytest.fixture
def paths(shared: Path) -> list[str]:
    return some_identities(read_labels(shared / "data/lfw_dev"), least=2, paths=12)


@pytest.fixture
def server(tmp_path: Path, shared: Path) -> Iterator[ServerProcess]:
    settings = {"clustering": {"min_entity_count": 2}, "owners": {"answer_s": 3.0}}
    server = ServerProcess(
        tmp_path / "data", buckets={"lfw": shared / "data/lfw_dev"}, settings=settings
    )
    with server:
        yield server


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)  # other processes need the cores more than we do


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def owners(server: ServerProcess) -> list[tuple[str, int, float | None]]:
    path = server.folder / "data" / "imm.db"
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT host, epoch, lease_until FROM ownership").fetchall()


def test_a_frozen_owner_is_replaced_and_a_stopped_server_leaves_its_datasets(
    server: ServerProcess, paths: list[str]
) -> None:
    uris = [f"oss://lfw/{path}" for path in paths]
    album = Album(server.client(), "frozen").create()
    album.index(uris[:6])
    assert album.wait(album.create_figures_task()).status == "Succeeded"
    (frozen,) = server.actors("OwnerActor")
    frozen.suspend()
    album.index(uris[6:])
    task = album.wait(album.create_figures_task())
    assert task.status == "Succeeded"
    if not has_ended(frozen):
        frozen.resume()
    until(lambda: has_ended(frozen))
    assert {file.object_status for file in album.files(uris)} == {"Succeeded"}
    (before,) = owners(server)
    assert before[1] == 2
    assert before[2]
    assert server.stop() == 0
    assert [lease_until for _, _, lease_until in owners(server)] == [0.0]
    server.start()
    album = Album(server.client(), "frozen")
    assert album.wait(album.create_figures_task()).status == "Succeeded"
    (after,) = owners(server)
    assert after[0] != before[0]
    assert after[1] == 3
