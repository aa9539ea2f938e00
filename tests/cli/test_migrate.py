from pathlib import Path

import pytest
from typer.testing import CliRunner

from imm_ray.cli.main import app
from imm_ray.runtime.data_folder import DataFolder
from imm_ray.store.database import Database
from imm_ray.store.migrate import WrongSchema, require_current
from tests.postgres import PostgresServer


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["migrate", *map(str, arguments)])
    return result.exit_code, result.output


def test_a_new_database_gets_the_schema_and_keeps_it(empty_url: str, tmp_path: Path) -> None:
    code, said = run("--data", tmp_path, "--store-url", empty_url)
    assert (code, "from no schema to 0" in said) == (0, True)
    code, said = run("--data", tmp_path, "--store-url", empty_url)
    assert (code, "nothing to do" in said) == (0, True)
    assert "a-password-of-tests" not in said
    database = Database(empty_url)
    require_current(database)
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WrongSchema, match="newer than this imm-ray"):
        require_current(database)
    database.close()
    code, said = run("--data", tmp_path, "--store-url", empty_url)
    assert (code, "newer than this imm-ray" in said) == (2, True)


def test_an_old_database_is_refused_by_those_who_only_use_it(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(WrongSchema, match=r"no schema.*run `imm-ray migrate`"):
        require_current(database)
    database.close()


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    code, said = run("--data", tmp_path)
    folder.close()
    assert (code, "in use" in said) == (1, True)
    assert not (tmp_path / "imm.db").exists()


def test_the_url_comes_from_a_file_or_from_the_environment(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres_server.create()
    secret = tmp_path / "url"
    secret.write_text(postgres_server.url(name) + "\n")
    config = tmp_path / "settings.toml"
    config.write_text(f'[store]\nurl_file = "{secret}"\n')
    code, said = run("--data", tmp_path, "--config", config)
    assert (code, "from no schema" in said) == (0, True)
    monkeypatch.setenv("IMM_RAY_STORE__URL", postgres_server.url(name))
    code, said = run("--data", tmp_path)
    assert (code, "nothing to do" in said) == (0, True)
    code, said = run("--data", tmp_path, "--config", config)
    assert (code, "give one of them" in said) == (2, True)
    postgres_server.drop(name)


@pytest.mark.parametrize(
    ("url", "code", "why"),
    [
        ("postgresql://u:hush@127.0.0.1:1/x", 1, "can not be reached"),
        ("postgresql://postgres:postgres@db/imm", 2, "everybody tries first"),
        ("oracle://u:hush@db/imm", 2, "not supported"),
    ],
)
def test_a_database_that_can_not_be_used_is_told(
    tmp_path: Path, url: str, code: int, why: str
) -> None:
    ended, said = run("--data", tmp_path, "--store-url", url)
    assert (ended, why in said) == (code, True)
    assert "hush" not in said
