"""UpdateFileMeta and BatchUpdateFileMeta: labels, ids and faces of indexed files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from imm_ray.api.call import Call, Written
from imm_ray.api.render import INDEPENDENT, UNAVAILABLE
from imm_ray.api.schema import (
    MAX_BATCH,
    AsJson,
    LabelMap,
    OfDataset,
    ShortText,
    Uri,
    Wire,
    parse_object,
)
from imm_ray.errors import InvalidArgument, ResourceNotFound
from imm_ray.model import (
    NO_CLUSTER,
    ClusterId,
    Dataset,
    DatasetId,
    EditKind,
    Figure,
    JsonObject,
)
from imm_ray.store import clusters, datasets, edits, files, lineage, metadata
from imm_ray.store.database import Tx

MAX_LABELS = 100

Id = Annotated[str, Field(min_length=1, max_length=128)]


def _few_labels(labels: Any) -> Any:
    if isinstance(labels, dict) and len(labels) > MAX_LABELS:
        raise InvalidArgument(
            f"Index KV count exceeded, should be no more than {MAX_LABELS}."  # IMM's own words
        )
    return labels


class FigureChange(Wire):
    """Where a face is to go."""

    figure_id: Id
    figure_type: Literal["face", ""] = "face"
    figure_cluster_id: Id

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        if self.figure_cluster_id == UNAVAILABLE:
            raise ValueError(
                f"{UNAVAILABLE} is said of faces that no task has seen; it can not be set"
            )
        return self


class FileChange(Wire):
    """What is to change of one file; other members of InputFile are ignored."""

    uri: Annotated[Uri, Field(alias="URI")]
    custom_id: ShortText | None = None
    custom_labels: Annotated[LabelMap, BeforeValidator(_few_labels)] | None = None
    figures: Annotated[list[FigureChange], Field(max_length=1000)] | None = None

    @model_validator(mode="after")
    def _each_figure_once(self) -> Self:
        ids = [figure.figure_id for figure in self.figures or ()]
        if len(set(ids)) < len(ids):
            raise ValueError("a FigureId is given more than once")
        return self

    @property
    def attributes(self) -> JsonObject:
        """What is said of the file itself, in wire spelling; an empty map is said too."""
        said = {"CustomId": self.custom_id, "CustomLabels": self.custom_labels}
        return {name: value for name, value in said.items() if value is not None}


class UpdateFileMeta(OfDataset):
    """Parameters of UpdateFileMeta."""

    file: Annotated[FileChange, AsJson]


class BatchUpdateFileMeta(OfDataset):
    """Parameters of BatchUpdateFileMeta."""

    files: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH), AsJson]


@dataclass(frozen=True, slots=True)
class _Edit:
    kind: EditKind
    payload: JsonObject


def update_file_meta(tx: Tx, call: Call, params: UpdateFileMeta) -> Written:
    """Change the CustomLabels, the CustomId and the places of the faces of an indexed file.

    ``CustomLabels`` that are given take the place of all there were, ``{}`` removes them, and an
    empty ``CustomId`` removes it; what is not given stays, ``[]`` is not given. Other members of
    InputFile are ignored. Either all of the change happens or, with an error, nothing of it.

    A ``FigureClusterId`` moves the face to that cluster for good; the id of a retired cluster
    moves it to the cluster's heir. ``figure-cluster-id-independent`` takes the face out of its
    cluster: it never comes back to this one by itself, but may join or found another in later
    tasks. A face that is where it is to go, or is in no cluster and shall be in none, is left as
    it is. A FigureId that the file does not have, and a cluster that does not exist, are
    ResourceNotFound; ``figure-cluster-id-unavailable`` can not be set. The move is acknowledged
    here and shows in reads once the dataset's owner has applied it, which it does at once.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    moved = _update(tx, call, dataset, params.file)
    return Written({}, (dataset.dataset_id,) if moved else ())


def batch_update_file_meta(tx: Tx, call: Call, params: BatchUpdateFileMeta) -> Written:
    """Change files as `update_file_meta` does, each for itself, and say of each what became of it.

    Results come in the order of ``Files``, with HTTP 200 even if all have failed. ``Message`` is
    '' on success, else ``*error.OpError : Code | message`` as in IMM's sample. IMM documents no
    largest number of files; here it is 100, as in its other batches. Of a URI that stands twice
    the changes happen one after the other. Beyond the limit of work that waits the whole request
    is refused with Throttling.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    results, moved = [], 0
    for given in params.files:
        message = ""
        try:
            moved += _update(tx, call, dataset, parse_object(FileChange, given))
        except (InvalidArgument, ResourceNotFound) as error:
            message = f"*error.OpError : {error.code} | {error.message}"
        uri = given.get("URI")
        results.append(
            {
                "URI": uri if isinstance(uri, str) else "",
                "Success": not message,
                "Message": message,
            }
        )
    return Written({"Files": results}, (dataset.dataset_id,) if moved else ())


def _update(tx: Tx, call: Call, dataset: Dataset, change: FileChange) -> int:
    """Change one file, or raise before anything is written; return how many edits were asked."""
    wanted = _planned(tx, dataset.dataset_id, change)
    if wanted:
        call.surroundings.admission.admit(tx, dataset, items=len(wanted), now=call.now)
    metadata.change(tx, dataset.dataset_id, change.uri, change.attributes, call.now)
    for edit in wanted:
        edits.add(tx, dataset.dataset_id, edit.kind, edit.payload, call.now)
    return len(wanted)


def _planned(tx: Tx, dataset_id: DatasetId, change: FileChange) -> list[_Edit]:
    found = files.get(tx, dataset_id, [change.uri])
    if not found:
        raise ResourceNotFound.of("file")
    if not change.figures:
        return []
    figures = {str(figure.figure_id): figure for figure in found[0].figures}
    heirs = _figure_clusters(tx, dataset_id, change.figures)
    # An edit that waits may change where a face is, so what is seen now settles nothing then.
    is_quiet = not edits.pending_after(tx, dataset_id, 0)
    planned = []
    for wanted in change.figures:
        figure = figures.get(wanted.figure_id)
        if figure is None:
            raise ResourceNotFound.of("figure")
        to = NO_CLUSTER
        if wanted.figure_cluster_id != INDEPENDENT:
            if wanted.figure_cluster_id not in heirs:
                raise ResourceNotFound.of("figure-cluster")
            to = heirs[wanted.figure_cluster_id]
        if not (is_quiet and to == (figure.cluster_id or NO_CLUSTER)):
            planned.append(_edit(figure, to))
    return planned


def _edit(figure: Figure, to: ClusterId) -> _Edit:
    if to == NO_CLUSTER:
        return _Edit(EditKind.REMOVE, {"figure_id": figure.figure_id})
    return _Edit(EditKind.MOVE, {"figure_id": figure.figure_id, "cluster_id": to})


def _figure_clusters(
    tx: Tx, dataset_id: DatasetId, changes: Sequence[FigureChange]
) -> dict[str, ClusterId]:
    """Return the visible figure cluster that each named id leads to."""
    named = {change.figure_cluster_id for change in changes} - {INDEPENDENT}
    leads_to = lineage.resolve_all(tx, dataset_id, sorted(named))
    visible = clusters.figure_clusters(tx, dataset_id, sorted(set(leads_to.values())))
    people = {cluster.cluster_id for cluster in visible}
    return {str(named): to for named, to in leads_to.items() if to in people}
