"""Types of parameters, and how a refused value becomes IMM's error.

Every action has a `Parameters` model beside its handler. Scalars arrive as text, objects and lists
as JSON text. An empty text is the same as an absent parameter, and so is ``[]``; unknown parameters
are ignored, as gateways do.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_pascal

from imm_ray.api.json_text import read_json
from imm_ray.api.paging import MAX_TOKEN
from imm_ray.errors import InvalidArgument

DEFAULT_PAGE = 100
MAX_USER_DATA_BYTES = 2048
MAX_URI_BYTES = 4096
MAX_BATCH = 100

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,127}")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_URI = re.compile(r"(?:(?:oss|s3)://[^/\s]+/|file:///)[^/].*", re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_IN_KEYS = re.compile(r"[\x00-\x1f\x7f\"\\]")

TEMPLATES = frozenset(
    {
        "Official:AllFunction",
        "Official:CognitionImageManagement",
        "Official:DefaultEmptyId",
        "Official:FaceManagement",
        "Official:ImageManagement",
        "Official:OSSBasicMeta",
    }
)


class Wire(BaseModel):
    """An object of the wire, members in IMM's spelling.

    Unknown members are ignored; null and an empty list say the same as nothing (the SDKs send
    ``[]`` for lists that nobody set).
    """

    model_config = ConfigDict(
        alias_generator=to_pascal, extra="ignore", frozen=True, strict=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_unsaid(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: member for k, member in value.items() if member is not None and member != []}
        return value


class Parameters(Wire):
    """The parameters of one action."""


P = TypeVar("P", bound=Parameters)


def parse_parameters(schema: type[P], given: Mapping[str, str]) -> P:
    """Return ``given`` as ``schema``.

    Raises
    ------
    InvalidArgument
        It names the first parameter that is missing or refused, and why.
    """
    try:
        return schema.model_validate({name: value for name, value in given.items() if value})
    except ValidationError as error:
        refusal = _refusal(error)
    # Not "from error": a ValidationError keeps the frames of its validators where the garbage
    # collector does not look, and with them the whole request, for ever.
    raise refusal


W = TypeVar("W", bound=Wire)


def parse_object(schema: type[W], given: Any) -> W:
    """Return one object of a list that is judged item by item.

    Raises
    ------
    InvalidArgument
    """
    try:
        return schema.model_validate(given)
    except ValidationError as error:
        raise _refusal(error) from error


def _refusal(error: ValidationError) -> InvalidArgument:
    first = error.errors(include_url=False)[0]
    parameter = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]
    ).lstrip(".")
    if first["type"] == "missing":
        return InvalidArgument.required(parameter)
    cause = first.get("ctx", {}).get("error")
    message = first["msg"]
    return InvalidArgument.of(parameter, str(cause) if cause else message[:1].lower() + message[1:])


def _matching(check: Callable[[str], bool], why: str) -> AfterValidator:
    def validate(text: str) -> str:
        if not check(text):
            raise ValueError(f"{text[:200]!r} {why}")
        return text

    return AfterValidator(validate)


def _integer(text: Any) -> Any:
    if isinstance(text, str):
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is not an integer")
        return int(text)
    return text


def _boolean(text: Any) -> Any:
    if isinstance(text, str):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text[:40]!r} is neither true nor false")
        return text.lower() == "true"
    return text


def _from_json(text: Any) -> Any:
    return read_json(text) if isinstance(text, str) else text


def _order(text: Any) -> Any:
    # IMM's older page says ASC and DES.
    return {"des": "desc"}.get(text.lower(), text.lower()) if isinstance(text, str) else text


def page_size(largest: int) -> AfterValidator:
    """Return the check of a MaxResults of 0–``largest``; 0 means 100."""

    def validate(size: int) -> int:
        if not 0 <= size <= largest:
            raise ValueError(f"{size} is not between 0 and {largest}")
        return size or min(DEFAULT_PAGE, largest)

    return AfterValidator(validate)


def read_time(text: str) -> datetime:
    """Return an RFC 3339 time, in UTC.

    >>> read_time("2016-12-31T00:00:00.123456789+08:00").isoformat()
    '2016-12-30T16:00:00.123456+00:00'
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not an RFC 3339 time such as 2026-01-31T00:00:00+08:00")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time of the calendar") from error


