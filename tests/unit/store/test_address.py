import pytest

from imm_ray.settings import load_settings
from imm_ray.store import address


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:postgres@db/imm",
        "postgresql://imm:@db.example.com/imm",
        "postgresql://someone:someone@10.0.0.1:5432/imm",
        "postgresql://u:data@db/data",
        "postgresql://u:Password@127.0.0.1,db/imm",
        "postgresql+psycopg://u:changeme@/imm?host=db",
    ],
)
def test_a_password_that_everybody_tries_is_refused_beyond_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="give the database's user another password") as refusal:
        address.check(url)
    assert "changeme" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres:postgres@127.0.0.1:5432/imm",
        "postgresql://postgres:postgres@localhost/imm",
        "postgresql://postgres:postgres@[::1]/imm",
        "postgresql://postgres:postgres@/imm?host=/run/postgresql",
        "postgresql://imm@db/imm",
        "postgresql://imm:W7x-long@db/imm",
        "sqlite:////data/imm.db",
    ],
)
def test_other_databases_may_be_used(url: str) -> None:
    address.check(url)


@pytest.mark.parametrize(
    "url", ["mysql://u:hush@db/x", "no url: hush", "postgresql+asyncpg://u@h/d"]
)
def test_an_unknown_database_is_refused_without_telling_the_url(url: str) -> None:
    with pytest.raises(ValueError, match="use postgresql://") as refusal:
        address.check(url)
    assert "hush" not in str(refusal.value)


def test_the_url_is_not_shown_with_the_settings(tmp_path: "pytest.TempPathFactory") -> None:
    settings = load_settings(None, store={"url": "postgresql://u:hush@db/x"})
    assert "hush" not in repr(settings)
    assert settings.store_url == "postgresql://u:hush@db/x"
