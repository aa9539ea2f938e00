"""The summary that the demo prints at its end."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from imm_ray.cli.result import Findings
from imm_ray.cli.text import plain

MOST_FAILURES = 10
"""Failed files named on the terminal; the report and result.json name all."""


def print_summary(
    console: Console, found: Findings, *, seconds: Mapping[str, float], out: Path
) -> None:
    """Print what was found, what failed and why, and where the report is."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for label, value in _rows(found):
        table.add_row(label, Text(value))
    for title, value_s in seconds.items():
        table.add_row(Text(title, style="dim"), Text(f"{value_s:.1f} s", style="dim"))
    console.print()
    console.print(table)
    for photo in found.failed[:MOST_FAILURES]:
        console.print(Text(f"Failed: {plain(photo.path)}: {plain(photo.reason)}", style="red"))
    if len(found.failed) > MOST_FAILURES:
        console.print(f"and {len(found.failed) - MOST_FAILURES} more failed, see the report")
    console.print()
    for name in ("report.html", "result.json"):
        console.print(Text(plain(str(out / name))), soft_wrap=True)


def _rows(found: Findings) -> list[tuple[str, str]]:
    in_people = sum(person.figure_count for person in found.people)
    in_groups = sum(len(group.pictures) for group in found.groups)
    return [
        ("Files", f"{len(found.photos)} ({len(found.failed)} failed)"),
        ("Faces", f"{found.face_count} ({len(found.strangers)} of nobody)"),
        ("People", f"{len(found.people)} ({in_people} of the faces)"),
        ("Similar groups", f"{len(found.groups)} ({in_groups} of the pictures)"),
    ]
