"""What it costs to list names, to see that a project exists, and to count what waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select

from imm_ray.store import datasets, projects, tables, work
from imm_ray.store.database import Database, Tx
from tests.unit.store.album import Album
from tests.wire.rig import Rig


@contextmanager
def noted(database: Database) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def plans(album: Album, ask: Callable[[Tx], object]) -> str:
    with album.database.read() as tx:
        with noted(album.database) as seen:
            ask(tx)
        found = [tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given) for said, given in seen]
        return "\n".join(row[3] for rows in found for row in rows)


def fill(album: Album, number: int) -> None:
    d = tables.dataset
    with album.database.write() as tx:
        known = dict(tx.execute(select(d).where(d.c.name == "d")).mappings().one())
        rows = [{**known, "dataset_id": f"id {n}", "name": f"d{n:05}"} for n in range(number)]
        tx.execute(insert(d), rows)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
@pytest.mark.parametrize("after", ["", "d0"])
def test_a_prefix_is_a_range_of_the_index(album: Album, after: str) -> None:
    plan = plans(album, lambda tx: datasets.page(tx, "a", "p", limit=9, after=after, prefix="d0"))
    assert "(account=? AND project=? AND name>? AND name<?)" in plan
    plan = plans(album, lambda tx: projects.page(tx, "a", limit=9, after=after, prefix="p"))
    assert "(account=? AND name>? AND name<?)" in plan


def test_names_are_listed_by_prefix_and_page(album: Album) -> None:
    fill(album, 30)
    with album.database.read() as tx:
        first = datasets.page(tx, "a", "p", limit=8, prefix="d0002")
        second = datasets.page(tx, "a", "p", limit=8, prefix="d0002", after=first[-1].name)
        assert [d.name for d in (*first, *second)] == [f"d0002{n}" for n in range(10)]
        assert datasets.page(tx, "a", "p", limit=8, prefix="D") == []
        assert [p.name for p in projects.page(tx, "a", limit=8, prefix="p")] == ["p"]
        assert projects.page(tx, "a", limit=8, prefix="P") == []


def steps(database: Database, ask: Callable[[Tx], object]) -> int:
    """Return how many tens of steps of SQLite's machine a question takes."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    with database.read() as tx:
        ask(tx)
        dbapi: Any = tx.connection.driver_connection
        dbapi.set_progress_handler(step, 10)
        ask(tx)
        dbapi.set_progress_handler(None, 10)
    return taken


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
def test_what_waits_is_counted_without_looking_at_datasets(album: Album) -> None:
    def waiting(tx: Tx) -> None:
        assert work.pending_of_account(tx, "a") == 1
        assert work.pending_of_account(tx, "other") == 0

    album.create_task()
    before = steps(album.database, waiting)
    fill(album, 3000)
    assert steps(album.database, waiting) == before


def test_no_request_sums_up_datasets_to_know_that_their_project_exists(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.call("CreateProject", ProjectName="p", DatasetMaxFileCount=7)
        with noted(rig.database) as seen:
            made = rig.call("CreateDataset", ProjectName="p", DatasetName="d")
            assert made["Dataset"]["DatasetMaxFileCount"] == 7
            assert rig.refusal("GetDataset", ProjectName="p", DatasetName="x")[0] == (
                "ResourceNotFound"
            )
            assert "project" in rig.refusal("GetDataset", ProjectName="x", DatasetName="d")[1]
            assert "project" in rig.refusal("CreateDataset", ProjectName="x", DatasetName="d")[1]
            assert len(rig.call("ListDatasets", ProjectName="p")["Datasets"]) == 1
            assert rig.call("ListTasks", ProjectName="p")["Tasks"] == []
            assert "project" in rig.refusal("ListTasks", ProjectName="x")[1]
        assert not [statement for statement, _ in seen if "sum(" in statement]
