"""Faces or pictures that come and go, found by brute force, as an engine would with its index."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.base_clusterer import BaseClusterer, Changed
from imm_ray.cluster.content import content_keys
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import FixedVectors, quantise, search_cosine
from imm_ray.cluster.graph import Slots
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.lists import RatedPairs
from imm_ray.cluster.newcomers import Newcomers
from imm_ray.cluster.photos import ALONE
from imm_ray.cluster.run import Group, Run
from imm_ray.cluster.similar import SimilarClusterer
from imm_ray.model import Vectors
from tests.unit.cluster.sample import Partition, partition, ranks_of, similarities, textbook

LARGE = 10**6
"""Clusters every component whole."""


def slots_of(items: Iterable[int]) -> Slots:
    return np.array(list(items), np.int64)


@dataclass(frozen=True)
class Found:
    """An index's answer."""

    query_rows: NDArray[np.int64]
    slots: Slots
    cosines: NDArray[np.float32]


class Pool:
    """Items that may come: slot ``i`` is row ``i``."""

    def __init__(
        self,
        vectors: Vectors,
        *,
        photos: Iterable[int] | None = None,
        poor: Iterable[int] = (),
    ) -> None:
        self.vectors = vectors
        self.fixed_rows = quantise(vectors)
        self.keys = content_keys(self.fixed_rows)
        self.core = ~np.isin(np.arange(len(vectors)), list(poor))
        self.photos = np.arange(len(vectors)) if photos is None else slots_of(photos)
        self.matrix = similarities(self.fixed_rows)

    def __len__(self) -> int:
        return len(self.vectors)

    def fixed(self, slots: Slots) -> FixedVectors:
        return self.fixed_rows[slots]

    def near(self, queries: Slots, stored: Slots, cosine: float) -> Found:
        wide = self.vectors.astype(np.float32)
        cosines = wide[queries] @ wide[stored].T
        rows, columns = np.nonzero(cosines >= np.float32(cosine))
        return Found(rows, stored[columns], cosines[rows, columns])

    def newcomers(self, slots: Slots) -> Newcomers:
        _, at, counts = np.unique(self.photos, return_inverse=True, return_counts=True)
        photos = np.where(counts[at] > 1, self.photos, ALONE)
        return Newcomers(slots, self.keys[slots], self.core[slots], photos[slots])

    def barred(self, same_photo: int) -> list[tuple[int, int]]:
        """All pairs that are two people of one photo."""
        u, v = np.nonzero(np.triu(self.photos[:, None] == self.photos, 1))
        apart = self.matrix[u, v] < same_photo
        return list(zip(u[apart].tolist(), v[apart].tolist(), strict=True))

    def by_the_book(
        self, items: Iterable[int], limits: FigureLimits, barred: Iterable[tuple[int, int]] = ()
    ) -> Partition:
        """The base clusters of some items, by textbook average link."""
        chosen = sorted(item for item in items if self.core[item])
        at = {item: place for place, item in enumerate(chosen)}
        apart = [*self.barred(limits.same_photo), *barred]
        barred = [(at[i], at[j]) for i, j in apart if {i, j} <= at.keys()]
        found = textbook(
            self.matrix[np.ix_(chosen, chosen)],
            limits.threshold,
            barred=barred,
            ranks=ranks_of(self.keys[chosen]),
        )
        return {frozenset(chosen[place] for place in group) for group in found}


class Clusterer(Protocol):
    def insert(self, new: Newcomers, found: RatedPairs) -> None: ...
    def remove(self, slots: Slots) -> None: ...
    def freed(self) -> Slots: ...
    def hollow(self) -> Slots: ...
    def refill(self, slots: Slots, found: RatedPairs) -> None: ...


C = TypeVar("C", bound=Clusterer)


