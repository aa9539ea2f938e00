"""Sends prepared requests over kept connections, and takes the time of each."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np


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
            "requests": len(self.latencies),
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
    await asyncio.gather(*(_client(*each, waiting, load) for each in connections))
    load.seconds = time.perf_counter() - begun
    for _, writer in connections:
        writer.close()
        await writer.wait_closed()
    return load


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=2**20)


async def _client(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, waiting: deque[bytes], load: Load
) -> None:
    while waiting:
        request = waiting.popleft()
        begun = time.perf_counter()
        writer.write(request)
        load.answers[await _answer(reader)] += 1
        load.latencies.append(time.perf_counter() - begun)


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
