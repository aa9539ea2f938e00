"""The table of actions in the README, made from the one table of actions in the code.

``python -m imm_ray.api.actions.table README.md`` writes it between the markers.
"""

import re
import sys
from pathlib import Path

from imm_ray.api.actions.registry import ACTIONS

_BETWEEN = re.compile(r"(<!-- actions -->\n).*(<!-- /actions -->)", re.S)


def action_table() -> str:
    """Return the table as Markdown, one row per action."""
    rows = [f"| `{name}` | {action.summary} |" for name, action in ACTIONS.items()]
    return "\n".join(["| Action | What it does |", "|---|---|", *rows, ""])


def with_table(readme: str) -> str:
    """Return the text of a README with the current table between its markers."""
    return _BETWEEN.sub(lambda found: f"{found[1]}{action_table()}{found[2]}", readme)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_table(path.read_text()))
