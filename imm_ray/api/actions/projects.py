"""CreateProject, GetProject, UpdateProject, ListProjects, DeleteProject."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from imm_ray.api.actions.quota import QuotaParameters, at_most
from imm_ray.api.call import Call, Written
from imm_ray.api.dataset_config import ConfigParameter
from imm_ray.api.render import project_body
from imm_ray.api.schema import (
    AsJson,
    Boolean,
    Integer,
    NextToken,
    OfProject,
    Parameters,
    ShortText,
    TemplateId,
    Wire,
    is_label_key,
    page_size,
)
from imm_ray.model import Project, Quotas, min_entity_count
from imm_ray.store import datasets, projects
from imm_ray.store.database import Tx

MAX_TAGS = 20


class Tag(Wire):
    """One tag of a project, as requests spell it."""

    key: Annotated[str, AfterValidator(is_label_key)]
    value: Annotated[str, Field(max_length=256)] = ""


def _distinct(tags: list[Tag]) -> list[Tag]:
    if len({tag.key for tag in tags}) != len(tags):
        raise ValueError("a key is given more than once")
    return tags


_MaxDatasetCount = Annotated[Integer, Field(ge=1), at_most(1_000_000_000)]
Tags = Annotated[list[Tag], AfterValidator(_distinct), Field(max_length=MAX_TAGS), AsJson]


class CreateProject(OfProject, QuotaParameters):
    """Parameters of CreateProject."""

    dataset_config: ConfigParameter | None = None
    description: ShortText = ""
    project_max_dataset_count: _MaxDatasetCount = 1_000_000_000
    service_role: ShortText = "AliyunIMMDefaultRole"
    tag: Tags | None = None
    template_id: TemplateId = ""


class GetProject(OfProject):
    """Parameters of GetProject."""

    with_statistics: Boolean = False


class UpdateProject(OfProject, QuotaParameters):
    """Parameters of UpdateProject."""

    dataset_config: ConfigParameter | None = None
    description: ShortText | None = None
    project_max_dataset_count: _MaxDatasetCount | None = None
    service_role: ShortText | None = None
    tag: Tags | None = None
    template_id: TemplateId | None = None


class DeleteProject(OfProject):
    """Parameters of DeleteProject."""


class ListProjects(Parameters):
    """Parameters of ListProjects."""

    max_results: Annotated[Integer, page_size(200)] = 100
    next_token: NextToken = ""
    prefix: Annotated[str, Field(max_length=128)] = ""
    tag: Tags | None = None


def create_project(tx: Tx, call: Call, params: CreateProject) -> Written:
    """Make a project; its name is unique in the account.

    The quotas are stored and returned; those of files and datasets are kept, those of entities and
    relations are reserved by IMM and have no effect. ``ServiceRole`` is stored only: access to
    storage is configured at the server. What ``DatasetConfig`` says of figures (AutoClustering,
    MinEntityCount) holds for the project's datasets that do not say otherwise; Insights and
    ReverseImage are refused where they enable something, since no model here does that.
    """
    project = Project(
        account=call.account,
        name=params.project_name,
        service_role=params.service_role,
        template_id=params.template_id,
        description=params.description,
        tags={tag.key: tag.value for tag in params.tag or ()},
        quotas=params.quotas(Quotas()),
        max_dataset_count=params.project_max_dataset_count,
        config=params.dataset_config.said if params.dataset_config else {},
        created_at=call.now,
        updated_at=call.now,
    )
    projects.create(tx, project)
    return Written({"Project": project_body(project)})


def get_project(tx: Tx, call: Call, params: GetProject) -> dict[str, Any]:
    """Return a project. Its counts are always accurate, with or without ``WithStatistics``."""
    return {"Project": project_body(projects.get(tx, call.account, params.project_name))}


def update_project(tx: Tx, call: Call, params: UpdateProject) -> Written:
    """Change a project: the parameters that are supplied, at once.

    An empty text or list is not supplied, so a description can be changed, not emptied. ``Tag`` and
    ``DatasetConfig`` replace the former ones as a whole; ``DatasetConfig`` ``{}`` takes it away.
    Quotas are those of datasets that are made from now on, and may be lower than what is in use:
    then nothing more is accepted. A new MinEntityCount is followed by the next clustering of each
    dataset that has none of its own.
    """
    projects.lock(tx, call.account, params.project_name)
    old = projects.get(tx, call.account, params.project_name)
    said = {
        "service_role": params.service_role,
        "template_id": params.template_id,
        "description": params.description,
        "tags": {tag.key: tag.value for tag in params.tag} if params.tag else None,
        "max_dataset_count": params.project_max_dataset_count,
        "config": params.dataset_config.said if params.dataset_config else None,
    }
    supplied: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    new = replace(old, quotas=params.quotas(old.quotas), updated_at=call.now, **supplied)
    projects.update_row(tx, new)
    if min_entity_count(new.config) != min_entity_count(old.config):
        datasets.reconsider_all(tx, new.account, new.name)
    return Written({"Project": project_body(new)})


def list_projects(tx: Tx, call: Call, params: ListProjects) -> dict[str, Any]:
    """Return projects in the order of their names; with ``Tag``, those that have all these tags."""
    after = call.position(params.next_token, "")
    found = projects.page(
        tx,
        call.account,
        limit=params.max_results + 1,
        after=str(after[0]) if after else "",
        prefix=params.prefix,
        tags={tag.key: tag.value for tag in params.tag or ()},
    )
    page, more = call.page(
        found, params.max_results, resource="", position=lambda project: [project.name]
    )
    return {"Projects": [project_body(project) for project in page], **more}


def delete_project(tx: Tx, call: Call, params: DeleteProject) -> Written:
    """Delete a project without datasets; with datasets it is a StatusConflict.

    So it is while the rows of a purged dataset are still being deleted.
    """
    projects.delete(tx, call.account, params.project_name)
    return Written({})
