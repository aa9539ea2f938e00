"""Drives one engine until nothing is left to do. Plain asyncio: Ray only hosts it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import structlog

from imm_ray.dataset.engine import DatasetEngine
from imm_ray.dataset.ports import Embedder, EmbedderDied, EmbedderUnavailable
from imm_ray.store.results import PendingFile, Result

T = TypeVar("T")

CHUNK = 16
"""Files of one call to the embedder."""
IN_FLIGHT = 2
"""Calls under way at once: one is analysed while the other is committed."""

_log = structlog.get_logger(__name__)


class DatasetService:
    """Keeps the embedder busy with a dataset's files, and runs its tasks when they are due.

    Notes
    -----
    The engine runs on one thread of its own, off the event loop. `ring` may be called at any time
    from the loop; a call while the service works makes it look once more before it rests.
    """

    def __init__(self, engine: DatasetEngine, embedder: Embedder, *, retry_s: float = 0.5) -> None:
        self._engine = engine
        self._embedder = embedder
        self._retry_s = retry_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imm-ray-engine")
        self._rung = asyncio.Event()
        self._failure: BaseException | None = None
        self._in_hand: dict[asyncio.Task[None], Sequence[PendingFile]] = {}

    def ring(self) -> None:
        """Say that there may be work."""
        self._rung.set()

    async def run(self, *, idle_s: float) -> None:
        """Work, resting while there is nothing to do; return after ``idle_s`` seconds of rest.

        Raises
        ------
        imm_ray.store.ownership.Fenced
            Another owner has taken the dataset.
        """
        await self._call(self._engine.load)
        while True:
            self._rung.clear()
            await self.drain()
            try:
                await asyncio.wait_for(self._rung.wait(), idle_s)
            except TimeoutError:
                if not await self._call(self._engine.has_work):
                    return

    async def drain(self) -> None:
        """Work until nothing is left to do."""
        while await self._step():
            pass

    def close(self) -> None:
        """Stop the engine's thread after the call under way."""
        for task in self._in_hand:
            task.cancel()
        self._thread.shutdown(wait=False)

    async def _step(self) -> bool:
        """Do one thing; return False when there was nothing to do."""
        await self._call(self._engine.mend)
        await self._start_embedding()
        if await self._call(self._engine.run_due_task):
            return True
        if not self._in_hand:
            return False
        done, _ = await asyncio.wait(self._in_hand, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            del self._in_hand[task]
            task.result()
        return True

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
        try:
            outcomes = await self._embedder.embed(sources)
        except EmbedderDied as error:
            _log.warning("embedder died", files=len(files), why=str(error))
            await self._call(lambda: self._engine.blame(files))
        except EmbedderUnavailable as error:
            _log.warning("embedder unavailable", why=str(error))
            await asyncio.sleep(self._retry_s)
        else:
            found = [Result(file, outcome) for file, outcome in zip(files, outcomes, strict=True)]
            await self._call(lambda: self._engine.commit(found))

    async def _call(self, run: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, run)

    def _guarded(self, run: Callable[[], T]) -> T:
        """Run an engine call, unless one failed before: then memory may lag behind the store."""
        if self._failure is not None:
            raise self._failure
        try:
            return run()
        except BaseException as failure:
            self._failure = failure
            raise
