"""A dataset under test as its store shows it, and what must be true of it at any time."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from uuid import UUID

import numpy as np
from sqlalchemy import select

from imm_ray.cluster.base_clusterer import EXACT_ITEMS
from imm_ray.cluster.fixed import quantise
from imm_ray.model import (
    NO_CLUSTER,
    ClusterId,
    ClusterKind,
    ConstraintKind,
    EventKind,
    RecordedEvent,
)
from imm_ray.store import datasets, tables
from imm_ray.store.results import from_blob
from tests.unit.dataset.owner import FACE_LIMITS, InterruptedDatabase, Owner


@contextmanager
def opened(*, minimum: int = 2, exact_items: int = EXACT_ITEMS) -> Iterator[Owner]:
    """An owner whose writes can be interrupted, with the same ids every time."""
    ids = Random(0)

    def next_id() -> UUID:
        return UUID(int=ids.getrandbits(128), version=4)

    with TemporaryDirectory() as folder, patch("uuid.uuid4", next_id):
        owner = Owner(Path(folder), minimum=minimum, exact_items=exact_items)
        owner.engine_database = InterruptedDatabase(owner.url)
        owner.restart()
        try:
            yield owner
        finally:
            owner.engine_database.close()
            owner.database.close()


@dataclass(frozen=True, slots=True)
class State:
    """One visible cluster."""

    name: str
    figures: int
    images: int
    cover: str


@dataclass(frozen=True, slots=True)
class View:
    """What a client could read at one moment."""

    file_of: dict[str, str]
    """The file of each figure."""
    place: dict[str, ClusterId]
    """The cluster of each figure that is in one."""
    states: dict[ClusterId, State]
    pins: dict[str, ClusterId]
    """Only of figures that exist."""
    bans: set[tuple[str, ClusterId]]
    vectors: dict[str, Any] = field(repr=False)
    events: list[RecordedEvent] = field(repr=False)

    def members(self) -> dict[ClusterId, set[str]]:
        """The figures of each cluster."""
        found: dict[ClusterId, set[str]] = {}
        for figure_id, cluster_id in self.place.items():
            found.setdefault(cluster_id, set()).add(figure_id)
        return found


def look(owner: Owner) -> View:
    """Read everything at once."""
    g, m, s, c, k = (
        tables.figure.c,
        tables.membership.c,
        tables.cluster_state.c,
        tables.cluster.c,
        tables.figure_constraint.c,
    )
    with owner.database.read() as tx:
        run = datasets.visible_run(tx, owner.dataset_id, ClusterKind.FIGURE)
        figures = tx.execute(select(g.figure_id, g.file_id, g.vector)).all()
        here = (m.kind == ClusterKind.FIGURE, m.from_run <= run, m.to_run > run)
        members = tx.execute(select(m.item_id, m.cluster_id).where(*here)).all()
        visible = (s.kind == ClusterKind.FIGURE, s.from_run <= run, s.to_run > run)
        states = tx.execute(
            select(tables.cluster_state, c.name)
            .join(tables.cluster, c.cluster_id == s.cluster_id, isouter=True)
            .where(*visible, s.item_count > 0)
        ).all()
        laid_down = tx.execute(select(k.item_id, k.cluster_id, k.kind)).all()
        staged = tx.execute(select(m.item_id).where(m.from_run > run)).all()
        ended = tx.execute(select(m.item_id).where(m.to_run <= run)).all()
    assert not staged, "a drained owner leaves nothing staged"
    assert not ended, "and nothing to sweep"
    assert len(members) == len({row.item_id for row in members}), "a figure is in two clusters"
    assert all(row.name is not None for row in states), "a visible cluster has no row"
    exist = {row.figure_id for row in figures}
    return View(
        file_of={row.figure_id: row.file_id for row in figures},
        place={row.item_id: ClusterId(row.cluster_id) for row in members},
        states={
            ClusterId(row.cluster_id): State(
                row.name, row.item_count, row.image_count, row.cover_item
            )
            for row in states
        },
        pins={
            row.item_id: ClusterId(row.cluster_id)
            for row in laid_down
            if row.kind == ConstraintKind.PIN and row.item_id in exist
        },
        bans={
            (row.item_id, ClusterId(row.cluster_id))
            for row in laid_down
            if row.kind == ConstraintKind.BAN and row.item_id in exist
        },
        vectors={row.figure_id: from_blob(row.vector) for row in figures},
        events=owner.events(),
    )


def assert_counts_hold(view: View) -> None:
    """Clusters say of themselves what the figures say of them."""
    members = view.members()
    assert view.states.keys() == members.keys()
    for cluster_id, state in view.states.items():
        inside = members[cluster_id]
        assert state.figures == len(inside)
        assert state.images == len({view.file_of[figure_id] for figure_id in inside})
        assert state.cover in inside, "a cover is a member"


def assert_constraints_hold(view: View) -> None:
    """Every pinned figure is in its cluster, and no banned one."""
    for figure_id, cluster_id in view.pins.items():
        assert view.place.get(figure_id) == cluster_id, f"{figure_id} is pinned"
    for figure_id, cluster_id in view.bans:
        assert view.place.get(figure_id) != cluster_id, f"{figure_id} is banned"


def assert_lineage_tells_all(view: View) -> None:
    """What happened, in order, leads from nothing to what there is now."""
    place: dict[str, ClusterId] = {}
    for event in view.events:
        for figure_id in event.items:
            was = place.get(figure_id, NO_CLUSTER)
            if event.event is EventKind.LEFT:
                assert was == event.cluster_id
                place[figure_id] = NO_CLUSTER
            else:
                assert was == event.other_id
                place[figure_id] = event.cluster_id
    told = {f: c for f, c in place.items() if f in view.file_of and c != NO_CLUSTER}
    assert told == view.place


def assert_ids_lead_somewhere(owner: Owner, view: View) -> None:
    """Every id that ever was leads to itself, to a living heir, or to nobody."""
    for cluster_id in {event.cluster_id for event in view.events}:
        end = owner.resolve(cluster_id)
        assert end in view.states or end is None
        assert (end == cluster_id) == (cluster_id in view.states)


def twice_in_a_photo(view: View) -> Iterator[tuple[ClusterId, str, str]]:
    """Pairs of figures of one photo and one person that do not look like mirror images."""
    photos: dict[str, list[str]] = {}
    for figure_id, file_id in view.file_of.items():
        photos.setdefault(file_id, []).append(figure_id)
    for figures in photos.values():
        for a, b in combinations(figures, 2):
            if view.place.get(a, a) == view.place.get(b, b):
                first, second = quantise(np.stack((view.vectors[a], view.vectors[b]))).astype(int)
                if first @ second < FACE_LIMITS.same_photo:
                    yield view.place[a], a, b


def partition(places: Mapping[str, ClusterId], among: Iterable[str]) -> Counter[frozenset[str]]:
    """The groups of two and more."""
    groups: dict[ClusterId, set[str]] = {}
    for item in among:
        if item in places:
            groups.setdefault(places[item], set()).add(item)
    return Counter(frozenset(group) for group in groups.values() if len(group) > 1)


def is_grown(before: Sequence[RecordedEvent], after: Sequence[RecordedEvent]) -> bool:
    """Whether nothing that happened was changed."""
    return list(after[: len(before)]) == list(before)
