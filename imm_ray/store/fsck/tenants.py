"""I12: no row joins two accounts or two datasets."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule

_d, _p, _t = tables.dataset.c, tables.project.c, tables.task.c
_f, _g, _m = tables.file.c, tables.figure.c, tables.membership.c
_c, _s, _r = tables.cluster.c, tables.cluster_state.c, tables.retired_cluster.c
_e, _q, _w = tables.edit.c, tables.index_request.c, tables.index_request_file.c


def _split(
    child: Any, parent: Any, same: ColumnElement[bool], *key: str, more: Any = None
) -> Select[Any]:
    """Return the query of rows whose ``parent`` row is of another dataset."""
    columns = [child.c[name] for name in key]
    query = select(*columns, parent.c.dataset_id.label("other")).join_from(child, parent, same)
    differ = child.c.dataset_id != parent.c.dataset_id
    return query.where(differ if more is None else or_(differ, more))


def _of_no_project() -> Select[Any]:
    same = and_(_p.account == _d.account, _p.name == _d.project)
    query = select(_d.dataset_id).outerjoin_from(tables.dataset, tables.project, same)
    return query.where(_p.name.is_(None))


def _of_another_account(table: Any, key: str) -> Select[Any]:
    c = table.c
    query = select(c.dataset_id, c[key])
    query = query.join_from(table, tables.dataset, _d.dataset_id == c.dataset_id)
    return query.where(or_(c.account != _d.account, c.project != _d.project))


def _waits_for_a_stranger() -> Select[Any]:
    query = select(_w.event_id, _w.file_id, _f.dataset_id.label("other"))
    query = query.join_from(
        tables.index_request_file, tables.index_request, _q.event_id == _w.event_id
    ).join(tables.file, _f.file_id == _w.file_id)
    return query.where(_f.dataset_id != _q.dataset_id)


def _in_another_kind() -> Select[Any]:
    query = select(_m.dataset_id, _m.kind, _m.item_id, _c.dataset_id.label("other"))
    query = query.join_from(tables.membership, tables.cluster, _c.cluster_id == _m.cluster_id)
    return query.where(or_(_c.dataset_id != _m.dataset_id, _c.kind != _m.kind))


def _rule(table: Any, key: tuple[str, ...], query: Any, what: str) -> Rule:
    return Rule(invariant="I12", table=table, key=key, query=query, what=what)


RULES = (
    _rule(tables.dataset, ("dataset_id",), _of_no_project, "the dataset's project does not exist"),
    _rule(
        tables.task,
        ("dataset_id", "task_id"),
        lambda: _of_another_account(tables.task, "task_id"),
        "the task is of another account or project than its dataset",
    ),
    _rule(
        tables.index_request,
        ("dataset_id", "event_id"),
        lambda: _of_another_account(tables.index_request, "event_id"),
        "the request is of another account or project than its dataset",
    ),
    _rule(
        tables.figure,
        ("dataset_id", "figure_id"),
        lambda: _split(
            tables.figure, tables.file, _f.file_id == _g.file_id, "dataset_id", "figure_id"
        ),
        "the figure's file is of the dataset {other}",
    ),
    _rule(
        tables.file_label,
        ("dataset_id", "file_id"),
        lambda: _split(
            tables.file_label,
            tables.file,
            _f.file_id == tables.file_label.c.file_id,
            "dataset_id",
            "file_id",
        ),
        "the label's file is of the dataset {other}",
    ),
    _rule(
        tables.membership,
        ("dataset_id", "kind", "item_id"),
        lambda: _split(
            tables.membership,
            tables.file,
            _f.file_id == _m.file_id,
            *("dataset_id", "kind", "item_id"),
        ),
        "the file of the place is of the dataset {other}",
    ),
    _rule(
        tables.membership,
        ("dataset_id", "kind", "item_id"),
        _in_another_kind,
        "the cluster of the place is of the dataset {other}, or of another kind",
    ),
    _rule(
        tables.cluster_state,
        ("dataset_id", "kind", "cluster_id"),
        lambda: _split(
            tables.cluster_state,
            tables.cluster,
            _c.cluster_id == _s.cluster_id,
            *("dataset_id", "kind", "cluster_id"),
            more=_c.kind != _s.kind,
        ),
        "the cluster is of the dataset {other}, or of another kind",
    ),
    _rule(
        tables.retired_cluster,
        ("dataset_id", "cluster_id"),
        lambda: _split(
            tables.retired_cluster,
            tables.cluster,
            _c.cluster_id == _r.cluster_id,
            *("dataset_id", "cluster_id"),
            more=_c.kind != _r.kind,
        ),
        "the cluster is of the dataset {other}, or of another kind",
    ),
    _rule(
        tables.edit,
        ("dataset_id", "edit_id"),
        lambda: _split(tables.edit, tables.task, _t.task_id == _e.task_id, "dataset_id", "edit_id"),
        "the edit's task is of the dataset {other}",
    ),
    _rule(
        tables.index_request_file,
        ("event_id", "file_id"),
        _waits_for_a_stranger,
        "the request waits for a file of the dataset {other}",
    ),
)
