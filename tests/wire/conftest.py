from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.capture import Capture, read_capture
from tests.wire.rig import Rig
from tests.wire.server import Server


@pytest.fixture(scope="session")
def captures(shared: Path) -> list[Capture]:
    found = [read_capture(path) for path in sorted((shared / "imm" / "captures").glob("*.http"))]
    assert len(found) == 58
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API on a loopback port, with an empty store."""
    with Rig(tmp_path_factory.mktemp("wire")) as rig, Server(rig) as server:
        yield server
