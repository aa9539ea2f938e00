"""Items of a pool that come and go, in the engine's own collection, without a store."""

from collections.abc import Iterable
from uuid import UUID, uuid4

import numpy as np

from imm_ray.cluster.duplicates import Duplicates
from imm_ray.cluster.figures import FigureClusterer
from imm_ray.cluster.fixed import fixed_of, to_fixed
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.similar import SimilarClusterer
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.items import Item
from imm_ray.dataset.places import GroupRule
from imm_ray.dataset.plan import Plan
from imm_ray.dataset.representatives import Themselves
from imm_ray.index import LastingIndex, open_index
from imm_ray.model import ClusterId, FileId, Vectors
from imm_ray.settings import Index
from imm_ray.store.loading import Progress
from tests.unit.cluster.sample import Partition

THRESHOLD = 0.6
SAME_PHOTO = 0.95
LIMITS = FigureLimits(
    threshold=to_fixed(THRESHOLD),
    margin=to_fixed(0.05),
    same_photo=to_fixed(SAME_PHOTO),
    strong=to_fixed(0.75),
    strong_share=0.5,
    second_mean=to_fixed(0.55),
    second_smallest=2,
)


class Figures:
    """Faces, two to a photo: item ``i`` is in photo ``i // 2``. Every face is a person."""

    items_per_file = 2
    smallest = 1

    def __init__(self, pool: Vectors) -> None:
        self.pool = pool
        self.stored: set[int] = set()
        self.index = open_index(Index(backend="exact"), pool.shape[1], cosine=THRESHOLD)
        self.collection = self._open(self.index)
        self._seq = 0

    def insert(self, items: Iterable[int]) -> None:
        """Store the photos of items that are not there."""
        for file in sorted({item // self.items_per_file for item in items}):
            inside = range(self.items_per_file * file, self.items_per_file * (file + 1))
            if not self.stored.issuperset(inside):
                self._seq += 1
                self.collection.put(self._item(number) for number in inside)
                self.stored.update(inside)

    def remove(self, items: Iterable[int]) -> None:
        """Delete the photos of items that are there."""
        for file in sorted({item // self.items_per_file for item in items}):
            inside = set(range(self.items_per_file * file, self.items_per_file * (file + 1)))
            if inside <= self.stored:
                self.collection.drop([_file_id(file)])
                self.stored -= inside

    def run(self) -> Plan:
        """Run over everything stored."""
        plan = self.collection.plan(self._seq)
        at = Progress(run=self.collection.at.run + 1, watermark=self._seq)
        self.collection.settle(plan, at)
        return plan

    def partition(self) -> Partition:
        """The items of each cluster; those of none alone."""
        table, places = self.collection.items, self.collection.places
        slots = np.flatnonzero(table.alive)
        groups: dict[int, set[int]] = {}
        for item_id, number in zip(table.item_ids(slots), places.of(slots).tolist(), strict=True):
            item = UUID(item_id).int
            groups.setdefault(number or -item - 1, set()).add(item)
        return {frozenset(group) for group in groups.values()}

    def _item(self, number: int) -> Item:
        return Item(
            item_id=str(UUID(int=number)),
            file_id=_file_id(number // self.items_per_file),
            seq=self._seq,
            vector=self.pool[number],
            is_good=True,
            quality=1.0,
        )

    def _rule(self) -> GroupRule:
        return GroupRule(
            mint=lambda: ClusterId(str(uuid4())),
            smallest=self.smallest,
            good_to_found=self.smallest,
            confidence=lambda cosine: cosine,
        )

    def _open(self, index: LastingIndex) -> Collection:
        clusterer = FigureClusterer(
            LIMITS, dimension=self.pool.shape[1], fixed=lambda slots: fixed_of(index.wide(slots))
        )
        return Collection(index, clusterer, Themselves(), self._rule())


class Similar(Figures):
    """Pictures: each item is a file, a group has two at least."""

    items_per_file = 1
    smallest = 2

    def _open(self, index: LastingIndex) -> Collection:
        self.clusterer = SimilarClusterer(
            to_fixed(THRESHOLD),
            dimension=self.pool.shape[1],
            fixed=lambda slots: fixed_of(index.wide(slots)),
        )
        return Collection(index, self.clusterer, Duplicates(), self._rule())


def _file_id(file: int) -> FileId:
    return FileId(str(UUID(int=10**6 + file)))
