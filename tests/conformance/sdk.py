"""The official SDK, any version of it: an action by its name, its parameters as the wire has them.

Imports nothing of ours, so that a process which has another version of the SDK can use it.
"""

import asyncio
import copy
import importlib
import re
from collections.abc import Mapping
from typing import Any

from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from Tea.exceptions import TeaException

KEY = ("testak", "testsecret")


class RefusedCall(Exception):
    """The server answered with an error; code and status as the client gave them out."""

    def __init__(self, code: str, status: int, message: str) -> None:
        super().__init__(f"{code} ({status}): {message}")
        self.code = code
        self.status = status
        self.message = message


class _Listening(Client):  # type: ignore[misc]  # the SDK has no types
    """Keeps the last response as it was received, before a model reads it."""

    body: Any = None

    def call_api(self, *args: Any) -> Any:
        answer = super().call_api(*args)
        self.body = copy.deepcopy(answer["body"])
        return answer

    async def call_api_async(self, *args: Any) -> Any:
        answer = await super().call_api_async(*args)
        self.body = copy.deepcopy(answer["body"])
        return answer


class OfficialSdk:
    """Calls actions with the SDK that this process has."""

    def __init__(self, address: str, *, asynchronous: bool = False) -> None:
        config = _config_class()(
            endpoint=address, protocol="http", access_key_id=KEY[0], access_key_secret=KEY[1]
        )
        self._client = _Listening(config)
        self._asynchronous = asynchronous

    def knows(self, action: str) -> bool:
        """Whether the SDK has the action."""
        return hasattr(models, f"{action}Request")

    def call(self, action: str, parameters: Mapping[str, Any]) -> tuple[Any, Any]:
        """Return the response as received, and what the SDK's model made of it.

        Raises
        ------
        RefusedCall
        """
        request = getattr(models, f"{action}Request")().from_map(dict(parameters))
        method = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", action).lower()
        try:
            if self._asynchronous:
                response = asyncio.run(getattr(self._client, f"{method}_async")(request))
            else:
                response = getattr(self._client, method)(request)
        except TeaException as error:
            data = error.data or {}
            status = data.get("statusCode", 0) if isinstance(data, dict) else 0
            raise RefusedCall(str(error.code), int(status), str(error.message)) from error
        return self._client.body, None if response.body is None else response.body.to_map()


def _config_class() -> Any:
    try:
        module = importlib.import_module("alibabacloud_tea_openapi.utils_models")
    except ModuleNotFoundError:  # before 0.4
        module = importlib.import_module("alibabacloud_tea_openapi.models")
    return module.Config
