"""Sends prepared requests over kept connections, and takes the time of each."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

DROPPED = 0
"""The place of a status where the connection was closed without one."""

_Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Load:
    """What was measured."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)

    def figures(self) -> dict[str, object]:
        """Return requests per second and the milliseconds of the median and the slowest 1 %."""
        p50, p99 = np.percentile(self.latencies, [50, 99]) * 1000
        figures: dict[str, object] = {
            "requests": self.answers.total(),
            "requests_per_s": round(len(self.latencies) / self.seconds, 1),
            "p50_ms": round(float(p50), 2),
            "p99_ms": round(float(p99), 2),
        }
        if set(self.answers) != {200}:
            figures["answers"] = {str(status): number for status, number in self.answers.items()}
        return figures


def send(address: str, requests: Iterable[bytes], clients: int) -> Load:
    """Send the requests from so many clients at once, each waiting for its answer."""
    return asyncio.run(_send(address, deque(requests), clients))


async def _send(address: str, waiting: deque[bytes], clients: int) -> Load:
    load = Load()
    connections = [await _connect(address) for _ in range(clients)]
    begun = time.perf_counter()
    await asyncio.gather(*(_client(address, each, waiting, load) for each in connections))
    load.seconds = time.perf_counter() - begun
    return load


async def _connect(address: str) -> _Connection:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=2**20)


async def _close(connection: _Connection) -> None:
    connection[1].close()
    with contextlib.suppress(ConnectionError):
        await connection[1].wait_closed()


async def _client(address: str, connection: _Connection, waiting: deque[bytes], load: Load) -> None:
    while waiting:
        request = waiting.popleft()
        begun = time.perf_counter()
        try:
            connection[1].write(request)
            load.answers[await _answer(connection[0])] += 1
            load.latencies.append(time.perf_counter() - begun)
        except (ConnectionError, asyncio.IncompleteReadError):
            load.answers[DROPPED] += 1
            await _close(connection)
            connection = await _connect(address)
    await _close(connection)


async def _answer(reader: asyncio.StreamReader) -> int:
    """Read one response; return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    if "transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        length = head.partition("content-length:")[2].partition("\r\n")[0]
        await reader.readexactly(int(length))
    return status
