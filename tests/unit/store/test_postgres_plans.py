"""What is asked most often begins with an index in PostgreSQL too."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import event

from imm_ray.api.file_query import SimpleQuery, read_condition
from imm_ray.store import clusters, datasets, outbox, projects, results, tasks, work
from imm_ray.store.clusters import ClusterQuery
from imm_ray.store.database import Tx
from imm_ray.store.query import page as queries
from tests.postgres import Databases
from tests.unit.store.album import Album


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, postgres: Databases) -> Iterator[Album]:
    with postgres.fresh() as url:
        album = Album(tmp_path_factory.mktemp("plans"), url)
        album.index("a0", "a1", "b0", "b1")
        album.run({"A": ["a0", "a1"], "B": ["b0", "b1"]})
        _fill(album)
        yield album
        album.database.close()


def _fill(album: Album) -> None:
    """Add many more places in clusters, so that it matters by which index they are found."""
    with album.database.write() as tx:
        tx.exec_driver_sql(
            "INSERT INTO membership SELECT dataset_id, kind, 'm' || n, from_run, to_run, "
            "'C' || mod(n, 500), file_id, confidence FROM membership, generate_series(1, 2000) n "
            "WHERE item_id = (SELECT min(item_id) FROM membership)"
        )
        tx.exec_driver_sql("ANALYZE")


def plans(album: Album, ask: Callable[[Tx], object]) -> str:
    """Return the plans of what ``ask`` runs, in which an index is read if one can be."""
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, sql: str, given: object, *_: object) -> None:
        asked.append((sql, given))

    with album.database.read() as tx:
        event.listen(tx.engine, "before_cursor_execute", note)
        ask(tx)
        event.remove(tx.engine, "before_cursor_execute", note)
        tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
        lines = [
            line
            for sql, given in asked
            for (line,) in tx.exec_driver_sql(f"EXPLAIN {sql}", given)  # type: ignore[arg-type]
        ]
    return "\n".join(lines)


def named(album: Album) -> Callable[[Tx], object]:
    leaf = {"Field": "Figures.FigureClusterId", "Operation": "eq", "Value": "A"}
    condition = read_condition(SimpleQuery.model_validate(leaf))
    return lambda tx: queries.page(tx, datasets.get(tx, "a", "p", "d"), condition, limit=9)


ASKED: dict[str, tuple[Callable[[Album], Callable[[Tx], object]], tuple[str, ...]]] = {
    "files that wait": (
        lambda a: lambda tx: results.pending(tx, a.dataset_id, limit=9),
        ("ix_file_",),
    ),
    "who has work": (
        lambda a: work.datasets_with_work,
        ("ix_file_pending", "ix_task_running", "ix_edit_pending"),
    ),
    "what an account waits for": (
        lambda a: lambda tx: work.pending_of_account(tx, "a"),
        ("ix_file_pending", "ix_task_running", "ix_edit_pending"),
    ),
    "the oldest task": (
        lambda a: lambda tx: tasks.oldest_running(tx, a.dataset_id),
        ("ix_task_",),
    ),
    "messages that are due": (
        lambda a: lambda tx: outbox.due(tx, a.clock() + timedelta(days=1), limit=9, topics=["t"]),
        ("ix_outbox_topic_dead_next_attempt_at",),
    ),
    "files of a person": (named, ("ix_membership_dataset_id_kind_cluster_id",)),
    "a page of people": (
        lambda a: (
            lambda tx: clusters.page_figure_clusters(tx, a.dataset_id, ClusterQuery(), limit=9)
        ),
        ("cluster_state",),
    ),
    "projects that begin so": (
        lambda a: lambda tx: projects.page(tx, "a", limit=9, prefix="p"),
        ("pk_project",),
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_index_is_read(album: Album, name: str) -> None:
    ask, indexes = ASKED[name]
    plan = plans(album, ask(album))
    for index in indexes:
        assert index in plan
    assert "Seq Scan" not in plan


def test_a_prefix_is_a_range_of_the_index(album: Album) -> None:
    plan = plans(album, lambda tx: projects.page(tx, "a", limit=9, prefix="p"))
    assert "name >= 'p'" in plan.split("Filter")[0] or "(name >= " in plan