def _is_time(text: str) -> str:
    read_time(text)
    return text


def _is_label_map(labels: dict[str, Any]) -> dict[str, Any]:
    if len(labels) > MAX_BATCH:
        raise ValueError(f"it has more than {MAX_BATCH} key-value pairs")
    for key, value in labels.items():
        is_label_key(key)
        if not isinstance(value, str | int | float | bool):
            raise ValueError(f"the value of {key[:64]!r} is not a string, number or boolean")
        if isinstance(value, str) and len(value) > 1024:
            raise ValueError(f"the value of {key[:64]!r} is longer than 1024 characters")
    return labels


def is_label_key(key: str) -> str:
    """Return ``key`` if it can name a label or tag, else raise ValueError."""
    if not 1 <= len(key) <= 128 or _NOT_IN_KEYS.search(key):
        raise ValueError(
            f"the key {key[:64]!r} does not have 1 to 128 characters, none of them a control "
            "character, a double quote or a backslash"
        )
    return key


def is_name(text: str) -> bool:
    """Return whether ``text`` can name a project or a dataset."""
    return bool(_NAME.fullmatch(text))


def _is_user_data(text: str) -> bool:
    return len(text.encode()) <= MAX_USER_DATA_BYTES


def _is_uri(text: str) -> bool:
    return bool(_URI.fullmatch(text)) and len(text.encode()) <= MAX_URI_BYTES


AsJson = BeforeValidator(_from_json)
"""Marks a parameter that arrives as JSON text."""

Name: TypeAlias = Annotated[
    str,
    _matching(
        is_name,
        "does not have 1 to 128 letters, digits, '_' and '-', the first a letter or '_'",
    ),
]
Id: TypeAlias = Annotated[str, Field(min_length=1, max_length=128)]
"""The id of a figure, a cluster or an edit."""
ShortText: TypeAlias = Annotated[str, Field(max_length=256)]
Integer: TypeAlias = Annotated[int, BeforeValidator(_integer)]
Boolean: TypeAlias = Annotated[bool, BeforeValidator(_boolean)]
Order: TypeAlias = Annotated[Literal["asc", "desc"], BeforeValidator(_order)]
NextToken: TypeAlias = Annotated[str, Field(max_length=MAX_TOKEN)]
Rfc3339: TypeAlias = Annotated[str, AfterValidator(_is_time)]
LabelMap: TypeAlias = Annotated[dict[str, Any], AfterValidator(_is_label_map)]
Uri: TypeAlias = Annotated[
    str,
    _matching(
        lambda text: _is_uri(text) and not _CONTROL.search(text),
        "is not a URI like oss://bucket/key, s3://bucket/key or file:///path of at most "
        f"{MAX_URI_BYTES} bytes",
    ),
]
UserData: TypeAlias = Annotated[
    str, _matching(_is_user_data, f"has more than {MAX_USER_DATA_BYTES} bytes")
]
TemplateId: TypeAlias = Annotated[
    str, _matching(TEMPLATES.__contains__, f"is not one of {', '.join(sorted(TEMPLATES))}")
]
WithFields: TypeAlias = Annotated[
    list[Annotated[str, Field(max_length=128)]], AsJson, Field(max_length=128)
]


class TimeRange(Wire):
    """``TimeRange``: both ends belong to it, either may be absent."""

    start: Rfc3339 | None = None
    end: Rfc3339 | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v != ""} if isinstance(value, dict) else value

    @property
    def bounds(self) -> tuple[datetime | None, datetime | None]:
        """Both ends in UTC."""
        return (
            None if self.start is None else read_time(self.start),
            None if self.end is None else read_time(self.end),
        )


class OfProject(Parameters):
    """Parameters of an action on a project."""

    project_name: Name


class OfDataset(OfProject):
    """Parameters of an action on a dataset."""

    dataset_name: Name
