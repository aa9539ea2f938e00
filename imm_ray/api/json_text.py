"""JSON from strangers and for them: one reader with limits, one writer that emits no NaN."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn

MAX_DEPTH = 16
_WRITER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_json(text: str) -> Any:
    """Return the value of ``text``.

    Raises
    ------
    ValueError
        It is not JSON, is nested deeper than `MAX_DEPTH`, names a member twice, or holds what
        cannot be stored: NaN, a NUL character, half of a surrogate pair.

    Examples
    --------
    >>> read_json('{"a":[1,true,"é"]}')
    {'a': [1, True, 'é']}
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos})") from error
    for part in _parts(value):
        if isinstance(part, str):
            _check_text(part)
        elif isinstance(part, float) and part in (float("inf"), float("-inf")):
            raise ValueError("a number is too large")
    return value


def write_json(value: Any) -> str:
    """Return ``value`` as compact JSON; a NaN is an error, not an extension of JSON."""
    return _WRITER.encode(value)


def _parts(value: Any) -> Iterator[Any]:
    """Yield ``value`` and all that is in it, names of members too, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        yield from level
        level = [child for part in level for child in _children(part)]
    if any(isinstance(part, dict | list) for part in level):
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    yield from level


def _children(part: Any) -> list[Any]:
    if isinstance(part, dict):
        return [*part.keys(), *part.values()]
    return part if isinstance(part, list) else []


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice!r} is given more than once")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("a text holds half of a surrogate pair") from error
