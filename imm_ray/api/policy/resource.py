"""What an action is about, for policies: its access level and the ARN of its resource.

Both follow from the action's name and its parameters' schema; what IMM's reference says otherwise
stands in `_RESOURCES` and `_LEVELS`.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic.fields import FieldInfo

from imm_ray.api.schema import Parameters, is_name

Level: TypeAlias = Literal["create", "get", "update", "delete", "list", "none"]

_RESOURCES: Mapping[str, str] = {"CreateProject": "project/*", "ListProjects": "project/*"}
_LEVELS: Mapping[str, Level] = {"CreateFacesSearchingTask": "list", "SimpleQuery": "list"}
_VERBS: Mapping[str, Level] = {
    "Create": "create",
    "Index": "create",
    "Get": "get",
    "Explain": "get",
    "Update": "update",
    "Stop": "update",
    "Resume": "update",
    "Undo": "update",
    "Split": "update",
    "Cancel": "update",
    "Delete": "delete",
    "Purge": "delete",
    "List": "list",
    "Query": "list",
    "Search": "list",
    "Fuzzy": "list",
    "Semantic": "list",
    "History": "list",
    "Detect": "none",
    "Compare": "none",
}
_PREFIXES = re.compile(r"(ImmRay)?(Batch)?")
_VERB = re.compile(r"[A-Z][a-z]*")
_ANY = "*"


def access_level(action: str, *, writes: bool) -> Level:
    """Return the access level of ``action``, as IMM's reference states it.

    >>> access_level("BatchUpdateFileMeta", writes=True)
    'update'
    """
    if action in _LEVELS:
        return _LEVELS[action]
    verb = _VERB.match(action, _PREFIXES.match(action).end())  # type: ignore[union-attr]  # may be empty, always matches
    return _VERBS.get(verb[0] if verb else "", "update" if writes else "get")


def resource_form(action: str, schema: type[Parameters]) -> str:
    """Return the form of the action's resource: ``project/{ProjectName}`` or ``*``."""
    if action in _RESOURCES:
        return _RESOURCES[action]
    names = _fields(schema)
    if "ProjectName" not in names:
        return _ANY
    dataset = "/dataset/{DatasetName}" if "DatasetName" in names else ""
    return f"project/{{ProjectName}}{dataset}"


def resource_arn(
    action: str,
    schema: type[Parameters],
    parameters: Mapping[str, str],
    *,
    region: str,
    account: str,
) -> str:
    """Return the ARN of the resource that ``parameters`` name.

    A name that is missing or not well formed stands as ``*`` in the ARN: only who may do this
    to any project (or dataset) is told what is wrong with it. An optional DatasetName that is
    absent leaves the project.
    """
    form = resource_form(action, schema)
    dataset = _fields(schema).get("DatasetName")
    if dataset is not None and not dataset.is_required() and not parameters.get("DatasetName"):
        form = form.removesuffix("/dataset/{DatasetName}")
    for name in ("ProjectName", "DatasetName"):
        form = form.replace(f"{{{name}}}", _named(parameters, name))
    return f"acs:imm:{region}:{account}:{form}"


def _fields(schema: type[Parameters]) -> Mapping[str, FieldInfo]:
    return {field.alias or name: field for name, field in schema.model_fields.items()}


def _named(parameters: Mapping[str, str], parameter: str) -> str:
    name = parameters.get(parameter, "")
    return name if is_name(name) else _ANY
