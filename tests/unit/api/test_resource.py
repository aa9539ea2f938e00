"""Every action has an access level and a resource, those of IMM as its reference states them."""

import re
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.policy.resource import access_level, resource_arn, resource_form
from imm_ray.api.schema import Name, OfDataset, OfProject, Parameters

_ROW = re.compile(r"RAM: imm:(\w+), (\w+), `([^`]+)`(?: or `([^`]+)`)?")


class OfEither(OfProject):
    dataset_name: Annotated[Name, Field()] = ""


def test_levels_and_resources_are_imms(shared: Path) -> None:
    rows = _ROW.findall((shared / "imm" / "api.md").read_text())
    assert len(rows) > 35
    for action, level, *forms in rows:
        assert access_level(action, writes=level in ("create", "update", "delete")) == level, action
        if action in ACTIONS:
            form = resource_form(action, ACTIONS[action].schema)
            short = form.replace("{ProjectName}", "{P}").replace("{DatasetName}", "{D}")
            assert short in forms, action


@pytest.mark.parametrize(
    ("action", "level"),
    [
        ("CreateFacesSearchingTask", "list"),
        ("StopBinding", "update"),
        ("ImmRayGetTaskLedger", "get"),
        ("ImmRayExplain", "get"),
        ("ImmRayHistory", "list"),
        ("ImmRaySearchByImage", "list"),
        ("ImmRaySplitFigureCluster", "update"),
        ("ImmRayPurgeDataset", "delete"),
        ("ImmRayOther", "get"),
        ("x", "get"),
    ],
)
def test_levels_of_the_others(action: str, level: str) -> None:
    assert access_level(action, writes=False) == level


def test_what_writes_is_never_called_a_reading() -> None:
    for name, action in ACTIONS.items():
        if action.writes:
            assert access_level(name, writes=True) in ("create", "update", "delete", "list"), name
    assert access_level("ImmRayOther", writes=True) == "update"


@pytest.mark.parametrize(
    ("schema", "given", "path"),
    [
        (Parameters, {"ProjectName": "p"}, "*"),
        (OfProject, {"ProjectName": "p", "DatasetName": "d"}, "project/p"),
        (OfDataset, {"ProjectName": "p", "DatasetName": "d"}, "project/p/dataset/d"),
        (OfDataset, {"ProjectName": "p"}, "project/p/dataset/*"),
        (OfEither, {"ProjectName": "p"}, "project/p"),
        (OfEither, {"ProjectName": "p", "DatasetName": ""}, "project/p"),
        (OfEither, {"ProjectName": "p", "DatasetName": "d"}, "project/p/dataset/d"),
        (OfProject, {}, "project/*"),
        (OfProject, {"ProjectName": "p/dataset/d"}, "project/*"),
        (OfProject, {"ProjectName": "p\n"}, "project/*"),
        (OfProject, {"ProjectName": "p1 "}, "project/*"),
        (OfProject, {"ProjectName": "р1"}, "project/*"),  # noqa: RUF001 - a Cyrillic letter
        (OfProject, {"ProjectName": "{DatasetName}", "DatasetName": "d"}, "project/*"),
    ],
)
def test_arns(schema: type[Parameters], given: dict[str, str], path: str) -> None:
    arn = resource_arn("GetTask", schema, given, region="local", account="1")
    assert arn == f"acs:imm:local:1:{path}"


def test_creating_and_listing_projects_concern_all() -> None:
    for action in ("CreateProject", "ListProjects"):
        schema = ACTIONS[action].schema
        arn = resource_arn(action, schema, {"ProjectName": "p"}, region="r", account="1")
        assert arn == "acs:imm:r:1:project/*"
