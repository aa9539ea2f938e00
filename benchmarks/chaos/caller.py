"""One client: signs, sends once, writes down what came back."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.chaos.journal import Entry, Journal, Outcome
from imm_ray.api.canonical import canonical_query
from imm_ray.api.signature import sign
from imm_ray.cli.client import encode
from imm_ray.runtime.clock import utc_now

TIMEOUT_S = 20.0
"""Longer than the server's own limit of a request: who waits less learns less."""

PATIENCE_S = 120.0
"""How long a request that must be done is repeated."""

READ, WRITE, ASK = "read", "write", "ask"
"""Kinds of requests: answered from the store, changing it, and those that need an owner."""

_ASKS = frozenset({"SearchImageFigureCluster", "ImmRayExplain"})
_READS = ("Get", "List", "Query", "BatchGet", "SimpleQuery")
_IN_DOUBT = frozenset({"SignatureNonceUsed"})
"""Refusals that may mean that the request was carried out: it came twice."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who calls."""

    number: str
    key: str
    secret: str


class Caller:
    """Sends requests of one account from one thread; nothing is ever sent twice by itself.

    ``seen`` is called with every entry.
    """

    def __init__(
        self,
        name: str,
        address: str,
        account: Account,
        *,
        journal: Journal,
        seen: Callable[[Entry], None],
    ) -> None:
        self.account = account
        self._name = name
        self._address = address
        self._journal = journal
        self._seen = seen
        self._http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)

    def call(self, action: str, **params: Any) -> Entry:
        """Send one request; return what came of it."""
        query = encode(params)
        headers = sign(
            query,
            action=action,
            host=self._address,
            access_key_id=self.account.key,
            secret=self.account.secret,
            now=utc_now(),
        )
        url = httpx.URL(f"http://{self._address}/", query=canonical_query(query).encode())
        sent = time.monotonic()
        try:
            response = self._http.post(url, headers=headers)
        except httpx.TransportError as error:
            status, body = 0, {"Error": type(error).__name__}
        else:
            status, body = response.status_code, _body(response)
        entry = Entry(
            client=self._name,
            action=action,
            kind=_kind(action),
            params=params,
            outcome=outcome_of(status, body),
            status=status,
            body=body,
            sent=sent,
            done=time.monotonic(),
        )
        self._journal.add(entry)
        self._seen(entry)
        return entry

    def until_done(self, action: str, **params: Any) -> Entry:
        """Repeat a request until it is done (or had been done already)."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            entry = self.call(action, **params)
            if entry.outcome is Outcome.DONE or entry.code == "ResourceAlreadyExists":
                return entry
            if time.monotonic() > deadline:
                raise TimeoutError(f"{action} was not done in {PATIENCE_S:g} s: {entry}")
            time.sleep(0.2)  # the service needs the cores more than this poll does

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


def outcome_of(status: int, body: Mapping[str, Any]) -> Outcome:
    """Return what an answer says of the request."""
    if status == 200:
        return Outcome.DONE
    refused = 400 <= status < 500 and body.get("Code", "") not in _IN_DOUBT
    return Outcome.REFUSED if refused else Outcome.UNKNOWN


def _body(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer; of anything else its text, under a name of our own."""
    try:
        body = response.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"Text": response.text[:300]}


def _kind(action: str) -> str:
    if action in _ASKS:
        return ASK
    return READ if action.startswith(_READS) else WRITE
