"""Every action that we serve, through every official client, against the contract."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from imm_ray.api.actions.registry import ACTIONS
from tests.conformance.clients import ANY_ACTION, CLIENTS, why_not
from tests.conformance.contract import EXTENSIONS, NOT_TABULATED, PREFIX, Contract
from tests.conformance.player import MISSING, Played, play_with
from tests.conftest import missing
from tests.postgres import Databases

_SECTION_3 = """
CreateProject GetProject UpdateProject DeleteProject ListProjects
CreateDataset GetDataset UpdateDataset DeleteDataset ListDatasets
CreateBinding GetBinding ListBindings DeleteBinding
IndexFileMeta BatchIndexFileMeta GetFileMeta BatchGetFileMeta
UpdateFileMeta BatchUpdateFileMeta DeleteFileMeta BatchDeleteFileMeta
SimpleQuery FuzzyQuery SemanticQuery
CreateFigureClusteringTask GetFigureCluster BatchGetFigureCluster QueryFigureClusters
UpdateFigureCluster CreateFigureClustersMergingTask
SearchImageFigureCluster DetectImageFaces CompareImageFaces
CreateSimilarImageClusteringTask QuerySimilarImageClusters
GetTask ListTasks ListRegions
"""
OWN = [action for action in ACTIONS if action.startswith(PREFIX)]
EXPECTED = sorted([*_SECTION_3.split(), *NOT_TABULATED, *OWN])


@pytest.fixture(scope="module")
def contract(shared: Path) -> Contract:
    return Contract.read(shared / "imm" / "api.json")


@pytest.fixture(scope="module")
def played(contract: Contract, request: pytest.FixtureRequest) -> Callable[[str, str], Played]:
    """What a client saw; each plays the scenario once with a kind of database."""

    @cache
    def played(name: str, store: str) -> Played:
        if why := why_not(name):
            missing("sdk4", why)
        if store == "sqlite":
            return play_with(name, contract)
        databases: Databases = request.getfixturevalue("postgres")
        with databases.fresh() as url:
            return play_with(name, contract, store_url=url)

    return played


def test_the_contract_has_the_expected_actions(contract: Contract) -> None:
    assert sorted(contract.responses) == EXPECTED


def test_no_action_is_missing() -> None:
    assert [action for action in EXPECTED if action not in ACTIONS] == []


@pytest.mark.parametrize(
    ("name", "store"),
    [*((name, "sqlite") for name in CLIENTS), (next(iter(CLIENTS)), "postgresql")],
)
@pytest.mark.parametrize("action", [action for action in EXPECTED if action in ACTIONS])
def test_an_action_conforms(
    action: str, name: str, store: str, played: Callable[[str, str], Played]
) -> None:
    result = played(name, store).results[action]
    assert result.problems == []
    assert result.absent != MISSING
    assert result.is_good


def test_every_member_of_the_own_actions_is_filled_by_the_scenario(
    played: Callable[[str, str], Played], contract: Contract
) -> None:
    """So their schema promises nothing that is never sent."""
    told = json.loads(EXTENSIONS.read_text())
    structs = told.pop("structs")
    promised = {(action, member) for action in told for member in told[action]["response"]}
    promised |= {(name, member) for name in structs for member in structs[name]}
    assert promised - played(ANY_ACTION, "sqlite").filled == set()
