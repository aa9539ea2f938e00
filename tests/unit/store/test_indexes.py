"""Every look that the database takes by itself, or every few seconds, has an index."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Table, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex

from imm_ray.model import ClusterId
from imm_ray.store import extent, migrate, tables, work
from imm_ray.store.database import Database
from imm_ray.store.searchable import number_of
from tests.unit.store.test_migration import ROWS, migrate_to

TABLES = tables.metadata.sorted_tables


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'imm.db'}")
    migrate.upgrade(database)
    yield database
    database.close()


def keys(table: Table) -> list[list[str]]:
    """Return the columns of every index of a table that has all of its rows, in order."""
    of_all = [i for i in table.indexes if i.dialect_options["sqlite"]["where"] is None]
    unique = [c for c in table.constraints if c.__visit_name__ == "unique_constraint"]
    found = [[column.name for column in index.columns] for index in [*of_all, *unique]]  # type: ignore[attr-defined]
    return [*found, [column.name for column in table.primary_key.columns]]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_index_begins_with_the_columns_of_each_foreign_key(table: Table) -> None:
    for key in table.foreign_key_constraints:
        columns = [column.name for column in key.columns]
        begins = [sorted(index[: len(columns)]) for index in keys(table)]
        assert sorted(columns) in begins, f"deleting a parent scans all of {table.name}"


@pytest.mark.parametrize("table", extent.of_datasets(), ids=lambda table: table.name)
def test_the_rows_of_a_dataset_are_found_by_an_index(table: Table) -> None:
    assert "dataset_id" in [index[0] for index in keys(table)]


def test_a_migrated_database_has_the_indexes_of_the_tables(database: Database) -> None:
    with database.read() as tx:
        rows = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'index'")
        there = {name for (name,) in rows if not name.startswith("sqlite_autoindex")}
    assert there == {str(index.name) for table in TABLES for index in table.indexes}


def test_a_cluster_is_deleted_without_a_look_at_the_states_of_others(database: Database) -> None:
    with database.write() as tx:
        for row in ROWS:
            tx.exec_driver_sql(row)
        found = tx.exec_driver_sql(
            "EXPLAIN QUERY PLAN SELECT 1 FROM cluster_state WHERE cluster_id = ?", ("A",)
        )
        (plan,) = [row[3] for row in found]
        tx.execute(tables.cluster.delete().where(tables.cluster.c.cluster_id == ClusterId("A")))
        assert tx.execute(tables.cluster_state.select()).all() == []
    assert "USING COVERING INDEX ix_cluster_state_cluster_id" in plan


def test_what_waits_is_found_without_a_look_at_what_is_done(database: Database) -> None:
    asked: list[str] = []
    with database.read() as tx:
        event.listen(tx.engine, "before_cursor_execute", lambda _c, _cu, sql, *_: asked.append(sql))
        work.datasets_with_work(tx)
        (sql,) = asked
        values = tuple([False] * sql.count("?"))
        plan = [row[3] for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    for index in ("ix_file_pending", "ix_task_running", "ix_edit_pending"):
        assert any(index in step for step in plan), plan


def test_the_indexes_of_what_waits_are_partial_in_postgresql_too() -> None:
    (index,) = [i for i in tables.edit.indexes if i.name == "ix_edit_pending"]
    sql = str(CreateIndex(index).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert (
        sql == "CREATE INDEX ix_edit_pending ON edit (status, dataset_id) WHERE status = 'Pending'"
    )


def test_an_earlier_version_s_labels_become_the_numbers_that_new_ones_would(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.write() as tx:
        migrate_to(tx, "0002")
        for row in ROWS[:2]:
            tx.exec_driver_sql(row)
        tx.exec_driver_sql(
            "INSERT INTO file (file_id, dataset_id, uri, revision, seq, status, attributes, exif, "
            "created_at, updated_at) VALUES ('f', 'd', 'oss://b/1', 1, 1, 'Pending', "
            '\'{"CustomLabels":{"a":"1_0","b":"10"}}\', \'{}\', 0, 0)'
        )
    migrate.upgrade(database)
    with database.read() as tx:
        labels = {row.said: row.number for row in tx.execute(tables.file_label.select())}
    assert labels == {said: number_of(said) for said in ("1_0", "10")} == {"1_0": None, "10": 10.0}
    database.close()
