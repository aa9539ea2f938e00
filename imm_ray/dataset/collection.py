"""The items of one kind in memory: their vectors, places in clusters, and what a run changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter

import numpy as np

from imm_ray.cluster.fixed import quantise, to_cosine
from imm_ray.cluster.founding import founds
from imm_ray.cluster.identity import keep_ids
from imm_ray.cluster.incremental import IncrementalClusterer, Run
from imm_ray.dataset.ports import Slots, VectorIndex
from imm_ray.dataset.representatives import Representatives
from imm_ray.model import NO_CLUSTER, ClusterId, FileId, Vector
from imm_ray.store.loading import Progress
from imm_ray.store.staging import Move, StatedCluster

_AT_ONCE = 2048
"""Items of one search: bounds the pairs in hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A figure or a picture with its vector."""

    item_id: str
    file_id: FileId
    seq: int
    vector: Vector
    is_good: bool
    """Whether it counts towards founding a cluster."""
    quality: float
    """The best of a cluster is its cover."""


@dataclass(frozen=True, slots=True)
class _Known:
    """What is kept of an item beside its vector."""

    item_id: str
    file_id: FileId
    is_good: bool
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRule:
    """Which groups are clusters, and what their ids and confidences are."""

    mint: Callable[[], ClusterId]
    smallest: int
    """A group of fewer items is no cluster, even if it was one."""
    good_to_found: int
    """Good items that a new cluster needs."""
    confidence: Callable[[float], float]
    """Maps a mean cosine to 0–1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run changes, computed from memory and not yet stored."""

    covered: tuple[int, ...] = ()
    moves: list[Move] = field(default_factory=list)
    clusters: list[StatedCluster] = field(default_factory=list)
    ledger: Mapping[str, int] = field(default_factory=dict)
    milliseconds: Mapping[str, float] = field(default_factory=dict)


class Collection:
    """Figures or pictures of one dataset.

    Notes
    -----
    An item is *new* until a run covers it. Items enter the index when they are stored and the
    neighbour graph when a run covers them, because an item that came after a task's watermark must
    not take part. After a restart nothing is in the graph; the first run that has anything to do
    builds it from all covered items, and finds the same groups again.
    """

    def __init__(
        self,
        index: VectorIndex,
        clusterer: IncrementalClusterer,
        representatives: Representatives,
        rule: GroupRule,
        *,
        dimension: int,
    ) -> None:
        self._index = index
        self._clusterer = clusterer
        self._representatives = representatives
        self._rule = rule
        self._search_cosine = clusterer.search_cosine(dimension)
        self._next_slot = 0
        self._next_photo = 0
        self._known: dict[int, _Known] = {}
        self._of_file: dict[FileId, list[int]] = {}
        self._photo_of: dict[FileId, int] = {}
        self._new: dict[int, int] = {}
        self._in_graph: set[int] = set()
        self._absent: set[int] = set()
        """Representatives of covered items that are not in the graph yet."""
        self._place: dict[str, ClusterId] = {}
        self._lost_items: set[ClusterId] = set()
        self._disturbed = False
        self._at = Progress(run=0, watermark=0)

    @property
    def run(self) -> int:
        """The number of the visible run."""
        return self._at.run

    def __len__(self) -> int:
        return len(self._known)

    def restore(self, at: Progress, places: Iterable[tuple[str, ClusterId]]) -> None:
        """Take over what is stored of earlier runs; call it before any `put`."""
        self._at = at
        self._place = dict(places)
        self._disturbed = at.disturbed

    def put(self, items: Iterable[Item]) -> None:
        """Add items of files that have none yet."""
        iterator = iter(items)
        while batch := list(islice(iterator, _AT_ONCE)):
            self._put(batch)

    def replace(
        self, file_id: FileId, items: Sequence[Item], *, forget_places: bool = False
    ) -> None:
        """Make ``items`` the file's only ones; an item id that stays keeps its place."""
        stay = set() if forget_places else {item.item_id for item in items}
        self._remove(self._of_file.pop(file_id, []), stay)
        self.put(items)

    def drop(self, file_ids: Iterable[FileId]) -> None:
        """Remove the items of deleted files.

        Even one whose items are unknown leaves something behind: it was deleted while this was
        loading.
        """
        self._disturbed = True
        gone = [slot for file_id in file_ids for slot in self._of_file.pop(file_id, [])]
        self._remove(gone, set())

    def plan(self, watermark: int) -> Plan:
        """Return what a run up to ``watermark`` changes; nothing when nothing came or went."""
        fresh = [slot for slot, seq in self._new.items() if seq <= watermark]
        if not (fresh or self._disturbed or self._lost_items):
            return Plan(ledger=_ledger(0, None, 0))
        begun = perf_counter()
        self._enter_graph(fresh)
        searched = perf_counter()
        run = self._clusterer.run()
        later = self._new.keys() - set(fresh)
        groups = [self._expand(group, later) for group in run.groups]
        moves, clusters = self._changes([group for group in groups if len(group)])
        clustered = perf_counter()
        return Plan(
            covered=tuple(fresh),
            moves=moves,
            clusters=clusters,
            ledger=_ledger(len(fresh), run, len(clusters)),
            milliseconds={
                "search": round(1e3 * (searched - begun), 1),
                "cluster": round(1e3 * (clustered - searched), 1),
            },
        )

    def settle(self, plan: Plan, at: Progress) -> None:
        """Take over a plan that has become visible."""
        for move in plan.moves:
            if move.cluster_id == NO_CLUSTER:
                self._place.pop(move.item_id, None)
            else:
                self._place[move.item_id] = move.cluster_id
        for slot in plan.covered:
            self._new.pop(slot, None)
        self._lost_items.clear()
        self._disturbed = False
        self._at = at

    def _put(self, items: Sequence[Item]) -> None:
        first = self._next_slot
        self._next_slot += len(items)
        slots = np.arange(first, self._next_slot, dtype=np.int64)
        vectors = np.stack([item.vector for item in items])
        stand_for = self._representatives.insert(slots, quantise(vectors))
        itself = stand_for == slots
        self._index.add(slots[itself], vectors[itself])
        for slot, item in zip(slots.tolist(), items, strict=True):
            self._known[slot] = _Known(item.item_id, item.file_id, item.is_good, item.quality)
            self._of_file.setdefault(item.file_id, []).append(slot)
            if item.file_id not in self._photo_of:
                self._photo_of[item.file_id] = self._next_photo
                self._next_photo += 1
            if item.seq > self._at.watermark:
                self._new[slot] = item.seq
            else:
                self._absent.add(int(stand_for[slot - first]))

    def _remove(self, slots: Sequence[int], stay: set[str]) -> None:
        """Forget slots; ``stay`` are the item ids that keep their places."""
        if not slots:
            return
        self._forget_vectors(np.array(slots, np.int64))
        for slot in slots:
            known = self._known.pop(slot)
            self._photo_of.pop(known.file_id, None)
            if self._new.pop(slot, None) is None:
                self._disturbed = True
            if known.item_id not in stay and (place := self._place.pop(known.item_id, None)):
                self._lost_items.add(place)

    def _forget_vectors(self, slots: Slots) -> None:
        """Take vectors out of index and graph; a duplicate may take the place of one."""
        departure = self._representatives.remove(slots)
        inherited = self._index.vectors(departure.predecessors)
        self._index.remove(departure.gone)
        self._leave_graph(departure.gone)
        self._index.add(departure.promoted, inherited)
        self._absent.difference_update(departure.gone.tolist())
        self._absent.update(filter(self._stands_for_covered, departure.promoted.tolist()))
        here = [slot for slot in departure.shrunk.tolist() if slot in self._in_graph]
        self._clusterer.touch(np.array(here, np.int64))

    def _stands_for_covered(self, head: int) -> bool:
        items = self._representatives.expand(np.array([head], np.int64)).tolist()
        return not self._new.keys() >= set(items)

    def _leave_graph(self, slots: Slots) -> None:
        here = [slot for slot in slots.tolist() if slot in self._in_graph]
        self._clusterer.remove(np.array(here, np.int64))
        self._in_graph.difference_update(here)

    def _enter_graph(self, fresh: Sequence[int]) -> None:
        """Bring every covered item into the graph, and have the fresh ones looked at."""
        heads = set(self._representatives.representatives(np.array(fresh, np.int64)).tolist())
        self._clusterer.touch(np.array(sorted(heads & self._in_graph), np.int64))
        absent = sorted((heads | self._absent) - self._in_graph)
        self._absent.clear()
        for start in range(0, len(absent), _AT_ONCE):
            self._insert(np.array(absent[start : start + _AT_ONCE], np.int64))

    def _insert(self, slots: Slots) -> None:
        found = self._index.within(self._index.vectors(slots), self._search_cosine)
        self._in_graph.update(slots.tolist())
        here = np.fromiter((slot in self._in_graph for slot in found.slots.tolist()), np.bool_)
        self._clusterer.insert(
            slots,
            _Pairs(found.query_rows[here], found.slots[here]),
            content_ids=self._representatives.content_ids(slots),
            photos=np.array(
                [self._photo_of[self._known[slot].file_id] for slot in slots.tolist()], np.int64
            ),
        )

    def _expand(self, group: Slots, later: set[int]) -> Slots:
        items = self._representatives.expand(group)
        if not later:
            return items
        return items[np.fromiter((slot not in later for slot in items.tolist()), np.bool_)]

    def _changes(self, groups: Sequence[Slots]) -> tuple[list[Move], list[StatedCluster]]:
        previous = {
            slot: place
            for group in groups
            for slot in group.tolist()
            if (place := self._place.get(self._known[slot].item_id)) is not None
        }
        large = [group for group in groups if len(group) >= self._rule.smallest]
        small = [group for group in groups if len(group) < self._rule.smallest]
        ids = keep_ids(previous, large, self._rule.mint, founds=self._founds)
        moves: list[Move] = []
        changed = set(self._lost_items)
        members: dict[ClusterId, Slots] = {}
        for group, cluster_id in [*zip(large, ids, strict=True), *((g, NO_CLUSTER) for g in small)]:
            mine = self._moves(group, cluster_id, previous)
            moves += mine
            members[cluster_id] = group
            if mine:
                changed.add(cluster_id)
            changed.update(previous[slot] for slot in group.tolist() if slot in previous and mine)
        changed.discard(NO_CLUSTER)
        existing = set(previous.values()) | self._lost_items
        stated = [
            StatedCluster(
                cluster_id, self._cover(members.get(cluster_id)), cluster_id not in existing
            )
            for cluster_id in sorted(changed)
        ]
        return moves, stated

    def _moves(
        self, group: Slots, cluster_id: ClusterId, previous: Mapping[int, ClusterId]
    ) -> list[Move]:
        moved = [
            (position, slot)
            for position, slot in enumerate(group.tolist())
            if previous.get(slot, NO_CLUSTER) != cluster_id
        ]
        if not moved:
            return []
        confidences = self._confidences(group) if cluster_id != NO_CLUSTER else [0.0] * len(group)
        return [
            Move(self._known[s].item_id, self._known[s].file_id, cluster_id, confidences[position])
            for position, s in moved
        ]

    def _confidences(self, group: Slots) -> list[float]:
        """Return how like the rest of its group each item is, 0–1: its mean similarity to them."""
        if len(group) == 1:
            return [1.0]
        heads = self._representatives.representatives(group)
        vectors = quantise(self._index.vectors(heads)).astype(np.int64)
        to_all = vectors @ vectors.sum(axis=0)
        to_itself = np.einsum("ij,ij->i", vectors, vectors)
        means = (to_all - to_itself) / (len(group) - 1)
        return [self._rule.confidence(to_cosine(mean)) for mean in means.tolist()]

    def _founds(self, group: Slots) -> bool:
        good = sum(self._known[slot].is_good for slot in group.tolist())
        return founds(good, existing=False, minimum=self._rule.good_to_found)

    def _cover(self, members: Slots | None) -> str:
        if members is None:
            return ""
        known = [self._known[slot] for slot in members.tolist()]
        return max(known, key=lambda item: (item.is_good, item.quality, item.item_id)).item_id


@dataclass(frozen=True, slots=True)
class _Pairs:
    query_rows: Slots
    slots: Slots


def _ledger(new: int, run: Run | None, changed: int) -> dict[str, int]:
    return {
        "items_new": new,
        "distances_computed": run.pairs_compared if run else 0,
        "components_touched": run.components_touched if run else 0,
        "items_reclustered": run.items_reclustered if run else 0,
        "clusters_changed": changed,
    }
