"""Faces by person, incrementally: base clusters, the overlay over them, and who only follows."""

from collections.abc import Mapping, Set

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.base import Fixed, Numbers
from imm_ray.cluster.base_clusterer import EXACT_ITEMS, BaseClusterer, Changed
from imm_ray.cluster.explanation import Explanation, explain
from imm_ray.cluster.fixed import UNIT, search_cosine, to_cosine
from imm_ray.cluster.followers import Followers
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.lists import WIDTH, RatedPairs
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.overlay import Overlay
from imm_ray.cluster.run import Group, Run, Work
from imm_ray.model.image import Arrays, Image, Rows, numbers

_OWNERS = {"base.claims.pins": 2, "base.claims.bans": 2, "overlay.owners": 2, "claimants": 1}
"""Facts whose last column are owners, and how wide they are."""

_SWEEP_SHARE = 0.05  # of all items: removed ones that wait for their slots


class FigureClusterer:
    """Groups faces by person and says, at each run, which groups may have changed.

    Parameters
    ----------
    limits
        What similarities are compared with, from the model card.
    dimension
        Of the vectors.
    fixed
        Returns the fixed-point vectors of slots; must know an item from before its `insert` until
        after its `remove`.

    Notes
    -----
    Slots are small numbers, because state lies in arrays by slot; after a removal they may be used
    again when `freed` has returned them. Not thread-safe: one writer.
    """

    def __init__(
        self,
        limits: FigureLimits,
        *,
        dimension: int,
        fixed: Fixed,
        width: int = WIDTH,
        exact_items: int = EXACT_ITEMS,
    ) -> None:
        self._limits = limits
        self._base = BaseClusterer(
            limits, dimension=dimension, fixed=fixed, width=width, exact_items=exact_items
        )
        self._graph = self._base.graph
        self._overlay = Overlay(self._graph, limits)
        self._followers = Followers(self._graph, limits)
        self._hesitant: set[int] = set()
        self._looked_for: set[int] = set()
        self._claimed: set[int] = set()
        self._claimants: set[int] = set()
        self._bereft: set[int] = set()
        self.search_cosine = search_cosine(limits.threshold, dimension)
        """What to ask the index for, so that `insert` is given all it needs."""
        self.threshold_cosine = to_cosine(limits.threshold)
        """From here on two base clusters are one."""

    def __len__(self) -> int:
        return len(self._base.lists)

    @property
    def capped_lists(self) -> int:
        """How many items have more neighbours than are kept."""
        return self._base.lists.capped_count

    @property
    def is_approximate(self) -> bool:
        """Whether a consolidation may change anything."""
        return self._base.is_approximate

    def insert(self, new: Newcomers, found: RatedPairs) -> None:
        """Add faces with all stored ones that may reach the threshold."""
        self._base.insert(new, found)
        self._hesitant.update(new.slots[~new.core].tolist())

    def remove(self, slots: Slots) -> None:
        """Take faces out; their slots may be used again when `freed` returns them."""
        removed = slots.tolist()
        self._bereft.update(set(self._labels(slots).tolist()) - {-1})
        self._claimants.update(set(self._graph.claims.owners(slots).tolist()) - {0})
        rivals = {rival for slot in removed for rival in self._graph.photos.rivals(slot)}
        self._hesitant.update(rival for rival in rivals if not self._graph.core[rival])
        for waiting in (self._hesitant, self._looked_for, self._claimed):
            waiting.difference_update(removed)
        self._followers.remove(slots)
        self._base.remove(slots)

    def freed(self) -> Slots:
        """Return slots of removed faces that may be used again; often none."""
        waiting = self._base.lists.quarantined_count
        if waiting <= _SWEEP_SHARE * len(self):
            return np.empty(0, np.int64)
        return self._base.sweep()

    def hollow(self) -> Slots:
        """Return faces whose lists need a `refill` before the next run."""
        return self._base.hollow()

    def refill(self, slots: Slots, found: RatedPairs) -> None:
        """Give lists that removals have emptied their pairs again."""
        self._base.refill(slots, found)

    def pin(self, slot: int, owner: int) -> None:
        """Give a face to a person, for ever: owners are numbered from 1, 0 takes the pin back."""
        self._claimants.update({self._graph.claims.owner(slot), owner} - {0})
        if owner:
            self._graph.claims.pin(slot, owner)
        else:
            self._graph.claims.unpin(slot)
        self._disturb(slot)

    def ban(self, slot: int, owner: int, *, lift: bool = False) -> None:
        """Keep a face out of a person, or lift that."""
        (self._graph.claims.lift if lift else self._graph.claims.ban)(slot, owner)
        self._disturb(slot)

    def touch(self, slots: Slots) -> None:
        """Have the next run return the groups of ``slots`` even if nothing near them changed."""
        self._looked_for.update(slots.tolist())

    def anchors(self, slots: Slots) -> Slots:
        """Return of each base cluster of ``slots`` the one of them that is most like its others.

        Those in no base cluster are left out. Pinned, they hold a person's base clusters together.
        """
        core = slots[self._graph.base.label[slots] >= 0]
        numbers = self._graph.base.label[core].astype(np.int64)
        means = self.means(core)
        order = np.lexsort((self._base.lists.keys[core], -means, numbers))
        first = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        return np.sort(core[order[first]])

    def bases(self, slots: Slots) -> Numbers:
        """Return the base cluster of each face, -1 for one that is in none."""
        return self._graph.base.label[slots].astype(np.int64)

    def run(self) -> Run:
        """Return the groups that new and removed faces and claims have changed, and others."""
        changed, work = self._base.run()
        claimed = self._labels(np.array(sorted(self._claimed), np.int64))
        affected = self._overlay.update(changed, set(claimed.tolist()) - {-1})
        return self._grouped(changed, affected, work)

    def consolidate(self) -> Run:
        """Cluster everything on the stored lists; return all groups."""
        changed, work = self._base.consolidate()
        self._hesitant.update(np.flatnonzero(self._base.lists.alive & ~self._core()).tolist())
        return self._grouped(changed, self._overlay.rebuild(), work)

    def means(self, slots: Slots) -> NDArray[np.float64]:
        """Return the mean cosine of each face to the other core faces of its base cluster.

        Of one that has nobody to be compared with it is 1.
        """
        found = np.ones(len(slots))
        labels = self._labels(slots)
        at = np.flatnonzero(labels >= 0)
        if not len(at):
            return found
        numbers = labels[at]
        sizes = self._graph.base.size[numbers].astype(np.float64)
        totals = self._graph.means(slots[at], np.arange(len(at)), numbers) * sizes
        inside = self._graph.core[slots[at]]
        several = ~inside | (sizes > 1)
        own = np.einsum("ij,ij->i", *(2 * [self._graph.fixed(slots[at]).astype(np.float64)]))
        means = (totals - inside * own) / np.maximum(1, sizes - inside) / UNIT
        found[at[several]] = means[several]
        return found

    def explain(self, a: int, b: int) -> Explanation:
        """Return why two faces are one person or are not."""
        return explain(self._graph, self._overlay, self._followers, self._limits, a, b)

    def state(self, size: int) -> Image:
        """Return what is known of the slots below ``size``, without their neighbours."""
        waiting = {
            "hesitant": self._hesitant,
            "looked_for": self._looked_for,
            "claimed": self._claimed,
            "claimants": self._claimants,
            "bereft": self._bereft,
        }
        return Image.join(
            Image(facts={name: numbers(slots) for name, slots in waiting.items()}),
            self._base.state(size).under("base"),
            self._overlay.state().under("overlay"),
            self._followers.state().under("followers"),
        )

    def owners(self) -> list[int]:
        """Return the numbers of the persons that a `state` refers to."""
        state = self.state(0).facts
        found = [state[name].reshape(-1, width)[:, -1] for name, width in _OWNERS.items()]
        return [int(owner) for owner in np.unique(np.concatenate(found))]

    def restore(self, image: Image, owners: Mapping[int, int]) -> None:
        """Take over a `state`, whose ``owners`` have other numbers now.

        `put_rows` and `resume` must follow.
        """
        image = Image(image.columns, _renumbered(image.facts, owners))
        self._base.restore(image.part("base"))
        self._overlay.restore(image.part("overlay"))
        self._followers.restore(image.part("followers"))
        taken = {
            name: set(slots.tolist()) for name, slots in image.facts.items() if "." not in name
        }
        self._hesitant, self._looked_for = taken["hesitant"], taken["looked_for"]
        self._claimed, self._claimants = taken["claimed"], taken["claimants"]
        self._bereft = taken["bereft"]

    def marks(self, size: int) -> NDArray[np.uint64]:
        """Return a number of each slot's neighbours that changes when they do."""
        return self._base.lists.marks(size)

    def rows(self, slots: Slots) -> Rows:
        """Return the neighbours of slots."""
        return self._base.lists.rows(slots)

    def put_rows(self, rows: Rows) -> None:
        """Give slots back their neighbours, each slot once."""
        self._base.lists.put_rows(rows)

    def resume(self) -> None:
        """Compute what follows from what was restored; the vectors must be known."""
        self._base.base.add_up(self._graph.fixed)

    def claims(self) -> tuple[Mapping[int, int], Mapping[int, Set[int]]]:
        """Return the owner of each pinned face, and whom each banned one is kept out of."""
        return self._graph.claims.pinned(), dict(self._graph.claims.banned())

    def _disturb(self, slot: int) -> None:
        """Have the next run look at a face on which a claim has changed."""
        self._looked_for.add(slot)
        if self._graph.core[slot]:
            self._claimed.add(slot)
            self._base.reopen(np.array([slot], np.int64))
        else:
            self._hesitant.add(slot)

    def _grouped(self, changed: Changed, affected: set[int], work: Work) -> Run:
        ask = self._asking(changed, affected)
        won_or_lost, leaderless = self._followers.update(ask, self._overlay)
        sought = np.array(sorted(self._looked_for), np.int64)
        loose = np.union1d(leaderless, sought[self._labels(sought) < 0])
        owners = self._claimants | (set(self._graph.claims.owners(loose).tolist()) - {0})
        numbers = affected | won_or_lost | self._bereft | set(self._labels(sought).tolist())
        numbers |= {n for owner in owners for n in self._overlay.of_owner(owner)}
        whole = {mate for n in numbers - {-1} if self._is(n) for mate in self._overlay.mates(n)}
        groups = [self._person(person) for person in self._overlay.persons(whole)]
        groups += self._without_base(loose, owners)
        for waiting in (self._hesitant, self._looked_for, self._claimed):
            waiting.clear()
        self._claimants.clear()
        self._bereft.clear()
        return Run(groups=self._in_order(groups), work=work)

    def _asking(self, changed: Changed, affected: set[int]) -> Slots:
        """Return the poor faces whose choice may have changed."""
        left = self._followers.of(changed.gone).tolist()
        near = self._followers.near(np.array(sorted(affected), np.int64))
        waiting = self._hesitant.union(left, self._base.stirred())
        return np.union1d(near, np.array(sorted(waiting), np.int64))

    def _is(self, number: int) -> bool:
        return bool(self._graph.base.size[number] > 0)

    def _person(self, numbers: list[int]) -> Group:
        owner = next((self._overlay.owner(n) for n in numbers if self._overlay.owner(n)), 0)
        slots = np.sort(self._graph.base.members(np.array(numbers, np.int64)))
        if owner or len(self._followers):
            slots = np.concatenate((slots, self._followers.of(numbers), self._given(owner)))
            slots = np.unique(slots)
        return Group(slots, owner)

    def _given(self, owner: int) -> Slots:
        """Return the poor faces that users gave to a person."""
        pinned = self._graph.claims.of_owner(owner) if owner else ()
        mine = [slot for slot in pinned if not self._graph.core[slot]]
        return np.array(sorted(mine), np.int64)

    def _without_base(self, loose: Slots, owners: set[int]) -> list[Group]:
        """Return the groups of faces without a base cluster: alone, or given to an owner."""
        alone = loose[self._graph.claims.owners(loose) == 0]
        given = {o: self._given(o) for o in sorted(owners) if not self._overlay.of_owner(o)}
        groups = [Group(slots, owner) for owner, slots in given.items() if len(slots)]
        return groups + [Group(np.array([slot], np.int64)) for slot in alone.tolist()]

    def _in_order(self, groups: list[Group]) -> list[Group]:
        keys = self._base.lists.keys
        return sorted(groups, key=lambda g: (int(keys[g.slots].min()), int(g.slots[0])))

    def _labels(self, slots: Slots) -> Numbers:
        labels = self._graph.base.label[slots].astype(np.int64)
        for place in np.flatnonzero(labels < 0).tolist():
            leader = self._followers.leader(int(slots[place]))
            labels[place] = -1 if leader is None else leader
        return labels

    def _core(self) -> NDArray[np.bool_]:
        return self._graph.core[: len(self._base.lists.alive)]


def _renumbered(facts: Arrays, owners: Mapping[int, int]) -> Arrays:
    """Return a copy of a state's facts with other numbers for the owners."""
    found = dict(facts)
    for name, width in _OWNERS.items():
        wide = facts[name].reshape(-1, width).copy()
        wide[:, -1] = [owners[owner] for owner in wide[:, -1].tolist()]
        found[name] = wide.reshape(facts[name].shape)
    return found