class Album(Generic[C]):
    """Items of a pool in a clusterer."""

    def __init__(self, pool: Pool, clusterer: C, *, cosine: float) -> None:
        self.pool = pool
        self.clusterer = clusterer
        self.here: set[int] = set()
        self.waiting: set[int] = set()
        """Removed ones whose slots are not free yet."""
        self._cosine = cosine

    def insert(self, items: Iterable[int]) -> None:
        """Insert the whole photos of those items, where they may come (again)."""
        photos = set(self.pool.photos[slots_of(items)].tolist())
        photos -= set(self.pool.photos[slots_of(self.here | self.waiting)].tolist())
        self.insert_only(np.flatnonzero(np.isin(self.pool.photos, list(photos))))

    def insert_only(self, new: Slots) -> None:
        """Insert items, whatever else is in their photos."""
        self.here.update(new.tolist())
        found = self.pool.near(new, slots_of(sorted(self.here)), self._cosine)
        self.clusterer.insert(self.pool.newcomers(new), found)

    def remove(self, items: Iterable[int]) -> None:
        """Remove those items that are here."""
        old = slots_of(item for item in dict.fromkeys(items) if item in self.here)
        self.here.difference_update(old.tolist())
        self.waiting.update(old.tolist())
        self.clusterer.remove(old)

    def free(self) -> None:
        """Free slots of removed items, if the clusterer does."""
        self.waiting.difference_update(self.clusterer.freed().tolist())

    def refill(self) -> None:
        """Refill hollow lists."""
        while len(hollow := self.clusterer.hollow()):
            found = self.pool.near(hollow, slots_of(sorted(self.here)), self._cosine)
            self.clusterer.refill(hollow, found)


class Swept(BaseClusterer):
    """Frees all slots at once."""

    def freed(self) -> Slots:
        return self.sweep()


class BaseAlbum(Album[Swept]):
    """Faces in base clusters; remembers which cluster changed in the last run."""

    def __init__(
        self, pool: Pool, limits: FigureLimits, *, exact_items: int = LARGE, width: int = 40
    ) -> None:
        dimension = pool.vectors.shape[1]
        clusterer = Swept(
            limits, dimension=dimension, fixed=pool.fixed, exact_items=exact_items, width=width
        )
        super().__init__(pool, clusterer, cosine=search_cosine(limits.threshold, dimension))
        self.limits = limits
        self.changed = Changed()

    def run(self) -> None:
        self.refill()
        self.changed, _ = self.clusterer.run()

    def consolidate(self) -> None:
        self.refill()
        self.changed, _ = self.clusterer.consolidate()

    def clusters(self) -> dict[int, frozenset[int]]:
        """The members of each base cluster."""
        base = self.clusterer.base
        return {
            number: frozenset(base.members(np.array([number])).tolist())
            for number in base.numbers().tolist()
        }

    def partition(self) -> Partition:
        return set(self.clusters().values())

    def by_the_book(self) -> Partition:
        """What average link makes of what is here, with pins and bans."""
        claims = self.clusterer.claims
        pinned = claims.pinned()
        barred = [(i, j) for i, j in combinations(sorted(pinned), 2) if pinned[i] != pinned[j]]
        barred += [(i, j) for i, owners in claims.banned() for j in pinned if pinned[j] in owners]
        return self.pool.by_the_book(self.here, self.limits, barred)

    def check_books(self) -> None:
        """Labels, sizes, sums and keys agree with the members."""
        base = self.clusterer.base
        numbers = base.numbers()
        sums = base.sums(numbers, self.pool.fixed)
        for place, number in enumerate(numbers.tolist()):
            members = base.members(np.array([number]))
            assert len(members) == base.size[number]
            assert (base.label[members] == number).all()
            assert sums[place].tolist() == self.pool.fixed(members).sum(axis=0, dtype=int).tolist()
            assert base.keys(np.array([number]))[0] == self.pool.keys[members].min()


