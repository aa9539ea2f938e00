"""Label filters: ``key=value`` and ``{"key": "value"}``."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from imm_ray.api.json_text import read_json
from imm_ray.api.schema import is_label_key

MAX_CONDITIONS = 20


def read_labels(text: str) -> dict[str, str]:
    """Return the conditions of a filter, all of which must hold; {} for ''.

    IMM documents ``key=value`` for figure clusters and tasks and a JSON object for similar-image
    clusters, and no grammar for several; here every filter takes both forms, and several pairs
    ``a=1,b=2``. Keys and values are compared exactly.

    >>> read_labels("a=1,b=x y"), read_labels('{"key":"val"}')
    ({'a': '1', 'b': 'x y'}, {'key': 'val'})
    """
    labels = _of_json(text) if text.lstrip().startswith("{") else _of_pairs(text)
    if len(labels) > MAX_CONDITIONS:
        raise ValueError(f"it has more than {MAX_CONDITIONS} conditions")
    for key in labels:
        is_label_key(key)
    return labels


def _of_json(text: str) -> dict[str, str]:
    labels = read_json(text)
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        raise ValueError("it is not a JSON object of strings")
    return labels


def _of_pairs(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if text]
    if any(separator != "=" for _, separator, _ in pairs):
        raise ValueError(f"{text[:200]!r} does not have the form key=value")
    labels = {key.strip(): value.strip() for key, _, value in pairs}
    if len(labels) != len(pairs):
        raise ValueError("a key is given more than once")
    return labels


def _check(text: str) -> str:
    read_labels(text)
    return text


LabelFilter: TypeAlias = Annotated[str, Field(max_length=8192), AfterValidator(_check)]
