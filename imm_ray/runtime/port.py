"""The TCP port to serve at."""

import socket
import time

import psutil

from imm_ray.runtime.data_folder import PATIENCE_S, InUse

_POLL_S = 0.1


def take_port(host: str, port: int, *, patience_s: float = PATIENCE_S) -> int:
    """Return ``port`` once nobody listens there; a free one for port 0.

    Raises
    ------
    InUse
        Somebody still listens there after ``patience_s``; the text names the process.
    """
    deadline = time.monotonic() + patience_s
    while (found := _bindable(host, port)) is None:
        if time.monotonic() >= deadline:
            raise InUse(
                f"port {port} on {host} is in use by process {_listener(port)}: "
                "stop it, or give another port with --port"
            )
        time.sleep(_POLL_S)
    return found


def _bindable(host: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return None
        bound: int = probe.getsockname()[1]
        return bound


def _listener(port: int) -> str:
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if connection.laddr.port == port:
            return str(connection.pid or "unknown")
    return "unknown"
