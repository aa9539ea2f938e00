"""The items of one kind, and what a run makes of them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from imm_ray.cluster.run import Group, Run, Work
from imm_ray.dataset.holdings import Holdings
from imm_ray.dataset.ledger import ledger_of
from imm_ray.dataset.lineage import events_of
from imm_ray.dataset.places import NOBODY, Assignment, GroupRule
from imm_ray.dataset.plan import Draft, Plan, Stopwatch
from imm_ray.dataset.ports import Clusterer, Slots, VectorIndex
from imm_ray.dataset.representatives import Representatives
from imm_ray.model import ClusterId
from imm_ray.store.loading import Progress

_GROWTH = 1.1  # a consolidation is due when so many items are here for each one at the last


class Collection(Holdings):
    """Figures or pictures of one dataset.

    Notes
    -----
    After a restart without a snapshot nothing is in the graph; the first run that has anything to
    do builds it from all covered items and consolidates. A plan that is not settled (the run was
    stopped, or an edit came) changes no place; the next one looks at the same items again.
    """

    def __init__(
        self,
        index: VectorIndex,
        clusterer: Clusterer,
        representatives: Representatives,
        rule: GroupRule,
    ) -> None:
        super().__init__(index, clusterer, representatives, rule)
        self._rule = rule
        self.has_consolidated = False
        """Whether all groups were formed anew since the last `settle`."""
        self.consolidations = 0
        """How often all groups were formed anew so far."""
        self._brought_in = Work()
        """What `bring_in` has cost since the last plan."""

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

    @property
    def wants_consolidation(self) -> bool:
        """Whether a consolidation may improve what is visible."""
        return self._clusterer.is_approximate

    def found_with(self, good: int) -> None:
        """Let new clusters need ``good`` good items from the next plan on.

        It looks at every group, not only at those that something has come to.
        """
        self._outstanding.regroup |= self.places.found_with(good)

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
        news = len(fresh) or self._outstanding.concerns_a_run()
        if not (news or consolidate or always):
            return Plan(ledger=self._ledger(None))
        clock = Stopwatch()
        if self.watcher is not None:
            self.watcher.renew_anchors()
        rebuilt = self.entrance.enter(self.heads(fresh), self.watcher)
        clock.lap("graph")
        run = self._run(consolidate=consolidate or rebuilt or self._outstanding.regroup)
        later = None if len(fresh) == len(self._outstanding.seq_of_new) else watermark
        groups = [Group(self._expand(g.slots, later), g.owner) for g in run.groups]
        clock.lap("cluster")
        banned = NOBODY
        if self.watcher is not None:
            groups += [g for g in self.watcher.misplaced() if self._is_later(g.slots, watermark)[0]]
            banned = self.watcher.banned()
        assignment = self.places.assign(groups, set(protected), banned)
        self._outstanding.unsettled.update(assignment.slots.tolist())
        plan = self._planned(fresh, assignment, list(restored), run, clock)
        clock.lap("assign")
        return plan

    def abandon(self, plan: Plan) -> None:
        """Take what a stopped run has brought into the graph out again, until another covers it."""
        heads = self._representatives.representatives(plan.covered)
        items = self.items.entries(
            plan.covered,
            [self._outstanding.seq_of_new[slot] for slot in plan.covered.tolist()],
            self.index.vectors(heads),
        )
        self._take_out(plan.covered)
        self.put(items)

    def settle(self, plan: Plan, at: Progress) -> None:
        """Take over a plan that has become visible."""
        if plan.assignment is not None:
            alive = self.items.alive[plan.assignment.slots]
            self.places.put(plan.assignment.slots[alive], plan.assignment.becomes[alive])
        self._outstanding.settle(plan.covered.tolist())
        self.has_consolidated = False
        self._at = at
        self.items.release(self._clusterer.freed())

    def bring_in(self) -> None:
        """Have every covered item in the graph and its groups known: a restart forgets them.

        Edits and anchors look at them. What differs from the groups that are visible is looked at
        again by the next plan.
        """
        if self.entrance.enter(np.empty(0, np.int64), self.watcher):
            run = self._consolidated()
            self._brought_in.add(run.work)
            self.touch(self.places.differing(run.groups))

    def _run(self, *, consolidate: bool) -> Run:
        unsettled = np.array(sorted(self._outstanding.unsettled), np.int64)
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
        self.entrance.must_consolidate = False
        self.has_consolidated = True
        self.consolidations += 1
        return self._clusterer.consolidate()

    def _due(self, watermark: int) -> Slots:
        """Return the items that a run up to a watermark covers first."""
        if watermark <= self._at.watermark:  # what came until then is covered
            return np.empty(0, np.int64)
        return self._outstanding.due(watermark)

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
        emptied = {n for n in self._outstanding.lost if not self.places.size(n)}
        emptied -= set(assignment.becomes.tolist())
        clusters = draft.clusters(assignment, self._outstanding.lost, emptied)
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

    def rebuild(self) -> bool:
        """Bring covered items that are absent into the graph for a second; return if any are left.

        A run does so too, for all of them at once: this is for the many that are absent after a
        restart without a snapshot, so that there can be a snapshot, and answers, in between.
        """
        return self.entrance.rebuild(self.watcher)
