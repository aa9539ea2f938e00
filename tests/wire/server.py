"""The ASGI application, served by uvicorn in a thread on a free loopback port."""

import socket
import threading
from typing import Self

import uvicorn

from imm_ray.api.asgi import accepted_hosts, build_asgi
from imm_ray.api.service import ImmService
from tests.wire.rig import Rig


class Server:
    def __init__(self, rig: Rig, service: ImmService | None = None) -> None:
        self.rig = rig
        rig.clock.now = None
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.endpoint = f"127.0.0.1:{self.port}"
        hosts = accepted_hosts(rig.settings.server, self.port)
        app = build_asgi(service or rig.service, hosts)
        config = uvicorn.Config(app, log_level="error", http="httptools", lifespan="on")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()
