"""What a throttled request leaves behind, and whose rate it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.security.world import OWNER, World, user

NAMES = {"ProjectName": "p", "DatasetName": "d"}


def code_of(world: World, http: Any) -> str:
    return str(json.loads(world.send(http).body).get("Code", "done"))


@pytest.mark.parametrize("limit", ["requests_per_second", "project_requests_per_second"])
def test_a_request_that_was_throttled_for_its_rate_can_not_be_sent_again(
    limit: str, tmp_path: Path
) -> None:
    with World(tmp_path, limits={"requests_per_second": 0}) as world:
        world.ask(OWNER, "CreateProject", ProjectName="p")
        world.ask(OWNER, "CreateDataset", **NAMES)
    with World(tmp_path, limits={limit: 0.0001, "burst": 1}) as world:
        assert code_of(world, world.signed(OWNER, "GetProject", ProjectName="p")) == "done"
        caught = world.signed(OWNER, "DeleteDataset", **NAMES)
        assert code_of(world, caught) == "Throttling.User"
    with World(tmp_path) as later:
        assert code_of(later, caught) == "SignatureNonceUsed"
        later.ask(OWNER, "GetDataset", **NAMES)


def test_a_second_key_gives_a_user_no_second_rate(tmp_path: Path) -> None:
    """Who rotates keys has two; a user of the same name elsewhere is another one."""
    users = [user("new", name=OWNER), user("mate"), user("far", name=OWNER, account="300000")]
    limits = {"requests_per_second": 0.0001, "burst": 1}
    with World(tmp_path, users=users, limits=limits) as world:
        codes = {
            key: code_of(world, world.signed(key, "ListProjects"))
            for key in (OWNER, "new", "mate", "far")
        }
    assert codes == {OWNER: "done", "new": "Throttling.User", "mate": "done", "far": "done"}
