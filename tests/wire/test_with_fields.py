"""``WithFields`` of all reads of files: names of members, paths into them, and names of nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imm_ray.store import datasets
from tests.wire.rig import Rig

URI = "oss://b/a.jpg"
NAMES = {"ProjectName": "p", "DatasetName": "d"}
READS: dict[str, dict[str, Any]] = {
    "GetFileMeta": {"URI": URI},
    "BatchGetFileMeta": {"URIs": [URI]},
    "SimpleQuery": {},
    "FuzzyQuery": {"Query": "a.jpg"},
}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as rig:
        rig.album()
        file = {"URI": URI, "CustomLabels": {"a": "1", "b": "2"}}
        rig.call("IndexFileMeta", File=file, **NAMES)
        with rig.database.read() as tx:
            dataset_id = datasets.get(tx, "100000", "p", "d").dataset_id
        rig.index(dataset_id)
        yield rig


@pytest.mark.parametrize("action", READS)
@pytest.mark.parametrize(
    ("fields", "members"),
    [
        (["Figures.FigureId", "CustomLabels.a"], {"Figures", "CustomLabels"}),
        (["ImageScore.OverallQualityScore", "URI"], {"ImageScore", "URI"}),
        (["Figures.Boundary.Left"], {"Figures"}),
        (["Figures.", "Nothing", "Nothing.Here", ".URI"], {"Figures"}),
        (["nothing"], set()),
    ],
)
def test_a_path_returns_the_member_that_it_leads_into(
    rig: Rig, action: str, fields: list[str], members: set[str]
) -> None:
    (whole,) = rig.call(action, **READS[action], **NAMES)["Files"]
    (file,) = rig.call(action, **READS[action], WithFields=fields, **NAMES)["Files"]
    assert file == {name: whole[name] for name in members}
