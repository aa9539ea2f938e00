import io
from pathlib import Path

import pytest
from rich.console import Console

from imm_ray.cli import progress
from imm_ray.cli.progress import Stages
from imm_ray.cli.result import Findings, Photo
from imm_ray.cli.summary import MOST_FAILURES, print_summary


def printed(found: Findings, *, is_terminal: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=120)
    print_summary(console, found, seconds={"Indexing": 2.345}, out=Path("out"))
    return stream.getvalue()


def test_the_summary_names_failures_and_where_the_report_is() -> None:
    text = printed(Findings((Photo("a.jpg", "Succeeded"), Photo("b.txt", "Failed", "no image"))))
    assert "2 (1 failed)" in text
    assert "Failed: b.txt: no image" in text
    assert "Indexing" in text
    assert "2.3 s" in text
    assert "out/report.html" in text
    assert "out/result.json" in text


def test_a_hostile_name_cannot_drive_the_terminal() -> None:
    text = printed(Findings((Photo("\x1b]0;owned\x07[red]x\u202e.jpg", "Failed", "r"),)))
    assert "Failed: \\x1b]0;owned\\x07[red]x\\u202e.jpg: r" in text


def test_many_failures_are_counted() -> None:
    photos = tuple(Photo(f"{n}.jpg", "Failed", "r") for n in range(MOST_FAILURES + 3))
    assert "and 3 more failed" in printed(Findings(photos))


def test_without_a_terminal_progress_is_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    stream = io.StringIO()
    stages = Stages(Console(file=stream))
    with stages.stage("Indexing", total=4) as stage:
        stage.update(3, "1 failed")
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["Indexing …", "Indexing 3/4 (1 failed)"]
    assert lines[2].startswith("Indexing: ")
    assert "\x1b" not in stream.getvalue()
    assert list(stages.seconds) == ["Indexing"]


def test_on_a_terminal_progress_is_a_bar() -> None:
    stream = io.StringIO()
    stages = Stages(Console(file=stream, force_terminal=True, width=100))
    with stages.stage("Indexing", total=4) as stage:
        stage.update(3, "1 [bold]failed")
    assert "3/4" in stream.getvalue()
    assert "1 [bold]failed" in stream.getvalue()
