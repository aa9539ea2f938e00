"""The whole service on one machine: a local Ray, started and stopped with it."""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

import psutil
import ray
from pydantic import SecretStr
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation

from imm_ray.api.keyring import KeyRing
from imm_ray.runtime import handover
from imm_ray.runtime.data_folder import DataFolder
from imm_ray.runtime.deployments import assemble, prepare
from imm_ray.runtime.exposure import check_exposure
from imm_ray.runtime.metrics_page import HOST as METRICS_HOST
from imm_ray.runtime.metrics_page import MetricsPage, read_agents
from imm_ray.runtime.names import APP, NAMESPACE, is_owner
from imm_ray.runtime.port import take_port
from imm_ray.settings import Settings, User

_OBJECT_STORE_BYTES = 128 * 2**20
_STOP_S = 20.0
_DRAINING_S = 2.0
_POLL_S = 0.2


class EmbeddedServer:
    """Serves the API while the block runs.

    Parameters
    ----------
    settings
        ``server.port`` 0 takes a free port. Without ``auth.users`` a key is made at the first
        start.
    dashboard
        Start Ray's dashboard on loopback.
    on_ray_started
        Called when Ray runs; signal handlers that Ray has replaced can be set again there.

    Raises
    ------
    imm_ray.runtime.data_folder.InUse
        The data folder or the port is another process's.
    ValueError
        The settings would serve without signatures, or in the clear, beyond this machine; or a
        user of them is not valid.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        dashboard: bool = False,
        on_ray_started: Callable[[], None] = lambda: None,
    ) -> None:
        check_exposure(settings)
        KeyRing.of_users(settings.auth.users)  # policies too: refused now, not in a worker's log
        self._dashboard = dashboard
        self._on_ray_started = on_ray_started
        self.lost_ray = False
        """Ray was gone before it was told to stop; its remains in this process can not be used."""
        self._metrics: MetricsPage | None = None
        self._folder = DataFolder(settings.data)
        try:
            self.made_credentials = settings.auth.mode == "signature" and not settings.auth.users
            self._settings = self._complete(settings)
        except BaseException:
            self._folder.close()
            raise

    @property
    def endpoint(self) -> str:
        """Where the API answers: ``http://HOST:PORT``."""
        server = self._settings.server
        host = f"[{server.host}]" if ":" in server.host else server.host
        return f"{'https' if server.tls_cert else 'http'}://{host}:{server.port}"

    @property
    def metrics_address(self) -> str:
        """Where Prometheus finds the metrics; "" when ``server.metrics_port`` is not set."""
        return "" if self._metrics is None else self._metrics.address

    @property
    def access_key_id(self) -> str:
        """The id of the first configured (or made) access key."""
        return self._settings.auth.users[0].access_key_id if self._settings.auth.users else ""

    @property
    def access_key_secret(self) -> str:
        """The secret of the first configured (or made) access key."""
        return self._settings.auth.users[0].secret if self._settings.auth.users else ""

    def __enter__(self) -> "EmbeddedServer":
        try:
            generation = prepare(self._settings)
            self._start_ray()
            self._on_ray_started()
            self._start_service(generation)
            if (port := self._settings.server.metrics_port) is not None:
                self._metrics = MetricsPage(port, read_agents)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def _complete(self, settings: Settings) -> Settings:
        """Return the settings with the real port and at least one key."""
        server = settings.server
        port = take_port(server.host, server.port)
        ports = {"port": port}
        if server.metrics_port is not None:
            ports["metrics_port"] = take_port(METRICS_HOST, server.metrics_port)
        changed: dict[str, Any] = {"server": server.model_copy(update=ports)}
        if self.made_credentials:
            key_id, secret = self._folder.credentials()
            user = User(access_key_id=key_id, access_key_secret=SecretStr(secret))
            changed["auth"] = settings.auth.model_copy(update={"users": (user,)})
        return settings.model_copy(update=changed)

    def _start_ray(self) -> None:
        # Ray and its workers read these when they start; flags for the same do not exist. With
        # the mode unset, `ray.init` turns token authentication on and makes its own process see
        # it; a mode that is set after ``import ray`` is not seen there.
        os.environ.pop("RAY_AUTH_MODE", None)
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(self._folder.ray_token().absolute())
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_SERVE_ENABLE_HA_PROXY", "0")
        os.environ.setdefault("NUMBA_CACHE_DIR", str(self._settings.data.absolute() / "numba"))
        os.umask(0o077)  # Ray's logs name files and buckets, and its log folder is open to all
        ray.init(
            address="local",  # never another cluster that happens to run on this machine
            namespace=NAMESPACE,
            include_dashboard=self._dashboard,
            object_store_memory=_OBJECT_STORE_BYTES,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )

    def _start_service(self, generation: int) -> None:
        server = self._settings.server
        for name in ("ray", "ray.serve"):
            logging.getLogger(name).setLevel(logging.ERROR)
        serve.start(
            proxy_location=ProxyLocation.HeadOnly,
            http_options=HTTPOptions(
                host=server.host,
                port=server.port,
                ssl_certfile=str(server.tls_cert) if server.tls_cert else None,
                ssl_keyfile=str(server.tls_key) if server.tls_key else None,
            ),
        )
        logging.getLogger("ray.serve").setLevel(logging.ERROR)  # `serve.start` has lowered it
        serve.run(assemble(self._settings, generation), name=APP, route_prefix="/")

    def _stop(self) -> None:
        """Let replicas finish and owners leave, and stop Ray; kill what is left where that hangs.

        A service manager may signal all processes at once. Ray's own shutdown then waits a minute
        for a GCS that has gone.
        """
        if self._metrics is not None:
            self._metrics.close()
        drain_s = self._settings.owners.drain_s
        polite = threading.Thread(
            target=_leave_ray, args=(drain_s,), name="imm-ray-stop", daemon=True
        )
        polite.start()
        deadline = time.monotonic() + _STOP_S + drain_s
        while polite.is_alive() and not self.lost_ray:
            polite.join(_POLL_S)
            if polite.is_alive() and (time.monotonic() > deadline or not _ray_lives()):
                self.lost_ray = True
        if self.lost_ray:
            _kill_descendants()
        self._folder.close()


def _leave_ray(drain_s: float) -> None:
    if not ray.is_initialized():
        return
    try:
        owners = [name for name in handover.actors() if is_owner(name)]
        draining = threading.Thread(
            target=handover.drain,
            args=(owners, drain_s + _DRAINING_S),
            name="imm-ray-drain",
            daemon=True,
        )
        draining.start()
        if APP in serve.status().applications:
            serve.delete(APP)  # replicas finish the requests that they have
        draining.join()
    finally:
        ray.shutdown()


def _ray_lives() -> bool:
    """Return whether the processes without which Ray can not stop politely are there."""
    names = set()
    for process in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                names.add(process.name())
    return not ray.is_initialized() or {"gcs_server", "raylet"} <= names


def _kill_descendants() -> None:
    descendants = psutil.Process().children(recursive=True)
    for process in descendants:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(descendants, timeout=_STOP_S)
