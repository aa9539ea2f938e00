"""A small client that signs: what the commands use to talk to a server."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay

from imm_ray.api.canonical import canonical_query, percent_encode
from imm_ray.api.signature import sign

MAX_ITEMS = 100
"""IMM's limit of files or URIs in one request."""
MAX_QUERY_BYTES = 60_000
"""Below the 64 KiB of a request line that the HTTP layer accepts."""
_SEPARATOR_BYTES = len(percent_encode(","))


class ImmCallFailed(Exception):
    """The server refused a request.

    ``retry_after_s`` is set when the server asked to be called again later.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        request_id: str,
        retry_after_s: float | None = None,
    ) -> None:
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {message} (HTTP {status}, RequestId {request_id or 'unknown'})")


class ImmClient:
    """Calls actions of an IMM endpoint with signed requests; a context manager.

    Parameters
    ----------
    endpoint
        ``http://HOST:PORT`` or ``https://HOST``.
    patience_s
        How long a throttled request is repeated, each time after the wait that the server asks for.
    transport
        Replaces the network, for tests.
    """

    def __init__(
        self,
        endpoint: str,
        access_key_id: str,
        secret: str,
        *,
        timeout_s: float = 60.0,
        patience_s: float = 600.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._endpoint = httpx.URL(endpoint)
        self._access_key_id = access_key_id
        self._secret = secret
        self._patience_s = patience_s
        # trust_env off: a proxy of the environment must not see requests to a loopback server.
        self._http = httpx.Client(timeout=timeout_s, transport=transport, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def call(self, action: str, **params: Any) -> dict[str, Any]:
        """Return the response of ``action``; a parameter that is None is left out.

        Raises
        ------
        ImmCallFailed
            The server answered with an error.
        httpx.TransportError
            There was no answer.
        """
        query = encode(params)
        retrying = Retrying(
            retry=retry_if_exception(_is_throttled),
            wait=_wait_as_told,
            stop=stop_after_delay(self._patience_s),
            reraise=True,
        )
        return retrying(self._call_once, action, query)

    def pages(self, action: str, member: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Yield the objects in ``member`` of every page of a listing."""
        token = ""
        while True:
            page = self.call(action, **params, NextToken=token or None)
            yield from page.get(member) or ()
            token = page.get("NextToken") or ""
            if not token:
                return

    def _call_once(self, action: str, query: Mapping[str, str]) -> dict[str, Any]:
        headers = sign(
            query,
            action=action,
            host=self._endpoint.netloc.decode(),
            access_key_id=self._access_key_id,
            secret=self._secret,
            now=datetime.now(UTC),
        )
        url = self._endpoint.copy_with(path="/", query=canonical_query(query).encode())
        response = self._http.post(url, headers=headers)
        answer = _json_object(response)
        if response.status_code >= 400 or answer is None:
            raise _failure(response, answer or {})
        return answer


def encode(params: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters as IMM's wire spells them: complex values are compact JSON.

    >>> encode({"URIs": ["oss://a/b"], "WithTotalCount": True, "MaxResults": 5, "NextToken": None})
    {'URIs': '["oss://a/b"]', 'WithTotalCount': 'true', 'MaxResults': '5'}
    """
    return {
        name: value if isinstance(value, str) else _compact(value)
        for name, value in params.items()
        if value is not None
    }


def batches(items: Iterable[Any], name: str, **others: Any) -> Iterator[list[Any]]:
    """Split ``items`` so that each request stays within the API's and the wire's limits.

    ``name`` is the parameter that takes the items, ``others`` are the request's other parameters.
    Each batch has at most ``MAX_ITEMS`` items and at most ``MAX_QUERY_BYTES`` of encoded query.

    Raises
    ------
    ValueError
        One item alone is too long for a request.
    """
    room = MAX_QUERY_BYTES - len(canonical_query(encode({**others, name: []})))
    batch: list[Any] = []
    used = 0
    for item in items:
        size = len(percent_encode(_compact(item))) + _SEPARATOR_BYTES
        if size > room:
            raise ValueError(f"one item of {name} takes {size} bytes of a query; {room} are left")
        if len(batch) == MAX_ITEMS or used + size > room:
            yield batch
            batch, used = [], 0
        batch.append(item)
        used += size
    if batch:
        yield batch


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _json_object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _failure(response: httpx.Response, answer: Mapping[str, Any]) -> ImmCallFailed:
    wait_ms = response.headers.get("x-acs-retry-after", "")
    return ImmCallFailed(
        answer.get("Code", "UnexpectedResponse"),
        answer.get("Message", f"The answer is not IMM's JSON: {response.text[:200]!r}"),
        status=response.status_code,
        request_id=answer.get("RequestId", ""),
        retry_after_s=int(wait_ms) / 1000 if wait_ms.isdigit() else None,
    )


def _is_throttled(error: BaseException) -> bool:
    return isinstance(error, ImmCallFailed) and error.retry_after_s is not None


def _wait_as_told(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after_s if isinstance(error, ImmCallFailed) else None
    return max(0.05, told or 0.0)
