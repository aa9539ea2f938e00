"""CreateDataset, GetDataset, UpdateDataset, ListDatasets, DeleteDataset, ImmRayPurgeDataset."""

import uuid
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from imm_ray.api.actions.quota import QuotaParameters
from imm_ray.api.call import Call, Written
from imm_ray.api.dataset_config import ConfigParameter
from imm_ray.api.render import dataset_body
from imm_ray.api.schema import (
    AsJson,
    Boolean,
    Integer,
    NextToken,
    OfDataset,
    OfProject,
    ShortText,
    TemplateId,
    Wire,
    page_size,
)
from imm_ray.embed.cards import load_card
from imm_ray.model import Dataset, DatasetId, JsonObject, min_entity_count
from imm_ray.store import datasets, extent, projects, purge, trouble
from imm_ray.store.database import Tx


class WorkflowParameter(Wire):
    """``WorkflowParameter``; IMM documents it as without effect."""

    name: ShortText = ""
    value: ShortText = ""


WorkflowParameters = Annotated[list[WorkflowParameter], Field(max_length=100), AsJson]


class CreateDataset(OfDataset, QuotaParameters):
    """Parameters of CreateDataset."""

    dataset_config: ConfigParameter | None = None
    description: ShortText = ""
    template_id: TemplateId = ""
    workflow_parameters: WorkflowParameters | None = None


class GetDataset(OfDataset):
    """Parameters of GetDataset."""

    with_statistics: Boolean = False


class UpdateDataset(OfDataset, QuotaParameters):
    """Parameters of UpdateDataset."""

    dataset_config: ConfigParameter | None = None
    description: ShortText | None = None
    template_id: TemplateId | None = None
    workflow_parameters: WorkflowParameters | None = None


class DeleteDataset(OfDataset):
    """Parameters of DeleteDataset."""


class PurgeDataset(OfDataset):
    """Parameters of ImmRayPurgeDataset."""


class ListDatasets(OfProject):
    """Parameters of ListDatasets."""

    max_results: Annotated[Integer, page_size(200)] = 100
    next_token: NextToken = ""
    prefix: Annotated[str, Field(max_length=128)] = ""


def create_dataset(tx: Tx, call: Call, params: CreateDataset) -> Written:
    """Make a dataset; its name is unique in the project.

    Quotas that are absent are those of the project. The models of the settings are recorded with
    the dataset for ever. An empty TemplateId means that of the project, and if that is empty too:
    faces and images.

    ``DatasetConfig.SmartCluster.Figure``: with ``AutoClustering`` every indexed batch is clustered
    at once, without a task; ``MinEntityCount`` (1–1000) good faces found a person. What is not said
    is as the project's ``DatasetConfig`` says, else as the settings of the server. ``AutoGenerate``
    and ``EnabledFeatures`` are kept without effect, Insights and ReverseImage are refused where
    they enable something.
    """
    quotas = projects.quotas(tx, call.account, params.project_name)
    models = call.surroundings.settings.models
    dataset = Dataset(
        dataset_id=DatasetId(str(uuid.uuid4())),
        account=call.account,
        project=params.project_name,
        name=params.dataset_name,
        template_id=params.template_id,
        description=params.description,
        quotas=params.quotas(quotas),
        workflow_parameters=_dumped(params.workflow_parameters),
        config=params.dataset_config.said if params.dataset_config else {},
        face_model=load_card(models.face).model_id,
        image_model=load_card(models.image).model_id,
        created_at=call.now,
        updated_at=call.now,
    )
    datasets.create(tx, dataset)
    return Written({"Dataset": dataset_body(dataset)})


