"""A way to PostgreSQL on which answers get lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Self

_COMMIT = b"COMMIT\x00"
_AT_ONCE = 65536


class Loss(StrEnum):
    """What becomes of the next COMMIT."""

    REQUEST = "request"
    """The server never hears of it."""
    REPLY = "reply"
    """It is carried out, and the answer to it is lost."""
    SILENCE = "silence"
    """The connection ends while the server may be at it."""


class Proxy:
    """Passes bytes on to a port; loses one COMMIT when told to.

    ``lost`` is set when it has done so.
    """

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._loss: Loss | None = None
        self._lock = threading.Lock()
        self.lost = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, loss: Loss) -> None:
        """Lose the next COMMIT."""
        self.lost.clear()
        self._loss = loss

    def close(self) -> None:
        """End all connections."""
        _end(self._listener, *self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        for client in _accepted(self._listener):
            try:
                server = socket.create_connection(self._to)
            except OSError:  # it is down
                client.close()
                continue
            self._open += [client, server]
            losing = threading.Event()
            for run in (self._up, self._down):
                threading.Thread(target=run, args=(client, server, losing), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(_AT_ONCE):
                loss = self._taken(data)
                if loss is Loss.REQUEST:
                    self.lost.set()
                    break
                if loss is Loss.REPLY:
                    losing.set()
                server.sendall(data)
                if loss is Loss.SILENCE:
                    self.lost.set()
                    break
        if not losing.is_set():
            _end(client, server)

    def _down(self, client: socket.socket, server: socket.socket, losing: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(_AT_ONCE):
                if losing.is_set():
                    self.lost.set()
                    break
                client.sendall(data)
        _end(client, server)

    def _taken(self, data: bytes) -> Loss | None:
        with self._lock:
            if _COMMIT not in data or self._loss is None:
                return None
            loss, self._loss = self._loss, None
            return loss


def _accepted(listener: socket.socket) -> Iterator[socket.socket]:
    with suppress(OSError):  # it was closed
        while True:
            yield listener.accept()[0]


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
