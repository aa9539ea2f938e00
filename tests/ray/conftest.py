"""One server for all tests of this folder; they keep apart by project names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ray.inbox import Inbox
from tests.ray.server import ServerProcess


@pytest.fixture(scope="session")
def inbox() -> Iterator[Inbox]:
    with Inbox() as inbox:
        yield inbox


@pytest.fixture(scope="session")
def server(
    tmp_path_factory: pytest.TempPathFactory, shared: Path, inbox: Inbox
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("server")
    settings = {
        "server": {"metrics_port": 0},
        "clustering": {"min_entity_count": 2},
        "notifications": {
            "topics": {"file": str(folder / "told.jsonl"), "web": inbox.url},
            "first_retry_s": 0.05,
        },
        "limits": {"max_file_bytes": 3_000_000, "max_pixels": 40_000_000},
    }
    (folder / "odd").mkdir()
    buckets = {
        "lfw": shared / "data/lfw_dev",
        "kodak": shared / "data/neardup_kodak_dev",
        "odd": folder / "odd",
    }
    with ServerProcess(folder / "data", buckets=buckets, settings=settings) as server:
        yield server


@pytest.fixture
def told(server: ServerProcess) -> Path:
    """The file that the topic ``file`` writes."""
    return server.folder / "told.jsonl"


@pytest.fixture
def odd(server: ServerProcess) -> Path:
    """The folder of the bucket ``odd``."""
    return server.folder / "odd"
