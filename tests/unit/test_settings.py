from pathlib import Path

import pytest

from imm_ray.settings import Settings, User, load_settings


def test_flags_beat_the_environment_and_that_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "imm.toml"
    file.write_text('[server]\nhost = "::1"\nport = 1\nregion = "file"\n')
    monkeypatch.setenv("IMM_RAY_SERVER__PORT", "2")
    monkeypatch.setenv("IMM_RAY_SERVER__REGION", "environment")
    settings = load_settings(file, server={"region": "flag"})
    assert settings.server.host == "::1"
    assert settings.server.port == 2
    assert settings.server.region == "flag"
    assert type(settings) is Settings


@pytest.mark.parametrize("text", ["[sever]\nport = 1\n", "[server]\nprot = 1\n", "port = 1\n"])
def test_a_key_that_does_not_exist_is_an_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "imm.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match="Extra inputs"):
        load_settings(file)


def test_the_file_is_toml_or_yaml(tmp_path: Path) -> None:
    file = tmp_path / "imm.yaml"
    file.write_text("clustering:\n  min_entity_count: 2\n")
    assert load_settings(file).clustering.min_entity_count == 2
    for name in ("imm.json", "absent.toml"):
        with pytest.raises(ValueError, match=name):
            load_settings(tmp_path / name)


def test_paths_do_not_depend_on_where_a_worker_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        None,
        buckets={"here": "photos", "cloud": "s3://bucket/prefix"},
        notifications={"topics": {"file": "told.jsonl", "web": "http://127.0.0.1/x"}},
    )
    places = {name: bucket.target for name, bucket in settings.buckets.items()}
    assert places == {"here": str(tmp_path / "photos"), "cloud": "s3://bucket/prefix"}
    assert settings.notifications.topics["file"].target == str(tmp_path / "told.jsonl")
    assert settings.notifications.topics["web"].target == "http://127.0.0.1/x"
    assert settings.store_url == f"sqlite:///{tmp_path / 'imm-ray-data' / 'imm.db'}"


def test_a_user_has_one_secret_that_is_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-file\n")
    user = User(access_key_id="ak", access_key_secret_file=file)
    assert user.secret == "from-file"
    shown = load_settings(
        None, auth={"users": [{"access_key_id": "a", "access_key_secret": "XYZ"}]}
    )
    assert "XYZ" not in repr(shown)
    for given in ({}, {"access_key_secret": "x", "access_key_secret_file": file}):
        with pytest.raises(ValueError, match="exactly one"):
            User.model_validate({"access_key_id": "ak", **given})


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ValueError, match="both or neither"):
        load_settings(None, server={"tls_cert": "cert.pem"})
