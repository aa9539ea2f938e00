"""The items of one kind in memory: vectors, groups, places in clusters, and what a run changes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors, fixed_of, quantise
from imm_ray.cluster.run import Group, Run, Work
from imm_ray.dataset.intake import Intake
from imm_ray.dataset.items import Item, ItemTable, portions
from imm_ray.dataset.ledger import ledger_of
from imm_ray.dataset.lineage import events_of
from imm_ray.dataset.places import NOBODY, NOWHERE, Assignment, GroupRule, Places
from imm_ray.dataset.plan import Draft, Plan, Stopwatch
from imm_ray.dataset.ports import Clusterer, Slots, VectorIndex
from imm_ray.dataset.representatives import Representatives, expand_each
from imm_ray.dataset.watcher import Watcher
from imm_ray.model import NO_CLUSTER, ClusterId, FileId
from imm_ray.store.loading import Progress

_PUT_AT_ONCE = 2048
_GROWTH = 1.1  # a consolidation is due when so many items are here for each one at the last


class Collection:
    """Figures or pictures of one dataset.

    Notes
    -----
    An item is *new* until a run covers it. Items enter the index when they are stored and the
    neighbour graph when a run covers them, because an item that came after a task's watermark must
    not take part. After a restart nothing is in the graph; the first run that has anything to do
    builds it from all covered items and consolidates. A plan that is not settled (the run was
    stopped, or an edit came) changes no place; the next one looks at the same items again.
    """

    def __init__(
        self,
        index: VectorIndex,
        clusterer: Clusterer,
        representatives: Representatives,
        rule: GroupRule,
    ) -> None:
        self.index = index
        self.items = ItemTable()
        self.places = Places(self.items, rule)
        self._clusterer = clusterer
        self._representatives = representatives
        self._rule = rule
        self._intake = Intake(index, clusterer, self.items, representatives.may_be_equal)
        self._new: dict[int, int] = {}
        self._absent: set[int] = set()
        """Representatives of covered items that are not in the graph yet."""
        self._stored: dict[str, ClusterId] = {}
        """Clusters, as stored, of items that have not been loaded yet."""
        self._lost_items: set[int] = set()
        self._unsettled: set[int] = set()
        self._disturbed = False
        """Groups have been formed that no plan has looked at."""
        self._regroup = False
        """Groups may be clusters now that were none when a plan looked at them."""
        self._consolidated_at = 0
        self._brought_in = Work()
        """What `bring_in` has cost since the last plan."""
        self.watcher: Watcher | None = None
        """Is told of items that come into the graph or go for good."""
        self._at = Progress(run=0, watermark=0)

    def fixed(self, slots: Slots) -> FixedVectors:
        """Return the fixed-point vectors of slots."""
        return fixed_of(self.index.wide(slots))

    @property
    def at(self) -> Progress:
        """The visible run and its watermark."""
        return self._at

    @property
    def threshold(self) -> float:
        """The cosine from which on two groups are one."""
        return self._clusterer.threshold_cosine

    @property
    def search_cosine(self) -> float:
        """What to ask the index for to miss nothing at the threshold."""
        return self._clusterer.search_cosine

    def confidence(self, cosine: float) -> float:
        """Return a cosine on the calibrated scale, within 0–1."""
        return self._rule.confidence(cosine)

    def alike(self, heads: Slots) -> tuple[Slots, Slots]:
        """Return the items that representatives stand for, and the place in ``heads`` of each."""
        return expand_each(self._representatives, heads)

    def heads(self, slots: Slots) -> Slots:
        """Return the representatives of items."""
        return self._representatives.representatives(slots)

    def is_new(self, slot: int) -> bool:
        """Return whether no run has covered an item yet."""
        return slot in self._new

    @property
    def wants_consolidation(self) -> bool:
        """Whether a consolidation may improve what is visible."""
        return self._clusterer.is_approximate

    def __len__(self) -> int:
        return len(self.items)

    def restore(self, at: Progress, places: Iterable[tuple[str, ClusterId]]) -> None:
        """Take over what is stored of earlier runs; call it before any `put`."""
        self._at = at
        self._stored = dict(places)
        self._disturbed = at.disturbed

    def found_with(self, good: int) -> None:
        """Let new clusters need ``good`` good items from the next plan on.

        It looks at every group, not only at those that something has come to.
        """
        self._regroup |= self.places.found_with(good)

    def put(self, items: Iterable[Item]) -> None:
        """Add items of files that have none yet."""
        for batch in portions(items, _PUT_AT_ONCE):
            self._put(batch)

    def replace(
        self, file_id: FileId, items: Sequence[Item], *, forget_places: bool = False
    ) -> None:
        """Make ``items`` the file's only ones; an item id that stays keeps its place."""
        old = self.items.of_file(file_id)
        stay = set() if forget_places else {item.item_id for item in items}
        staying = np.array([item_id in stay for item_id in self.items.item_ids(old)], np.bool_)
        self._remove(old[~staying])
        self._take_out(old[staying])
        self.put(items)

    def drop(self, file_ids: Iterable[FileId]) -> None:
        """Remove the items of deleted files.

        Even one whose items are unknown leaves something behind: it was deleted while this was
        loading.
        """
        self._disturbed = True
        for file_id in file_ids:
            self._remove(self.items.of_file(file_id))

    def mourn(self, emptied: Iterable[ClusterId]) -> None:
        """Have the next run tell of the end of clusters that nothing else here remembers."""
        self._lost_items.update(map(self.places.number, emptied))

    def tend(self) -> bool:
        """Do a bounded step of upkeep that is due; return whether more is."""
        return self.index.tend()

    def plan(
        self,
        watermark: int,
        *,
        protected: Iterable[int] = (),
        restored: Iterable[ClusterId] = (),
        consolidate: bool = False,
        always: bool = False,
    ) -> Plan:
        """Return what a run up to ``watermark`` changes; nothing when nothing came or went.

        Parameters
        ----------
        protected
            Clusters, by number, that only their owner's group may be.
        restored
            Retired clusters that an undo brings back.
        consolidate
            Whether to cluster everything anew.
        always
            Whether to look even if nothing came or went: a constraint has changed.
        """
        fresh = self._due(watermark)
        news = len(fresh) or self._disturbed or self._unsettled or self._lost_items or self._regroup
        if not (news or consolidate or always):
            return Plan(ledger=self._ledger(None))
        clock = Stopwatch()
        if self.watcher is not None:
            self.watcher.renew_anchors()
        rebuilt = self._enter_graph(fresh)
        clock.lap("graph")
        run = self._run(consolidate=consolidate or rebuilt or self._regroup)
        later = None if len(fresh) == len(self._new) else watermark
        groups = [Group(self._expand(g.slots, later), g.owner) for g in run.groups]
        clock.lap("cluster")
        banned = NOBODY
        if self.watcher is not None:
            groups += [g for g in self.watcher.misplaced() if self._is_later(g.slots, watermark)[0]]
            banned = self.watcher.banned()
        assignment = self.places.assign(groups, set(protected), banned)
        self._unsettled.update(assignment.slots.tolist())
        plan = self._planned(fresh, assignment, list(restored), run, clock)
        clock.lap("assign")
        return plan

    def abandon(self, plan: Plan) -> None:
        """Take what a stopped run has brought into the graph out again, until another covers it."""
        heads = self._representatives.representatives(plan.covered)
        items = self.items.entries(
            plan.covered,
            [self._new[slot] for slot in plan.covered.tolist()],
            self.index.vectors(heads),
        )
        self._take_out(plan.covered)
        self.put(items)

    def settle(self, plan: Plan, at: Progress) -> None:
        """Take over a plan that has become visible."""
        if plan.assignment is not None:
            alive = self.items.alive[plan.assignment.slots]
            self.places.put(plan.assignment.slots[alive], plan.assignment.becomes[alive])
        for slot in plan.covered.tolist():
            self._new.pop(slot, None)
        self._lost_items.clear()
        self._unsettled.clear()
        self._disturbed = self._regroup = False
        self._at = at
        self.items.release(self._clusterer.freed())

    def bring_in(self) -> None:
        """Have every covered item in the graph and its groups known: a restart forgets them.

        Edits and anchors look at them. What differs from the groups that are visible is looked at
        again by the next plan.
        """
        if self._enter_graph(np.empty(0, np.int64)):
            run = self._consolidated()
            self._brought_in.add(run.work)
            self.touch(self.places.differing(run.groups))

    def touch(self, slots: Slots) -> None:
        """Have the next plan look at the groups of ``slots``."""
        self._unsettled.update(slots.tolist())

    def is_in_graph(self, slot: int) -> bool:
        """Return whether a run has covered an item."""
        return bool(self.items.in_graph[slot])

    def are_new(self, slots: Slots) -> NDArray[np.bool_]:
        """Return which items no run has covered."""
        return self._is_later(slots, self._at.watermark)

    def _put(self, items: Sequence[Item]) -> None:
        slots = self.items.add(items)
        vectors = np.stack([item.vector for item in items])
        stand_for = self._representatives.insert(slots, quantise(vectors))
        itself = stand_for == slots
        self.index.add(slots[itself], vectors[itself])
        clusters = [self._stored.pop(item.item_id, NO_CLUSTER) for item in items]
        numbers = [self.places.number(c) if c != NO_CLUSTER else NOWHERE for c in clusters]
        self.places.put(slots, np.array(numbers, np.int32))
        for place, (slot, item) in enumerate(zip(slots.tolist(), items, strict=True)):
            if item.seq > self._at.watermark:
                self._new[slot] = item.seq
            else:
                self._absent.add(int(stand_for[place]))

    def _take_out(self, slots: Slots) -> None:
        """Forget items that are about to come back, and then to where they are."""
        ids, places = self.items.item_ids(slots), self.places.of(slots).tolist()
        self._remove(slots, keep_places=True)
        self._stored |= {
            item_id: self.places.cluster_id(place)
            for item_id, place in zip(ids, places, strict=True)
            if place != NOWHERE
        }

    def _remove(self, slots: Slots, *, keep_places: bool = False) -> None:
        """Forget items; their clusters lose them, unless they are about to come back."""
        if not len(slots):
            return
        heads = self._forget_vectors(slots)
        for slot in slots.tolist():
            if self._new.pop(slot, None) is None:
                self._disturbed = True
            self._unsettled.discard(slot)
        if self.watcher is not None:
            leave = self.watcher.step_out if keep_places else self.watcher.leave
            leave(self.items.item_ids(slots))
        if not keep_places:
            self._lost_items.update(set(self.places.of(slots).tolist()) - {NOWHERE})
        self.places.put(slots, np.zeros(len(slots), np.int32))
        self.items.remove(slots)
        self.items.release(slots[~np.isin(slots, heads)])

    def _forget_vectors(self, slots: Slots) -> Slots:
        """Take vectors out of graph and index; a duplicate may take the place of one.

        Return the slots that the clusterer will free.
        """
        departure = self._representatives.remove(slots)
        in_graph = departure.gone[self.items.in_graph[departure.gone]]
        inherited = self.index.vectors(departure.predecessors)
        self._clusterer.remove(in_graph)
        self.items.in_graph[in_graph] = False
        self.index.remove(departure.gone)
        self.index.add(departure.promoted, inherited)
        self._absent.difference_update(departure.gone.tolist())
        self._absent.update(filter(self._stands_for_covered, departure.promoted.tolist()))
        here = departure.shrunk[self.items.in_graph[departure.shrunk]]
        self._clusterer.touch(here)
        return in_graph

    def _stands_for_covered(self, head: int) -> bool:
        items = self._representatives.expand(np.array([head], np.int64)).tolist()
        return not self._new.keys() >= set(items)

    def _enter_graph(self, fresh: Slots) -> bool:
        """Bring every covered item into the graph; return whether most were not there."""
        heads = self._representatives.representatives(fresh)
        here = self.items.in_graph[heads]
        self._clusterer.touch(np.unique(heads[here]))
        absent = np.union1d(heads[~here], np.array(sorted(self._absent), np.int64))
        absent = absent[~self.items.in_graph[absent]]
        rebuilt = len(self._absent) > len(self._clusterer)
        self._absent.clear()
        for slots in self._intake.insert(absent):
            if self.watcher is not None:
                self.watcher.enter(slots)
        self._intake.refill()
        return rebuilt

    def _run(self, *, consolidate: bool) -> Run:
        unsettled = np.array(sorted(self._unsettled), np.int64)
        heads = self._representatives.representatives(unsettled)
        self._clusterer.touch(np.unique(heads[self.items.in_graph[heads]]))
        before, self._brought_in = self._brought_in, Work()
        if not consolidate:
            run = self._clusterer.run()
            run.work.add(before)
            grown = len(self._clusterer) > _GROWTH * self._consolidated_at
            if not (grown and self._clusterer.is_approximate):
                return run
            before = run.work
        again = self._consolidated()
        again.work.add(before)
        return again

    def _consolidated(self) -> Run:
        self._consolidated_at = len(self._clusterer)
        return self._clusterer.consolidate()

    def _due(self, watermark: int) -> Slots:
        """Return the items that a run up to a watermark covers first."""
        if watermark <= self._at.watermark:  # what came until then is covered
            return np.empty(0, np.int64)
        return np.array([slot for slot, seq in self._new.items() if seq <= watermark], np.int64)

    def _is_later(self, slots: Slots, watermark: int) -> NDArray[np.bool_]:
        """Return which items came after a watermark."""
        return np.fromiter((self._new.get(s, 0) > watermark for s in slots.tolist()), np.bool_)

    def _expand(self, group: Slots, later: int | None) -> Slots:
        """Return the items that a group stands for, without those that came later."""
        items = self._representatives.expand(group)
        return items if later is None else items[~self._is_later(items, later)]

    def _planned(
        self,
        fresh: Slots,
        assignment: Assignment,
        restored: list[ClusterId],
        run: Run,
        clock: Stopwatch,
    ) -> Plan:
        draft = Draft(
            self.items, self.places, self._representatives, self._clusterer.means, self._rule
        )
        emptied = {n for n in self._lost_items if not self.places.size(n)}
        emptied -= set(assignment.becomes.tolist())
        clusters = draft.clusters(assignment, self._lost_items, emptied)
        events, retirements = events_of(
            assignment,
            self.places,
            emptied=emptied,
            restored={self.places.number(cluster_id) for cluster_id in restored},
            item_ids=self.items.item_ids,
        )
        return Plan(
            covered=fresh,
            assignment=assignment,
            moves=draft.moves(assignment),
            clusters=clusters,
            events=events,
            retirements=retirements,
            restored=restored,
            concentration=draft.concentration(fresh, assignment),
            ledger=self._ledger(run, new=len(fresh), changed=len(clusters)),
            milliseconds=clock.laps,
        )

    def _ledger(self, run: Run | None, *, new: int = 0, changed: int = 0) -> dict[str, Any]:
        stored = len(self)
        return ledger_of(self._clusterer, self.index, run, new=new, changed=changed, stored=stored)
