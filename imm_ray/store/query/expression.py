"""The members of a file as SQL: NULL is a member that the file does not have.

What is NULL here is what ``file_body`` leaves out of a response: what storage says stands from the
first reading on, what the models say as long as the file is a picture.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    select,
    true,
)

from imm_ray.model import ClusterKind, Dataset
from imm_ray.store import tables
from imm_ray.store.columns import unindexed
from imm_ray.store.query.field import FIGURES, INDEPENDENT, OWN_MEDIA_TYPES, UNAVAILABLE, Field
from imm_ray.store.query.function import Begins, Elements, InByteOrder, Member, fold

Sql: TypeAlias = ColumnElement[Any]

F = tables.file.c

_SAID = (
    "OSSURI",
    "FileHash",
    "CustomId",
    "Title",
    "Artist",
    "AlbumArtist",
    "Composer",
    "Performer",
    "Album",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a query is about: a dataset at its visible run of figures."""

    dataset: Dataset
    figure_run: int
    figure_watermark: int
    heirs: Mapping[str, str]
    """The visible cluster of each cluster id that the query names, where it leads to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The elements of an array as rows."""

    source: FromClause
    file_id: Sql
    of_file: ColumnElement[bool]
    """Joins an element with its file."""
    member: Callable[[str], Sql]


def value_of(field: Field, scope: Scope) -> Sql:
    """Return the value of a member that a file has at most once, in a query of ``file``."""
    if field.is_label:
        return label_of(field, tables.file_label.c.value.name)
    if field.path in _SAID:
        return _said(field.path)
    return _VALUES[field.path](scope)


def label_of(field: Field, column: str) -> Sql:
    """Return a column of the file's label: ``value``, ``said`` or ``number``."""
    r = tables.file_label
    query = select(r.c[column]).where(r.c.file_id == F.file_id, r.c.label_key == fold(field.member))
    return query.correlate(tables.file).scalar_subquery()


def rows_of(array: str, scope: Scope, *, in_clusters: bool = False) -> Rows:
    """Return the elements of an array.

    ``in_clusters`` takes only those figures that are in a cluster, and lets the database begin
    with the cluster.
    """
    if array == FIGURES:
        return _figures(scope, in_clusters)
    elements = Elements(F.attributes, literal(array)).table_valued("value")
    numbers = ("LabelLevel", "LabelConfidence", "CentricScore")

    def member(name: str) -> Sql:
        text = Member(elements.c.value, literal(name))
        return cast(text, Float) if name in numbers else InByteOrder(func.nullif(text, ""))

    return Rows(source=elements, file_id=F.file_id, of_file=true(), member=member)


def files_of_cluster(cluster_id: str, scope: Scope) -> Select[Any]:
    """Return the ids of the files with a figure in the cluster that an id leads to."""
    m = tables.membership.alias("m")
    cluster = m.c.cluster_id == scope.heirs.get(cluster_id, cluster_id)
    return select(m.c.file_id).where(_visible(m, scope), cluster)


def _visible(m: FromClause, scope: Scope) -> ColumnElement[bool]:
    return and_(
        m.c.dataset_id == scope.dataset.dataset_id,
        m.c.kind == ClusterKind.FIGURE,
        unindexed(m.c.from_run) <= scope.figure_run,
        unindexed(m.c.to_run) > scope.figure_run,
    )


def _figures(scope: Scope, in_clusters: bool) -> Rows:
    g, m = tables.figure.alias("g"), tables.membership.alias("m")
    visible = and_(m.c.item_id == g.c.figure_id, _visible(m, scope))
    alone = case((g.c.seq <= scope.figure_watermark, INDEPENDENT), else_=UNAVAILABLE)
    special: dict[str, Callable[[], Sql]] = {
        "FigureType": lambda: literal("face"),
        "FigureClusterId": lambda: (
            m.c.cluster_id if in_clusters else func.coalesce(m.c.cluster_id, alone)
        ),
        "FigureClusterConfidence": lambda: m.c.confidence,
        "FigureId": lambda: g.c.figure_id,
    }

    def member(name: str) -> Sql:
        return special[name]() if name in special else g.c[_FIGURE_COLUMNS[name]]

    file_id = m.c.file_id if in_clusters else g.c.file_id
    return Rows(
        source=m.join(g, visible) if in_clusters else g.outerjoin(m, visible),
        file_id=file_id,
        of_file=file_id == F.file_id,
        member=member,
    )


_FIGURE_COLUMNS = {
    "FigureConfidence": "confidence",
    "FaceQuality": "quality",
    "Sharpness": "sharpness",
    "HeadPose.Pitch": "pitch",
    "HeadPose.Roll": "roll",
    "HeadPose.Yaw": "yaw",
    "Boundary.Left": "left",
    "Boundary.Top": "top",
    "Boundary.Width": "width",
    "Boundary.Height": "height",
}


def _said(name: str) -> Sql:
    """Return what the client said; '' is nothing."""
    return InByteOrder(func.nullif(F.attributes[name].as_string(), "", type_=Text()))


def _read(column: Sql) -> Sql:
    """Return what storage says of the file, once it was read."""
    return case((F.content_type != "", column))


def _seen(column: Sql) -> Sql:
    """Return what the models say of a picture."""
    return case((F.image_score.is_not(None), column))


def _media_type(scope: Scope) -> Sql:
    own = case(*((Begins(F.content_type, f"{kind}/"), kind) for kind in OWN_MEDIA_TYPES))
    return func.coalesce(_said("MediaType"), own, type_=Text())


def _filename(scope: Scope) -> Sql:
    # Cutting off every last character that is no slash leaves the folder.
    folder = func.rtrim(F.uri, func.replace(F.uri, "/", ""))
    return func.nullif(func.substr(F.uri, func.length(folder) + 1), "", type_=Text())


def _figure_count(scope: Scope) -> Sql:
    g = tables.figure
    of_file = select(func.count()).select_from(g).where(g.c.file_id == F.file_id)
    return _seen(of_file.correlate(tables.file).scalar_subquery())


def _exif(scope: Scope) -> Sql:
    return _seen(InByteOrder(func.nullif(cast(F.exif, Text), "{}")))


_VALUES: Mapping[str, Callable[[Scope], Sql]] = {
    "OwnerId": lambda scope: literal(scope.dataset.account),
    "ProjectName": lambda scope: literal(scope.dataset.project),
    "DatasetName": lambda scope: literal(scope.dataset.name),
    "ObjectType": lambda scope: literal("file"),
    "ObjectId": lambda scope: F.file_id,
    "ObjectStatus": lambda scope: F.status,
    "Reason": lambda scope: func.nullif(F.reason, "", type_=Text()),
    "URI": lambda scope: F.uri,
    "Filename": _filename,
    "MediaType": _media_type,
    "ContentType": lambda scope: func.coalesce(
        _said("ContentType"), func.nullif(F.content_type, ""), type_=Text()
    ),
    "ETag": lambda scope: _read(func.nullif(F.etag, "", type_=Text())),
    "EXIF": _exif,
    "Size": lambda scope: _read(F.size),
    "FigureCount": _figure_count,
    "Orientation": lambda scope: _seen(F.orientation),
    "ImageWidth": lambda scope: _seen(F.width),
    "ImageHeight": lambda scope: _seen(F.height),
    "ImageScore.OverallQualityScore": lambda scope: F.image_score,
    "CreateTime": lambda scope: F.created_at,
    "UpdateTime": lambda scope: F.updated_at,
    "FileModifiedTime": lambda scope: _read(F.modified_at),
    "ProduceTime": lambda scope: F.produced_at,
    "LatLong": lambda scope: F.latitude,
}
