"""Access keys follow their files; what is wrong with a file is told without what is in it."""

import json
import logging
import os
from pathlib import Path

import pytest

from imm_ray.api.key_rotation import open_key_ring
from imm_ray.api.keyring import KeyRing
from imm_ray.errors import InvalidAccessKey
from imm_ray.settings import Auth, Settings, load_settings

CANARY = "canary-secret"


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def write(file: Path, text: str) -> None:
    """Replace a file as an operator should: the new one is renamed over it."""
    new = file.with_name("new")
    new.write_text(text)
    new.rename(file)


def users_toml(**secrets: str) -> str:
    rows = [
        f'[[auth.users]]\naccess_key_id = "{i}"\naccess_key_secret = "{s}"\n'
        for i, s in secrets.items()
    ]
    return "\n".join(rows)


def is_known(ring: KeyRing, key_id: str) -> bool:
    try:
        ring.check_known(ring.find(key_id))
    except InvalidAccessKey:
        return False
    return True


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "imm.toml"


def test_a_settings_file_is_read_again(file: Path, seconds: Seconds) -> None:
    write(file, users_toml(a="one", b="two"))
    ring = open_key_ring(load_settings(file).auth, monotonic=seconds)
    write(file, users_toml(a="three", c="four"))
    assert ring.find("a").secret == "one"  # looked at once a second at most
    seconds.now += 1
    assert ring.find("a").secret == "three"
    assert is_known(ring, "c")
    assert not is_known(ring, "b")


def test_a_file_of_its_own_for_the_users(tmp_path: Path, seconds: Seconds) -> None:
    users = tmp_path / "users.yaml"
    users.write_text("users:\n- {access_key_id: a, access_key_secret: one}\n")
    auth = load_settings(None, auth={"users_file": users}).auth
    assert [user.access_key_id for user in auth.users] == ["a"]
    ring = open_key_ring(auth, monotonic=seconds)
    write(users, "users:\n- {access_key_id: b, access_key_secret: two}\n")
    seconds.now += 1
    assert (is_known(ring, "a"), is_known(ring, "b")) == (False, True)


def test_the_file_of_a_secret(tmp_path: Path, seconds: Seconds) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one\n")
    auth = Auth.model_validate(
        {"users": [{"access_key_id": "a", "access_key_secret_file": secret}]}
    )
    ring = open_key_ring(auth, monotonic=seconds)
    write(secret, "two\n")
    seconds.now += 1
    assert ring.find("a").secret == "two"


