"""IndexFileMeta, GetFileMeta, DeleteFileMeta and their batches."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from imm_ray.api.call import Call, Written, new_event_id
from imm_ray.api.input_file import InputFile
from imm_ray.api.notification import Notification, accept_notification
from imm_ray.api.render import file_body
from imm_ray.api.schema import MAX_BATCH, AsJson, OfDataset, Uri, UserData, WithFields
from imm_ray.errors import LimitExceeded, ResourceNotFound
from imm_ray.model import Dataset
from imm_ray.store import datasets, files
from imm_ray.store.database import Tx
from imm_ray.store.requests import IndexRequest

_Uris = Annotated[list[Uri], Field(alias="URIs", min_length=1, max_length=MAX_BATCH), AsJson]


class _Notified(OfDataset):
    notification: Annotated[Notification, AsJson] | None = None
    user_data: UserData = ""


class IndexFileMeta(_Notified):
    """Parameters of IndexFileMeta."""

    file: Annotated[InputFile, AsJson]


class BatchIndexFileMeta(_Notified):
    """Parameters of BatchIndexFileMeta."""

    files: Annotated[list[InputFile], Field(min_length=1, max_length=MAX_BATCH), AsJson]


class GetFileMeta(OfDataset):
    """Parameters of GetFileMeta."""

    uri: Annotated[Uri, Field(alias="URI")]
    with_fields: WithFields | None = None


class BatchGetFileMeta(OfDataset):
    """Parameters of BatchGetFileMeta."""

    uris: _Uris
    with_fields: WithFields | None = None


class DeleteFileMeta(OfDataset):
    """Parameters of DeleteFileMeta."""

    uri: Annotated[Uri, Field(alias="URI")]


class BatchDeleteFileMeta(OfDataset):
    """Parameters of BatchDeleteFileMeta."""

    uris: _Uris


def index_file_meta(tx: Tx, call: Call, params: IndexFileMeta) -> Written:
    """Accept a file for indexing; as `batch_index_file_meta` with one."""
    return _index(tx, call, params, [params.file])


def batch_index_file_meta(tx: Tx, call: Call, params: BatchIndexFileMeta) -> Written:
    """Accept files for indexing, and return the id of the event that tells when all are done.

    A file that is indexed already is indexed again: what is said of it now is added to what was
    said before, its result stays readable until the new one is there. Of a URI that stands twice in
    ``Files`` the later one holds. ``InputFile.Figures`` is ignored, as in IMM. Whether a URI can be
    read shows in the file's ObjectStatus and Reason, not here: what is in a bucket or a folder of
    another account is not allowed, as if it were not configured.
    """
    return _index(tx, call, params, params.files)


def _index(tx: Tx, call: Call, params: _Notified, inputs: Sequence[InputFile]) -> Written:
    topics = call.surroundings.settings.notifications.topics_of(call.account)
    notification = accept_notification(params.notification, topics)
    dataset = _dataset(tx, call, params)
    if dataset.total_file_size >= dataset.quotas.dataset_max_total_file_size:
        raise LimitExceeded(
            f"The files of the dataset have {dataset.total_file_size} bytes and may have "
            f"{dataset.quotas.dataset_max_total_file_size}."
        )
    call.surroundings.admission.admit(tx, dataset, items=len(inputs), now=call.now)
    request = IndexRequest(
        event_id=new_event_id(),
        request_id=call.request_id,
        batch=isinstance(params, BatchIndexFileMeta),
        notification=notification,
        user_data=params.user_data,
    )
    files.index(
        tx,
        dataset,
        [files.InputFile(item.uri, item.attributes) for item in inputs],
        call.now,
        request if notification else None,
    )
    return Written({"EventId": request.event_id}, (dataset.dataset_id,))


def get_file_meta(tx: Tx, call: Call, params: GetFileMeta) -> dict[str, Any]:
    """Return one file, as an array of one; a URI that is not indexed is a ResourceNotFound.

    ``WithFields`` names the members to return. A path, as in ``Figures.FigureId`` or
    ``CustomLabels.city``, returns the member that it leads into, whole: it is a choice of members,
    not of their parts. Names that are not members of File, or that have no value, are not an error.
    """
    dataset = _dataset(tx, call, params)
    found = files.get(tx, dataset.dataset_id, [params.uri])
    if not found:
        raise ResourceNotFound.of("file")
    return {"Files": [file_body(file, dataset, params.with_fields or ()) for file in found]}


def batch_get_file_meta(tx: Tx, call: Call, params: BatchGetFileMeta) -> dict[str, Any]:
    """Return files in the order of ``URIs``; those that are not indexed are left out.

    ``WithFields`` as in GetFileMeta.
    """
    dataset = _dataset(tx, call, params)
    found = files.get(tx, dataset.dataset_id, params.uris)
    return {"Files": [file_body(file, dataset, params.with_fields or ()) for file in found]}


def delete_file_meta(tx: Tx, call: Call, params: DeleteFileMeta) -> Written:
    """Forget a file, its figures and its places in clusters; one that is not indexed is fine.

    The stored object is not touched. Clusters shrink in the same transaction, and one that has no
    figure (fewer than two images) left is gone with it.
    """
    return _delete(tx, call, params, [params.uri])


def batch_delete_file_meta(tx: Tx, call: Call, params: BatchDeleteFileMeta) -> Written:
    """Forget files; as `delete_file_meta` for each."""
    return _delete(tx, call, params, params.uris)


def _delete(tx: Tx, call: Call, params: OfDataset, uris: Sequence[str]) -> Written:
    dataset = _dataset(tx, call, params)
    notices = call.surroundings.notifications.index_request
    deleted = files.delete(tx, dataset.dataset_id, uris, call.now, notices)
    return Written({}, (dataset.dataset_id,) if deleted else ())


def _dataset(tx: Tx, call: Call, params: OfDataset) -> Dataset:
    return datasets.get(tx, call.account, params.project_name, params.dataset_name)
