"""What a run of the demo found, as values and as ``result.json``.

``result.json`` is a contract; others script against it::

    {"files": [{"uri", "path", "status", "reason",
                "figures": [{"figure_id", "box", "cluster_id"}]}],
     "figure_clusters": [{"id", "name", "figure_count", "image_count",
                          "figure_ids", "paths", "cover"}],
     "similar_clusters": [{"id", "paths", "best"}],
     "ledger": {"figures", "similar"}}

``path`` is relative to the indexed folder. ``box`` is ``[left, top, width, height]`` in pixels of
the upright picture. ``cluster_id`` is null for a face of nobody. ``cover`` is ``{"path",
"figure_id"}`` or null. Clusters come largest first; ``paths`` of a similar cluster come best first.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

Answer = Mapping[str, Any]
"""One object of an API response, in wire spelling."""

BUCKET = "demo"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
_RESERVED = ("", "figure-cluster-id-unavailable", "figure-cluster-id-independent")


def uri_of(path: str) -> str:
    """Return the URI under which the demo indexes the file at this relative path."""
    return f"oss://{BUCKET}/{path}"


def path_of(uri: str) -> str:
    """Return the relative path of a file that the demo indexed under ``uri``.

    >>> path_of(uri_of("summer/beach 1.jpg"))
    'summer/beach 1.jpg'
    """
    return uri.removeprefix(uri_of(""))


@dataclass(frozen=True, slots=True)
class Face:
    """A face found in a photo."""

    figure_id: str
    box: tuple[int, int, int, int]
    """Left, top, width, height in pixels of the upright picture."""
    cluster_id: str | None
    """None: a face of nobody."""

    @classmethod
    def of(cls, figure: Answer) -> Self:
        """Return the face that the API calls a figure."""
        boundary = figure["Boundary"]
        box = (boundary["Left"], boundary["Top"], boundary["Width"], boundary["Height"])
        cluster_id = figure.get("FigureClusterId", "")
        return cls(figure["FigureId"], box, None if cluster_id in _RESERVED else cluster_id)


@dataclass(frozen=True, slots=True)
class Photo:
    """A file of the folder, and what indexing it gave."""

    path: str
    status: str
    reason: str = ""
    faces: tuple[Face, ...] = ()

    @classmethod
    def of(cls, file: Answer) -> Self:
        """Return the photo that the API calls a file."""
        faces = tuple(Face.of(figure) for figure in file.get("Figures") or ())
        return cls(path_of(file["URI"]), file["ObjectStatus"], file.get("Reason") or "", faces)


@dataclass(frozen=True, slots=True)
class Person:
    """A figure cluster."""

    cluster_id: str
    name: str
    figure_count: int
    image_count: int
    faces: tuple[tuple[Photo, Face], ...]
    cover: tuple[str, str] | None
    """Path and figure id."""


@dataclass(frozen=True, slots=True)
class Group:
    """A cluster of similar images, the best first."""

    cluster_id: str
    pictures: tuple[tuple[str, float], ...]
    """Path and image score."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that one run of the demo found."""

    photos: tuple[Photo, ...]
    people: tuple[Person, ...] = ()
    groups: tuple[Group, ...] = ()
    ledger: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Photo, ...]:
        """The files that could not be indexed."""
        return tuple(photo for photo in self.photos if photo.status == FAILED)

    @property
    def succeeded(self) -> tuple[Photo, ...]:
        """The files that were indexed."""
        return tuple(photo for photo in self.photos if photo.status == SUCCEEDED)

    @property
    def strangers(self) -> tuple[tuple[Photo, Face], ...]:
        """The faces of nobody, each with its photo."""
        return tuple((p, face) for p in self.photos for face in p.faces if face.cluster_id is None)

    @property
    def face_count(self) -> int:
        """How many faces were found."""
        return sum(len(photo.faces) for photo in self.photos)


def findings(
    photos: Sequence[Photo],
    figure_clusters: Iterable[Answer],
    *,
    similar_clusters: Iterable[Answer],
    ledger: Mapping[str, Any],
) -> Findings:
    """Return the findings that the API's answers describe, the largest clusters first."""
    members: dict[str, list[tuple[Photo, Face]]] = defaultdict(list)
    for photo in photos:
        for face in photo.faces:
            if face.cluster_id is not None:
                members[face.cluster_id].append((photo, face))
    people = [_person(cluster, members[cluster["ObjectId"]]) for cluster in figure_clusters]
    groups = [_group(cluster) for cluster in similar_clusters]
    return Findings(
        tuple(photos),
        tuple(sorted(people, key=lambda person: (-person.figure_count, person.cluster_id))),
        tuple(sorted(groups, key=lambda group: (-len(group.pictures), group.cluster_id))),
        ledger,
    )


def _person(cluster: Answer, faces: list[tuple[Photo, Face]]) -> Person:
    cover = cluster.get("Cover") or {}
    figures = cover.get("Figures") or ()
    return Person(
        cluster["ObjectId"],
        cluster.get("Name") or "",
        cluster["FaceCount"],
        cluster["ImageCount"],
        tuple(faces),
        (path_of(cover["URI"]), figures[0]["FigureId"]) if figures else None,
    )


def _group(cluster: Answer) -> Group:
    pictures = ((path_of(file["URI"]), float(file["ImageScore"])) for file in cluster["Files"])
    return Group(cluster["ObjectId"], tuple(pictures))


def result_json(found: Findings) -> dict[str, Any]:
    """Return the content of ``result.json`` (see the module's text)."""
    return {
        "files": [_file_json(photo) for photo in found.photos],
        "figure_clusters": [_person_json(person) for person in found.people],
        "similar_clusters": [
            {
                "id": group.cluster_id,
                "paths": [path for path, _ in group.pictures],
                "best": group.pictures[0][0],
            }
            for group in found.groups
        ],
        "ledger": dict(found.ledger),
    }


def _file_json(photo: Photo) -> dict[str, Any]:
    figures = [
        {"figure_id": face.figure_id, "box": list(face.box), "cluster_id": face.cluster_id}
        for face in photo.faces
    ]
    return {
        "uri": uri_of(photo.path),
        "path": photo.path,
        "status": photo.status,
        "reason": photo.reason,
        "figures": figures,
    }


def _person_json(person: Person) -> dict[str, Any]:
    cover = person.cover
    return {
        "id": person.cluster_id,
        "name": person.name,
        "figure_count": person.figure_count,
        "image_count": person.image_count,
        "figure_ids": [face.figure_id for _, face in person.faces],
        "paths": list(Counter(photo.path for photo, _ in person.faces)),
        "cover": None if cover is None else {"path": cover[0], "figure_id": cover[1]},
    }
