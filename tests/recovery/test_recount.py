"""A store after a long story, clustered from scratch; and `imm-ray fsck`, which asks for that."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from imm_ray.cli.main import app
from imm_ray.dataset.recount import recount
from imm_ray.settings import Settings
from imm_ray.store.database import Database
from imm_ray.store.fsck import Violation
from tests.recovery.crash.life import settings_of
from tests.recovery.crash.story import Client


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a story that has ended."""
    folder = tmp_path_factory.mktemp("story")
    client = Client(folder)
    client.go_on()
    client.life.close()
    return folder


@pytest.fixture
def folder(told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it; the environment has its settings."""
    monkeypatch.setenv("IMM_RAY_CLUSTERING__MIN_ENTITY_COUNT", "2")
    monkeypatch.setenv("IMM_RAY_INDEX__BACKEND", "exact")
    return Path(shutil.copytree(told, tmp_path / "copy"))


def sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "data" / "imm.db")) as raw, raw:
        for statement in statements:
            raw.execute(statement)


def recounted(folder: Path) -> list[Violation]:
    settings: Settings = settings_of(folder)
    with closing(Database(settings.store_url)) as database:
        return list(recount(database, settings))


def fsck(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["fsck", *map(str, arguments)])


LARGEST = (
    "(SELECT cluster_id FROM membership WHERE kind = '{kind}' AND to_run > 1e18 "
    "GROUP BY cluster_id ORDER BY count(*) DESC, cluster_id LIMIT 1)"
)


def test_a_clustering_from_scratch_says_the_same(folder: Path) -> None:
    assert recounted(folder) == []


@pytest.mark.parametrize("kind", ["figure", "similar"])
def test_an_item_in_a_wrong_cluster_is_named(folder: Path, kind: str) -> None:
    largest = LARGEST.format(kind=kind)
    with closing(sqlite3.connect(folder / "data" / "imm.db")) as raw, raw:
        wrong = f"kind = '{kind}' AND to_run > 1e18 AND cluster_id <> {largest}"
        (item,) = raw.execute(f"SELECT max(item_id) FROM membership WHERE {wrong}").fetchone()
        raw.execute(
            f"UPDATE membership SET cluster_id = {largest} WHERE item_id = ? AND to_run > 1e18",
            (item,),
        )
    found = recounted(folder)
    assert {(v.invariant, v.table) for v in found} == {("I8", "membership")}
    assert any(f"item_id={item}" in v.key for v in found)


@pytest.mark.parametrize(("table", "key"), [("figure", "figure_id"), ("file", "file_id")])
def test_a_vector_that_is_like_nothing_is_named(folder: Path, table: str, key: str) -> None:
    one = f"(SELECT min({key}) FROM {table} WHERE vector IS NOT NULL)"
    sql(folder, f"UPDATE {table} SET vector = zeroblob(length(vector)) WHERE {key} = {one}")
    assert ("I4", table) in {(v.invariant, v.table) for v in recounted(folder)}


def test_a_dataset_that_waits_for_a_run_is_left_out(folder: Path) -> None:
    sql(
        folder,
        "UPDATE dataset SET disturbed_seq = seq, figure_watermark = seq - 1, "
        "similar_watermark = seq - 1",
        "UPDATE membership SET cluster_id = "
        + LARGEST.format(kind="similar")
        + " WHERE kind = 'similar'",
    )
    assert recounted(folder) == []


def test_the_command_ends_with_0_when_nothing_is_wrong(folder: Path) -> None:
    result = fsck("--data", folder / "data", "--deep", "--quiescent")
    assert (result.exit_code, result.output) == (0, "The store is as it has to be.\n")


def test_the_command_names_each_damage_and_ends_with_1(folder: Path) -> None:
    sql(folder, "UPDATE dataset SET file_count = file_count + 1")
    result = fsck("--data", folder / "data")
    assert result.exit_code == 1
    first, remedy = result.output.splitlines()
    assert first.startswith("I8 dataset dataset_id=")
    assert "What to do:" in remedy
    told = json.loads(fsck("--data", folder / "data", "--json").output)
    assert not told["clean"]
    assert [v["invariant"] for v in told["violations"]] == ["I8"]


def test_the_command_ends_with_3_where_there_is_no_store(tmp_path: Path) -> None:
    result = fsck("--data", tmp_path)
    assert result.exit_code == 3
    assert not (tmp_path / "imm.db").exists()
    sqlite3.connect(tmp_path / "imm.db").close()
    assert fsck("--data", tmp_path).exit_code == 3


def test_the_command_ends_with_2_for_a_database_that_it_does_not_know(tmp_path: Path) -> None:
    assert fsck("--store-url", "mysql://nowhere").exit_code == 2
