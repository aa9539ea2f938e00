"""The schema before bindings becomes the one with them; and what PostgreSQL is told."""

from pathlib import Path

from sqlalchemy import make_url

from imm_ray.model import DatasetId
from imm_ray.store import datasets, extent, migrate, projects, purge, tables, work
from imm_ray.store.database import Database
from tests.unit.store.test_migration import ROWS, migrate_to


def test_a_database_without_bindings_is_taken_over(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.write() as tx:
        migrate_to(tx, "0002")
        for row in ROWS:
            tx.exec_driver_sql(row)
    migrate.upgrade(database)
    migrate.require_current(database)
    with database.read() as tx:
        found = datasets.get(tx, "a", "p", "d")
        assert (found.bind_count, found.config) == (0, {})
        assert projects.get(tx, "a", "p").config == {}
        assert purge.waiting(tx) == []
        assert work.datasets_with_work(tx) == []
        assert work.datasets_with_work(tx, auto=True) == [DatasetId("d")]
    database.close()


def test_rows_are_deleted_before_those_that_they_refer_to() -> None:
    order = {table.name: place for place, table in enumerate(extent.of_datasets())}
    assert order["membership"] < order["file"] > order["figure"]
    assert order["cluster_state"] < order["cluster"]
    assert {"task", "dataset"}.isdisjoint(order)


def test_the_queries_of_json_are_also_postgresqls() -> None:
    text = str(
        work._to_cluster_by_themselves(True).compile(
            dialect=make_url("postgresql+psycopg://").get_dialect()(),
            compile_kwargs={"literal_binds": True},
        )
    )
    assert "#>>" in text
    assert tables.binding.name == "binding"
