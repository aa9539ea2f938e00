"""The requests that are measured, each signed for one use."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from benchmarks.serving.store import DATASET, INBOX, PROJECT, TASK_ID, TASK_TYPE
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.signature import sign
from tests.ray.server import KEY

Parameters: TypeAlias = Mapping[str, Any]

_numbers = count()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request; ``share`` of it is sent, for it costs more than the cheapest."""

    action: str
    parameters: Callable[[], Parameters]
    share: float


def _batch() -> Parameters:
    """Return 100 files as a phone's backup sends them: about 40 KB of request line."""
    files = [
        {
            "URI": f"oss://photos/users/0042/2026/06/{next(_numbers):09}.jpg",
            "CustomId": f"member-{number:04}",
            "CustomLabels": {"Owner": "0042", "Album": "summer"},
        }
        for number in range(100)
    ]
    return {"ProjectName": PROJECT, "DatasetName": INBOX, "Files": files}


def _long() -> Parameters:
    files = [{"URI": f"oss://photos/{'x' * 540}/{next(_numbers):09}.jpg"} for _ in range(100)]
    return {"ProjectName": PROJECT, "DatasetName": INBOX, "Files": files}


KINDS = (
    Kind(
        "GetTask",
        lambda: {"ProjectName": PROJECT, "TaskId": TASK_ID, "TaskType": TASK_TYPE},
        1.0,
    ),
    Kind(
        "QueryFigureClusters",
        lambda: {"ProjectName": PROJECT, "DatasetName": DATASET, "MaxResults": 100},
        0.3,
    ),
    Kind("BatchIndexFileMeta", _batch, 0.2),
)
LONG = Kind("BatchIndexFileMeta", _long, 0.0)
"""A request line of 60 KB."""


def signed(kind: Kind, host: str) -> HttpRequest:
    """Return one request with a nonce of its own."""
    parameters = {
        name: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for name, value in kind.parameters().items()
    }
    headers = sign(
        parameters,
        action=kind.action,
        host=host,
        access_key_id=KEY[0],
        secret=KEY[1],
        now=datetime.now(UTC),
    )
    query = urlencode(parameters, quote_via=quote).encode()
    return HttpRequest(method="POST", query=query, headers=tuple(headers.items()))


def on_the_wire(kind: Kind, host: str, number: int) -> Iterator[bytes]:
    """Yield requests as bytes."""
    for _ in range(number):
        http = signed(kind, host)
        lines = [f"{name}: {value}" for name, value in (*http.headers, ("content-length", "0"))]
        head = b"POST /?" + http.query + b" HTTP/1.1\r\n"
        yield head + "\r\n".join(lines).encode() + b"\r\n\r\n"
