"""Why two faces are one person, or are not."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from imm_ray.cluster import kernels, list_kernels
from imm_ray.cluster.fixed import to_cosine
from imm_ray.cluster.followers import Followers
from imm_ray.cluster.limits import FigureLimits
from imm_ray.cluster.overlay import Overlay
from imm_ray.cluster.region import Graph, Region


class Reason(StrEnum):
    """What decided."""

    SAME_BASE = "SameBaseCluster"
    """Average link put both into one base cluster."""
    SECOND_PASS = "SecondPass"
    """Their base clusters are just below the threshold, but near twins tie them."""
    USER = "UserEdit"
    """A user gave both to one person."""
    FOLLOWS = "Follows"
    """One is a poor face that is most alike to the base cluster of the other."""
    KEPT_OUT = "KeptOutByUser"
    """A user took one out of the person of the other."""
    TWO_PERSONS = "TwoPersonsByUser"
    """A user gave them to two persons."""
    SAME_PHOTO = "SamePhoto"
    """They stand in one photo and do not look alike enough to be a mirror image."""
    POOR_FACE = "PoorFace"
    """One is too poor to found or bridge, and not alike enough to any cluster to follow it."""
    TOO_DIFFERENT = "TooDifferent"
    """Their base clusters are less alike than the threshold."""
    OTHERS_NEARER = "OthersNearer"
    """Their base clusters would reach the threshold, but each has merged with nearer ones, or waits
    for a consolidation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why two faces are together or apart; similarities are cosines."""

    together: bool
    reason: Reason
    similarity: float
    """Of the two faces."""
    mean_similarity: float | None
    """Of all pairs across their two base clusters; None when they share one or have none."""
    threshold: float
    """What the mean similarity had to reach."""
    base_clusters: tuple[int, int]
    """Sizes of their base clusters, 0 for a face in none."""

    @property
    def sentence(self) -> str:
        """The same for a person to read."""
        mean = "" if self.mean_similarity is None else f" on average {self.mean_similarity:.3f}"
        clusters = f"clusters of {self.base_clusters[0]} and {self.base_clusters[1]}{mean}"
        verdict = "One person" if self.together else "Not one person"
        return (
            f"{verdict}: {_WHY[self.reason]} (the two faces {self.similarity:.3f}; {clusters}; "
            f"threshold {self.threshold:.3f})."
        )


_WHY = {
    Reason.SAME_BASE: "their group is alike on average",
    Reason.SECOND_PASS: "their groups are just below the threshold, but hold near twins",
    Reason.USER: "a user gave both to one person",
    Reason.FOLLOWS: "the poor face is most alike to the group of the other",
    Reason.KEPT_OUT: "a user took one out of the person of the other",
    Reason.TWO_PERSONS: "a user gave them to two persons",
    Reason.SAME_PHOTO: "they stand in one photo and are no mirror image",
    Reason.POOR_FACE: "one is too poor to be recognised by itself and like no group enough",
    Reason.TOO_DIFFERENT: "their groups are less alike than the threshold",
    Reason.OTHERS_NEARER: "their groups have merged with nearer ones, or wait for a consolidation",
}


def explain(
    graph: Graph, overlay: Overlay, followers: Followers, limits: FigureLimits, a: int, b: int
) -> Explanation:
    """Return why the faces ``a`` and ``b`` are one person or are not."""
    ends = np.array([a, b], np.int64)
    vectors = graph.fixed(ends)
    similarity = int(list_kernels.pair_similarities(vectors, np.array([0]), np.array([1]))[0])
    numbers = tuple(_number(graph, followers, slot) for slot in (a, b))
    mean = _mean(graph, *numbers)
    together, reason = _reason(graph, overlay, limits, (a, b), numbers, mean)
    sizes = tuple(int(graph.base.size[n]) if n is not None else 0 for n in numbers)
    return Explanation(
        together=together,
        reason=reason,
        similarity=to_cosine(similarity),
        mean_similarity=None if mean is None else to_cosine(mean),
        threshold=to_cosine(limits.threshold),
        base_clusters=(sizes[0], sizes[1]),
    )


def _number(graph: Graph, followers: Followers, slot: int) -> int | None:
    label = int(graph.base.label[slot])
    return label if label >= 0 else followers.leader(slot)


def _mean(graph: Graph, m: int | None, n: int | None) -> float | None:
    if m is None or n is None or m == n:
        return None
    nodes = graph.nodes(Region(np.empty(0, np.int64), np.array([m, n], np.int64)))
    first, second = np.array([0], np.int32), np.array([1], np.int32)
    total = kernels.products(nodes.vectors, nodes.sums, np.arange(2), first, second)[0]
    return float(total / nodes.sizes.prod())


def _reason(
    graph: Graph,
    overlay: Overlay,
    limits: FigureLimits,
    ends: tuple[int, int],
    numbers: tuple[int | None, ...],
    mean: float | None,
) -> tuple[bool, Reason]:
    owners = [_owner(graph, overlay, slot, n) for slot, n in zip(ends, numbers, strict=True)]
    m, n = numbers
    if owners[0] and owners[0] == owners[1] and (m is None or m != n):
        return True, Reason.USER
    if m is not None and m == n:
        poor = not graph.core[list(ends)].all()
        return True, Reason.FOLLOWS if poor else Reason.SAME_BASE
    if m is not None and n is not None and n in overlay.mates(m):
        return True, Reason.SECOND_PASS
    return False, _why_apart(graph, limits, ends, owners, mean)


def _why_apart(
    graph: Graph,
    limits: FigureLimits,
    ends: tuple[int, int],
    owners: list[int],
    mean: float | None,
) -> Reason:
    claims = graph.claims
    if owners[1] in claims.bans(ends[0]) or owners[0] in claims.bans(ends[1]):
        return Reason.KEPT_OUT
    if owners[0] and owners[1]:
        return Reason.TWO_PERSONS
    if graph.photos.conflict(*ends):
        return Reason.SAME_PHOTO
    if mean is None:
        return Reason.POOR_FACE
    return Reason.TOO_DIFFERENT if mean < limits.threshold else Reason.OTHERS_NEARER


def _owner(graph: Graph, overlay: Overlay, slot: int, number: int | None) -> int:
    pinned = graph.claims.owner(slot)
    if pinned or number is None:
        return pinned
    return next((overlay.owner(m) for m in sorted(overlay.mates(number)) if overlay.owner(m)), 0)
