"""The clients whose calls are checked: every official SDK for Python, in all its ways to call."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from tests.conformance.sdk import KEY, OfficialSdk, RefusedCall

OLD_SDK = "IMM_RAY_SDK_4"
"""Names the folder with the SDK 4.0.0, which can not be installed beside the current one:
``pip install --target FOLDER alibabacloud_imm20200930==4.0.0 'alibabacloud-tea-openapi<0.4'``."""

NEWER_THAN_4 = frozenset({"ObjectStatus", "Reason"})
"""Members that IMM has added after the SDK 4.0.0."""

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response."""

    body: Any
    """As received."""
    read: Any = None
    """What the client's model made of it."""
    has_model: bool = True
    newer: frozenset[str] = frozenset()
    """Members that the model does not have yet; nothing else may be lost."""


class Client(Protocol):
    """Calls actions by name."""

    def knows(self, action: str) -> bool:
        """Whether the client can call it at all."""

    def call(self, action: str, parameters: Mapping[str, Any]) -> Answer:
        """Return the response, or raise `RefusedCall`."""


class _ThisSdk:
    def __init__(self, address: str, *, asynchronous: bool = False) -> None:
        self._sdk = OfficialSdk(address, asynchronous=asynchronous)

    def knows(self, action: str) -> bool:
        return self._sdk.knows(action)

    def call(self, action: str, parameters: Mapping[str, Any]) -> Answer:
        return Answer(*self._sdk.call(action, parameters))


class _OldSdk:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def knows(self, action: str) -> bool:
        return bool(self._ask({"action": action})["knows"])

    def call(self, action: str, parameters: Mapping[str, Any]) -> Answer:
        answer = self._ask({"action": action, "parameters": dict(parameters)})
        if refused := answer.get("refused"):
            raise RefusedCall(*refused)
        return Answer(answer["body"], answer["read"], newer=NEWER_THAN_4)

    def _ask(self, question: Mapping[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


class _CoreSdk:
    """``CommonRequest``: any action, signature V1, no models."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = AcsClient(*KEY, "cn-hangzhou")

    def knows(self, action: str) -> bool:
        return True

    def call(self, action: str, parameters: Mapping[str, Any]) -> Answer:
        request = CommonRequest(domain=self._address, version="2020-09-30", action_name=action)
        request.set_method("POST")
        request.set_protocol_type("http")
        for name, value in parameters.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            request.add_query_param(name, text)
        try:
            body = self._client.do_action_with_exception(request)
        except ServerException as error:
            raise RefusedCall(error.error_code, error.http_status, error.message) from error
        return Answer(json.loads(body), has_model=False)


@contextmanager
def _current(address: str) -> Iterator[Client]:
    yield _ThisSdk(address)


@contextmanager
def _asynchronous(address: str) -> Iterator[Client]:
    yield _ThisSdk(address, asynchronous=True)


@contextmanager
def _old(address: str) -> Iterator[Client]:
    path = os.pathsep.join([os.environ[OLD_SDK], str(_ROOT)])
    with subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.old_sdk", address],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield _OldSdk(process)
        assert process.stdin
        process.stdin.close()


@contextmanager
def _core(address: str) -> Iterator[Client]:
    yield _CoreSdk(address)


CLIENTS: Mapping[str, Callable[[str], Any]] = {
    "SDK 5.0.3": _current,
    "SDK 5.0.3 async": _asynchronous,
    "SDK 4.0.0": _old,
    "core SDK (V1)": _core,
}
"""Each by its name in the report: a context with a `Client` of the server at an address."""
OLD = "SDK 4.0.0"
ANY_ACTION = "core SDK (V1)"
"""The client that can call actions which it does not know."""


def why_not(name: str) -> str:
    """Return why a client can not be used here, or ''."""
    if name == OLD and not os.environ.get(OLD_SDK):
        return f"{OLD_SDK} names no folder with the SDK 4.0.0"
    return ""
