"""F6: an owner that is frozen, replaced, and wakes up commits nothing and ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imm_ray.errors import ThrottledUser
from imm_ray.model import DatasetId
from imm_ray.store import ownership
from tests.recovery.frozen_owner import FENCED
from tests.unit.dataset.hosting import PATIENCE_S, World

CHUNK = 16


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def freeze_and_replace(
    world: World, process: subprocess.Popen[bytes], dataset_id: DatasetId
) -> None:
    """Stop the process at a moment at which it holds no lock, and take its dataset."""
    while True:
        process.send_signal(signal.SIGSTOP)
        try:
            with world.database.write() as tx:
                ownership.take(tx, dataset_id, "other", 1)
        except ThrottledUser:  # it was renewing
            process.send_signal(signal.SIGCONT)
        else:
            return


def test_a_frozen_owner_commits_nothing_when_it_wakes_and_ends(
    world: World, tmp_path: Path
) -> None:
    dataset_id = world.make()
    world.index(dataset_id, 3 * CHUNK)
    command = [sys.executable, "-m", "tests.recovery.frozen_owner", str(tmp_path), dataset_id]
    with subprocess.Popen(command) as process:
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not ((tmp_path / "held").exists() and world.pending(dataset_id) == 2 * CHUNK):
                assert process.poll() is None
                assert time.monotonic() < deadline
            freeze_and_replace(world, process, dataset_id)
            (tmp_path / "let-go").touch()
            process.send_signal(signal.SIGCONT)
            assert process.wait(PATIENCE_S) == FENCED
        finally:
            process.kill()
    assert world.pending(dataset_id) == 2 * CHUNK
    owner = world.owner(dataset_id)
    assert (owner.host, owner.epoch) == ("other", 2)