def test_the_file_of_a_secret_that_a_new_user_brought(
    tmp_path: Path, file: Path, seconds: Seconds
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("two")
    write(file, users_toml(a="one"))
    ring = open_key_ring(load_settings(file).auth, monotonic=seconds)
    write(file, f'[[auth.users]]\naccess_key_id = "b"\naccess_key_secret_file = "{secret}"\n')
    seconds.now += 1
    assert ring.find("b").secret == "two"
    write(secret, "three")
    seconds.now += 1
    assert ring.find("b").secret == "three"


@pytest.mark.parametrize(
    "broken",
    [
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secret = "{CANARY}',
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secret = ["{CANARY}"]\n',
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secrets = "{CANARY}"\n',
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secret = "{CANARY}"\npolicies = ["x"]\n',
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secret = "{CANARY}"\nroot = "{CANARY}"\n',
        users_toml(a="") + f'security_token = "{CANARY}"\n',
        users_toml(a=CANARY) + users_toml(a=CANARY),
        '[[auth.users]]\naccess_key_id = "a"\naccess_key_secret_file = "/no/such/file"\n',
        "",
        "[auth]\nusers = []\n",
        "auth = 1\n",
    ],
)
def test_a_broken_file_changes_no_key_and_is_told_once(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    write(file, users_toml(a="one"))
    ring = open_key_ring(load_settings(file).auth, monotonic=seconds)
    write(file, broken)
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            seconds.now += 1
            assert ring.find("a").secret == "one"
    (record,) = caplog.records
    assert "stay as they were" in record.getMessage()
    assert CANARY not in caplog.text
    write(file, users_toml(a="two"))
    seconds.now += 1
    assert ring.find("a").secret == "two"


def test_a_file_that_is_gone_changes_no_key(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, users_toml(a="one"))
    ring = open_key_ring(load_settings(file).auth, monotonic=seconds)
    file.unlink()
    seconds.now += 1
    assert ring.find("a").secret == "one"
    assert "No such file" in caplog.text


def test_a_replica_that_starts_later_has_the_keys_of_now(
    file: Path, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    write(file, users_toml(a="one"))
    auth = load_settings(file).auth
    write(file, users_toml(a="two"))
    assert open_key_ring(auth, monotonic=seconds).find("a").secret == "two"
    write(file, "broken = [")
    assert open_key_ring(auth, monotonic=seconds).find("a").secret == "one"
    assert "those of the start" in caplog.text


def test_users_of_a_stronger_source_do_not_follow_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, users_toml(a="one"))
    given = [{"access_key_id": "b", "access_key_secret": "two"}]
    assert load_settings(file, auth={"users": given}).auth.users_file is None
    monkeypatch.setenv("IMM_RAY_AUTH__USERS", json.dumps(given))
    settings = load_settings(file)
    assert settings.auth.users_file is None
    assert open_key_ring(settings.auth).find("b").secret == "two"


def test_only_one_place_may_have_the_users(tmp_path: Path) -> None:
    users = tmp_path / "users.toml"
    users.write_text(users_toml(a="one"))
    both = {"users_file": users, "users": [{"access_key_id": "b", "access_key_secret": "x"}]}
    with pytest.raises(ValueError, match="give one of them"):
        load_settings(None, auth=both)
    with pytest.raises(ValueError, match="No such file"):
        load_settings(None, auth={"users_file": tmp_path / "none.toml"})


def test_a_secret_is_never_in_the_error_of_a_setting(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for broken in (
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secret = ["{CANARY}"]\n',
        f'[[auth.users]]\naccess_key_id = "a"\naccess_key_secrets = "{CANARY}"\n',
    ):
        write(file, broken)
        with pytest.raises(ValueError, match="auth") as caught:
            load_settings(file)
        assert CANARY not in str(caught.value)
    monkeypatch.setenv("IMM_RAY_AUTH__USERS", json.dumps([{"access_key_secret": CANARY}]))
    with pytest.raises(ValueError, match="access_key_id") as caught:
        load_settings(None)
    assert CANARY not in str(caught.value)


def test_no_secret_is_the_empty_one(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for given in (
        {"access_key_secret": ""},
        {"access_key_secret_file": empty},
        {"access_key_secret_file": tmp_path / "none"},
        {"access_key_secret": "x", "security_token": ""},
    ):
        auth = Auth.model_validate({"users": [{"access_key_id": "a", **given}]})
        with pytest.raises(ValueError, match="user a: its"):
            open_key_ring(auth)


def test_roots_and_policies() -> None:
    def user(**given: object) -> object:
        return {"access_key_id": "a", "access_key_secret": "x", **given}

    def root(**given: object) -> bool:
        return Auth.model_validate({"users": [user(**given)]}).users[0].is_root

    assert [root(), root(root=True), root(root=False)] == [True, True, False]
    assert [root(policies=[]), root(policies=[], root=False)] == [False, False]
    for refused, why in (
        ({"root": True, "policies": []}, "a root has no policies"),
        ({"session_policy": "AliyunIMMFullAccess"}, "session_policy is for credentials"),
    ):
        with pytest.raises(ValueError, match=why):
            root(**refused)
    unknown = Auth.model_validate({"users": [user(policies=["AliyunOSSFullAccess"])]})
    with pytest.raises(ValueError, match="user a: policy 1: no system policy is named"):
        open_key_ring(unknown)


def test_paths_do_not_depend_on_where_a_worker_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imm.toml").write_text(users_toml(a="x"))
    (tmp_path / "secret").write_text("s")
    monkeypatch.chdir(tmp_path)
    assert load_settings(Path("imm.toml")).auth.users_file == tmp_path / "imm.toml"
    given = {"users": [{"access_key_id": "a", "access_key_secret_file": "secret"}]}
    settings: Settings = load_settings(None, auth=given)
    os.chdir("/")
    assert settings.auth.users[0].secret == "s"
