import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from imm_ray.cli.client import ImmClient
from imm_ray.cli.main import app
from imm_ray.store import migrate, outbox
from imm_ray.store.database import Database
from imm_ray.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, FakeEmbedder, LocalImm
from tests.unit.notify.messages import message

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    """Hold one dead letter, ``event-1``, and one message that waits."""
    database = Database(f"sqlite:///{tmp_path / 'imm.db'}")
    migrate.upgrade(database)
    with database.write() as tx:
        outbox.put(tx, [message("t"), message("t", event_id="event-2")], NOW)
        outbox.failed(
            tx,
            message("t").message_id,
            "the endpoint answered 500",
            attempts=7,
            next_attempt_at=NOW,
            dead=True,
        )
    yield database
    database.close()


def invoke(*args: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["tasks", *map(str, args)])
    assert result.exit_code == code, result.output
    return result


def test_dead_letters_are_shown_without_their_content(store: Database, tmp_path: Path) -> None:
    told = json.loads(invoke("--dead-letters", "--data", tmp_path, "--json").output)
    assert told == {
        "DeadLetters": [
            {
                "MessageId": message("t").message_id,
                "EventId": "event-1",
                "Topic": "t",
                "Type": "imm:FileMeta:BatchIndex",
                "Subject": "acs:imm:local:100000:p/imm:FileMeta:BatchIndex",
                "Attempts": 7,
                "PutTime": "2026-01-02T03:04:05+00:00",
                "LastError": "the endpoint answered 500",
            }
        ]
    }
    shown = invoke("--dead-letters", "--data", tmp_path).output
    assert message("t").message_id in shown
    assert "answered 500" in shown


@pytest.mark.parametrize("which", [message("t").message_id, "all"])
def test_a_dead_letter_is_put_into_the_outbox_again(
    store: Database, tmp_path: Path, which: str
) -> None:
    assert invoke("--redeliver", which, "--data", tmp_path, "--json").output == (
        '{"Redelivered": 1}\n'
    )
    with store.read() as tx:
        waiting = outbox.due(tx, datetime.now(UTC), limit=9)
    assert len(waiting) == 2
    assert {w.attempts for w in waiting} == {0}


def test_what_is_no_dead_letter_is_not_delivered_twice(store: Database, tmp_path: Path) -> None:
    waits = message("t", event_id="event-2").message_id
    result = invoke("--redeliver", waits, "--data", tmp_path, code=3)
    assert "1 of the ids are no dead letters" in result.output


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = invoke("--dead-letters", "--data", tmp_path / "x", code=3)
    assert "there is no store at" in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_tasks_of_a_project_are_asked_of_the_server(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{ACCESS_KEY_ID}:{ACCESS_KEY_SECRET}\n")
    invoke("--credentials", file, code=2)
    with LocalImm(tmp_path / "data", FakeEmbedder({})) as imm:
        here = ("--endpoint", f"http://{imm.address}", "--credentials", file, "--project", "p")
        assert "ResourceNotFound" in invoke(*here, code=3).output
        make_task(imm)
        assert json.loads(invoke(*here, "--json").output)["Tasks"][0]["Status"] == "Succeeded"
        assert "Succeeded" in invoke(*here).output
        assert "Succeeded" not in invoke(*here, "--status", "Failed").output


def make_task(imm: LocalImm) -> None:
    """Make project ``p`` with a task that has ended."""
    names = {"ProjectName": "p", "DatasetName": "d"}
    with ImmClient(f"http://{imm.address}", ACCESS_KEY_ID, ACCESS_KEY_SECRET) as client:
        client.call("CreateProject", ProjectName="p")
        client.call("CreateDataset", **names)
        client.call("CreateFigureClusteringTask", **names)
    imm.settle()


def test_the_store_that_a_mounted_secret_names_is_looked_into(
    store: Database, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path / 'imm.db'}\n")
    config = tmp_path / "imm.toml"
    config.write_text(f'data = "{tmp_path / "elsewhere"}"\n[store]\nurl_file = "{tmp_path}/url"\n')
    assert message("t").message_id in invoke("--dead-letters", "--config", config).output
