"""Drives one engine until nothing is left to do. Plain asyncio: Ray only hosts it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from contextvars import copy_context
from enum import Enum, auto
from functools import partial
from typing import TypeVar

import structlog

from imm_ray.dataset.engine import DatasetEngine
from imm_ray.dataset.face_search import sources_of
from imm_ray.dataset.footprint import memory_bytes
from imm_ray.dataset.ports import (
    UNMEASURED,
    Embedder,
    EmbedderDied,
    EmbedderUnavailable,
    Measures,
)
from imm_ray.dataset.suspects import InTurn, embed_all
from imm_ray.measure import EMBED_SECONDS, EMBEDDED
from imm_ray.model import Explained, Found, Pair, Search, Task
from imm_ray.store.results import PendingFile, Result

T = TypeVar("T")

CHUNK = 16
"""Files of one call to the embedder."""
IN_FLIGHT = 2
"""Calls under way at once: one is analysed while the other is committed."""

_LOOK_S = 5.0
"""Seconds between two looks at what a thread of the index may have finished."""

_log = structlog.get_logger(__name__)


class EngineClosed(Exception):
    """The service has left its dataset; ring for another one and ask that."""


class Parting(Enum):
    """How a service is told to leave its dataset."""

    FOR_OTHERS = auto()
    """It comes back in its turn, if there is work left."""
    FOR_GOOD = auto()
    """Any host, of any cluster, may take the dataset at once."""


class DatasetService:
    """Keeps the embedder busy with a dataset's files, and runs its tasks when they are due.

    Parameters
    ----------
    thread
        Makes the engine's calls, one at a time; defaults to a thread of its own.
    settled
        Called, as an engine call, when the dataset has taken a first step without a failure.
    rests
        Called, in the loop, whenever there is nothing to do.

    Notes
    -----
    The engine runs off the event loop, one call at a time. `ring` may be called at any time
    from the loop; a call while the service works makes it look once more before it rests. Questions
    (`search`, `explain`) wait for the engine call under way; one that is cancelled before its turn
    costs nothing.
    """

    def __init__(
        self,
        engine: DatasetEngine,
        embedder: Embedder,
        *,
        retry_s: float = 0.5,
        consolidate_after_s: float = 30.0,
        measures: Measures = UNMEASURED,
        thread: Executor | None = None,
        settled: Callable[[], None] | None = None,
        rests: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._embedder = embedder
        self._measures = measures
        self._retry_s = retry_s
        self._consolidate_after_s = consolidate_after_s
        self._thread = thread or ThreadPoolExecutor(1, thread_name_prefix="imm-ray-engine")
        self._settled = settled
        self._rests = rests
        self._rung = asyncio.Event()
        self._may_work = asyncio.Event()
        self._may_work.set()
        self._parting: Parting | None = None
        self.is_resting = False
        """Whether there is nothing to do."""
        self._failure: BaseException | None = None
        self._in_hand: dict[asyncio.Task[None], Sequence[PendingFile]] = {}
        self._turns = InTurn(embedder)
        self._is_searching = False

    def ring(self) -> None:
        """Say that there may be work."""
        self._rung.set()

    async def search(self, wanted: Search) -> Found:
        """Return what is nearest to vectors among what is indexed."""
        self._rung.set()  # a dataset that is asked is in use
        return await self._in_thread(partial(self._mended_search, wanted))

    async def explain(self, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not, None when no run has seen both."""
        self._rung.set()
        return await self._call(partial(self._engine.explain_pair, pair))

    def part(self, how: "Parting") -> None:
        """Leave at the next quiet point, whether there is work left or not.

        Files in hand are given back at once when it is for good: their embedder may be gone.
        """
        if self._parting is not Parting.FOR_GOOD:  # which is the stronger
            self._parting = how
        for task in self._in_hand if how is Parting.FOR_GOOD else ():
            task.cancel()
        self._rung.set()

    def pause(self) -> None:
        """Begin no engine call until `resume`."""
        self._may_work.clear()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._may_work.set()

    @property
    def size_bytes(self) -> int:
        """The memory that the engine takes, about."""
        return memory_bytes(*self._engine.stored)

    async def save(self, *, anew: bool = False) -> bool:
        """Write a snapshot of all that has changed; return whether there is one.

        It waits for the engine call under way: for who stops the service, or has erased something.
        """
        return await self._call(partial(self._engine.save, anew=anew))

    async def run(
        self, *, idle_s: float, loading: AbstractAsyncContextManager[object] | None = None
    ) -> bool:
        """Load the engine and work; return after ``idle_s`` seconds of rest, with it closed.

        So it does at the next quiet point after `part`. Returned is whether work is left; the lease
        is given up by then, in the transaction that has looked.

        Parameters
        ----------
        loading
            Held while the engine loads, so that not too many do at once.

        Raises
        ------
        imm_ray.store.ownership.Fenced
            Another owner has taken the dataset.
        """
        try:
            async with loading or nullcontext():
                await self._call(self._engine.load)
            while self._parting is None:
                self._rung.clear()
                await self.drain()
                rang = await self._rest(idle_s)
                if rang:
                    continue
                await self._call(self._engine.save)
                if not await self._call(self._engine.leave):
                    continue
                if not self._rung.is_set():  # else somebody has asked while the engine left
                    return False
                await self._call(self._engine.stay)
            return await self._leave(self._parting)
        finally:
            self._failure = self._failure or EngineClosed()
            self._thread.submit(self._engine.close)

    async def _leave(self, how: "Parting") -> bool:
        """Bring what is in hand to its end, and leave; return whether work is left."""
        await asyncio.gather(*self._in_hand, return_exceptions=how is Parting.FOR_GOOD)
        self._in_hand.clear()
        self._rung.clear()
        await self._call(self._engine.save)
        left = await self._call(lambda: self._engine.part(for_good=how is Parting.FOR_GOOD))
        return left or self._rung.is_set()  # a bell since then may tell of what was not seen

    async def _rest(self, idle_s: float) -> bool:
        """Wait for a bell; return False when none came for ``idle_s`` seconds.

        Upkeep of the index goes on meanwhile, and after some rest what may gain is consolidated.
        """
        self.is_resting = not self._rung.is_set()
        if self.is_resting:
            self._rests()
        try:
            return await self._tend(idle_s)
        finally:
            self.is_resting = False

    async def _tend(self, idle_s: float) -> bool:
        loop = asyncio.get_running_loop()
        rested_from = loop.time()
        consolidated = False
        while not self._rung.is_set():
            if await self._call(self._engine.tend):
                continue
            rested = loop.time() - rested_from
            if not consolidated and rested >= self._consolidate_after_s:
                await self._call(self._engine.consolidate)
                consolidated = True
                continue
            if rested >= idle_s:
                return False
            await self._bell(min(_LOOK_S, idle_s - rested))
        return True

    async def _bell(self, seconds: float) -> None:
        """Wait for a bell, at most so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)

    async def drain(self) -> None:
        """Work until nothing is left to do, or until the next quiet point after `part`."""
        more = True
        while more and self._parting is None:
            more = await self._step()
            if self._settled is not None:
                await self._call(self._settled)
                self._settled = None

    def close(self) -> None:
        """Stop the engine's thread after the call under way."""
        for task in self._in_hand:
            task.cancel()
        self._thread.shutdown(wait=False)

    async def _step(self) -> bool:
        """Do one thing; return False when there was nothing to do."""
        await self._call(self._engine.mend)
        await self._call(self._engine.checkpoint)
        search = await self._call(self._engine.due_search)
        if search is not None and not self._is_searching and not self._in_hand:
            self._is_searching = True
            self._in_hand[asyncio.create_task(self._search_faces(search))] = ()
        if search is None or self._is_searching:  # else the files in hand come to their end first
            await self._start_embedding()
        if await self._call(self._engine.run_due_edit):
            return True
        if await self._call(self._engine.run_due_task):
            return True
        if await self._call(self._engine.run_new):
            return True
        if not self._in_hand:
            return False
        await self._end_some()
        return True

    async def _end_some(self) -> None:
        """Wait until something in hand has come to its end."""
        done, _ = await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._in_hand[task]
            if not task.cancelled():  # by `part`
                task.result()

    async def _start_embedding(self) -> None:
        while len(self._in_hand) < IN_FLIGHT:
            in_hand = [file for files in self._in_hand.values() for file in files]
            files = await self._call(partial(self._engine.pull, CHUNK, in_hand))
            if not files:
                return
            self._in_hand[asyncio.create_task(self._embed(files))] = files

    async def _embed(self, files: Sequence[PendingFile]) -> None:
        """Embed a chunk and commit what comes back."""
        sources = [self._engine.source(file) for file in files]
        embedder = self._turns if self._is_searching else self._embedder
        begun = time.monotonic()
        try:
            outcomes = await embedder.embed(sources)
        except EmbedderDied as error:
            _log.warning("embedder died", files=len(files), why=str(error))
            await self._call(lambda: self._engine.blame(files))
        except EmbedderUnavailable as error:
            _log.warning("embedder unavailable", why=str(error))
            await asyncio.sleep(self._retry_s)
        else:
            self._measures.observe(EMBED_SECONDS, time.monotonic() - begun)
            self._measures.count(EMBEDDED, len(outcomes))
            found = [Result(file, outcome) for file, outcome in zip(files, outcomes, strict=True)]
            await self._call(lambda: self._engine.commit(found))

    async def _search_faces(self, task: Task) -> None:
        """Run a FacesSearching task to its end; meanwhile files are indexed in turn with it."""
        try:
            sources = sources_of(task)
            outcomes = await embed_all(self._turns, sources, size=CHUNK, retry_s=self._retry_s)
            await self._call(partial(self._engine.finish_search, task, outcomes))
        finally:
            self._is_searching = False

    async def _call(self, run: Callable[[], T]) -> T:
        await self._may_work.wait()
        return await self._in_thread(partial(self._guarded, run))

    async def _in_thread(self, run: Callable[[], T]) -> T:
        if isinstance(self._failure, EngineClosed):  # its thread may be gone too
            raise EngineClosed
        context = copy_context()  # what the log knows of the dataset, its thread knows too
        return await asyncio.get_running_loop().run_in_executor(self._thread, context.run, run)

    def _mended_search(self, wanted: Search) -> Found:
        """Search in one turn of the thread: nothing can close the index after the mending.

        A search changes nothing: that it fails says nothing of the engine.
        """
        self._guarded(self._engine.mend)
        return self._engine.search(wanted)

    def _guarded(self, run: Callable[[], T]) -> T:
        """Run an engine call, unless one failed before: then memory may lag behind the store."""
        if self._failure is not None:
            raise self._failure
        try:
            return run()
        except BaseException as failure:
            self._failure = failure
            raise
