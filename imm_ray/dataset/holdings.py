"""The items of one kind in memory: what is stored of them, and what a snapshot holds of that."""

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from imm_ray.cluster.fixed import FixedVectors, fixed_of, quantise
from imm_ray.dataset.entrance import Entrance
from imm_ray.dataset.items import Item, ItemTable, portions
from imm_ray.dataset.outstanding import Outstanding
from imm_ray.dataset.places import NOWHERE, GroupRule, Places
from imm_ray.dataset.ports import Clusterer, Slots, VectorIndex
from imm_ray.dataset.representatives import Representatives, expand_each
from imm_ray.dataset.watcher import Watcher
from imm_ray.model import NO_CLUSTER, ClusterId, FileId
from imm_ray.model.image import Arrays, Image, column, numbers
from imm_ray.store.loading import Progress

_PUT_AT_ONCE = 2048


class Holdings:
    """Items with their vectors, their places in the graph and in clusters; they come and go.

    Notes
    -----
    An item is *new* until a run covers it. Items enter the index when they are stored and the
    neighbour graph when a run covers them, because an item that came after a task's watermark must
    not take part.
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
        self.entrance = Entrance(
            index, clusterer, self.items, may_be_equal=representatives.may_be_equal
        )
        self.watcher: Watcher | None = None
        """Is told of items that come into the graph or go for good."""
        self._moved = 0
        self.removals = 0
        """Items that have gone so far."""
        self._clusterer = clusterer
        self._representatives = representatives
        self._outstanding = Outstanding()
        self._stored: dict[str, ClusterId] = {}
        """Clusters, as stored, of items that have not been loaded yet."""
        self._consolidated_at = 0
        self._at = Progress(run=0, watermark=0)

    def fixed(self, slots: Slots) -> FixedVectors:
        """Return the fixed-point vectors of slots."""
        return fixed_of(self.index.wide(slots))

    @property
    def changes(self) -> int:
        """How many items have come or gone, or have come into the graph, so far."""
        return self._moved + self.entrance.entered

    @property
    def at(self) -> Progress:
        """The visible run and its watermark."""
        return self._at

    def alike(self, heads: Slots) -> tuple[Slots, Slots]:
        """Return the items that representatives stand for, and the place in ``heads`` of each."""
        return expand_each(self._representatives, heads)

    def heads(self, slots: Slots) -> Slots:
        """Return the representatives of items."""
        return self._representatives.representatives(slots)

    def is_new(self, slot: int) -> bool:
        """Return whether no run has covered an item yet."""
        return slot in self._outstanding.seq_of_new

    def __len__(self) -> int:
        return len(self.items)

    def restore(self, at: Progress, places: Iterable[tuple[str, ClusterId]]) -> None:
        """Take over what is stored of earlier runs; call it before any `put`."""
        self._at = at
        self._stored = dict(places)
        self._outstanding.disturbed = at.disturbed

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
        self._outstanding.disturbed = True
        for file_id in file_ids:
            self._remove(self.items.of_file(file_id))

    def mourn(self, emptied: Iterable[ClusterId]) -> None:
        """Have the next run tell of the end of clusters that nothing else here remembers."""
        self._outstanding.lost.update(map(self.places.number, emptied))

    def tend(self) -> bool:
        """Do a bounded step of upkeep that is due; return whether more is."""
        return self.index.tend()

    def touch(self, slots: Slots) -> None:
        """Have the next plan look at the groups of ``slots``."""
        self._outstanding.unsettled.update(slots.tolist())

    def is_in_graph(self, slot: int) -> bool:
        """Return whether a run has covered an item."""
        return bool(self.items.in_graph[slot])

    def are_new(self, slots: Slots) -> NDArray[np.bool_]:
        """Return which items no run has covered."""
        return self._is_later(slots, self._at.watermark)

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self.index.dimension

    @property
    def clusterer(self) -> Clusterer:
        """What holds the graph and the groups."""
        return self._clusterer

    def page(self, first: int, stop: int) -> Arrays:
        """Return what never changes of the items in some slots while they live, but vectors.

        ``held`` says whose vectors the index has; their duplicates do without.
        """
        page = self.items.page(first, stop)
        slots = first + np.flatnonzero(page["alive"])
        page["held"] = np.zeros(len(page["alive"]), np.bool_)
        page["held"][slots - first] = self.heads(slots) == slots
        return page

    def image(self) -> Image:
        """Return all that is not in `page`, in vectors, or in the graph's rows."""
        size = self.items.size
        facts = self.items.facts() | {
            "consolidated_at": numbers([self._consolidated_at]),
            "good_to_found": numbers([self.places.good_to_found]),
            "must_consolidate": np.array([self.entrance.must_consolidate]),
        }
        owners = self._clusterer.owners()
        names = json.dumps([self.places.cluster_id(owner) for owner in owners])
        facts |= self._outstanding.facts()
        facts |= {"owners": numbers(owners), "owner_ids": np.frombuffer(names.encode(), np.uint8)}
        return Image.join(
            Image({"in_graph": column(self.items.in_graph, size)}, facts),
            self.index.state(size).under("index"),
            self._clusterer.state(size).under("clusterer"),
            self._representatives.state(size).under("representatives"),
        )

    def restore_image(self, image: Image, pages: Arrays) -> None:
        """Forget everything, and take over an `image` and all pages, joined.

        Vectors (or before, when the index has been restored) and rows must follow, then `resume`.
        """
        self.items.restore(pages, image.facts, image.columns["in_graph"])
        self._representatives.restore(image.part("representatives"))
        names = json.loads(image.facts["owner_ids"].tobytes())
        owners = image.facts["owners"].tolist()
        now = {o: self.places.number(ClusterId(n)) for o, n in zip(owners, names, strict=True)}
        self._clusterer.restore(image.part("clusterer"), now)
        self._consolidated_at = int(image.facts["consolidated_at"][0])
        good = int(image.facts["good_to_found"][0])
        self._outstanding.restore(image.facts, founding_differs=self.places.good_to_found != good)
        self.entrance.must_consolidate = bool(image.facts["must_consolidate"][0])

    def resume(
        self,
        at: Progress,
        numbers: NDArray[np.int32],
        *,
        elsewhere: Mapping[str, ClusterId],
        consolidate: bool,
    ) -> None:
        """Go on from what was restored, with the run that is visible now.

        Parameters
        ----------
        numbers
            By slot, the cluster of each item in that run.
        elsewhere
            The clusters of items that are not here.
        consolidate
            Whether all groups were formed anew since; then they are again.
        """
        self.restore(at, elsewhere.items())
        self._clusterer.resume()
        slots = np.flatnonzero(self.items.alive)
        self.places.put(slots, numbers[slots])
        later = self.items.seq[slots] > at.watermark
        self._outstanding.seq_of_new = dict(
            zip(slots[later].tolist(), self.items.seq[slots[later]].tolist(), strict=True)
        )
        heads = self.heads(slots[~later])
        self.entrance.forget(self.entrance.absent().tolist())
        self.entrance.expect(heads[~self.items.in_graph[heads]].tolist())
        self.entrance.must_consolidate |= consolidate

    def discard(self, slots: Slots) -> None:
        """Remove items of which the store knows no more."""
        self._remove(slots)

    def _put(self, items: Sequence[Item]) -> None:
        self._moved += len(items)
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
                self._outstanding.seq_of_new[slot] = item.seq
            else:
                self.entrance.expect([int(stand_for[place])])

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
        self._moved += len(slots)
        self.removals += len(slots)
        heads = self._forget_vectors(slots)
        for slot in slots.tolist():
            if self._outstanding.seq_of_new.pop(slot, None) is None:
                self._outstanding.disturbed = True
            self._outstanding.unsettled.discard(slot)
        if self.watcher is not None:
            leave = self.watcher.step_out if keep_places else self.watcher.leave
            leave(self.items.item_ids(slots))
        if not keep_places:
            self._outstanding.lost.update(set(self.places.of(slots).tolist()) - {NOWHERE})
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
        self.entrance.forget(departure.gone.tolist())
        self.entrance.expect(filter(self._stands_for_covered, departure.promoted.tolist()))
        here = departure.shrunk[self.items.in_graph[departure.shrunk]]
        self._clusterer.touch(here)
        return in_graph

    def _stands_for_covered(self, head: int) -> bool:
        items = self._representatives.expand(np.array([head], np.int64)).tolist()
        return not self._outstanding.seq_of_new.keys() >= set(items)

    def _is_later(self, slots: Slots, watermark: int) -> NDArray[np.bool_]:
        """Return which items came after a watermark."""
        return self._outstanding.are_later(slots, watermark)
