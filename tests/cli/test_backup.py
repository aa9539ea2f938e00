"""`imm-ray backup`, `restore` and `erase` as a person runs them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner, Result

from imm_ray.cli.main import app
from imm_ray.model import Project
from imm_ray.runtime.data_folder import DataFolder
from imm_ray.store import migrate, projects
from imm_ray.store.database import Database
from imm_ray.testing import FakeEmbedder, face, picture, random_vector, wall_clock
from tests.wire.asking import NAMES, asking, settings_of


def invoke(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def store(folder: Path) -> Path:
    """Make a data folder with one project."""
    with asking(settings_of(folder), FakeEmbedder()) as asker:
        asker.create()
    return folder / "data"


def test_a_backup_becomes_another_data_folder(tmp_path: Path) -> None:
    data, out, other = store(tmp_path), tmp_path / "backup", tmp_path / "other"
    made = invoke("backup", out, "--data", data, "--json")
    assert made.exit_code == 0, made.output
    told = json.loads(made.stdout)
    assert told["tables"]["project"]["rows"] == 1
    assert told["bytes"] == out.stat().st_size
    done = invoke("restore", out, "--data", other)
    assert done.exit_code == 0, done.output
    assert f"{out}: " in done.stdout
    with closing(sqlite3.connect(other / "imm.db")) as connection:
        assert connection.execute("SELECT name FROM project").fetchall() == [("p",)]
    again = invoke("restore", out, "--data", other)
    assert again.exit_code == 3
    assert "has rows already" in again.stderr


def test_what_can_not_be_done_is_told_and_changes_nothing(tmp_path: Path) -> None:
    data, out = store(tmp_path), tmp_path / "backup"
    assert invoke("backup", out, "--data", tmp_path / "nowhere").exit_code == 3
    assert not (tmp_path / "nowhere").exists()
    assert invoke("backup", out, "--data", data).exit_code == 0
    assert "exists already" in invoke("backup", out, "--data", data).stderr
    nowhere = invoke("backup", tmp_path / "no" / "folder", "--data", data)
    assert (nowhere.exit_code, "Traceback" in nowhere.stderr) == (3, False)
    assert invoke("backup", tmp_path / "b", "--store-url", "mysql://x/y").exit_code in (2, 3)
    out.write_bytes(out.read_bytes()[:50_000])
    torn = invoke("restore", out, "--data", tmp_path / "other")
    assert torn.exit_code == 3
    assert "is no whole backup" in torn.stderr
    assert not (tmp_path / "other" / "imm.db").exists()


def test_no_restore_below_a_running_server(tmp_path: Path) -> None:
    data, out = store(tmp_path), tmp_path / "backup"
    assert invoke("backup", out, "--data", data).exit_code == 0
    with DataFolder(tmp_path / "used"):
        used = invoke("restore", out, "--data", tmp_path / "used")
    assert used.exit_code == 3
    assert "is in use by process" in used.stderr


def test_an_erasure_leaves_a_receipt(tmp_path: Path) -> None:
    uri = "oss://b/somebody.jpg"
    outcome = picture("x", face(random_vector("x", 128)), vector=random_vector("y", 1280))
    settings = settings_of(tmp_path)
    with asking(settings, FakeEmbedder({uri: outcome})) as asker:
        asker.create()
        asker.index(uri)
        asker.cluster()
    with closing(sqlite3.connect(settings.data / "imm.db")) as connection:
        connection.execute("UPDATE ownership SET lease_until = 0")
        connection.commit()
    names = ("--project", NAMES["ProjectName"], "--dataset", NAMES["DatasetName"])
    receipt = tmp_path / "receipt.json"
    done = invoke("erase", *names, "--uri", uri, "--data", settings.data, "--receipt", receipt)
    assert done.exit_code == 0, done.output
    told = json.loads(receipt.read_text())
    assert (told["complete"], told["counts"]["files"], told["counts"]["figures"]) == (True, 1, 1)
    assert uri not in receipt.read_text()
    again = invoke("erase", *names, "--uri", uri, "--data", settings.data, "--receipt", receipt)
    assert again.exit_code == 2
    unknown = ("--project", "p", "--dataset", "none")
    lost = invoke("erase", *unknown, "--data", settings.data, "--receipt", tmp_path / "r")
    assert lost.exit_code == 3
    assert "dataset is not found" in lost.stderr
    assert not (tmp_path / "r").exists()


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    database = Database(f"sqlite:///{data / 'imm.db'}")
    migrate.upgrade(database)
    with database.write() as tx:
        now = wall_clock()
        projects.create(tx, Project(account="a", name="p", created_at=now, updated_at=now))
    database.close()
    with closing(sqlite3.connect(data / "imm.db")) as connection:
        connection.execute("INSERT INTO tombstone VALUES ('no dataset', 1, 'no file')")
        connection.commit()
    made = invoke("backup", tmp_path / "backup", "--data", data)
    assert made.exit_code == 1
    assert "the store is damaged" in made.stderr
    assert invoke("restore", tmp_path / "backup", "--data", tmp_path / "o").exit_code == 3