def get_dataset(tx: Tx, call: Call, params: GetDataset) -> dict[str, Any]:
    """Return a dataset. Its counts are always accurate, with or without ``WithStatistics``.

    A dataset whose engine fails again and again has a further member, ``ImmRayTrouble``: how it
    fails. Reads go on; files wait, and tasks are Failed, until an attempt goes well: it is tried
    again from time to time, and when something new is asked of it.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    failure = trouble.failure_of(tx, dataset.dataset_id)
    return {"Dataset": dataset_body(dataset) | ({"ImmRayTrouble": failure} if failure else {})}


def update_dataset(tx: Tx, call: Call, params: UpdateDataset) -> Written:
    """Change a dataset: the parameters that are supplied, at once.

    An empty text or list is not supplied, so a description can be changed but not emptied.
    ``WorkflowParameters`` and ``DatasetConfig`` replace the former ones as a whole;
    ``DatasetConfig`` ``{}`` takes it away. A new TemplateId holds for files that are indexed from
    now on, a new MinEntityCount from the next clustering on: groups that are large enough then
    become people, and none that is there goes. Quotas may be lower than what is in use: then
    nothing more is accepted.
    """
    old = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    datasets.lock(tx, old.dataset_id)
    old = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    said = {
        "template_id": params.template_id,
        "description": params.description,
        "workflow_parameters": _dumped(params.workflow_parameters) or None,
        "config": params.dataset_config.said if params.dataset_config else None,
    }
    supplied: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    new = replace(old, quotas=params.quotas(old.quotas), updated_at=call.now, **supplied)
    datasets.update_row(tx, new)
    if min_entity_count(new.config) != min_entity_count(old.config):
        datasets.reconsider(tx, new.dataset_id)
    rung = (new.dataset_id,) if new.config != old.config else ()
    return Written({"Dataset": dataset_body(new)}, rung)


def list_datasets(tx: Tx, call: Call, params: ListDatasets) -> dict[str, Any]:
    """Return the datasets of a project in the order of their names."""
    after = call.position(params.next_token, params.project_name)
    found = datasets.page(
        tx,
        call.account,
        params.project_name,
        limit=params.max_results + 1,
        after=str(after[0]) if after else "",
        prefix=params.prefix,
    )
    page, more = call.page(
        found,
        params.max_results,
        resource=params.project_name,
        position=lambda dataset: [dataset.name],
    )
    return {"Datasets": [dataset_body(dataset) for dataset in page], **more}


def delete_dataset(tx: Tx, call: Call, params: DeleteDataset) -> Written:
    """Delete a dataset without files and bindings; with them it is a StatusConflict.

    A task that still runs ends as Failed with ResourceNotFound, and is notified. A dataset with a
    long history of clusters and edits is gone at once too, but emptied in the background as by
    ImmRayPurgeDataset: until that is over, DeleteProject answers StatusConflict.
    """
    named = (call.account, params.project_name, params.dataset_name)
    dataset = datasets.require_empty(tx, *named)
    if extent.is_large(tx, dataset.dataset_id):
        return Written({}, (purge.mark(tx, *named, call.now),))
    datasets.delete(tx, dataset.dataset_id, call.now, call.surroundings.notifications.task)
    return Written({})


def purge_dataset(tx: Tx, call: Call, params: PurgeDataset) -> Written:
    """Delete a dataset with all its files, clusters and bindings, in the background.

    An extension of this service. The dataset is gone at once: every action answers
    ResourceNotFound, and its name is free for a new one, which shares nothing with it. Its rows are
    deleted in short transactions, also over a restart; until that is over, DeleteProject answers
    StatusConflict. Its running tasks end as Failed with ResourceNotFound, requests that wait for
    its files end, and both are notified. Its tasks stay readable until they expire, as after
    DeleteDataset. Stored objects are not touched.
    """
    dataset_id = purge.mark(tx, call.account, params.project_name, params.dataset_name, call.now)
    return Written({}, (dataset_id,))


def _dumped(parameters: list[WorkflowParameter] | None) -> list[JsonObject]:
    return [parameter.model_dump(by_alias=True) for parameter in parameters or ()]
