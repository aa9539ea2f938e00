"""The table of faults names what is there, and leaves no fault out."""

import ast
from pathlib import Path

import pytest

from benchmarks.chaos.fault_table import ROWS, Row, table
from benchmarks.chaos.faults import FAULTS

TESTS = Path(__file__).parents[2]


def test_every_fault_of_the_list_has_a_row() -> None:
    assert [row.number for row in ROWS] == [f"F{number}" for number in range(1, 43)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.number)
def test_what_a_row_names_exists(row: Row) -> None:
    for test in row.tests:
        path, _, name = test.partition("::")
        functions = {
            node.name
            for node in ast.walk(ast.parse((TESTS / path).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert (name or "test_") in functions or any(
            not name and function.startswith("test_") for function in functions
        ), test
    assert set(row.chaos) <= set(FAULTS)
    assert row.tests or row.chaos or row.reason


def test_every_fault_of_the_storm_has_a_row() -> None:
    assert {name for row in ROWS for name in row.chaos} == set(FAULTS)
    assert {FAULTS[name].number: row.number for row in ROWS for name in row.chaos} == {
        number: number for number in {fault.number for fault in FAULTS.values()}
    }


def test_the_table_shows_the_worst_of_all_runs() -> None:
    def result(read_s: float, injected: int) -> dict[str, object]:
        waits = {f"longest_without_{kind}_s": read_s for kind in ("read", "write", "ask")}
        return {"benchmark": "chaos", "fault": "owner", "injected": injected, **waits}

    shown = table([result(1.5, 2), result(7.25, 3), {"benchmark": "soak"}])
    (line,) = [line for line in shown.splitlines() if line.startswith("| F5 ")]
    assert "| 5 | 7.2 | 7.2 | 7.2 |" in line
