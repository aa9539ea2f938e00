"""Orders of files: times are read from their index, those without one as a second range of it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, update

from imm_ray.api.file_query import read_sort
from imm_ray.store import tables
from imm_ray.store.query import page as queries
from imm_ray.store.query.page import SortValue
from imm_ray.store.query.tree import EVERYTHING
from tests.unit.store.album import Album
from tests.unit.store.test_query import here

DAY = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = ("ProduceTime", "CreateTime", "UpdateTime")
TAKEN = {"a0": 3, "a1": None, "a2": 1, "b0": 3, "b1": None, "b2": 2}


@pytest.fixture
def dated(album: Album) -> Album:
    f = tables.file.c
    with album.database.write() as tx:
        for uri, days in TAKEN.items():
            taken = None if days is None else DAY + timedelta(days=days)
            tx.execute(update(tables.file).where(f.uri == uri).values(produced_at=taken))
    return album


def page(
    album: Album, sort: str, order: str, limit: int, after: Sequence[SortValue] | None = None
) -> list[queries.Found]:
    keys = read_sort(sort, order)
    with album.database.read() as tx:
        return queries.page(tx, here(album), EVERYTHING, sort=keys, limit=limit, after=after)


def plans(album: Album, sort: str, order: str, after: Sequence[SortValue] | None) -> list[str]:
    """Return how SQLite looks for each range of a page."""
    seen: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        if "LIMIT" in statement:
            seen.append((statement, parameters))

    event.listen(album.database.engine, "before_cursor_execute", note)
    page(album, sort, order, 10, after)
    event.remove(album.database.engine, "before_cursor_execute", note)
    found = []
    with album.database.read() as tx:
        for statement, parameters in seen:
            rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            found.append("\n".join(row[3] for row in rows))
    return found


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", TIMES)
def test_a_time_is_read_in_the_order_of_its_index(album: Album, sort: str, order: str) -> None:
    for after in (None, (DAY, "a0")):
        for plan in plans(album, sort, order, after):
            assert re.search(r"USING INDEX ix_file_dataset_id_(pro|cre|upd)\w+_at_uri", plan), plan
            assert "TEMP B-TREE FOR ORDER BY" not in plan


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
def test_a_page_begins_where_the_one_before_has_ended(album: Album) -> None:
    (later,) = plans(album, "CreateTime", "asc", (DAY, "a0"))
    assert "(dataset_id=? AND created_at>?)" in later
    dated, undated = plans(album, "ProduceTime", "desc", (DAY, "a0"))
    assert "(dataset_id=? AND produced_at" in dated
    assert "(dataset_id=? AND produced_at=?)" in undated
    (undated,) = plans(album, "ProduceTime", "desc", (None, "a0"))
    assert "(dataset_id=? AND produced_at=? AND uri>?)" in undated


@pytest.mark.parametrize(
    ("sort", "order", "expected"),
    [
        ("ProduceTime", "asc", "a2 b2 a0 b0 a1 b1"),
        ("ProduceTime", "desc", "a0 b0 b2 a2 a1 b1"),
        ("ProduceTime,URI", "desc,desc", "b0 a0 b2 a2 b1 a1"),
        ("CreateTime,ProduceTime", "asc,desc", "a0 b0 b2 a2 a1 b1"),
    ],
)
def test_pages_of_any_size_pass_over_to_files_without_a_time(
    dated: Album, sort: str, order: str, expected: str
) -> None:
    for limit in range(1, 8):
        read: list[queries.Found] = []
        while found := page(dated, sort, order, limit, read[-1].position if read else None):
            read += found
        assert " ".join(item.file.uri for item in read) == expected
