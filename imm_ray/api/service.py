"""`ImmService`: a request in, a response out; the one place where errors become IMM's JSON.

The order of checks is the gateway's: the request's form, the version, the action (an unknown one is
``InvalidApi.NotFound`` whoever asks, signed or not), the HTTP method, the signature, the rate of
the user, the nonce, the policies of the caller, the parameters, the resources. Who is not allowed
an action on a resource therefore never learns whether it exists.

A request that is throttled for its rate has no effect, but its nonce is used up: who has caught it
can not send it again when it would pass. A nonce that nobody waits for is recorded as soon as the
database lets. A request that takes longer
than ``limits.request_timeout_s`` is answered ServiceUnavailable: a read is stopped then, a write
may still be committed, as with any time-out. Reads that may look at all of a dataset take turns, a
few of each account at once, on threads that nothing else needs.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import ceil
from time import monotonic
from typing import Any, TypeVar

from imm_ray.api.actions.registry import ACTIONS, Action, Write
from imm_ray.api.admission import Admission
from imm_ray.api.asking import Asking, Raw
from imm_ray.api.call import Ask, Call, Surroundings, Written, new_request_id
from imm_ray.api.keyring import NOBODY_ASKED, Identity, KeyRing
from imm_ray.api.nonce_shelter import NonceShelter
from imm_ray.api.notification import NotificationBuilder
from imm_ray.api.origin import read_origin
from imm_ray.api.paging import PageTokens
from imm_ray.api.policy.gate import Gate
from imm_ray.api.ports import Ports
from imm_ray.api.rate import RateLimit
from imm_ray.api.response import Response as Response
from imm_ray.api.response import refuse as refuse
from imm_ray.api.response import respond, respond_raw
from imm_ray.api.rpc import API_VERSION, HttpRequest, RpcRequest, parse_request
from imm_ray.api.signature import verify
from imm_ray.api.turns import Turns
from imm_ray.api.watch import on, watched
from imm_ray.crash_point import reached
from imm_ray.errors import (
    ImmError,
    InvalidApi,
    InvalidVersion,
    NoPermission,
    ServiceUnavailable,
    SignatureNonceUsed,
    ThrottledUser,
    UnsupportedMethod,
)
from imm_ray.measure import UNMEASURED, Measures
from imm_ray.model import DatasetId
from imm_ray.settings import Settings
from imm_ray.store import turn
from imm_ray.store.database import Database, Tx
from imm_ray.store.failure import DatabaseAway
from imm_ray.store.nonce_memory import NonceMemory
from imm_ray.store.outage import refusal_of
from imm_ray.store.writer import GroupWriter

logger = logging.getLogger(__name__)

T = TypeVar("T")

_THREADS = 16
_VERIFYING_THREADS = 4  # of their own: a request must learn at once that it is refused
_ASK_S = 8.5  # the SDKs wait 10 s


@dataclass(frozen=True, slots=True)
class _Verified:
    action: Action
    call: Call
    identity: Identity
    run: Write
    denied: NoPermission | None

    @property
    def place(self) -> tuple[str, str, str]:
        """The account, the project and the dataset that the request names."""
        given = self.call.parameters
        return self.call.account, given.get("ProjectName", ""), given.get("DatasetName", "")

    def take_turn(self, tx: Tx) -> None:
        """Let no other transaction write of the dataset before this one has ended."""
        if all(self.place):
            turn.of_named(tx, *self.place)


class ImmService:
    """All of the API over one database.

    Parameters
    ----------
    writer
        Commits durably; runs the writes, each with its nonce.
    nonces
        Remembers the nonces of signed requests. It stays open.
    secret
        The server's secret, from which the key of page tokens is derived.
    clock
        Returns the time, aware.
    ring
        Wakes the owner of a dataset that has new work. It must neither block nor raise; a ring
        that is lost only delays.
    ports
        Models and owners, for the actions that ask them; None refuses these actions.
    ask_s
        Seconds that such an action may take before it is refused as ServiceUnavailable.
    signed_from
        Requests that were signed before are refused (`constants.signed_from`).
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyRing,
        *,
        database: Database,
        writer: GroupWriter,
        nonces: NonceMemory,
        secret: bytes,
        clock: Callable[[], datetime],
        ring: Callable[[DatasetId], None],
        ports: Ports | None = None,
        ask_s: float = _ASK_S,
        measures: Measures = UNMEASURED,
        signed_from: datetime | None = None,
    ) -> None:
        self._signed_from = signed_from
        self._settings = settings
        self._signed = settings.auth.mode == "signature"
        limits = settings.limits
        self._user_rate = RateLimit(limits.requests_per_second, limits.burst)
        project_rate = limits.project_requests_per_second
        self._project_rate = RateLimit(project_rate, max(1, ceil(project_rate)))
        self._gate = Gate(settings.server.region)
        self._keys = keys
        self._database = database
        self._writer = writer
        self._nonces = nonces
        self._clock = clock
        self._ring = ring
        self._surroundings = Surroundings(
            settings=settings,
            tokens=PageTokens(secret),
            notifications=NotificationBuilder(settings.server.region),
            admission=Admission(settings.limits),
            ports=ports,
        )
        self._ask_s = ask_s
        self._measures = measures
        self._shelter = NonceShelter()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="imm-ray-api")
        self._verifiers = ThreadPoolExecutor(_VERIFYING_THREADS, thread_name_prefix="imm-ray-auth")
        self._turns = Turns(limits.queries_at_once, limits.queries_waiting)

    async def handle(self, http: HttpRequest) -> Response:
        """Return the answer to ``http``; whatever happens it is IMM's JSON."""
        request_id = new_request_id()
        return await watched(
            http,
            request_id,
            lambda: self._handle(http, request_id),
            known=ACTIONS.__contains__,
            measures=self._measures,
        )

    async def _handle(self, http: HttpRequest, request_id: str) -> Response:
        try:
            async with asyncio.timeout(self._settings.limits.request_timeout_s):
                body = await self._answer(http, request_id)
            if isinstance(body, Raw):
                return respond_raw(body, request_id)
            reached("request.answered")
            return respond(200, {"RequestId": request_id, **body}, request_id)
        except TimeoutError:
            late = ServiceUnavailable(
                "The request took too long; it may still take effect. Try again."
            )
            logger.warning("request timed out: request_id=%s action=%s", request_id, _named(http))
            return refuse(late, request_id=request_id, host=http.header("host"))
        except ImmError as error:
            return refuse(error, request_id=request_id, host=http.header("host"))
        except Exception as error:
            if (refusal := refusal_of(error)) is not None:
                logger.error(  # one line: a full disk is refused a thousand times a second
                    "store unavailable: request_id=%s why=%s", request_id, refusal.message
                )
                return refuse(refusal, request_id=request_id, host=http.header("host"))
            logger.exception("request failed: request_id=%s action=%s", request_id, _named(http))
            return refuse(ImmError(), request_id=request_id, host=http.header("host"))

    def close(self) -> None:
        """Finish the reads that are under way. The database and the writers stay open."""
        self._turns.close()
        self._threads.shutdown()
        self._verifiers.shutdown()

    async def _answer(self, http: HttpRequest, request_id: str) -> Mapping[str, Any] | Raw:
        deadline = monotonic() + self._settings.limits.request_timeout_s
        verified = await on(self._verifiers, lambda: self._verify(http, request_id))
        if verified.denied is not None:
            await self._remember(verified)
            raise verified.denied
        if verified.action.writes:
            written = await self._write(verified)
            reached("request.durable")
            for dataset_id in written.ring:
                self._ring(dataset_id)
            reached("request.doorbell_rung")
            return written.body
        read = await self._read_once(verified, deadline)
        return read.body if read.ask is None else await self._asked(read.ask)

    async def _read_once(self, verified: _Verified, deadline: float) -> Written:
        """Read while the nonce is recorded: a read changes nothing, so what comes of it can wait.

        It is told only when the nonce was new.
        """
        noted, read = await asyncio.gather(
            self._note_read(verified), self._read(verified, deadline), return_exceptions=True
        )
        if noted is not None:
            raise noted
        if isinstance(read, BaseException):
            raise read
        return read

    async def _asked(self, ask: Ask) -> Mapping[str, Any] | Raw:
        asking = Asking(
            self._database,
            self._surroundings.ports,
            self._in_thread,
            deadline=monotonic() + self._ask_s,
        )
        try:
            async with asyncio.timeout(self._ask_s):
                return await ask(asking)
        except TimeoutError as error:
            raise ServiceUnavailable(
                f"There was no answer within {self._ask_s:g} seconds: the service is busy or has "
                "just started. Nothing was changed; try again."
            ) from error

    def _verify(self, http: HttpRequest, request_id: str) -> _Verified:
        request = parse_request(http)
        action = _find_action(request)
        now = self._clock()
        identity = self._identify(request, now)
        with self._noting(identity, now):
            self._user_rate.take(f"{identity.account} {identity.user_name}", "a user")
        parameters = request.business_parameters
        origin = read_origin(http, self._settings.server)
        denied = self._gate.refusal(request, identity, schema=action.schema, origin=origin, now=now)
        if denied is None and (project := parameters.get("ProjectName")):
            with self._noting(identity, now):
                self._project_rate.take(f"{identity.account} {project}", "the clients of a project")
        call = Call(
            action=request.action,
            account=identity.account,
            request_id=request_id,
            now=now,
            parameters=parameters,
            surroundings=self._surroundings,
            check_dataset=lambda dataset: self._gate.check_dataset(
                request, identity, dataset=dataset, origin=origin, now=now
            ),
        )
        return _Verified(action, call, identity, _prepared(action, parameters), denied)

    def _identify(self, request: RpcRequest, now: datetime) -> Identity:
        if not self._signed:
            return NOBODY_ASKED
        return verify(request, self._keys, now=now, since=self._signed_from)

    async def _read(self, verified: _Verified, deadline: float) -> Written:
        """Run a read until ``deadline``; beyond it the database stops, and its thread is free."""
        run = partial(_run_read, self._database, verified, deadline)
        if verified.action.scans:
            return await asyncio.wrap_future(self._turns.submit(verified.call.account, run))
        return await self._in_thread(run)

    async def _write(self, verified: _Verified) -> Written:
        """Run a write and its nonce in one transaction.

        A write that is refused leaves nothing behind, its nonce included: so the nonce is recorded
        for itself then, and the request cannot be sent again when it might succeed.
        """

        def run(tx: Tx) -> Written:
            self._use_nonce(tx, verified.identity, verified.call.now)
            verified.take_turn(tx)
            return verified.run(tx, verified.call)

        try:
            with self._noting(verified.identity, verified.call.now):
                # Not shielded: a write that nobody waits for and that has not begun never does.
                return await asyncio.wrap_future(self._writer.submit(run, verified.place))
        except (SignatureNonceUsed, ThrottledUser, DatabaseAway):
            raise
        except ImmError:
            await self._remember(verified)
            raise
        except Exception as error:
            if refusal_of(error) is not None:
                self._take_shelter(verified)
            raise

    async def _remember(self, verified: _Verified) -> None:
        if self._signed:
            noted = self._submit_nonce(verified.identity, verified.call.now)
            await asyncio.shield(asyncio.wrap_future(noted))  # also for a client that goes away

    async def _note_read(self, verified: _Verified) -> None:
        """Remember the nonce of a read, here in memory where the store takes nothing."""
        if self._signed:  # the store does not know what was used while it took nothing
            self._shelter.refuse_used(verified.identity.access_key_id, verified.identity.nonce)
        try:
            await self._remember(verified)
        except Exception as error:
            if refusal_of(error) is None:
                raise
            self._take_shelter(verified)

    def _take_shelter(self, verified: _Verified) -> None:
        if self._signed:
            identity = verified.identity
            self._shelter.remember(identity.access_key_id, identity.nonce, verified.call.now)

    @contextmanager
    def _noting(self, identity: Identity, now: datetime) -> Iterator[None]:
        """Record the nonce of a request that is throttled, or whose time is up, within the block.

        Nobody waits for that: when the database is busy or away, the client has waited long enough.
        """
        try:
            yield
        except (ThrottledUser, DatabaseAway, asyncio.CancelledError):
            if self._signed:
                with suppress(ImmError):  # there is no place to wait in either
                    self._submit_nonce(identity, now)
            raise

    def _submit_nonce(self, identity: Identity, now: datetime) -> "Future[None]":
        return self._nonces.submit(identity.access_key_id, identity.nonce, now)

    def _use_nonce(self, tx: Tx, identity: Identity, now: datetime) -> None:
        if self._signed:
            self._shelter.refuse_used(identity.access_key_id, identity.nonce)
            self._nonces.use(tx, identity.access_key_id, identity.nonce, now)

    async def _in_thread(self, run: Callable[[], T]) -> T:
        return await on(self._threads, run)


def _run_read(database: Database, verified: _Verified, deadline: float) -> Written:
    with database.read(deadline=deadline) as tx:
        return verified.run(tx, verified.call)


def _named(http: HttpRequest) -> str:
    """Return the name of the request's action; "" for one that is none, whatever it may say."""
    name = http.header("x-acs-action") or ""
    return name if name in ACTIONS else ""


def _find_action(request: RpcRequest) -> Action:
    if request.version != API_VERSION:
        raise InvalidVersion()
    action = ACTIONS.get(request.action)
    if action is None:
        raise InvalidApi()
    if request.http.method not in action.methods:
        raise UnsupportedMethod()
    return action


def _prepared(action: Action, parameters: Mapping[str, str]) -> Write:
    """Return what the action runs. Refused parameters are an outcome of running it.

    So a signed request with a wrong parameter uses up its nonce like any other.
    """
    try:
        return action.prepare(parameters)
    except ImmError as error:
        refusal = error

    def refused(tx: Tx, call: Call) -> Written:
        raise refusal

    return refused
