"""What was used, or refused, while the store took nothing is not taken when it does again."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from imm_ray.api.rpc import HttpRequest
from imm_ray.store.database import Database, Tx
from tests.wire.rig import Rig


def _full_disk() -> OperationalError:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    return OperationalError("INSERT", {}, full)


@contextmanager
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every write of every database within the block."""

    @contextmanager
    def write(_: Database) -> Iterator[Tx]:
        raise _full_disk()
        yield

    with monkeypatch.context() as patched:
        patched.setattr(Database, "write", write)
        yield


def code_of(rig: Rig, request: HttpRequest) -> str:
    response = rig.send(request)
    return "" if response.status == 200 else str(json.loads(response.body)["Code"])


def test_a_read_of_an_outage_is_not_answered_again_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Rig(tmp_path) as rig:
        request = rig.request("ListProjects")
        with full_disk(monkeypatch):
            assert code_of(rig, request) == ""
        assert code_of(rig, request) == "SignatureNonceUsed"
        assert code_of(rig, rig.request("ListProjects")) == ""


def test_a_write_that_an_outage_refused_is_not_taken_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Rig(tmp_path) as rig:
        request = rig.request("CreateProject", ProjectName="p")
        with full_disk(monkeypatch):
            assert code_of(rig, request) == "ServiceUnavailable"
        assert code_of(rig, request) == "SignatureNonceUsed"
        assert code_of(rig, rig.request("CreateProject", ProjectName="p")) == ""
