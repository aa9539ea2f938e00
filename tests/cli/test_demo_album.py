import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import missing

COMMAND = [sys.executable, "-c", "from imm_ray.cli.main import app; app()", "demo"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the demo finds in the sample album, as a separate process with a real server."""
    if find_spec("ray") is None:
        missing("ray", "Ray is not installed")
    out = tmp_path_factory.mktemp("demo")
    done = subprocess.run([*COMMAND, "--out", out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (out / "report.html").is_file()
    content: dict[str, Any] = json.loads((out / "result.json").read_text())
    return content


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_the_demo_finds_both_people_of_the_album(result: dict[str, Any]) -> None:
    assert {file["status"] for file in result["files"]} == {"Succeeded"}
    people = [
        {Path(path).stem.partition("-")[0] for path in person["paths"]}
        for person in result["figure_clusters"]
    ]
    assert people == [{"hopper", "together"}, {"collins", "together"}]
    assert [person["figure_count"] for person in result["figure_clusters"]] == [7, 6]
    nobody = [
        file["path"]
        for file in result["files"]
        if any(figure["cluster_id"] is None for figure in file["figures"])
    ]
    assert nobody == ["people/photographer.jpg"]


@pytest.mark.ray
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", ["coffee", "cat", "galaxies"])
def test_the_demo_finds_each_burst_and_its_best_shot(result: dict[str, Any], name: str) -> None:
    burst = {file["path"] for file in result["files"] if Path(file["path"]).stem.startswith(name)}
    groups = [group for group in result["similar_clusters"] if burst & set(group["paths"])]
    assert [set(group["paths"]) for group in groups] == [burst]
    assert groups[0]["best"] == f"things/{name}.jpg"


@pytest.mark.ray
@pytest.mark.timeout(180)
def test_the_demo_keeps_the_ledger_of_both_tasks(result: dict[str, Any]) -> None:
    assert set(result["ledger"]) == {"figures", "similar"}
    assert all(result["ledger"].values())
