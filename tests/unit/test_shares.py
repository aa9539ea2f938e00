"""Whose a bucket, a folder and a topic are, as the settings say it."""

from pathlib import Path
from typing import Any

import pytest

from imm_ray.settings import Settings, Share, load_settings

PLAIN: dict[str, dict[str, Any]] = {
    "buckets.b": {"buckets": {"b": "/b"}},
    "file_roots": {"file_roots": ["/r"]},
    "notifications.topics.t": {"notifications": {"topics": {"t": "/t"}}},
}


def user(account: str) -> dict[str, str]:
    return {"access_key_id": f"key{account}", "access_key_secret": "secret", "account": account}


def load(*accounts: str, **given: Any) -> Settings:
    return load_settings(None, auth={"users": [user(a) for a in accounts]}, **given)


def shares(settings: Settings) -> list[Share]:
    return [
        *settings.buckets.values(),
        *settings.file_roots,
        *settings.notifications.topics.values(),
    ]


@pytest.mark.parametrize("given", PLAIN.values(), ids=PLAIN)
def test_a_target_alone_is_the_only_account_s(given: dict[str, Any]) -> None:
    (share,) = shares(load("1", "1", **given))
    assert share.serves("1")
    assert not share.serves("2")
    assert not share.serves("*")


@pytest.mark.parametrize("auth", [{}, {"mode": "none", "users": [user("1"), user("2")]}])
def test_without_users_it_is_the_default_account_s(auth: dict[str, Any]) -> None:
    (share,) = shares(load_settings(None, auth=auth, buckets={"b": "/b"}))
    assert share.serves("100000")
    assert not share.serves("1")


@pytest.mark.parametrize("name", PLAIN)
def test_with_several_accounts_it_must_be_said_whose_it_is(name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: auth.users has the accounts 1, 2, so it must"):
        load("1", "2", **PLAIN[name])


@pytest.mark.parametrize(
    ("accounts", "serves"), [(["2"], ["2"]), (["1", "3"], ["1", "3"]), (["*"], ["1", "2", "3"])]
)
def test_who_is_named_may_use_it(accounts: list[str], serves: list[str]) -> None:
    told = {"target": "/x", "accounts": accounts}
    settings = load(
        "1",
        "2",
        buckets={"b": told},
        file_roots=[told],
        notifications={"topics": {"t": told}},
    )
    for share in shares(settings):
        assert [a for a in ("1", "2", "3") if share.serves(a)] == serves
    for account in ("1", "2", "3"):
        mine = account in serves
        assert settings.notifications.topics_of(account) == ({"t"} if mine else set())
        for uri in ("oss://b/k", "s3://b/k", "file:///x/k"):
            assert settings.forbids(uri, account) is not mine
        for uri in ("oss://other/k", "file:///xy/k", "http://b/k", "b"):
            assert not settings.forbids(uri, account)


def test_a_file_says_it_as_tables(tmp_path: Path) -> None:
    file = tmp_path / "imm.toml"
    file.write_text(
        'file_roots = ["/a", {target = "/r", accounts = ["1"]}]\n'
        '[buckets]\nplain = "/p"\n[buckets.hers]\ntarget = "s3://x/y"\naccounts = ["2"]\n'
    )
    settings = load_settings(file)
    assert settings.buckets["plain"] == Share(target="/p", accounts=("100000",))
    assert settings.buckets["hers"] == Share(target="s3://x/y", accounts=("2",))
    assert [root.accounts for root in settings.file_roots] == [("100000",), ("1",)]


@pytest.mark.parametrize("wrong", [{"target": "/x", "accounts": []}, {"accounts": ["1"]}, 5])
def test_what_is_no_share_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="buckets"):
        load_settings(None, buckets={"b": wrong})


def test_nobody_is_served_by_a_share_that_says_nothing() -> None:
    assert not Share(target="/x").serves("")
    assert Settings(buckets={"b": Share(target="/x")}).forbids("oss://b/k", "1")
