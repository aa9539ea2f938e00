"""CreateDataset, GetDataset, ListDatasets, DeleteDataset."""

import uuid
from typing import Annotated, Any

from pydantic import Field

from imm_ray.api.actions.quota import QuotaParameters
from imm_ray.api.call import Call, Written
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
from imm_ray.model import Dataset, DatasetId
from imm_ray.store import datasets, projects
from imm_ray.store.database import Tx


class WorkflowParameter(Wire):
    """``WorkflowParameter``; IMM documents it as without effect."""

    name: ShortText = ""
    value: ShortText = ""


class CreateDataset(OfDataset, QuotaParameters):
    """Parameters of CreateDataset."""

    description: ShortText = ""
    template_id: TemplateId = ""
    workflow_parameters: (
        Annotated[list[WorkflowParameter], Field(max_length=100), AsJson] | None
    ) = None


class GetDataset(OfDataset):
    """Parameters of GetDataset."""

    with_statistics: Boolean = False


class DeleteDataset(OfDataset):
    """Parameters of DeleteDataset."""


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
    """
    project = projects.get(tx, call.account, params.project_name)
    models = call.surroundings.settings.models
    dataset = Dataset(
        dataset_id=DatasetId(str(uuid.uuid4())),
        account=call.account,
        project=project.name,
        name=params.dataset_name,
        template_id=params.template_id,
        description=params.description,
        quotas=params.quotas(project.quotas),
        workflow_parameters=[
            parameter.model_dump(by_alias=True) for parameter in params.workflow_parameters or ()
        ],
        face_model=load_card(models.face).model_id,
        image_model=load_card(models.image).model_id,
        created_at=call.now,
        updated_at=call.now,
    )
    datasets.create(tx, dataset)
    return Written({"Dataset": dataset_body(dataset)})


def get_dataset(tx: Tx, call: Call, params: GetDataset) -> dict[str, Any]:
    """Return a dataset. Its counts are always accurate, with or without ``WithStatistics``."""
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    return {"Dataset": dataset_body(dataset)}


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
    """Delete a dataset without files; with files it is a StatusConflict.

    A task that still runs ends as Failed with ResourceNotFound, and is notified.
    """
    datasets.delete(
        tx,
        call.account,
        params.project_name,
        params.dataset_name,
        call.now,
        call.surroundings.notifications.task,
    )
    return Written({})