class PeopleAlbum(Album[FigureClusterer]):
    """Faces in groups, put together from what runs return."""

    def __init__(
        self, pool: Pool, limits: FigureLimits, *, exact_items: int = LARGE, width: int = 40
    ) -> None:
        dimension = pool.vectors.shape[1]
        clusterer = FigureClusterer(
            limits, dimension=dimension, fixed=pool.fixed, exact_items=exact_items, width=width
        )
        super().__init__(pool, clusterer, cosine=clusterer.search_cosine)
        self.limits = limits
        self.group_of: dict[int, Group] = {}
        self.pins: dict[int, int] = {}
        self.bans: set[tuple[int, int]] = set()

    def pin(self, item: int, owner: int) -> None:
        """Pin a face that is here."""
        self.clusterer.pin(item, owner)
        self.pins[item] = owner

    def ban(self, item: int, owner: int, *, lift: bool = False) -> None:
        """Ban a face that is here, or lift that."""
        self.clusterer.ban(item, owner, lift=lift)
        (self.bans.discard if lift else self.bans.add)((item, owner))

    def at_once(self) -> "PeopleAlbum":
        """The same faces and claims, in one run over everything."""
        fresh = PeopleAlbum(self.pool, self.limits)
        fresh.insert_only(slots_of(sorted(self.here, reverse=True)))
        for item, owner in self.pins.items():
            fresh.pin(item, owner)
        for item, owner in self.bans:
            fresh.ban(item, owner)
        fresh.run()
        return fresh

    def owners(self) -> dict[int, int]:
        """The owner of the group of each face."""
        return {item: group.owner for item, group in self.group_of.items()}

    def run(self) -> Run:
        self.refill()
        return self._taken(self.clusterer.run())

    def consolidate(self) -> Run:
        self.refill()
        return self._taken(self.clusterer.consolidate())

    def remove(self, items: Iterable[int]) -> None:
        super().remove(items)
        for item in self.group_of.keys() - self.here:
            del self.group_of[item]
        self.pins = {item: owner for item, owner in self.pins.items() if item in self.here}
        self.bans = {(item, owner) for item, owner in self.bans if item in self.here}

    def partition(self) -> Partition:
        """The groups as the runs have told of them, without what is gone."""
        return partition(
            slots_of(sorted(self.here & set(group.slots.tolist())))
            for group in self.group_of.values()
        )

    def together(self, a: int, b: int) -> bool:
        return b in self.group_of[a].slots.tolist()

    def _taken(self, run: Run) -> Run:
        told = [slot for group in run.groups for slot in group.slots.tolist()]
        assert len(told) == len(set(told)), "a face is in two groups"
        assert set(told) <= self.here
        for group in run.groups:
            former = {s for slot in group.slots.tolist() for s in self._former(slot)}
            assert former <= set(told), "a run tells of a part of what was a group"
            self.group_of |= dict.fromkeys(group.slots.tolist(), group)
        return run

    def _former(self, slot: int) -> set[int]:
        group = self.group_of.get(slot)
        return set() if group is None else self.here & set(group.slots.tolist())


class SimilarAlbum(Album[SimilarClusterer]):
    """Pictures in groups, put together from what runs return."""

    def __init__(
        self, pool: Pool, threshold: int, *, guard: int = 5_000, most: int = 1_024
    ) -> None:
        clusterer = SimilarClusterer(
            threshold, dimension=pool.vectors.shape[1], fixed=pool.fixed, guard=guard, most=most
        )
        super().__init__(pool, clusterer, cosine=clusterer.search_cosine)
        self.threshold = threshold
        self.group_of: dict[int, frozenset[int]] = {}

    def run(self) -> Run:
        return self._taken(self.clusterer.run())

    def consolidate(self) -> Run:
        return self._taken(self.clusterer.consolidate())

    def remove(self, items: Iterable[int]) -> None:
        super().remove(items)
        for item in self.group_of.keys() - self.here:
            del self.group_of[item]

    def partition(self) -> Partition:
        """The groups as the runs have told of them, without what is gone."""
        return {frozenset(group & self.here) for group in self.group_of.values()}

    def at_once(self) -> Partition:
        """What one run over everything makes of what is here."""
        fresh = SimilarAlbum(self.pool, self.threshold)
        fresh.insert_only(slots_of(sorted(self.here, reverse=True)))
        fresh.run()
        return fresh.partition()

    def _taken(self, run: Run) -> Run:
        told = [slot for group in run.groups for slot in group.slots.tolist()]
        assert len(told) == len(set(told))
        assert set(told) <= self.here
        for group in run.groups:
            members = frozenset(group.slots.tolist())
            former = {s for slot in members for s in self.group_of.get(slot, ())}
            assert former & self.here <= set(told), "a run tells of a part of what was a group"
            self.group_of |= dict.fromkeys(members, members)
        return run
