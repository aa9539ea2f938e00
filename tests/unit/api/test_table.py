from pathlib import Path

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.actions.table import with_table

README = (Path(__file__).parents[3] / "README.md").read_text()


def test_the_readme_lists_every_action_as_the_code_has_it() -> None:
    assert with_table(README) == README, "run: python -m imm_ray.api.actions.table README.md"
    assert all(f"`{name}`" in README for name in ACTIONS)
