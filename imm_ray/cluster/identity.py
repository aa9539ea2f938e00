"""Stable identities: a new partition keeps the cluster ids of the old one where they fit best."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from imm_ray.cluster.graph import Slots
from imm_ray.model import NO_CLUSTER, ClusterId


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChange:
    """One cluster whose members are not what they were; ``NO_CLUSTER`` stands for "in none"."""

    cluster_id: ClusterId
    members: Slots
    """All members now (of ``NO_CLUSTER``: those that were looked at), ascending."""
    joined: Slots
    left: Slots
    """Former members: now elsewhere, or removed."""
    created: bool

    @property
    def dissolved(self) -> bool:
        """Whether the cluster is no more."""
        return not len(self.members)


def keep_ids(
    previous: Mapping[int, ClusterId],
    groups: Sequence[Slots],
    mint: Callable[[], ClusterId],
    *,
    founds: Callable[[Slots], bool] = lambda group: True,
) -> list[ClusterId]:
    """Return a cluster id for each group.

    A group inherits the id of the old cluster with which it shares most items; each id goes to one
    group at most. A group that inherits none is given a fresh id if it ``founds`` a cluster, else
    ``NO_CLUSTER``.

    Parameters
    ----------
    previous
        The cluster of every item that had one.
    groups
        In canonical order: of two groups with equal claims the earlier one inherits.
    mint
        Returns an id that was never used before.

    Notes
    -----
    Greedy by (greatest overlap, smaller id, earlier group); cost ``O(n + c log c)`` for ``c`` pairs
    of a group and an old id.
    """
    claims = sorted(_claims(previous, groups))
    owner: dict[ClusterId, int] = {}
    ids: dict[int, ClusterId] = {}
    for _, cluster_id, place in claims:
        if cluster_id not in owner and place not in ids:
            owner[cluster_id] = place
            ids[place] = cluster_id
    for place, group in enumerate(groups):
        if place not in ids:
            ids[place] = mint() if founds(group) else NO_CLUSTER
    return [ids[place] for place in range(len(groups))]


def changes(
    previous: Mapping[int, ClusterId],
    groups: Sequence[Slots],
    ids: Sequence[ClusterId],
    *,
    removed: Sequence[int] = (),
) -> list[ClusterChange]:
    """Return the clusters that differ, ordered by id.

    Parameters
    ----------
    previous
        The cluster of every item that had one, the removed ones included.
    groups, ids
        The new partition of the items looked at, and the id of each group.
    removed
        Items that are no more.

    Notes
    -----
    ``groups`` and ``removed`` must hold all or no members of a cluster, as an incremental run's do.
    """
    was: dict[ClusterId, set[int]] = defaultdict(set)
    now: dict[ClusterId, set[int]] = defaultdict(set)
    for group, cluster_id in zip(groups, ids, strict=True):
        now[cluster_id].update(group.tolist())
    for slot in [*removed, *(slot for group in groups for slot in group.tolist())]:
        if (old := previous.get(slot)) is not None:
            was[old].add(slot)
    return [
        ClusterChange(
            cluster_id=cluster_id,
            members=_ascending(now[cluster_id]),
            joined=_ascending(now[cluster_id] - was[cluster_id]),
            left=_ascending(was[cluster_id] - now[cluster_id]),
            created=not was[cluster_id],
        )
        for cluster_id in sorted(was.keys() | now.keys())
        if now[cluster_id] != was[cluster_id]
    ]


def _claims(
    previous: Mapping[int, ClusterId], groups: Sequence[Slots]
) -> Iterator[tuple[int, ClusterId, int]]:
    """Yield (minus the overlap, old id, place of the group)."""
    for place, group in enumerate(groups):
        olds = Counter(previous.get(slot, NO_CLUSTER) for slot in group.tolist())
        yield from ((-n, old, place) for old, n in olds.items() if old != NO_CLUSTER)


def _ascending(slots: set[int]) -> Slots:
    return np.array(sorted(slots), np.int64)
