"""What a dataset says about a model without labels.

Two faces of one photo are two people: negatives. Faces at the same place in two photos of one group
of similar images are one person: positives, of copies of one shot.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from benchmarks.calibrate.boxes import overlap
from benchmarks.calibrate.derive import Derived
from imm_ray.embed.cards import Calibration, ModelCard, card_of_model
from imm_ray.model import ClusterKind, DatasetId, FileId, Vector
from imm_ray.store import loading, migrate, tables
from imm_ray.store.database import Database
from imm_ray.store.results import StoredFigure

EXPECTED_ERRORS = 10
"""False matches that the evidence must be expected to hold: fewer say nothing about their rate."""

_SAME_BOX = 0.5
_LEAST_COPIES = 30
_DRAWS = 200


class ThinEvidence(Exception):
    """A dataset holds too few pairs to say anything."""


class Face(NamedTuple):
    """A stored face, its place relative to its photo."""

    left: float
    top: float
    width: float
    height: float
    vector: Vector


@dataclass(frozen=True, slots=True)
class Evidence:
    """Cosines that need no label."""

    negatives: NDArray[np.float32]
    photos: NDArray[np.int64]
    """A number of the photo of each negative."""
    soft_passed: int
    """Pairs of one photo that the model card lets be one person; they are no negatives."""
    positives: NDArray[np.float32]


def read_evidence(database: Database, dataset: str) -> tuple[ModelCard, Evidence]:
    """Return the model of a dataset and what its photos say about it.

    Parameters
    ----------
    dataset
        Its id, or ``project/name``.

    Raises
    ------
    ValueError
        There is no such dataset, or its model is unknown to this version.
    """
    migrate.require_current(database)
    d = tables.dataset.c
    with database.read() as tx:
        query = select(d.dataset_id, d.face_model).where(
            (d.dataset_id == dataset) | (d.project + "/" + d.name == dataset)
        )
        rows = tx.execute(query).all()
    if len(rows) != 1:
        raise ValueError(
            f"{len(rows)} datasets of this store are {dataset!r}: give the id of one, or "
            "project/name"
        )
    dataset_id = DatasetId(rows[0].dataset_id)
    card = card_of_model(rows[0].face_model)
    faces = _faces_by_file(database, dataset_id)
    groups = _groups(database, dataset_id)
    return card, gather(faces, groups, same_photo=card.scale.cosine(card.scale.same_photo))


def gather(
    faces: Mapping[FileId, Sequence[Face]],
    groups: Sequence[Sequence[FileId]],
    *,
    same_photo: float,
) -> Evidence:
    """Return negatives and positives of photos with their faces and groups of similar photos."""
    cosines, photos = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
    for number, file_id in enumerate(sorted(faces)):
        of_photo = _cosines(faces[file_id])
        cosines.append(of_photo)
        photos.append(np.full(len(of_photo), number))
    within, photo = np.concatenate(cosines), np.concatenate(photos)
    alike = within >= same_photo
    same = [cosine for group in groups for cosine in _copies(faces, sorted(group))]
    return Evidence(within[~alike], photo[~alike], int(alike.sum()), np.array(same, np.float32))


def derive_unlabelled(card: ModelCard, evidence: Evidence, *, false_match_rate: float) -> Derived:
    """Return the card's calibration with zero point and threshold from a dataset's negatives.

    Notes
    -----
    The threshold is the cosine that a share of ``false_match_rate`` of the negatives reaches; on
    labelled sets of the default model a rate of .001 gives the threshold of the best clusters.
    Copies are more alike than two pictures of a person, so the card's ``same_mean`` stays, and so
    does, as a cosine, the limit for one photo. People in one photo share light and camera and may
    be family: the threshold errs on the careful side.

    Of pictures as a whole nothing is known without labels: any two of an album may be alike.

    Raises
    ------
    ThinEvidence
    """
    needed = round(EXPECTED_ERRORS / false_match_rate)
    if len(evidence.negatives) < needed:
        raise ThinEvidence(
            f"{len(evidence.negatives)} pairs of two faces in one photo, from "
            f"{len(np.unique(evidence.photos))} photos, are too few for a false match rate of "
            f"{false_match_rate}: {needed} are needed. Index more group photos, accept a higher "
            "--false-match-rate, or calibrate with --labelled"
        )
    old = card.scale
    zero = round(float(evidence.negatives.mean()), 4)
    limit = float(np.quantile(evidence.negatives, 1 - false_match_rate))
    if not zero < limit < old.same_mean:
        raise ThinEvidence(
            f"the threshold of a false match rate of {false_match_rate} would be the cosine "
            f"{limit:.4f}, which is not between {zero}, the mean of the negatives, and "
            f"{old.same_mean}, the model's mean of one person: photos of this dataset show people "
            "more than once, or the model does not fit them"
        )
    calibration = _moved(old, zero, limit)
    return Derived(calibration, _figures(old, calibration, evidence, false_match_rate))


def _moved(old: Calibration, zero: float, limit: float) -> Calibration:
    width = old.same_mean - zero

    def scaled(cosine: float) -> float:
        return round((cosine - zero) / width, 3)

    threshold = scaled(limit)
    return old.model_copy(
        update={
            "different_mean": zero,
            "threshold": threshold,
            "same_photo": max(threshold, scaled(old.cosine(old.same_photo))),
        }
    )


def _figures(
    old: Calibration, new: Calibration, evidence: Evidence, false_match_rate: float
) -> dict[str, Any]:
    negatives, positives = evidence.negatives, evidence.positives
    copies = (
        {
            "copies_1_percent": round(float(np.quantile(positives, 0.01)), 4),
            "copies_over_same_photo": round(
                float((positives >= old.cosine(old.same_photo)).mean()), 4
            ),
        }
        if len(positives) >= _LEAST_COPIES
        else {"copies": f"fewer than {_LEAST_COPIES}: nothing is said about copies"}
    )
    return {
        "pairs_different": len(negatives),
        "photos": len(np.unique(evidence.photos)),
        "soft_passed": evidence.soft_passed,
        "pairs_same": len(positives),
        "false_match_rate": false_match_rate,
        "threshold_cosine": round(new.cosine(new.threshold), 4),
        "threshold_cosine_95": _threshold_interval(evidence, false_match_rate),
        "threshold_cosine_of_the_card": round(old.cosine(old.threshold), 4),
        "false_match_rate_of_the_card": round(
            float((negatives >= old.cosine(old.threshold)).mean()), 6
        ),
        "same_mean": "from the card: copies are no measure of two pictures of a person",
        **copies,
    }


def _threshold_interval(evidence: Evidence, false_match_rate: float) -> list[float]:
    """Return where the threshold lies when photos are drawn again with replacement."""
    order = np.argsort(evidence.negatives)
    cosines = evidence.negatives[order]
    photos = np.unique(evidence.photos, return_inverse=True)[1][order]
    rng = np.random.default_rng(0)
    count = int(photos.max()) + 1
    limits = []
    for _ in range(_DRAWS):
        drawn = rng.multinomial(count, np.full(count, 1 / count))[photos]
        reached = np.searchsorted(np.cumsum(drawn), (1 - false_match_rate) * drawn.sum())
        limits.append(float(cosines[min(int(reached), len(cosines) - 1)]))
    return [round(float(limit), 4) for limit in np.quantile(limits, [0.025, 0.975])]


def _cosines(faces: Sequence[Face]) -> NDArray[np.float32]:
    if len(faces) < 2:
        return np.empty(0, np.float32)
    vectors = np.stack([face.vector for face in faces]).astype(np.float32)
    return np.asarray((vectors @ vectors.T)[np.triu_indices(len(faces), 1)], np.float32)


def _copies(faces: Mapping[FileId, Sequence[Face]], group: Sequence[FileId]) -> Iterator[float]:
    """Yield the cosines of faces at one place in a photo and the next one of its group."""
    for first, second in pairwise(group):
        for face in faces.get(first, ()):
            for other in faces.get(second, ()):
                if overlap(face, other) >= _SAME_BOX:
                    yield float(face.vector.astype(np.float32) @ other.vector.astype(np.float32))


def _faces_by_file(database: Database, dataset_id: DatasetId) -> dict[FileId, list[Face]]:
    f = tables.file.c
    with database.read() as tx:
        query = select(f.file_id, f.width, f.height).where(f.dataset_id == dataset_id)
        sizes = {FileId(row.file_id): (row.width, row.height) for row in tx.execute(query)}
    found: dict[FileId, list[Face]] = defaultdict(list)
    for figure in loading.figures(database, dataset_id):
        if figure.file_id in sizes:
            found[figure.file_id].append(_face(figure, *sizes[figure.file_id]))
    return found


def _face(figure: StoredFigure, width: int, height: int) -> Face:
    box = figure.box
    return Face(
        box.left / max(width, 1),
        box.top / max(height, 1),
        box.width / max(width, 1),
        box.height / max(height, 1),
        figure.vector,
    )


def _groups(database: Database, dataset_id: DatasetId) -> list[list[FileId]]:
    """Return the visible groups of similar images."""
    kind = ClusterKind.SIMILAR
    run = loading.progress(database, dataset_id, kind).run
    members: dict[str, list[FileId]] = defaultdict(list)
    for item, cluster_id in loading.memberships(database, dataset_id, kind, run):
        members[cluster_id].append(FileId(item))
    return list(members.values())
