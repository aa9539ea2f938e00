"""The book of constraints: what edits have laid down, kept in step with the clusterer."""

from collections.abc import Iterable, Mapping, Set

import numpy as np

from imm_ray.cluster.explanation import Explanation
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.run import Group
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.places import NOWHERE
from imm_ray.dataset.ports import Slots
from imm_ray.model import NO_CLUSTER, ClusterId, Constraint, ConstraintKind

NO_BASE = -1

_EMERGENCY_ANCHORS = 8


class Book:
    """Pins and bans of a dataset's figures.

    Notes
    -----
    A cluster with a pin is *protected*: no run gives its id to another group, and while it has any
    figure one of them is pinned to it. An edit pins one figure of each of its base clusters, the
    most central; when that figure is deleted another one takes its place before the next run.
    Changes are collected until a run has made them durable.
    """

    def __init__(self, figures: Collection, clusterer: FigureClusterer) -> None:
        self._figures = figures
        self._clusterer = clusterer
        self._pins: dict[str, Constraint] = {}
        self._bans: dict[tuple[str, ClusterId], Constraint] = {}
        self._by_cluster: dict[tuple[ConstraintKind, ClusterId], dict[str, Constraint]] = {}
        """The same pins and bans by cluster and figure."""
        self._named: set[ClusterId] = set()
        self._unanchored: set[ClusterId] = set()
        self._heirs: dict[ClusterId, ClusterId] = {}
        """Where merges and undone merges lead that no run has made visible yet."""
        self._added: dict[Constraint, None] = {}
        self._removed: dict[Constraint, None] = {}
        self._said: set[str] = set()

    @property
    def added(self) -> list[Constraint]:
        """What was laid down since the last `settle`, and stands."""
        return list(self._added)

    @property
    def removed(self) -> list[Constraint]:
        """What was taken back since the last `settle`."""
        return list(self._removed)

    def said(self) -> set[str]:
        """Return the figures of which something was said since this was asked last."""
        said, self._said = self._said, set()
        return said

    def load(self, constraints: Iterable[Constraint], named: Iterable[ClusterId]) -> None:
        """Take over what is stored, once the figures are loaded."""
        for constraint in constraints:
            self._write(constraint)
        self._named = set(named)
        present = self._present()
        self.leave([item_id for item_id in self._pins if item_id not in present])
        anchored = {constraint.cluster_id for constraint in self._pins.values()}
        self._unanchored |= self._named - anchored
        items = self._figures.items
        slots = items.slots_of(self._pins)
        self.step_out(items.item_ids(slots[self._figures.are_new(slots)]))
        self._reconcile()

    @property
    def protected(self) -> set[int]:
        """The numbers of the clusters that have pins, and of those that have been merged away."""
        pinned = {pin.cluster_id for pin in self._pins.values()}
        merged = {cluster_id for cluster_id in self._heirs if self.heir(cluster_id) != cluster_id}
        return {self._figures.places.number(cluster_id) for cluster_id in pinned | merged}

    def enter(self, slots: Slots) -> None:
        """Tell the clusterer what stands about figures that have come into its graph."""
        if not (self._pins or self._bans):
            return
        bans: dict[str, list[ClusterId]] = {}
        for item_id, cluster_id in self._bans:
            bans.setdefault(item_id, []).append(cluster_id)
        for slot, item_id in zip(slots.tolist(), self._figures.items.item_ids(slots), strict=True):
            if (pin := self._pins.get(item_id)) is not None:
                self._clusterer.pin(slot, self._figures.places.number(pin.cluster_id))
            for cluster_id in bans.get(item_id, ()):
                self._clusterer.ban(slot, self._figures.places.number(cluster_id))

    def leave(self, item_ids: Iterable[str]) -> None:
        """Forget figures that are gone for good; clusters that they held need another anchor."""
        gone = set(item_ids)
        if not gone:
            return
        for item_id in gone & self._pins.keys():
            pin = self._pins[item_id]
            self._erase(pin)
            self._unanchored.add(pin.cluster_id)
        for ban in [ban for key, ban in self._bans.items() if key[0] in gone]:
            self._erase(ban)

    def step_out(self, item_ids: Iterable[str]) -> None:
        """Have clusters anchored elsewhere until a run has looked at these figures again."""
        pins = (self._pins.get(item_id) for item_id in item_ids)
        self._unanchored.update(pin.cluster_id for pin in pins if pin is not None)

    def banned(self) -> Mapping[int, Set[int]]:
        """Return the clusters, by number, that figures are kept out of, by slot."""
        items, places = self._figures.items, self._figures.places
        slots = items.slots_of(item_id for item_id, _ in self._bans)
        slot_of = dict(zip(items.item_ids(slots), slots.tolist(), strict=True))
        found: dict[int, set[int]] = {}
        for item_id, cluster_id in self._bans:
            if item_id in slot_of:
                found.setdefault(slot_of[item_id], set()).add(places.number(cluster_id))
        return found

    def misplaced(self) -> list[Group]:
        """Return a group of its own for each figure that edits have taken out of its cluster.

        It says where that figure belongs, even if no run has covered it. Only figures of which
        something was said since the last run, and those of clusters merged since, can be such.
        """
        items, places = self._figures.items, self._figures.places
        named = items.slots_of({c.item_id for c in (*self._added, *self._removed)})
        led = [c for c in self._heirs if self.heir(c) != c]
        slots = np.unique(np.concatenate((named, *(places.members(places.number(c)) for c in led))))
        numbers = places.of(slots).tolist()
        groups = []
        for slot, item_id, number in zip(
            slots.tolist(), items.item_ids(slots), numbers, strict=True
        ):
            here = places.cluster_id(number)
            pin = self._pins.get(item_id)
            wanted = self.heir(here) if pin is None else pin.cluster_id
            if wanted != here or (item_id, here) in self._bans:
                owner = NOWHERE if (item_id, wanted) in self._bans else places.number(wanted)
                groups.append(Group(np.array([slot]), owner))
        return groups

    def pin_of(self, item_id: str) -> Constraint | None:
        """Return the pin of a figure."""
        return self._pins.get(item_id)

    def ban_of(self, item_id: str, cluster_id: ClusterId) -> Constraint | None:
        """Return what keeps a figure out of a cluster."""
        return self._bans.get((item_id, cluster_id))

    def pins_of(self, cluster_id: ClusterId) -> list[Constraint]:
        """Return the pins of a cluster."""
        return list(self._by_cluster.get((ConstraintKind.PIN, cluster_id), {}).values())

    def bans_of(self, cluster_id: ClusterId) -> list[Constraint]:
        """Return the bans of a cluster."""
        return list(self._by_cluster.get((ConstraintKind.BAN, cluster_id), {}).values())

    def lay_down(self, constraint: Constraint) -> None:
        """Add a constraint; it takes the place of what contradicts it."""
        contrary = self.ban_of(constraint.item_id, constraint.cluster_id)
        pinned = self._pins.get(constraint.item_id)
        if constraint.kind is ConstraintKind.PIN:
            self._take(contrary)
            self._take(pinned)
        elif pinned is not None and pinned.cluster_id == constraint.cluster_id:
            self._take(pinned)
        self._write(constraint)
        self._added.pop(constraint, None)  # of two that are alike but for the edit the last holds
        self._added[constraint] = None
        self._said.add(constraint.item_id)
        self._tell(constraint, stands=True)

    def take_back(self, constraint: Constraint) -> None:
        """Remove a constraint that stands."""
        self._take(constraint)

    def lead(self, cluster_id: ClusterId, heir: ClusterId) -> None:
        """Say that a cluster has an heir (or, by itself, is back) before a run makes it so."""
        self._heirs[cluster_id] = heir

    def heir(self, cluster_id: ClusterId) -> ClusterId:
        """Return whom a cluster belongs to once all edits so far are visible."""
        while (heir := self._heirs.get(cluster_id, cluster_id)) != cluster_id:
            cluster_id = heir
        return cluster_id

    def is_led(self, cluster_id: ClusterId) -> bool:
        """Return whether `lead` has told of a cluster what the store does not know."""
        return cluster_id in self._heirs

    def members(self, cluster_id: ClusterId) -> Slots:
        """Return the figures of a cluster and of those that it has taken in since the last run."""
        parts = [c for c in self._heirs if c != cluster_id and self.heir(c) == cluster_id]
        places = self._figures.places
        return np.concatenate([places.members(places.number(c)) for c in (cluster_id, *parts)])

    def anchor(self, cluster_id: ClusterId, edit_id: str, *, without: Iterable[str] = ()) -> None:
        """Pin the most central figure of each base cluster of a cluster that has no pin."""
        self.hold(cluster_id, self.members(cluster_id), edit_id, without=without)

    def hold(
        self, cluster_id: ClusterId, slots: Slots, edit_id: str, *, without: Iterable[str] = ()
    ) -> None:
        """Pin figures to a cluster: of each base cluster of ``slots`` without its pin, one.

        When none is in a base cluster (they are all poor), and no other figure is pinned to the
        cluster, some of the best are.
        """
        items = self._figures.items
        out = set(without)
        ids = dict(zip(slots.tolist(), items.item_ids(slots), strict=True))
        theirs = items.slots_of(p.item_id for p in self.pins_of(cluster_id) if p.item_id not in out)
        free = np.array(
            [s for s, i in ids.items() if i not in out and self._may_pin(i, cluster_id)], np.int64
        )
        chosen = self._clusterer.anchors(free[items.in_graph[free]])
        chosen = chosen[~np.isin(self.bases(chosen), self.bases(theirs))]
        if not len(chosen) and not len(theirs):
            order = np.argsort(-items.quality[free], kind="stable")
            chosen = free[order[:_EMERGENCY_ANCHORS]]
        for slot in chosen.tolist():
            self.lay_down(Constraint(ids[slot], cluster_id, ConstraintKind.PIN, edit_id))

    def bases(self, slots: Slots) -> Slots:
        """Return the base cluster of each figure, `NO_BASE` of one that is in none."""
        found = np.full(len(slots), NO_BASE)
        here = self._figures.items.in_graph[slots]
        found[here] = self._clusterer.bases(slots[here])
        return found

    def crowded(self, a: ClusterId, b: ClusterId) -> list[str]:
        """Return the poor figures of two clusters that share a photo with others of them.

        Left to themselves they would follow nobody who is there too. Figures that are kept out of
        the first cluster are left out.
        """
        items = self._figures.items
        members = np.concatenate((self.members(a), self.members(b)))
        photos = items.photos(members)
        numbers, counts = np.unique(photos[photos >= 0], return_counts=True)
        crowded = np.isin(photos, numbers[counts > 1]) & ~items.core[members]
        found = [i for i in items.item_ids(members[crowded]) if i not in self._pins]
        return [i for i in found if self.ban_of(i, a) is None]

    def companions(self, item_id: str, cluster_id: ClusterId) -> list[str]:
        """Return the figures of a cluster that share the base cluster of one, the nearest first.

        Only those that may be pinned to the cluster.
        """
        items = self._figures.items
        slots = items.slots_of([item_id])
        if not len(slots) or cluster_id == NO_CLUSTER:
            return []
        members = np.setdiff1d(self.members(cluster_id), slots)
        found = self.bases(members)
        near = members[(found != NO_BASE) & (found == self.bases(slots)[0])]
        vectors = self._figures.fixed(np.concatenate((slots, near))).astype(np.int64)
        order = np.argsort(-(vectors[1:] @ vectors[0]), kind="stable")
        free = [i for i in items.item_ids(near[order]) if i not in self._pins]
        return [i for i in free if self.ban_of(i, cluster_id) is None]

    def renew_anchors(self) -> None:
        """Anchor the clusters whose anchors are gone, unless a merge has just taken them in."""
        if not self._unanchored:
            return
        self._figures.bring_in()
        for cluster_id in sorted(self._unanchored):
            if self.heir(cluster_id) == cluster_id:
                self.anchor(cluster_id, "")
        self._unanchored.clear()

    def explain(self, a: str, b: str) -> Explanation:
        """Return why two figures are one person, or are not.

        Raises
        ------
        KeyError
            One does not exist, or no run has looked at it yet.
        """
        self._figures.bring_in()
        slots = [self._figures.items.slot_of(item_id) for item_id in (a, b)]
        for item_id, slot in zip((a, b), slots, strict=True):
            if slot is None or not self._figures.is_in_graph(slot):
                raise KeyError(f"no run has looked at a figure {item_id}")
        first, second = (slot for slot in slots if slot is not None)
        return self._clusterer.explain(first, second)

    def settle(self) -> None:
        """Take over that all changes are durable."""
        self._added, self._removed = {}, {}
        self._heirs.clear()

    def _reconcile(self) -> None:
        """Tell the clusterer what it does not know: a snapshot may be older than constraints."""
        pins, bans = self._clusterer.claims()
        items, number = self._figures.items, self._figures.places.number
        said: dict[int, int] = {}
        kept_out: dict[int, set[int]] = {}
        banned: dict[str, set[int]] = {}
        for item_id, cluster_id in self._bans:
            banned.setdefault(item_id, set()).add(number(cluster_id))
        slots = items.slots_of({*self._pins, *(item_id for item_id, _ in self._bans)})
        slots = slots[items.in_graph[slots]]
        for slot, item_id in zip(slots.tolist(), items.item_ids(slots), strict=True):
            if (pin := self._pins.get(item_id)) is not None:
                said[slot] = number(pin.cluster_id)
            kept_out[slot] = banned.get(item_id, set())
        for slot in sorted(pins.keys() | said.keys()):
            if pins.get(slot, NOWHERE) != said.get(slot, NOWHERE):
                self._clusterer.pin(slot, said.get(slot, NOWHERE))
        for slot in sorted(bans.keys() | kept_out.keys()):
            before, now = set(bans.get(slot, ())), kept_out.get(slot, set())
            for owner in sorted(before ^ now):
                self._clusterer.ban(slot, owner, lift=owner in before)

    def _may_pin(self, item_id: str, cluster_id: ClusterId) -> bool:
        pin = self._pins.get(item_id)
        return (pin is None or pin.cluster_id == cluster_id) and (
            item_id,
            cluster_id,
        ) not in self._bans

    def _take(self, constraint: Constraint | None) -> None:
        if constraint is None:
            return
        self._erase(constraint)
        self._added.pop(constraint, None)
        self._tell(constraint, stands=False)

    def _erase(self, constraint: Constraint) -> None:
        """Forget a constraint, for the store too."""
        item_id, cluster_id = constraint.item_id, constraint.cluster_id
        if constraint.kind is ConstraintKind.PIN:
            self._pins.pop(item_id, None)
        else:
            self._bans.pop((item_id, cluster_id), None)
        here = self._by_cluster.get((constraint.kind, cluster_id), {})
        here.pop(item_id, None)
        if not here:
            self._by_cluster.pop((constraint.kind, cluster_id), None)
        self._removed[constraint] = None
        self._said.add(item_id)

    def _write(self, constraint: Constraint) -> None:
        pinned = self._pins.get(constraint.item_id)
        if constraint.kind is ConstraintKind.PIN and pinned is not None:
            self._by_cluster[ConstraintKind.PIN, pinned.cluster_id].pop(pinned.item_id, None)
        here = self._by_cluster.setdefault((constraint.kind, constraint.cluster_id), {})
        here[constraint.item_id] = constraint
        if constraint.kind is ConstraintKind.PIN:
            self._pins[constraint.item_id] = constraint
        else:
            self._bans[constraint.item_id, constraint.cluster_id] = constraint

    def _tell(self, constraint: Constraint, *, stands: bool) -> None:
        slot = self._figures.items.slot_of(constraint.item_id)
        if slot is None or not self._figures.is_in_graph(slot):
            return
        number = self._figures.places.number(constraint.cluster_id)
        if constraint.kind is ConstraintKind.PIN:
            self._clusterer.pin(slot, number if stands else NOWHERE)
        else:
            self._clusterer.ban(slot, number, lift=not stands)

    def _present(self) -> set[str]:
        """Return the figures with constraints that exist."""
        items = self._figures.items
        wanted = {*self._pins, *(item_id for item_id, _ in self._bans)}
        return set(items.item_ids(items.slots_of(wanted)))
