"""Control messages between a decoder child and its parent.

Layout: ``length:u32be`` and that many bytes of JSON (an object). Pictures and pixels do not travel
here but in shared memory.
"""

import json
import os
import select
import struct
import time
from typing import Any

_LENGTH = struct.Struct(">I")
_MAX_BYTES = 1 << 20


def write_frame(fd: int, message: dict[str, Any]) -> None:
    """Send one message. Raises ``OSError`` when the other side is gone."""
    body = json.dumps(message).encode()
    data = memoryview(_LENGTH.pack(len(body)) + body)
    while data:
        data = data[os.write(fd, data) :]


def read_frame(fd: int, *, timeout_s: float | None = None) -> dict[str, Any] | None:
    """Return the next message, or None when the other side is gone.

    Raises
    ------
    TimeoutError
        The message was not complete within ``timeout_s``.
    ValueError
        It is not a message.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    header = _read_exactly(fd, _LENGTH.size, deadline)
    if header is None:
        return None
    (length,) = _LENGTH.unpack(header)
    if length > _MAX_BYTES:
        raise ValueError(f"a control message of {length} bytes")
    body = _read_exactly(fd, length, deadline)
    return None if body is None else dict(json.loads(body))


def _read_exactly(fd: int, count: int, deadline: float | None) -> bytes | None:
    data = b""
    while len(data) < count:
        if deadline is not None:
            _await_readable(fd, deadline)
        part = os.read(fd, count - len(data))
        if not part:
            return None
        data += part
    return data


def _await_readable(fd: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise TimeoutError("no answer in time")
