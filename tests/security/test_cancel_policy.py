"""ImmRayCancelTask names a project; a Deny on the task's dataset holds all the same."""

from pathlib import Path
from typing import Any

import pytest

from tests.security.world import OWNER, World, user

NAMES = {"ProjectName": "p", "DatasetName": "d"}
ALLOWED = {"Effect": "Allow", "Action": "imm:*", "Resource": "acs:imm:*:*:project/p*"}


def policy(*statements: Any) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def denied(dataset: str) -> dict[str, Any]:
    resource = f"acs:imm:*:*:project/p/dataset/{dataset}"
    return {"Effect": "Deny", "Action": "imm:*", "Resource": resource}


EXACT = ALLOWED | {"Resource": "acs:imm:*:*:project/p"}
USERS = (
    user("kept", policies=[policy(ALLOWED, denied("d"))]),
    user("other", policies=[policy(ALLOWED, denied("e"))]),
    user("exact", policies=[policy(EXACT)]),
)


@pytest.mark.parametrize(("who", "cancelled"), [("kept", False), ("other", True), ("exact", True)])
def test_a_denied_dataset_keeps_its_tasks(who: str, cancelled: bool, tmp_path: Path) -> None:
    with World(tmp_path, users=USERS) as world:
        world.ask(OWNER, "CreateProject", ProjectName="p")
        world.ask(OWNER, "CreateDataset", **NAMES)
        task = world.ask(OWNER, "CreateFigureClusteringTask", **NAMES)["TaskId"]
        given = {"ProjectName": "p", "TaskId": task}
        status, body = world.answer(who, "ImmRayCancelTask", **given)
        found = world.ask(OWNER, "GetTask", TaskType="FigureClustering", **given)
        if cancelled:
            assert (status, found["Status"]) == (200, "Failed"), body
        else:
            assert (status, body["Code"], found["Status"]) == (403, "NoPermission", "Running")
            assert body["AccessDeniedDetail"]["NoPermissionType"] == "ExplicitDeny"
            assert body["Message"].endswith(":project/p/dataset/d.")
