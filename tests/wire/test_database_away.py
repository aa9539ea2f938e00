"""What clients see when the database goes away and comes back: never an error of the server's."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imm_ray.store import datasets, files
from tests.postgres import Databases
from tests.proxy import Loss, Proxy
from tests.wire.rig import Rig

NAMES = {"ProjectName": "p", "DatasetName": "d"}
URI = "oss://b/1.jpg"


@pytest.fixture
def proxy(postgres: Databases) -> Iterator[Proxy]:
    with Proxy(postgres.server.port) as proxy:
        yield proxy


@pytest.fixture
def patience_s() -> float:
    """How long a request waits for the database."""
    return 8.0


@pytest.fixture
def rig(postgres: Databases, proxy: Proxy, tmp_path: Path, patience_s: float) -> Iterator[Rig]:
    """A service whose database is behind the proxy, with a project and a dataset."""
    with postgres.fresh() as url:
        behind = postgres.server.url(url.rsplit("/", 1)[1], proxy.port)
        with Rig(tmp_path, store={"url": behind, "busy_timeout_s": patience_s}) as rig:
            rig.call("CreateProject", ProjectName="p")
            rig.call("CreateDataset", **NAMES)
            yield rig


def stored(rig: Rig) -> list[str]:
    with rig.database.read() as tx:
        dataset = datasets.get(tx, "100000", "p", "d")
        assert datasets.acknowledged(tx, dataset.dataset_id) == dataset.file_count
        return [file.uri for file in files.get(tx, dataset.dataset_id, [URI])]


@pytest.mark.parametrize("loss", Loss)
def test_a_request_whose_commit_is_cut_off_is_answered_and_happens_once(
    rig: Rig, proxy: Proxy, loss: Loss
) -> None:
    request = rig.request("IndexFileMeta", **NAMES, File={"URI": URI})
    proxy.lose(loss)
    assert rig.send(request).status == 200
    assert proxy.lost.is_set()
    assert stored(rig) == [URI]
    assert b"SignatureNonceUsed" in rig.send(request).body


@pytest.mark.parametrize("patience_s", [0.3])
def test_who_asks_while_the_database_is_away_is_told_to_come_back(
    rig: Rig, postgres: Databases
) -> None:
    index: dict[str, Any] = {"action": "IndexFileMeta", **NAMES, "File": {"URI": URI}}
    postgres.server.stop()
    try:
        for given in (index, {"action": "GetDataset", **NAMES}):
            answer = rig.send(rig.request(**given))
            assert answer.status == 503
            assert b'"ServiceUnavailable"' in answer.body
            assert int(answer.headers["x-acs-retry-after"]) > 0
            assert b"psycopg" not in answer.body
            assert b"127.0.0.1" not in answer.body.split(b"HostId")[0]
    finally:
        postgres.server.start()
    rig.call(**index)
    assert stored(rig) == [URI]


def test_who_asks_while_the_database_restarts_waits_for_it(rig: Rig, postgres: Databases) -> None:
    statuses: list[int] = []
    postgres.server.stop()

    def ask() -> None:
        statuses.append(rig.send(rig.request("IndexFileMeta", **NAMES, File={"URI": URI})).status)

    asking = threading.Thread(target=ask)
    asking.start()
    postgres.server.start()
    asking.join(30)
    assert statuses == [200]
    assert stored(rig) == [URI]
