"""What has become of clusters and of edits: ImmRayHistory, ImmRayGetEdit, ImmRayListEdits, undo."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from imm_ray.api.call import Call, Written
from imm_ray.api.paging import Position
from imm_ray.api.render_change import edit_body, event_body
from imm_ray.api.schema import Id, Integer, NextToken, OfDataset, page_size
from imm_ray.errors import ResourceNotFound, StatusConflict
from imm_ray.model import (
    ClusterId,
    DatasetId,
    Edit,
    EditKind,
    EditStatus,
    RecordedEvent,
    from_microseconds,
    to_microseconds,
)
from imm_ray.store import datasets, edits, lineage
from imm_ray.store.database import Tx

_UNDONE = frozenset({EditKind.MERGE, EditKind.MOVE, EditKind.REMOVE, EditKind.SPLIT})


class History(OfDataset):
    """Parameters of ImmRayHistory."""

    object_id: Id | None = None
    max_results: Annotated[Integer, page_size(100)] = 100
    next_token: NextToken = ""


class GetEdit(OfDataset):
    """Parameters of ImmRayGetEdit."""

    edit_id: Id


class ListEdits(OfDataset):
    """Parameters of ImmRayListEdits."""

    figure_id: Id | None = None
    status: Literal["Pending", "Applied", "Refused"] | None = None
    max_results: Annotated[Integer, page_size(100)] = 100
    next_token: NextToken = ""


class Undo(OfDataset):
    """Parameters of ImmRayUndo."""

    edit_id: Id


def history(tx: Tx, call: Call, params: History) -> dict[str, Any]:
    """Return what has happened to a cluster, or to all of a dataset, the newest first.

    An extension of this service. Each event names its cluster (``ObjectId``), the other cluster of
    a merge, split or move (``OtherId``), the items that moved (figure ids, or file ids of similar
    images; an event of more than 500 comes in parts, each with the ``ItemCount`` of all), and the
    task or the ``Edit`` that caused it. A retired cluster has its own events, not those of its
    heir. An id that the dataset never had is a ResourceNotFound.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    dataset_id = dataset.dataset_id
    cluster_id = None if params.object_id is None else ClusterId(params.object_id)
    after = call.position(params.next_token, dataset_id)
    found = _events(tx, dataset_id, cluster_id, limit=params.max_results + 1, after=after)
    if cluster_id is not None and not found and not lineage.has_been(tx, dataset_id, cluster_id):
        raise ResourceNotFound.of("cluster")
    page, more = call.page(found, params.max_results, resource=dataset_id, position=_position)
    causes = edits.by_ids(tx, dataset_id, [event.edit_id for event in page])
    return {"Events": [event_body(event, causes.get(event.edit_id)) for event in page], **more}


def get_edit(tx: Tx, call: Call, params: GetEdit) -> dict[str, Any]:
    """Return a change by hand: what was wanted and when, and whether it was applied or refused.

    An extension of this service. An unknown id is a ResourceNotFound.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    return {"Edit": edit_body(edits.get(tx, dataset.dataset_id, params.edit_id))}


def list_edits(tx: Tx, call: Call, params: ListEdits) -> dict[str, Any]:
    """Return the changes by hand of a dataset, the newest first, those that wait included.

    An extension of this service. ``Status`` is Pending, Applied or Refused; with ``FigureId`` only
    the moves, removals and splits that name this figure are returned: so a move that was
    acknowledged and refused later is found, with its ``Reason``.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    after = call.position(params.next_token, dataset.dataset_id)
    found = edits.list_edits(
        tx,
        dataset.dataset_id,
        limit=params.max_results + 1,
        after=None if after is None else int(after[0]),
        status=None if params.status is None else EditStatus(params.status),
        figure_id=params.figure_id,
    )
    page, more = call.page(
        found,
        params.max_results,
        resource=dataset.dataset_id,
        position=lambda edit: [edit.seq],
    )
    return {"Edits": [edit_body(edit) for edit in page], **more}


def undo(tx: Tx, call: Call, params: Undo) -> Written:
    """Take back a merge, a move, a removal or a split, and return the id of the edit that does so.

    An extension of this service. An unknown id is a ResourceNotFound; an edit that was refused, or
    is of another kind (a name is changed by another name), is a StatusConflict. Whether the rest
    can still be taken back the owner decides; ImmRayGetEdit of the returned ``EditId`` says how
    that ended, and why. Figures that later edits have moved stay where those have put them.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    call.surroundings.admission.admit(tx, dataset, items=1, now=call.now)
    done = edits.get(tx, dataset.dataset_id, params.edit_id)
    _require_undoable(done)
    payload = {"edit_id": done.edit_id}
    edit = edits.add(tx, dataset.dataset_id, EditKind.UNDO, payload, call.now)
    return Written({"EditId": edit.edit_id}, (dataset.dataset_id,))


def _require_undoable(edit: Edit) -> None:
    if edit.status is EditStatus.REFUSED:
        raise StatusConflict(f"The edit {edit.edit_id} was not applied: {edit.reason}")
    if edit.kind not in _UNDONE:
        raise StatusConflict(
            f"The edit {edit.edit_id} is of kind {edit.kind.capitalize()}: only merges, moves, "
            "removals and splits are undone; make another edit instead."
        )


def _events(
    tx: Tx,
    dataset_id: DatasetId,
    cluster_id: ClusterId | None,
    *,
    limit: int,
    after: Position | None,
) -> Sequence[RecordedEvent]:
    at, kind, run, position = (0, "", 0, 0) if after is None else after
    if cluster_id is not None:
        place = None if after is None else (int(run), int(position))
        return lineage.history(tx, dataset_id, cluster_id, limit=limit, after=place)
    time = from_microseconds(int(at))
    here = None if after is None else (time, str(kind), int(run), int(position))
    return lineage.dataset_history(tx, dataset_id, limit=limit, after=here)


def _position(event: RecordedEvent) -> Position:
    return [to_microseconds(event.at), event.kind.value, event.run, event.position]
