import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from imm_ray import __version__
from imm_ray.cli.album import PHOTOS
from imm_ray.cli.main import NOTHING_DONE, app
from imm_ray.settings import Settings
from tests.cli.fake_imm import FakeImm, figure, figure_cluster, serving


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeImm:
    """A server that the demo starts instead of the real one."""
    fake = FakeImm(pending_polls=1)
    embedded = SimpleNamespace(EmbeddedServer=lambda settings: serving(fake, settings))
    monkeypatch.setitem(sys.modules, "imm_ray.runtime.embedded", embedded)
    return fake


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes((PHOTOS / "people/together.jpg").read_bytes())
    return folder


def invoke(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def test_the_demo_writes_its_result_and_says_what_it_found(
    fake: FakeImm, folder: Path, tmp_path: Path
) -> None:
    fake.figures = {"a.jpg": [figure("f1", "Cluster-1", 90, 80, 120, 160)]}
    fake.figure_clusters = [figure_cluster("Cluster-1", faces=1, images=1)]
    out = tmp_path / "deep" / "out"

    result = invoke("demo", folder, "--out", out)

    assert result.exit_code == 0, result.output
    assert re.search(r"People +1 \(1 of the faces\)", result.output)
    assert json.loads((out / "result.json").read_text())["figure_clusters"][0]["paths"] == ["a.jpg"]
    assert "Person 1" in (out / "report.html").read_text()
    assert (out / "pictures" / "face-00001-01.jpg").is_file()


def test_single_failures_are_no_failure_of_the_demo(
    fake: FakeImm, folder: Path, tmp_path: Path
) -> None:
    fake.reasons = {"b.jpg": "The image is truncated or damaged."}
    result = invoke("demo", folder, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "2 (1 failed)" in result.output
    assert "Failed: b.jpg: The image is truncated or damaged." in result.output


def test_a_demo_of_which_nothing_could_be_indexed_says_why_and_exits_3(
    fake: FakeImm, folder: Path, tmp_path: Path
) -> None:
    fake.reasons = {"a.jpg": "bad", "b.jpg": "worse"}
    result = invoke("demo", folder, "--out", tmp_path / "out")
    assert result.exit_code == NOTHING_DONE == 3
    assert "none of the 2 files" in result.output
    assert "worse" in (tmp_path / "out" / "report.html").read_text()


def test_a_demo_of_an_empty_folder_exits_3_and_starts_nothing(
    fake: FakeImm, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / ".hidden.jpg").write_bytes(b"x")
    result = invoke("demo", tmp_path / "photos", "--out", tmp_path / "out")
    assert result.exit_code == 3
    assert "there is no file to index" in result.output
    assert fake.calls == []
    assert not (tmp_path / "out").exists()


def test_a_wrong_setting_in_the_environment_exits_2(
    fake: FakeImm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMM_RAY_CLUSTERING__MIN_ENTITY_COUNT", "many")
    result = invoke("demo", folder, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "min_entity_count" in result.output


def test_an_error_of_the_server_exits_1(fake: FakeImm, folder: Path, tmp_path: Path) -> None:
    fake.task_status = "Failed"
    result = invoke("demo", folder, "--out", tmp_path / "out")
    assert result.exit_code == 1


@pytest.mark.parametrize(
    "args",
    [
        ("demo", "/no/such/folder"),
        ("demo", __file__),
        ("demo", "--port", "70000"),
        ("demo", "--out", __file__),
        ("nonsense",),
        ("models", "nonsense"),
        ("--nonsense",),
    ],
)
def test_wrong_usage_exits_2(args: tuple[str, ...]) -> None:
    assert invoke(*args).exit_code == 2


def test_the_demo_never_leaves_its_data_behind(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    seen: list[Path] = []

    def start(settings: Settings) -> object:
        assert settings.data.is_dir()
        (settings.data / "imm.db").write_bytes(b"x")
        seen.append(settings.data)
        raise KeyboardInterrupt

    embedded = SimpleNamespace(EmbeddedServer=start)
    monkeypatch.setitem(sys.modules, "imm_ray.runtime.embedded", embedded)
    result = invoke("demo", folder, "--out", tmp_path / "out")
    assert result.exit_code not in (0, 2, 3)
    assert len(seen) == 1
    assert not seen[0].exists()


def test_the_version_is_printed() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.output) == (0, f"imm-ray {__version__}\n")


def test_every_command_explains_itself() -> None:
    for args in ((), ("demo",), ("serve",), ("models",), ("models", "list"), ("models", "verify")):
        result = invoke(*args, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output


def test_help_loads_nothing_heavy() -> None:
    code = "import sys, imm_ray.cli.main\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"ray", "onnxruntime", "faiss", "cv2", "numba", "sqlalchemy", "numpy", "PIL"}
    assert not heavy & set(done.stdout.split())
