"""The check of responses itself: what it must find."""

import json

import pytest

from imm_ray.api.actions.registry import ACTIONS
from tests.conformance.contract import EXTENSIONS, PREFIX, Contract, changed

CONTRACT = Contract(
    responses={"Get": {"RequestId": "string", "Things": "array<Thing>", "Share": "float"}},
    structs={"Thing": {"Name": "string", "Size": "int64", "More": "object(map)", "On": "boolean"}},
)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"RequestId": "r", "Strange": 1}, "Get.Strange: unexpected"),
        ({"RequestId": 1}, "Get.RequestId: no string but int"),
        ({"RequestId": None}, "Get.RequestId: no string but NoneType"),
        ({}, "Get: RequestId is missing"),
        ({"RequestId": "r", "Things": {}}, "Get.Things: no list but dict"),
        ({"RequestId": "r", "Things": [{}, {"Size": "3"}]}, "Get.Things[1].Size: no int64 but str"),
        ({"RequestId": "r", "Things": [{"Size": True}]}, "Get.Things[0].Size: no int64 but bool"),
        ({"RequestId": "r", "Things": [{"On": 1}]}, "Get.Things[0].On: no boolean but int"),
        ({"RequestId": "r", "Things": [{"X": 1}]}, "Get.Things[0].X: unexpected"),
        ({"RequestId": "r", "Things": ["x"]}, "Get.Things[0]: no object but str"),
    ],
)
def test_what_is_wrong_is_named(body: object, problem: str) -> None:
    assert problem in CONTRACT.check("Get", body).problems


def test_a_good_response_and_what_it_leaves_out() -> None:
    body = {"RequestId": "r", "Things": [{"Name": "n"}, {"More": {"a": 1}}], "Share": 1}
    found = CONTRACT.check("Get", body)
    assert not found.problems
    assert dict(CONTRACT.unfilled(found.filled)) == {"Thing": ["On", "Size"]}


def test_a_model_that_loses_or_changes_something() -> None:
    body = {"a": {"b": [1, 2]}, "c": []}
    assert changed(body, {"a": {"b": [1, 2]}, "d": []}) == []
    assert changed(body, {"a": {"b": [1]}}) == ["body.a.b: [1, 2] became [1]"]
    assert changed(body, {"a": {"b": ["1", 2]}}) == ["body.a.b[0]: 1 became '1'"]
    assert len(changed(body, None)) == 1


def test_every_action_of_our_own_has_a_schema() -> None:
    told = json.loads(EXTENSIONS.read_text())
    own = {action for action in ACTIONS if action.startswith(PREFIX)}
    assert told.keys() - {"structs"} == own
    assert all(name.startswith(PREFIX) for name in told["structs"])
