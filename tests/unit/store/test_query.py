"""Compiled queries: one statement for either database, parameters only, begun with an index."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, select
from sqlalchemy.dialects import postgresql

from imm_ray.api.file_query import SimpleQuery, read_condition, read_sort
from imm_ray.model import Dataset, DatasetId
from imm_ray.store import datasets, files, tables
from imm_ray.store.query import page as queries
from imm_ray.store.query.compiler import compile_condition
from imm_ray.store.query.expression import F, Scope
from imm_ray.store.query.field import FIELDS, FieldType
from imm_ray.store.query.tree import Condition, Mentions
from tests.unit.store.album import Album

HOSTILE = "x' OR 1=1 -- \" % _ \\ ;"


def leaf(field: str, operation: str, value: str) -> dict[str, Any]:
    return {"Field": field, "Operation": operation, "Value": value}


def here(album: Album) -> Dataset:
    with album.database.read() as tx:
        found = datasets.by_id(tx, album.dataset_id)
    assert found is not None
    return found


def read(query: dict[str, Any]) -> Condition:
    return read_condition(SimpleQuery.model_validate(query))


def every_condition() -> Iterator[Condition]:
    for path, field in FIELDS.items():
        if field.type is FieldType.TEXT:
            for operation in ("eq", "lt", "prefix", "match-phrase"):
                yield read(leaf(path, operation, HOSTILE))
        elif field.type is FieldType.NUMBER:
            yield read(leaf(path, "gte", "1.5"))
        elif field.type is FieldType.TIME:
            yield read(leaf(path, "lte", "2026-01-01T00:00:00Z"))
        yield read({"Field": path, "Operation": "exist"})
        if field.array:
            inside = {"Field": path, "Operation": "exist"}
            yield read({"Operation": "nested", "SubQueries": [inside]})
    for operation in ("eq", "gt", "prefix", "match-phrase"):
        yield read(leaf(f"CustomLabels.{HOSTILE[:5]}", operation, HOSTILE))
    yield read(leaf("LatLong", "geo-distance", "1,2;3"))
    yield read(leaf("LatLong", "geo-bounding-box", "2,1;1,2"))
    yield read(leaf("LatLong", "geo-polygon", "1,2;3,4;5,1"))
    yield Mentions((HOSTILE,))
    yield read({"Operation": "not", "SubQueries": [leaf("Figures.FigureClusterId", "eq", "C")]})


def test_every_condition_is_one_statement_of_parameters_in_postgresql(album: Album) -> None:
    scope = Scope(dataset=here(album), figure_run=1, figure_watermark=1, heirs={})
    for condition in every_condition():
        statement = select(F.file_id).where(compile_condition(condition, scope))
        compiled = statement.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        assert "OR 1=1" not in str(compiled)
        assert not re.search(r"json_each|json_extract|imm_\w+\(|instr\(", str(compiled))


def test_every_condition_runs(album: Album) -> None:
    with album.database.read() as tx:
        for condition in every_condition():
            assert queries.count(tx, here(album), condition) <= 6
            assert len(queries.page(tx, here(album), condition, limit=9)) <= 6


def plan_of(album: Album, query: dict[str, Any], sort: str = "") -> str:
    """Return how SQLite looks for a page of files."""
    seen: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        seen.append((statement, parameters))

    with album.database.read() as tx:
        event.listen(album.database.engine, "before_cursor_execute", note)
        queries.page(tx, here(album), read(query), sort=read_sort(sort, ""), limit=10)
        event.remove(album.database.engine, "before_cursor_execute", note)
        statement, parameters = next(s for s in seen if "LIMIT" in s[0] and "FROM file" in s[0])
        rows = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
@pytest.mark.parametrize("sort", ["", "CreateTime", "Size,URI"])
def test_the_files_of_a_person_are_looked_up_by_the_cluster(album: Album, sort: str) -> None:
    person = leaf("Figures.FigureClusterId", "eq", "Cluster-a")
    good = {
        "Operation": "nested",
        "SubQueries": [person, leaf("Figures.FaceQuality", "gt", "0.5")],
    }
    for query in (person, good, {"Operation": "and", "SubQueries": [good, person]}):
        plan = plan_of(album, query, sort)
        assert "ix_membership_dataset_id_kind_cluster_id" in plan
        assert re.search(r"SEARCH file USING INDEX \w+ \(file_id=\?\)", plan), plan
        assert "SCAN file" not in plan


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)  # plans are SQLite's own
def test_uris_and_labels_are_looked_up_by_their_indexes(album: Album) -> None:
    assert "(dataset_id=? AND uri=?)" in plan_of(album, leaf("URI", "eq", "a0"))
    assert "(dataset_id=? AND uri>? AND uri<?)" in plan_of(album, leaf("URI", "prefix", "a"))
    label = plan_of(album, leaf("CustomLabels.City", "eq", "Rome"))
    assert "ix_file_label_dataset_id_label_key_value" in label
    assert "CORRELATED" not in label


def test_labels_go_with_their_file(album: Album) -> None:
    r = tables.file_label
    with album.database.write() as tx:
        said = files.InputFile("a0", {"CustomLabels": {"k": "v"}})
        files.index(tx, here(album), [said], album.clock())
        assert tx.scalars(select(r.c.value)).all() == ["v"]
        files.delete(tx, album.dataset_id, ["a0"], album.clock(), lambda finished: [])
        assert tx.scalars(select(r.c.value)).all() == []


def test_indexing_again_replaces_labels_only_when_some_are_said(album: Album) -> None:
    query = read(leaf("CustomLabels.k", "eq", "v"))
    with album.database.write() as tx:
        for said, hits in (({"CustomLabels": {"K": "V"}}, 1), ({"Title": "t"}, 1)):
            item = files.InputFile("a0", said)
            files.index(tx, here(album), [item], album.clock())
            assert queries.count(tx, here(album), query) == hits
        item = files.InputFile("a0", {"CustomLabels": {}})
        files.index(tx, here(album), [item], album.clock())
        assert queries.count(tx, here(album), query) == 0


def test_other_datasets_are_never_seen(album: Album) -> None:
    other = replace(here(album), dataset_id=DatasetId("other"))
    with album.database.read() as tx:
        assert queries.count(tx, here(album), read({})) == 6
        for condition in (read({}), read(leaf("URI", "prefix", "")), Mentions(("a",))):
            assert queries.count(tx, other, condition) == 0
