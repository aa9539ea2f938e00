"""Accounts and users see their own: every action of the table, tried with what others have."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.policy.resource import resource_form
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.signature import sign
from tests.security.examples import example
from tests.security.world import OWNER, SECRET, STRANGER, World, user, without_chance
from tests.wire.rig import HOST

NOBODY, NARROW, LEASED = "nobody", "narrow", "leased"


def only(project: str) -> dict[str, Any]:
    resource = [f"acs:imm:*:*:project/{project}", f"acs:imm:*:*:project/{project}/*"]
    return {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": "imm:*", "Resource": resource}],
    }


USERS = (
    user(NOBODY, policies=[]),
    user(NARROW, policies=[only("p1")]),
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, str]]]:
    with World(tmp_path_factory.mktemp("full"), users=USERS) as world:
        yield world, world.fill()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("empty"), users=USERS) as world:
        yield world


@pytest.mark.parametrize("action", ACTIONS)
def test_another_accounts_things_are_as_if_they_were_not(
    action: str, full: tuple[World, dict[str, str]], empty: World
) -> None:
    world, known = full
    given = example(action, known)
    before = world.rows(without="200000")
    status, body = world.answer(STRANGER, action, **given)
    assert (status, without_chance(body)) == (
        (there := empty.answer(STRANGER, action, **given))[0],
        without_chance(there[1]),
    )
    assert world.rows(without="200000") == before


@pytest.mark.parametrize("action", ACTIONS)
def test_who_has_no_permission_does_not_learn_what_exists(
    action: str, full: tuple[World, dict[str, str]], empty: World
) -> None:
    world, known = full
    given = example(action, known)
    before = world.rows(without="nothing at all")
    answers = [
        world.answer(NOBODY, action, **given),
        empty.answer(NOBODY, action, **given),
    ]
    for status, body in answers:
        assert (status, body["Code"]) == (403, "NoPermission")
        assert body["AccessDeniedDetail"]["AuthAction"] == f"imm:{action}"
        assert body["AccessDeniedDetail"]["NoPermissionType"] == "ImplicitDeny"
    assert without_chance(answers[0][1]) == without_chance(answers[1][1])
    assert world.rows(without="nothing at all") == before


@pytest.mark.parametrize("action", ACTIONS)
def test_who_has_no_permission_does_not_learn_what_is_wrong(
    action: str, full: tuple[World, dict[str, str]]
) -> None:
    world, _ = full
    for given in ({}, {"ProjectName": "1 a/dataset/d", "DatasetName": "*"}):
        status, body = world.answer(NOBODY, action, **given)
        assert (status, body["Code"]) == (403, "NoPermission")


@pytest.mark.parametrize("action", ACTIONS)
def test_a_policy_for_one_project_opens_no_other(
    action: str, full: tuple[World, dict[str, str]]
) -> None:
    world, known = full
    given = example(action, known)
    for project in ("p", "p10", "P1", "p1/dataset/d", "*", "p?"):
        status, _ = world.answer(NARROW, action, **{**given, "ProjectName": project})
        assert status == 403, project
    if "{ProjectName}" in resource_form(action, ACTIONS[action].schema):
        _, body = world.answer(NARROW, action, **{**given, "ProjectName": "p1"})
        assert body["Code"] != "NoPermission"


def test_a_page_token_is_its_accounts(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        for who in (OWNER, STRANGER):
            world.ask(who, "CreateProject", ProjectName="p")
            for name in ("a", "b"):
                world.ask(who, "CreateDataset", ProjectName="p", DatasetName=name)
        asked = {"ProjectName": "p", "MaxResults": "1"}
        token = world.ask(OWNER, "ListDatasets", **asked)["NextToken"]
        (own,) = world.ask(OWNER, "ListDatasets", NextToken=token, **asked)["Datasets"]
        assert own["DatasetName"] == "b"
        status, body = world.answer(STRANGER, "ListDatasets", NextToken=token, **asked)
        assert (status, body["Code"]) == (400, "InvalidArgument")


def test_a_session_that_was_leased_for_one_action(tmp_path: Path) -> None:
    session = {
        "Version": "1",
        "Statement": [{"Effect": "Allow", "Action": "imm:ListProjects", "Resource": "*"}],
    }
    leased = user(LEASED, security_token="the-token", session_policy=session)
    with World(tmp_path, users=[leased]) as world:
        http = world.signed(LEASED, "ListProjects")
        assert json.loads(world.send(http).body)["Code"] == "MissingSecurityToken"
        for action, expected in (("ListProjects", 200), ("GetProject", 403)):
            status, body = leased_answer(world, action)
            assert status == expected
            if expected == 403:
                detail = body["AccessDeniedDetail"]
                assert detail["AuthPrincipalType"] == "AssumedRoleUser"
                assert detail["PolicyType"] == "SessionPolicy"


def leased_answer(world: World, action: str) -> tuple[int, dict[str, Any]]:
    headers = sign(
        {},
        action=action,
        host=HOST,
        access_key_id=LEASED,
        secret=SECRET,
        security_token="the-token",
        now=world.clock(),
    )
    response = world.send(HttpRequest(method="POST", headers=tuple(headers.items())))
    return response.status, json.loads(response.body)
