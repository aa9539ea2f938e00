"""Requests of a client that means no good, made from good ones."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

from imm_ray.api.rpc import HttpRequest
from imm_ray.api.signature import sign

T = TypeVar("T")

_DEEP = 20_000
TEXTS: tuple[str, ...] = (
    "",
    " ",
    "\0",
    "a\0b",
    "\n",
    "*",
    "%",
    "?",
    "-1",
    "0",
    "1e999",
    "NaN",
    "Infinity",
    "9" * 19,
    "9" * 20,
    "9" * 5000,
    "-" + "9" * 400,
    "0x10",
    "١٢",
    "true",
    "null",
    "[]",
    "{}",
    "[null]",
    "[[]]",
    "[{}]",
    '{"":""}',
    '{"URI":null}',
    '{"URI":[]}',
    '{"URI":"a","URI":"b"}',
    '"\\ud800"',
    '["\\ud800"]',
    '{"\\udfff":1}',
    '{"a":NaN}',
    '{"a":1e999}',
    '{"a":-1e999}',
    '{"a":' + "9" * 5000 + "}",
    "[" * _DEEP,
    '{"a":' * _DEEP,
    "[" * _DEEP + "]" * _DEEP,
    "[" * 20 + "]" * 20,
    "[" + "1," * 20_000 + "1]",
    '{"' + "k" * 70_000 + '":1}',
    "x" * 70_000,
    "é" * 20_000,
    "\U0001f600",
    "\u202e\u0000"[:1],
    "\ufeff",
    "../../etc/passwd",
    "file:///etc/passwd",
    "oss://b/../../x",
    "oss://b/%2e%2e/x",
    "http://169.254.169.254/",
    "' OR 1=1 --",
    '"; DROP TABLE file; --',
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%s%n%x",
    "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999-23:59",
    "AAAA",
    "CAESEgoQ",
)
"""Values that a parser, a database or a path may stumble over."""
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    10**400,
    1e308,
    -0.0,
    0.5,
    [],
    {},
    [None],
    [[[]]],
    {"": None},
    {"a": {"a": {"a": {}}}},
    *TEXTS[:20],
    "\ud800",
    "x" * 5000,
)
"""Values to put in the place of any part of a JSON parameter."""
_BYTES = (b"%", b"%zz", b"%ff", b"%00", b"%C0%80", b"\xff", b"&", b"&&", b"=", b"&=&", b";", b"+")
_NAMES = ("Action", "Version", "Signature", "AccessKeyId", "SecurityToken", "SignatureType", "")
_HEADERS = (
    "authorization",
    "host",
    "content-type",
    "x-acs-action",
    "x-acs-version",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-content-sha256",
    "x-acs-security-token",
    "x-acs-bearer-token",
    "x-forwarded-for",
    "x-" + "a" * 300,
)


class Chance(Protocol):
    """What is used of `random.Random`."""

    def randrange(self, stop: int, /) -> int: ...


@dataclass(frozen=True)
class Signer:
    """Signs as a user that may do what it asks for."""

    host: str
    access_key_id: str
    secret: str
    clock: Callable[[], datetime]

    def request(
        self, action: str, parameters: Mapping[str, str], *, in_form: bool = False
    ) -> HttpRequest:
        """Return a good signature over whatever parameters."""
        encoded = urlencode(parameters, quote_via=quote, errors="surrogatepass").encode()
        query, form = (b"", encoded) if in_form else (encoded, b"")
        headers = sign(
            {} if in_form else parameters,
            action=action,
            host=self.host,
            access_key_id=self.access_key_id,
            secret=self.secret,
            form=form,
            now=self.clock(),
        )
        items = tuple(headers.items())
        return HttpRequest(method="POST", query=query, headers=items, body=form, peer="192.0.2.7")


def mutated(
    signer: Signer, action: str, good: Mapping[str, str], chance: Chance | random.Random
) -> HttpRequest:
    """Return a request for ``action`` with a few things wrong."""
    parameters = dict(good)
    for _ in range(1 + chance.randrange(3)):
        _pick(chance, _PARAMETER_MUTATIONS)(parameters, chance)
    http = signer.request(action, parameters, in_form=chance.randrange(8) == 0)
    for _ in range(chance.randrange(3)):
        if chance.randrange(3) == 0:
            http = _pick(chance, _HTTP_MUTATIONS)(http, chance)
    return http


def _pick(chance: Chance, items: tuple[T, ...]) -> T:
    return items[chance.randrange(len(items))]


def _change(parameters: dict[str, str], chance: Chance) -> None:
    if parameters:
        parameters[_pick(chance, tuple(parameters))] = _pick(chance, TEXTS)


def _change_inside(parameters: dict[str, str], chance: Chance) -> None:
    """Put a strange value somewhere into a JSON parameter."""
    nested = tuple(name for name, value in parameters.items() if value[:1] in ("[", "{"))
    if not nested:
        return
    name = _pick(chance, nested)
    try:
        value = json.loads(parameters[name])
    except (ValueError, RecursionError):
        return
    parameters[name] = json.dumps(_replaced(value, chance, depth=4))


def _replaced(value: Any, chance: Chance, *, depth: int) -> Any:
    if depth and isinstance(value, dict) and value and chance.randrange(4):
        key = _pick(chance, tuple(value))
        return {**value, key: _replaced(value[key], chance, depth=depth - 1)}
    if depth and isinstance(value, list) and value and chance.randrange(4):
        place = chance.randrange(len(value))
        changed = _replaced(value[place], chance, depth=depth - 1)
        return [*value[:place], changed, *value[place + 1 :]]
    return _pick(chance, _VALUES)


def _drop(parameters: dict[str, str], chance: Chance) -> None:
    if parameters:
        del parameters[_pick(chance, tuple(parameters))]


def _add(parameters: dict[str, str], chance: Chance) -> None:
    name = _pick(chance, (*_NAMES, *_KNOWN_NAMES, "x" * 300, "\0", "é"))
    parameters[name] = _pick(chance, TEXTS)


def _flood(parameters: dict[str, str], chance: Chance) -> None:
    for number in range(chance.randrange(600)):
        parameters[f"p{number}"] = "1"


def _recase(parameters: dict[str, str], chance: Chance) -> None:
    if parameters:
        name = _pick(chance, tuple(parameters))
        parameters[name.swapcase()] = parameters[name]


_KNOWN_NAMES = (
    "NextToken",
    "MaxResults",
    "Sort",
    "Order",
    "Notification",
    "Tags",
    "TagSelector",
    "UserData",
    "WithFields",
    "CustomLabels",
    "CreateTimeRange",
    "UpdateTimeRange",
    "Query",
    "Aggregations",
    "Prefix",
    "Tag",
    "TemplateId",
    "DatasetConfig",
    "MetaLockVersion",
)
_PARAMETER_MUTATIONS = (
    _change,
    _change,
    _change_inside,
    _change_inside,
    _drop,
    _add,
    _add,
    _flood,
    _recase,
)


def _raw_query(http: HttpRequest, chance: Chance) -> HttpRequest:
    place = chance.randrange(len(http.query) + 1)
    piece = _pick(chance, _BYTES)
    return replace(http, query=http.query[:place] + piece + http.query[place:])


def _repeat_query(http: HttpRequest, chance: Chance) -> HttpRequest:
    return replace(http, query=http.query + b"&" + http.query)


def _raw_body(http: HttpRequest, chance: Chance) -> HttpRequest:
    types = ("application/json", "multipart/form-data; boundary=x", "text/xml", "", "\xff")
    headers = tuple(item for item in http.headers if item[0] != "content-type")
    body = _pick(chance, (b"\0", b"{}", b"a=1", b"\xff" * 100, b"x" * 100_000))
    return replace(http, headers=(*headers, ("content-type", _pick(chance, types))), body=body)


def _header(http: HttpRequest, chance: Chance) -> HttpRequest:
    name = _pick(chance, _HEADERS)
    value = _pick(chance, ("", "x", "\0", "\xff" * 10, "a\r\nb: c", "y" * 70_000, "GetProject"))
    kept = http.headers if chance.randrange(2) else tuple(h for h in http.headers if h[0] != name)
    return replace(http, headers=(*kept, (name, value)))


def _less_headers(http: HttpRequest, chance: Chance) -> HttpRequest:
    place = chance.randrange(len(http.headers))
    return replace(http, headers=http.headers[:place] + http.headers[place + 1 :])


def _other_order(http: HttpRequest, chance: Chance) -> HttpRequest:
    place = chance.randrange(len(http.headers))
    return replace(http, headers=http.headers[place:] + http.headers[:place])


def _many_headers(http: HttpRequest, chance: Chance) -> HttpRequest:
    more = tuple((f"x-{number}", "1") for number in range(chance.randrange(300)))
    return replace(http, headers=http.headers + more)


def _method(http: HttpRequest, chance: Chance) -> HttpRequest:
    return replace(http, method=_pick(chance, ("GET", "PUT", "DELETE", "", "X" * 1000)))


_HTTP_MUTATIONS = (
    _raw_query,
    _repeat_query,
    _raw_body,
    _header,
    _header,
    _less_headers,
    _other_order,
    _many_headers,
    _method,
)
