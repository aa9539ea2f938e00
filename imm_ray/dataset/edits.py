"""What edits mean: each becomes constraints on figures, and can be undone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import numpy as np

from imm_ray.dataset.applied import Applied, EditRefused, Lookup
from imm_ray.dataset.book import NO_BASE, Book
from imm_ray.dataset.collection import Collection
from imm_ray.dataset.places import NOWHERE
from imm_ray.dataset.ports import Slots
from imm_ray.dataset.splits import split, undo_split
from imm_ray.model import (
    NO_CLUSTER,
    ClusterEvent,
    ClusterId,
    Constraint,
    ConstraintKind,
    Edit,
    EditKind,
    EventKind,
    JsonObject,
)


@dataclass(slots=True)
class FigureEdits:
    """Turns edits of figure clusters into constraints.

    Payloads: NAME ``cluster_id``; MERGE ``to``, ``from`` (list); MOVE ``figure_id``,
    ``cluster_id``; REMOVE ``figure_id``; SPLIT ``cluster_id``, ``from``, ``figure_ids`` (list);
    UNDO ``edit_id``; CONSOLIDATE nothing.
    """

    figures: Collection
    book: Book
    _steps: Mapping[EditKind, Callable[[Edit, Lookup], Applied]] = field(init=False)

    def __post_init__(self) -> None:
        self._steps = {
            EditKind.NAME: self._name,
            EditKind.MERGE: self._merge,
            EditKind.MOVE: self._move,
            EditKind.REMOVE: self._remove,
            EditKind.SPLIT: self._split,
            EditKind.UNDO: self._undo,
            EditKind.CONSOLIDATE: lambda edit, lookup: Applied({}, consolidate=True),
        }

    def apply(self, edit: Edit, lookup: Lookup) -> Applied:
        """Change the book as an edit says.

        Raises
        ------
        EditRefused
            Nothing was changed.
        """
        self.figures.bring_in()
        try:
            return self._steps[edit.kind](edit, lookup)
        except (KeyError, TypeError, ValueError) as error:
            raise EditRefused(f"The edit is not understood: {error!r}.") from error

    def hold_back(self, applied: Applied, edit_id: str, most: int) -> bool:
        """Pin some of the figures that those which leave a cluster would drag along, the nearest.

        Return whether there were any: then the run has to be planned again.
        """
        found = False
        for item_id, cluster_id in applied.alone:
            heir = self.book.heir(cluster_id)
            if self._target_of(item_id) == heir:  # a merge has brought both together again
                continue
            for dragged in self.book.companions(item_id, heir)[:most]:
                self.book.lay_down(Constraint(dragged, heir, ConstraintKind.PIN, edit_id))
                found = True
        return found

    def _name(self, edit: Edit, lookup: Lookup) -> Applied:
        cluster_id = self._cluster(edit.payload["cluster_id"], lookup)
        self.book.anchor(cluster_id, edit.edit_id)
        named = ClusterEvent(EventKind.NAMED, cluster_id, NO_CLUSTER, ())
        return Applied({"cluster_id": cluster_id}, events=(named,))

    def _merge(self, edit: Edit, lookup: Lookup) -> Applied:
        to = self._cluster(edit.payload["to"], lookup)
        others = dict.fromkeys(self._cluster(other, lookup) for other in edit.payload["from"])
        others.pop(to, None)
        self.book.anchor(to, edit.edit_id)
        merged = [self._take_in(to, other, edit.edit_id, lookup) for other in others]
        out = tuple((ban.item_id, to) for ban in self.book.bans_of(to))
        return Applied({"to": to, "merged": merged}, alone=out)

    def _take_in(self, to: ClusterId, other: ClusterId, edit_id: str, lookup: Lookup) -> JsonObject:
        """Hand every pin and ban of a cluster to another; return what an undo needs.

        A figure that was kept out of the other cluster stays out, unless a user has moved it here.
        """
        book = self.book
        out = {ban.item_id for ban in book.bans_of(to)}
        for pin in book.pins_of(other):
            if pin.item_id in out and not _is_move(lookup.edit(pin.edit_id)):
                book.take_back(pin)
        book.anchor(other, edit_id, without=out)
        pins, bans = book.pins_of(other), book.bans_of(other)
        lifted = [ban for ban in book.bans_of(to) if self._target_of(ban.item_id) == other]
        for pin in pins:
            book.lay_down(Constraint(pin.item_id, to, ConstraintKind.PIN, edit_id))
        for item_id in book.crowded(to, other):
            book.lay_down(Constraint(item_id, to, ConstraintKind.PIN, edit_id))
        inherited = []
        for ban in bans:
            book.take_back(ban)
            if self._target_of(ban.item_id) != to and not book.ban_of(ban.item_id, to):
                book.lay_down(Constraint(ban.item_id, to, ConstraintKind.BAN, edit_id))
                inherited.append(ban.item_id)
        book.lead(other, to)
        return {
            "cluster_id": other,
            "pins": _sources(pins),
            "bans": _sources(bans),
            "inherited": inherited,
            "lifted": _sources(lifted),
        }

    def _move(self, edit: Edit, lookup: Lookup) -> Applied:
        item_id = str(edit.payload["figure_id"])
        before = self._cluster_of(item_id)
        to = self._cluster(edit.payload["cluster_id"], lookup)
        effect = {"to": to, **self._as_it_is(item_id, before)}
        ban = self.book.ban_of(item_id, to)
        effect["banned_by"] = "" if ban is None else ban.edit_id
        self.book.anchor(to, edit.edit_id, without=[item_id])
        if before not in (NO_CLUSTER, to):
            self.book.anchor(before, edit.edit_id, without=[item_id])
        self.book.lay_down(Constraint(item_id, to, ConstraintKind.PIN, edit.edit_id))
        return Applied(effect, alone=() if before == to else ((item_id, before),))

    def _remove(self, edit: Edit, lookup: Lookup) -> Applied:
        item_id = str(edit.payload["figure_id"])
        cluster_id = self._cluster_of(item_id)
        if cluster_id == NO_CLUSTER:
            raise EditRefused(f"The figure {item_id} is in no cluster.")
        effect = self._as_it_is(item_id, cluster_id)
        self.book.anchor(cluster_id, edit.edit_id, without=[item_id])
        self.book.lay_down(Constraint(item_id, cluster_id, ConstraintKind.BAN, edit.edit_id))
        return Applied(effect, alone=((item_id, cluster_id),))

    def _split(self, edit: Edit, lookup: Lookup) -> Applied:
        source = self._cluster(edit.payload["from"], lookup)
        return split(self.book, self.figures.items, edit, source, self._as_it_is)

    def _as_it_is(self, item_id: str, cluster_id: ClusterId) -> dict[str, Any]:
        """Return what an undo needs to know of a figure and its cluster."""
        alone = cluster_id != NO_CLUSTER and len(self.book.members(cluster_id)) == 1
        pin = self.book.pin_of(item_id)
        return {
            "figure_id": item_id,
            "from": cluster_id,
            "emptied": alone,
            "pinned_to": "" if pin is None else pin.cluster_id,
            "pinned_by": "" if pin is None else pin.edit_id,
        }

    def _undo(self, edit: Edit, lookup: Lookup) -> Applied:
        done = lookup.edit(str(edit.payload["edit_id"]))
        if done is None or not done.effect:
            raise EditRefused("There is no such edit, or it was not applied.")
        if done.kind is EditKind.MERGE:
            return self._undo_merge(done, edit.edit_id, lookup)
        if done.kind is EditKind.SPLIT:
            former = self._cluster(done.effect["from"], lookup)
            return undo_split(self.book, done, edit.edit_id, former)
        if done.kind in (EditKind.MOVE, EditKind.REMOVE):
            return self._undo_one(done, edit.edit_id, lookup)
        raise EditRefused(f"An edit of kind {done.kind} is changed by another edit, not undone.")

    def _undo_merge(self, done: Edit, edit_id: str, lookup: Lookup) -> Applied:
        to = ClusterId(done.effect["to"])
        origin = self._origins(done, lookup)
        parts = {
            ClusterId(part["cluster_id"]): part
            for part in done.effect["merged"]
            if len(origin.of.get(ClusterId(part["cluster_id"]), ()))
            and self._is_merged(ClusterId(part["cluster_id"]), done, lookup)
        }
        if not parts:
            raise EditRefused(
                "Nothing is left to take apart: the merged clusters have been taken out or merged "
                "into others since, or none of their figures is left."
            )
        for cluster_id, part in parts.items():
            self._give_back(part, to, origin, edit_id)
            self._give_bans_back(part, to, done.edit_id)
            self.book.lead(cluster_id, cluster_id)
        if not self.book.pins_of(to):
            self.book.hold(to, origin.own, edit_id)
        return Applied({"undone": done.edit_id, "restored": list(parts)}, restored=tuple(parts))

    def _is_merged(self, part: ClusterId, done: Edit, lookup: Lookup) -> bool:
        """Return whether a merge still stands for one of the merged clusters."""
        if self.book.is_led(part):
            return self.book.heir(part) == ClusterId(done.effect["to"])
        since = takewhile(lambda event: event.run > done.run, lookup.history(part))
        return all(event.event is not EventKind.RESTORED for event in since)

    def _origins(self, done: Edit, lookup: Lookup) -> "_Origins":
        """Return which figures of a merged cluster were whose before the merge."""
        to = ClusterId(done.effect["to"])
        came: dict[ClusterId, set[str]] = {}
        later: set[str] = set()
        for event in lookup.history(to) if done.run else ():
            if event.run < done.run:
                break
            if event.run > done.run:
                later.update(event.items)
            elif event.event in (EventKind.MERGED, EventKind.MOVED):
                came.setdefault(event.other_id, set()).update(event.items)
        members = self.book.members(to)
        items = self.figures.items
        ids = dict(zip(members.tolist(), items.item_ids(members), strict=True))
        given = {
            slot for slot, item_id in ids.items() if self._was_given(item_id, to, done, lookup)
        }

        def slots(chosen: Callable[[str], bool]) -> Slots:
            return np.array([s for s, i in ids.items() if s not in given and chosen(i)], np.int64)

        of = {part: slots(found.__contains__) for part, found in came.items()}
        if not done.run:  # no run has made the merge visible: every figure is still where it was
            places = self.figures.places
            merged = [ClusterId(part["cluster_id"]) for part in done.effect["merged"]]
            of = {part: places.members(places.number(part)) for part in merged}
        theirs = [np.empty(0, np.int64), *of.values()]
        arrived = np.setdiff1d(slots(later.__contains__), np.concatenate(theirs))
        own = np.setdiff1d(members, np.concatenate((*theirs, arrived)))
        return _Origins(of, own, arrived)

    def _was_given(self, item_id: str, to: ClusterId, done: Edit, lookup: Lookup) -> bool:
        """Return whether a user has moved a figure to the merged cluster after the merge."""
        pin = self.book.pin_of(item_id)
        if pin is None or pin.cluster_id != to or not pin.edit_id:
            return False
        edit = lookup.edit(pin.edit_id)
        return edit is not None and _is_move(edit) and edit.seq > done.seq

    def _give_back(self, part: JsonObject, to: ClusterId, origin: "_Origins", edit_id: str) -> None:
        """Pin to a cluster again what it had, and what came to its base clusters only."""
        book, cluster_id = self.book, ClusterId(part["cluster_id"])
        mine = origin.of[cluster_id]
        bases = np.setdiff1d(book.bases(mine), (*book.bases(origin.own), NO_BASE))
        arrived = origin.arrived[np.isin(book.bases(origin.arrived), bases)]
        for item_id in self.figures.items.item_ids(np.concatenate((mine, arrived))):
            if self._target_of(item_id) == to:
                source = part["pins"].get(item_id, edit_id)
                book.lay_down(Constraint(item_id, cluster_id, ConstraintKind.PIN, source))
        book.hold(cluster_id, mine, edit_id)

    def _give_bans_back(self, part: JsonObject, to: ClusterId, merge_id: str) -> None:
        """Lay bans down again as they were before a merge."""
        for item_id in part["inherited"]:
            ban = self.book.ban_of(item_id, to)
            if ban is not None and ban.edit_id == merge_id:
                self.book.take_back(ban)
        cluster_id = ClusterId(part["cluster_id"])
        for target, bans in ((cluster_id, part["bans"]), (to, part["lifted"])):
            for item_id, source in bans.items():
                exists = self.figures.items.slot_of(item_id) is not None
                if exists and self._target_of(item_id) != target:
                    self.book.lay_down(Constraint(item_id, target, ConstraintKind.BAN, source))

    def _undo_one(self, done: Edit, edit_id: str, lookup: Lookup) -> Applied:
        item_id = str(done.effect["figure_id"])
        if self.figures.items.slot_of(item_id) is None:
            raise EditRefused(f"The figure {item_id} does not exist any more.")
        if done.kind is EditKind.MOVE:
            standing = self.book.pin_of(item_id)
        else:
            standing = self.book.ban_of(item_id, ClusterId(done.effect["from"]))
        if standing is None or standing.edit_id != done.edit_id:
            raise EditRefused("A later edit has taken the place of this one.")
        self.book.take_back(standing)
        if source := done.effect.get("banned_by"):
            to = ClusterId(done.effect["to"])
            self.book.lay_down(Constraint(item_id, to, ConstraintKind.BAN, source))
        restored = self._put_back(item_id, done.effect, edit_id, lookup)
        return Applied({"undone": done.edit_id, "restored": list(restored)}, restored=restored)

    def _put_back(
        self, item_id: str, effect: JsonObject, edit_id: str, lookup: Lookup
    ) -> tuple[ClusterId, ...]:
        """Pin a figure to what it was pinned to; return the cluster that comes back with it."""
        former = ClusterId(effect["from"])
        if effect["emptied"] and self._leads_to(former, lookup) != former:
            self.book.lay_down(Constraint(item_id, former, ConstraintKind.PIN, edit_id))
            self.book.lead(former, former)
            return (former,)
        target = self._leads_to(effect["pinned_to"], lookup) if effect["pinned_to"] else None
        if target is not None:
            source = effect["pinned_by"]
            self.book.lay_down(Constraint(item_id, target, ConstraintKind.PIN, source))
        return ()

    def _cluster(self, cluster_id: Any, lookup: Lookup) -> ClusterId:
        found = self._leads_to(cluster_id, lookup)
        if found is None or not self._is_person(found):
            raise EditRefused(f"The figure cluster {cluster_id} does not exist.")
        return found

    def _leads_to(self, cluster_id: Any, lookup: Lookup) -> ClusterId | None:
        """Return the cluster that an id leads to, edits that no run has shown yet included."""
        wanted = ClusterId(str(cluster_id))
        if self.book.is_led(wanted):
            return self.book.heir(wanted)
        found = lookup.resolve(wanted)
        return None if found is None else self.book.heir(found)

    def _is_person(self, cluster_id: ClusterId) -> bool:
        return len(self.book.members(cluster_id)) > 0 or bool(self.book.pins_of(cluster_id))

    def _cluster_of(self, item_id: str) -> ClusterId:
        slot = self.figures.items.slot_of(item_id)
        if slot is None:
            raise EditRefused(f"The figure {item_id} does not exist.")
        number = int(self.figures.places.of(np.array([slot], np.int64))[0])
        if number == NOWHERE:
            return NO_CLUSTER
        return self.book.heir(self.figures.places.cluster_id(number))

    def _target_of(self, item_id: str) -> str:
        pin = self.book.pin_of(item_id)
        return "" if pin is None else pin.cluster_id


@dataclass(frozen=True, slots=True)
class _Origins:
    """Where the figures of a merged cluster come from."""

    of: dict[ClusterId, Slots]
    """Those of each cluster that was merged into it."""
    own: Slots
    arrived: Slots
    """Those that came after the merge."""


def _is_move(edit: Edit | None) -> bool:
    return edit is not None and edit.kind is EditKind.MOVE


def _sources(constraints: Iterable[Constraint]) -> dict[str, str]:
    """Return the edit that each figure's constraint comes from."""
    return {constraint.item_id: constraint.edit_id for constraint in constraints}
