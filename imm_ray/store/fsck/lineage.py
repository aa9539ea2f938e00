"""I10 within one store: each id leads to what it has become, by a history without gaps."""

from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from imm_ray.store import tables
from imm_ray.store.fsck.rule import Rule, is_visible, of_dataset, visible_run

_CLUSTER = ("dataset_id", "kind", "cluster_id")


def _gaps() -> Select[Any]:
    """Return the query of runs whose events do not stand at positions from 0 on without a gap."""
    v = tables.cluster_event
    run = (v.c.dataset_id, v.c.kind, v.c.run)
    events, last = func.count().label("events"), func.max(v.c.position).label("last")
    query = select(*run, events, last).join_from(v, tables.dataset, of_dataset(v))
    query = query.where(v.c.run <= visible_run(v.c.kind)).group_by(*run)
    return query.having(or_(last + 1 != events, func.min(v.c.position) != 0))


def _retired_and_visible() -> Select[Any]:
    r, s = tables.retired_cluster, tables.cluster_state
    run = visible_run(r.c.kind)
    same = and_(
        s.c.dataset_id == r.c.dataset_id,
        s.c.kind == r.c.kind,
        s.c.cluster_id == r.c.cluster_id,
        s.c.from_run <= run,
        s.c.to_run > run,
    )
    query = select(r.c.dataset_id, r.c.kind, r.c.cluster_id, r.c.run)
    query = query.join_from(r, tables.dataset, of_dataset(r)).join(s, same)
    return query.where(r.c.run <= run, r.c.to_run > run, s.c.item_count > 0)


def _own_heir() -> Select[Any]:
    """Return the query of retired clusters that lead back to themselves, over one heir or none."""
    r = tables.retired_cluster
    heir = r.alias("heir")
    run = visible_run(r.c.kind)
    back = and_(
        heir.c.dataset_id == r.c.dataset_id,
        heir.c.cluster_id == r.c.into_id,
        heir.c.into_id == r.c.cluster_id,
        heir.c.run <= run,
        heir.c.to_run > run,
    )
    query = select(r.c.dataset_id, r.c.kind, r.c.cluster_id, r.c.into_id)
    query = query.join_from(r, tables.dataset, of_dataset(r)).outerjoin(heir, back)
    circle = or_(r.c.into_id == r.c.cluster_id, heir.c.cluster_id.is_not(None))
    return query.where(r.c.run <= run, r.c.to_run > run, circle)


def _retired_twice() -> Select[Any]:
    r = tables.retired_cluster
    one = (r.c.dataset_id, r.c.kind, r.c.cluster_id)
    run = visible_run(r.c.kind)
    query = select(*one, func.count().label("ends")).join_from(r, tables.dataset, of_dataset(r))
    query = query.where(r.c.run <= run, r.c.to_run > run)
    return query.group_by(*one).having(func.count() > 1)


def _unborn() -> Select[Any]:
    """Return the query of visible clusters of which the history knows nothing."""
    s, v = tables.cluster_state, tables.cluster_event
    told = and_(v.c.dataset_id == s.c.dataset_id, v.c.cluster_id == s.c.cluster_id)
    began = select(v.c.position).where(told, v.c.run <= s.c.from_run).exists()
    query = select(s.c.dataset_id, s.c.kind, s.c.cluster_id, s.c.from_run)
    query = query.join_from(s, tables.dataset, of_dataset(s))
    return query.where(is_visible(s), s.c.item_count > 0, ~began)


RULES = (
    Rule(
        invariant="I10",
        table=tables.cluster_event,
        key=("dataset_id", "kind", "run"),
        query=_gaps,
        what="the history of the run has {events} events up to position {last}",
    ),
    Rule(
        invariant="I10",
        table=tables.retired_cluster,
        key=_CLUSTER,
        query=_retired_and_visible,
        what="the cluster was given up in run {run}, yet it is visible",
    ),
    Rule(
        invariant="I10",
        table=tables.retired_cluster,
        key=_CLUSTER,
        query=_own_heir,
        what="the heir {into_id} leads back to the cluster itself",
    ),
    Rule(
        invariant="I10",
        table=tables.retired_cluster,
        key=_CLUSTER,
        query=_retired_twice,
        what="the cluster was given up {ends} times at once",
    ),
    Rule(
        invariant="I10",
        table=tables.cluster_state,
        key=_CLUSTER,
        query=_unborn,
        what="the cluster is visible since run {from_run}, and no event tells where it comes from",
    ),
)
