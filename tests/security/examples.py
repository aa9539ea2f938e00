"""Parameters with which any action of the table gets as far as its handler."""

import json
import re
from collections.abc import Mapping
from typing import Any

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.errors import InvalidArgument

URI = "oss://b/1.jpg"
CLUSTER = "Cluster-0000"

KNOWN: Mapping[str, Any] = {
    "ProjectName": "p",
    "DatasetName": "d",
    "URI": URI,
    "SourceURI": URI,
    "URIs": [URI],
    "File": {"URI": URI},
    "Files": [{"URI": URI}],
    "Source": {"URI1": URI, "URI2": "oss://b/2.jpg"},
    "Sources": [{"URI": URI}],
    "TaskType": "FaceClustering",
    "FigureCluster": {"ObjectId": CLUSTER, "Name": "x"},
    "ObjectId": CLUSTER,
    "ObjectIds": [CLUSTER],
    "From": CLUSTER,
    "To": "Cluster-0001",
    "Query": "x",
    "AcceptLanguage": "en-US",
}
_ALSO: Mapping[str, tuple[str, ...]] = {
    "CompareImageFaces": ("Source",),
    "CreateFigureClustersMergingTask": ("From", "To"),
    "DetectImageFaces": ("SourceURI",),
    "DetectImageScore": ("SourceURI",),
    "SearchImageFigureCluster": ("SourceURI",),
    "SemanticQuery": ("Query",),
}
"""Optional parameters without which an action refuses its work."""
_GUESSES: tuple[Any, ...] = (
    "x",
    "1",
    ["x"],
    [URI],
    {},
    [{}],
    {"URI": URI},
    [{"URI": URI}],
    URI,
    "2026-01-01T00:00:00Z",
    "eA==",
    "true",
)
_NAMED = re.compile(r"The parameter (\w+)")


def example(action: str, known: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return parameters that the action's schema accepts, ``known`` first where it asks for them.

    What neither `KNOWN` nor ``known`` has is guessed; an action that no guess satisfies needs an
    entry in `KNOWN`.
    """
    values = {**KNOWN, **(known or {})}
    fields = ACTIONS[action].schema.model_fields
    names = [f.alias or name for name, f in fields.items() if f.is_required()]
    given = {name: values.get(name, _GUESSES[0]) for name in (*names, *_ALSO.get(action, ()))}
    tries = dict.fromkeys(given, 0)
    while (refused := _refused(action, given)) is not None:
        number = tries.get(refused, 0)
        assert number < len(_GUESSES), f"{action}: give {refused} an example in {__name__}.KNOWN"
        given[refused], tries[refused] = _GUESSES[number], number + 1
    return _as_text(given)


def _refused(action: str, given: Mapping[str, Any]) -> str | None:
    try:
        ACTIONS[action].prepare(_as_text(given))
    except InvalidArgument as error:
        message = error.message
    else:
        return None
    found = _NAMED.search(message)
    assert found, f"{action}: {message}"
    return found[1]


def _as_text(given: Mapping[str, Any]) -> dict[str, str]:
    return {n: v if isinstance(v, str) else json.dumps(v) for n, v in given.items()}
