"""A database of an earlier version becomes one of this version, with what is in it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Float, bindparam, text
from sqlalchemy.types import NullType

from imm_ray.api.file_query import SimpleQuery, read_condition
from imm_ray.model import ClusterEvent, ClusterId, ClusterKind, DatasetId, EditKind, EventKind
from imm_ray.store import clusters, datasets, edits, lineage, migrate, ownership
from imm_ray.store.clusters import ClusterQuery
from imm_ray.store.database import Database, Tx
from imm_ray.store.query.page import page
from imm_ray.store.query.tree import Mentions
from imm_ray.testing import ManualClock

NOW = ManualClock()()
DATASET = DatasetId("d")

ROWS = (
    "INSERT INTO project (account, name, tags, quotas, created_at, updated_at) "
    "VALUES ('a', 'p', '{}', '{}', 0, 0)",
    "INSERT INTO dataset (dataset_id, account, project, name, quotas, workflow_parameters, seq, "
    "figure_run, created_at, updated_at) VALUES ('d', 'a', 'p', 'd', '{}', '[]', 5, 1, 0, 0)",
    "INSERT INTO cluster (cluster_id, dataset_id, kind, name, custom_labels, created_at) "
    "VALUES ('A', 'd', 'figure', 'Ann', '{}', 0)",
    "INSERT INTO cluster_state (dataset_id, kind, cluster_id, from_run, to_run, item_count, "
    f"image_count, updated_at) VALUES ('d', 'figure', 'A', 1, {2**62}, 3, 2, 0)",
)


def migrate_to(tx: Tx, revision: str) -> None:
    config = Config()
    folder = Path(migrate.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    config.attributes["connection"] = tx
    command.upgrade(config, revision)


def test_a_database_of_the_first_version_is_taken_over_with_its_rows(empty_url: str) -> None:
    database = Database(empty_url)
    with database.write() as tx:
        migrate_to(tx, "0001")
        for row in ROWS:
            tx.exec_driver_sql(row)
    migrate.upgrade(database)
    migrate.require_current(database)
    with database.write() as tx:
        (found,) = clusters.page_figure_clusters(tx, DATASET, ClusterQuery(), limit=9)
        assert (found.cluster_id, found.name, found.figure_count) == ("A", "Ann", 3)
        assert edits.add(tx, DATASET, EditKind.NAME, {}, NOW).seq == 6
        lease = ownership.take(tx, DATASET, "host", 1)
        happened = ClusterEvent(EventKind.NAMED, ClusterId("A"), ClusterId(""), ())
        lineage.stage(tx, lease, ClusterKind.FIGURE, 1, [happened], 0, now=NOW)
        assert len(lineage.history(tx, DATASET, ClusterId("A"), limit=9)) == 1
        assert lineage.resolve(tx, DATASET, ClusterId("A")) == "A"
    database.close()


def test_files_of_an_earlier_version_are_found_by_queries(empty_url: str) -> None:
    database = Database(empty_url)
    said = (
        '{"CustomLabels":{"City":"Köln","n":3,"t":true},"LatLong":"48.1,11.5","Title":"Straße",'
        '"Labels":[{"LabelName":"Tür"}],"Addresses":[{"City":"Bonn"}]}'
    )
    columns = "file_id, dataset_id, uri, revision, seq, status, attributes, exif, created_at"
    with database.write() as tx:
        migrate_to(tx, "0002")
        for row in ROWS[:2]:
            tx.exec_driver_sql(row)
        insert = f"INSERT INTO file ({columns}, updated_at, image_score, produce_time) "
        values = "VALUES (:id, 'd', :uri, 1, 1, 'Succeeded', :said, '{}', 0, 0, :score, :taken)"
        taken = "2020-01-01T00:00:00"
        rows = [
            ("f1", "oss://b/1.jpg", said, 0.5, taken),
            ("f2", "oss://b/2.jpg", "{}", None, taken),
        ]
        names = ("id", "uri", "said", "score", "taken")
        kinds = [bindparam("said", type_=NullType), bindparam("score", type_=Float)]
        statement = text(insert + values).bindparams(*kinds)
        tx.execute(statement, [dict(zip(names, row, strict=True)) for row in rows])
    migrate.upgrade(database)
    here = {"Field": "CustomLabels.n", "Operation": "gt", "Value": "2"}
    there = {"Field": "LatLong", "Operation": "geo-distance", "Value": "48.1,11.5;1"}
    then = {"Field": "ProduceTime", "Operation": "eq", "Value": "2020-01-01T00:00:00Z"}
    city = {"Field": "CustomLabels.city", "Operation": "eq", "Value": "KÖLN"}
    with database.read() as tx:
        dataset = datasets.by_id(tx, DATASET)
        assert dataset is not None
        conditions = [
            read_condition(SimpleQuery.model_validate(q)) for q in (here, there, then, city)
        ]
        for condition in (*conditions, Mentions(("strasse", "tür", "bonn", "true"))):
            (found,) = page(tx, dataset, condition, limit=9)
            assert found.file.uri == "oss://b/1.jpg"
    database.close()
