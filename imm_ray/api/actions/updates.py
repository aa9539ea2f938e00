"""UpdateFileMeta and BatchUpdateFileMeta: labels, ids and faces of indexed files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from imm_ray.api.call import Call, Written
from imm_ray.api.render import INDEPENDENT, UNAVAILABLE
from imm_ray.api.schema import (
    MAX_BATCH,
    AsJson,
    Id,
    LabelMap,
    OfDataset,
    ShortText,
    Uri,
    Wire,
    parse_object,
)
from imm_ray.errors import ImmError, InvalidArgument, ResourceNotFound
from imm_ray.model import (
    NO_CLUSTER,
    ClusterId,
    Dataset,
    DatasetId,
    EditKind,
    JsonObject,
)
from imm_ray.store import datasets, edits, files, metadata, people
from imm_ray.store.database import Tx

MAX_LABELS = 100
MAX_FIGURES = 1000
"""In one request: so many moves keep the write lock for a fraction of a second."""


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
    figures: Annotated[list[FigureChange], Field(max_length=MAX_FIGURES)] | None = None

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


def _check_figures(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    figures = (file.get("Figures") for file in given)
    count = sum(len(listed) for listed in figures if isinstance(listed, list))
    if count > MAX_FIGURES:
        raise ValueError(f"it has {count} Figures in all, and may have {MAX_FIGURES}")
    return given


_few_figures = AfterValidator(_check_figures)


class UpdateFileMeta(OfDataset):
    """Parameters of UpdateFileMeta."""

    file: Annotated[FileChange, AsJson]


class BatchUpdateFileMeta(OfDataset):
    """Parameters of BatchUpdateFileMeta."""

    files: Annotated[
        list[dict[str, Any]], Field(min_length=1, max_length=MAX_BATCH), AsJson, _few_figures
    ]


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
    wanted = _seen(tx, dataset.dataset_id, [params.file])
    wanted.add(params.file)
    return Written({}, _store(tx, call, dataset, wanted))


def batch_update_file_meta(tx: Tx, call: Call, params: BatchUpdateFileMeta) -> Written:
    """Change files as `update_file_meta` does, each for itself, and say of each what became of it.

    Results come in the order of ``Files``, with HTTP 200 even if all have failed. ``Message`` is
    '' on success, else ``*error.OpError : Code | message`` as in IMM's sample. IMM documents no
    largest number of files; here it is 100, as in its other batches, with at most 1000 ``Figures``
    in all of them: with more the whole request is an InvalidArgument. Of a URI that stands twice
    the changes happen one after the other; of a face that is moved twice only the last move does.
    Beyond the limit of work that waits the whole request is refused with Throttling.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    judged = [_judged(given) for given in params.files]
    changes = [change for change in judged if isinstance(change, FileChange)]
    wanted = _seen(tx, dataset.dataset_id, changes)
    results = []
    for given, change in zip(params.files, judged, strict=True):
        message = wanted.try_add(change) if isinstance(change, FileChange) else change
        uri = given.get("URI")
        results.append(
            {
                "URI": uri if isinstance(uri, str) else "",
                "Success": not message,
                "Message": message,
            }
        )
    return Written({"Files": results}, _store(tx, call, dataset, wanted))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Changes judged one by one against what there is, to be stored all at once."""

    homes: Mapping[str, Mapping[str, ClusterId | None]]
    """The figures of each file that there is, and where each is; None: no run has seen it."""
    people: Mapping[ClusterId, ClusterId]
    """The visible figure cluster that each named id leads to."""
    attributes: dict[str, JsonObject] = field(default_factory=dict)
    moves: dict[str, tuple[ClusterId | None, ClusterId]] = field(default_factory=dict)
    """Where each figure is and where it is to go, in the order of what was said last."""

    def add(self, change: FileChange) -> None:
        """Want a change after those before, or raise and want nothing of it.

        Raises
        ------
        ResourceNotFound
        """
        if change.uri not in self.homes:
            raise ResourceNotFound.of("file")
        homes = self.homes[change.uri]
        moves = {figure.figure_id: self._move(homes, figure) for figure in change.figures or ()}
        said = self.attributes.get(change.uri, {})
        self.attributes[change.uri] = {**said, **change.attributes}
        for figure_id, move in moves.items():
            self.moves.pop(figure_id, None)
            self.moves[figure_id] = move

    def try_add(self, change: FileChange) -> str:
        """Want a change if it is possible; return why it is not, or ''."""
        try:
            self.add(change)
        except ResourceNotFound as error:
            return _message(error)
        return ""

    def edits(self, *, is_quiet: bool) -> list[tuple[EditKind, JsonObject]]:
        """Return the edits that bring every figure where it is to go.

        An edit that waits may change where a figure is, so what was seen settles nothing unless
        the dataset ``is_quiet``.
        """
        return [
            _edit(figure_id, to)
            for figure_id, (home, to) in self.moves.items()
            if not (is_quiet and to == (home or NO_CLUSTER))
        ]

    def _move(
        self, homes: Mapping[str, ClusterId | None], wanted: FigureChange
    ) -> tuple[ClusterId | None, ClusterId]:
        if wanted.figure_id not in homes:
            raise ResourceNotFound.of("figure")
        home = homes[wanted.figure_id]
        if wanted.figure_cluster_id == INDEPENDENT:
            return home, NO_CLUSTER
        to = self.people.get(ClusterId(wanted.figure_cluster_id))
        if to is None:
            raise ResourceNotFound.of("figure-cluster")
        return home, to


def _seen(tx: Tx, dataset_id: DatasetId, changes: Sequence[FileChange]) -> _Wanted:
    """Read at once what all changes are judged against."""
    found = files.get(tx, dataset_id, [change.uri for change in changes])
    named = {figure.figure_cluster_id for change in changes for figure in change.figures or ()} - {
        INDEPENDENT
    }
    return _Wanted(
        homes={
            file.uri: {str(figure.figure_id): figure.cluster_id for figure in file.figures}
            for file in found
        },
        people=people.current(tx, dataset_id, sorted(named)) if named else {},
    )


def _store(tx: Tx, call: Call, dataset: Dataset, wanted: _Wanted) -> tuple[DatasetId, ...]:
    """Store what is wanted; return the datasets to ring."""
    is_quiet = not (wanted.moves and edits.pending_after(tx, dataset.dataset_id, 0))
    asked = wanted.edits(is_quiet=is_quiet)
    if asked:
        call.surroundings.admission.admit(tx, dataset, items=len(asked), now=call.now)
    edits.add_all(tx, dataset.dataset_id, asked, call.now)
    metadata.change_all(tx, dataset.dataset_id, wanted.attributes, call.now)
    return (dataset.dataset_id,) if asked else ()


def _judged(given: JsonObject) -> FileChange | str:
    """Return a change, or why it is refused."""
    try:
        return parse_object(FileChange, given)
    except InvalidArgument as error:
        return _message(error)


def _message(error: ImmError) -> str:
    return f"*error.OpError : {error.code} | {error.message}"


def _edit(figure_id: str, to: ClusterId) -> tuple[EditKind, JsonObject]:
    if to == NO_CLUSTER:
        return EditKind.REMOVE, {"figure_id": figure_id}
    return EditKind.MOVE, {"figure_id": figure_id, "cluster_id": to}
