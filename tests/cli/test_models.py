from pathlib import Path

import pytest
from typer.testing import CliRunner

from imm_ray.cli.main import app
from imm_ray.embed import verify
from imm_ray.embed.cards import cards
from imm_ray.embed.verify import ModelCheck


def test_every_model_is_listed_with_its_licence() -> None:
    result = CliRunner().invoke(app, ["models", "list"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    for card in cards():
        assert card.name in result.output
        assert card.licence in result.output


def test_the_models_that_ship_are_intact() -> None:
    result = CliRunner().invoke(app, ["models", "verify"])
    assert result.exit_code == 0, result.output
    assert "BAD" not in result.output


def test_a_changed_model_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = ModelCheck(name="m", file=Path("m.onnx"), ok=False, expected="aa", actual="bb")
    monkeypatch.setattr(verify, "verify_models", lambda: [bad])
    result = CliRunner().invoke(app, ["models", "verify"])
    assert result.exit_code == 1
    assert "expected aa, found bb" in result.output
