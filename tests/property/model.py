"""What clients may expect after edits: a second account, kept by other means than the engine's."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imm_ray.model import NO_CLUSTER, ClusterId, Edit, EditKind, EditStatus
from tests.property.dataset import View, twice_in_a_photo
from tests.property.world import LOOK_ALIKES


@dataclass(frozen=True, slots=True)
class Seen:
    """One figure as it is in truth."""

    person: int
    is_clear: bool
    """Good enough to take part, and a run has looked at it."""
    revision: int
    """How often its photo was indexed."""


@dataclass(slots=True)
class Merge:
    """An applied merge: what was whose before it."""

    to: ClusterId
    homes: dict[int, ClusterId]
    given: dict[str, ClusterId]
    bans: set[tuple[str, ClusterId]]
    """Those that went over to ``to``."""
    parts: set[ClusterId]


@dataclass(slots=True)
class Model:
    """Follows edits in the order in which they were acknowledged.

    Of a *plain* person, who looks like nobody else and of whom no face was moved or removed by
    hand, all faces that a run has seen are in one cluster, their *home*. It changes by merges and
    their undoing only, until the last of these pictures is deleted or replaced.
    """

    names: dict[ClusterId, str] = field(default_factory=dict)
    done: dict[str, Edit] = field(default_factory=dict)
    """Applied edits that can be undone, by id."""
    homes: dict[int, ClusterId] = field(default_factory=dict)
    given: dict[str, ClusterId] = field(default_factory=dict)
    """Figures that a user has moved, and where they must be."""
    taken: set[tuple[str, ClusterId]] = field(default_factory=set)
    """Figures that a user has removed, and where they must not be."""
    protected: set[ClusterId] = field(default_factory=set)
    odd: set[int] = field(default_factory=lambda: set(LOOK_ALIKES))
    """People who are not plain."""
    combined: set[ClusterId] = field(default_factory=set)
    """Clusters whose figures a user has chosen: there may be two of one photo."""
    _merges: dict[str, Merge] = field(default_factory=dict)
    _settled: set[str] = field(default_factory=set)
    _people: dict[str, Seen] = field(default_factory=dict)
    _excused: set[str] = field(default_factory=set)
    """Figures that an edit of this step names."""
    _gone_by_edit: set[ClusterId] = field(default_factory=set)

    def advance(
        self,
        before: View,
        now: View,
        edits: Sequence[Edit],
        people: Mapping[str, Seen],
    ) -> None:
        """Take over what has happened since ``before``; fail if that is not as promised.

        Parameters
        ----------
        people
            The truth about each figure.
        """
        self._forget_homes(before, people)
        for figure_id, seen in people.items():
            former = self._people.get(figure_id, seen).person
            if former != seen.person:
                self.odd |= {former, seen.person}
        self._people = {**self._people, **people}
        self._excused.clear()
        self._gone_by_edit.clear()
        for edit in edits:
            if edit.status is not EditStatus.PENDING and edit.edit_id not in self._settled:
                self._settled.add(edit.edit_id)
                self._follow(edit, before, now)
        self._assert_hand_made_places(now)
        self._assert_protection(before, now)
        self._assert_names(now)
        self._assert_homes(now, people)
        self._assert_photos(now)

    def _forget_homes(self, before: View, people: Mapping[str, Seen]) -> None:
        """A person whose last known picture is gone has no home: others found a new one."""
        stay = {
            seen.person
            for figure_id, seen in people.items()
            if figure_id in before.place and seen.is_clear and self._people.get(figure_id) == seen
        }
        self.homes = {person: home for person, home in self.homes.items() if person in stay}

    def _follow(self, edit: Edit, before: View, now: View) -> None:
        if edit.status is EditStatus.REFUSED:
            self._assert_refusal(edit, before, now)
            return
        effect = edit.effect
        if edit.kind is EditKind.NAME:
            self.protected.add(ClusterId(effect["cluster_id"]))
        elif edit.kind is EditKind.MERGE:
            self._merge(edit)
        elif edit.kind is EditKind.MOVE:
            self._touch_one(edit, ClusterId(effect["to"]))
            self.given[effect["figure_id"]] = ClusterId(effect["to"])
            self.taken.discard((effect["figure_id"], ClusterId(effect["to"])))
        elif edit.kind is EditKind.REMOVE:
            self._touch_one(edit, ClusterId(effect["from"]))
            self.given.pop(effect["figure_id"], None)
            self.taken.add((effect["figure_id"], ClusterId(effect["from"])))
        elif edit.kind is EditKind.UNDO:
            self._undo(self.done.pop(effect["undone"]), now)
        if edit.kind in (EditKind.MERGE, EditKind.MOVE, EditKind.REMOVE):
            self.done[edit.edit_id] = edit

    def _touch_one(self, edit: Edit, cluster_id: ClusterId) -> None:
        figure_id = edit.effect["figure_id"]
        self.protected.add(cluster_id)
        self.combined.add(cluster_id)
        self._excused.add(figure_id)
        if figure_id in self._people:
            self.odd.add(self._people[figure_id].person)

    def _merge(self, edit: Edit) -> None:
        to = ClusterId(edit.effect["to"])
        parts = {ClusterId(part["cluster_id"]) for part in edit.effect["merged"]}
        self._gone_by_edit |= parts
        self.protected = (self.protected | {to}) - parts
        self.combined.add(to)
        merge = self._merges[edit.edit_id] = Merge(
            to,
            homes={person: home for person, home in self.homes.items() if home in parts},
            given={figure: home for figure, home in self.given.items() if home in parts},
            bans=set(),
            parts=parts,
        )
        self.homes |= dict.fromkeys(merge.homes, to)
        self.given |= dict.fromkeys(merge.given, to)
        for figure_id, cluster_id in list(self.taken):
            if cluster_id in parts:
                self.taken.discard((figure_id, cluster_id))
        self.taken -= {(figure_id, to) for figure_id in merge.given}

    def _undo(self, done: Edit, now: View) -> None:
        if done.kind is EditKind.MERGE:
            self._undo_merge(self._merges.pop(done.edit_id), now)
            return
        figure_id = done.effect["figure_id"]
        self._excused.add(figure_id)
        if done.kind is EditKind.MOVE:
            self.given.pop(figure_id, None)
        else:
            self.taken.discard((figure_id, ClusterId(done.effect["from"])))

    def _undo_merge(self, merge: Merge, now: View) -> None:
        back = {part for part in merge.parts if part in now.states}
        self.protected |= back
        self.combined |= back
        for person, home in merge.homes.items():
            if home in back and self.homes.get(person) == merge.to:
                self.homes[person] = home
        for figure_id, home in merge.given.items():
            if home in back and self.given.get(figure_id) == merge.to:
                self.given[figure_id] = home
        self._excused |= {f for f, cluster_id in now.place.items() if cluster_id in back}

    def _assert_refusal(self, edit: Edit, before: View, now: View) -> None:
        """Whoever is refused is told why, and nobody is who asks for what is plainly possible."""
        assert edit.reason
        if edit.kind in (EditKind.NAME, EditKind.CONSOLIDATE):
            assert edit.kind is EditKind.NAME
            assert edit.payload["cluster_id"] not in now.states
        if edit.kind is EditKind.MERGE:
            wanted = {edit.payload["to"], *edit.payload["from"]}
            assert not wanted <= before.states.keys() & now.states.keys()
        if edit.kind is EditKind.MOVE and edit.payload["figure_id"] in now.file_of:
            assert edit.payload["cluster_id"] not in before.states.keys() & now.states.keys()
        if edit.kind is EditKind.UNDO and (merge := self._merges.get(edit.payload["edit_id"])):
            for person, home in merge.homes.items():
                assert person in self.odd or self.homes.get(person) != merge.to, (
                    f"the merge of {home} can be undone: {edit.reason}"
                )

    def _assert_hand_made_places(self, now: View) -> None:
        self.given = {f: c for f, c in self.given.items() if f in now.file_of}
        for figure_id, cluster_id in self.given.items():
            assert now.place.get(figure_id) == cluster_id, "a user put it there"
        for figure_id, cluster_id in self.taken:
            assert now.place.get(figure_id, NO_CLUSTER) != cluster_id, "a user took it out"

    def _assert_protection(self, before: View, now: View) -> None:
        members = before.members()
        for cluster_id in self.protected & members.keys():
            stayed = {
                figure_id
                for figure_id in members[cluster_id] - self._excused
                if figure_id in now.file_of
            }
            if stayed and cluster_id not in self._gone_by_edit:
                assert cluster_id in now.states, "a protected person has vanished"
                assert any(now.place.get(figure_id) == cluster_id for figure_id in stayed), (
                    "a protected person was swapped for another"
                )

    def _assert_names(self, now: View) -> None:
        names = {cluster_id: state.name for cluster_id, state in now.states.items()}
        assert names == {cluster_id: self.names.get(cluster_id, "") for cluster_id in names}

    def _assert_homes(self, now: View, people: Mapping[str, Seen]) -> None:
        places: dict[int, set[ClusterId]] = {}
        for figure_id, seen in people.items():
            if seen.is_clear and seen.person not in self.odd:
                places.setdefault(seen.person, set()).add(now.place.get(figure_id, NO_CLUSTER))
        for person, found in places.items():
            assert len(found) == 1, f"person {person} is in {len(found)} places"
            (place,) = found
            home = self.homes.get(person, place)
            assert place == home, f"person {person} has left home"
            if place != NO_CLUSTER:
                self.homes[person] = place

    def _assert_photos(self, now: View) -> None:
        """Nobody is twice in a photo, unless edits hold several base clusters together."""
        pins = Counter(now.pins.values())
        for cluster_id, a, b in twice_in_a_photo(now):
            assert cluster_id in self.combined or pins[cluster_id] > 1, (
                f"{a} and {b} are two people of one photo"
            )
