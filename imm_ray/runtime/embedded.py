"""The whole service on one machine: a local Ray, started and stopped with it."""

import logging
import os
from types import TracebackType
from typing import Any

import ray
from pydantic import SecretStr
from ray import serve
from ray.serve.config import HTTPOptions, ProxyLocation

from imm_ray.runtime.data_folder import DataFolder
from imm_ray.runtime.deployments import assemble, prepare
from imm_ray.runtime.names import APP, NAMESPACE, STEWARD
from imm_ray.runtime.port import take_port
from imm_ray.runtime.steward import Steward
from imm_ray.settings import Settings, User

_OBJECT_STORE_BYTES = 128 * 2**20
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class EmbeddedServer:
    """Serves the API while the block runs.

    Parameters
    ----------
    settings
        ``server.port`` 0 takes a free port. Without ``auth.users`` a key is made at the first
        start.
    dashboard
        Start Ray's dashboard on loopback.

    Raises
    ------
    imm_ray.runtime.data_folder.InUse
        The data folder or the port is another process's.
    ValueError
        The settings would serve without signatures, or in the clear, beyond this machine.
    """

    def __init__(self, settings: Settings, *, dashboard: bool = False) -> None:
        _check_exposure(settings)
        self._dashboard = dashboard
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
    def access_key_id(self) -> str:
        """The id of the first configured (or made) access key."""
        return self._settings.auth.users[0].access_key_id if self._settings.auth.users else ""

    @property
    def access_key_secret(self) -> str:
        """The secret of the first configured (or made) access key."""
        return self._settings.auth.users[0].secret if self._settings.auth.users else ""

    def __enter__(self) -> "EmbeddedServer":
        generation = prepare(self._settings)
        try:
            self._start_ray()
            self._start_service(generation)
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
        changed: dict[str, Any] = {"server": server.model_copy(update={"port": port})}
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
        logging.getLogger("ray").setLevel(logging.ERROR)
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
        serve.start(
            proxy_location=ProxyLocation.HeadOnly,
            http_options=HTTPOptions(
                host=server.host,
                port=server.port,
                ssl_certfile=str(server.tls_cert) if server.tls_cert else None,
                ssl_keyfile=str(server.tls_key) if server.tls_key else None,
            ),
        )
        serve.run(assemble(self._settings, generation), name=APP, route_prefix="/")
        actor_class: Any = ray.remote(num_cpus=0, max_restarts=-1)(Steward)
        options = actor_class.options(name=STEWARD, namespace=NAMESPACE, lifetime="detached")
        self._steward = options.remote(self._settings, generation)
        ray.get(self._steward.ready.remote())

    def _stop(self) -> None:
        if ray.is_initialized():
            if APP in serve.status().applications:
                serve.delete(APP)  # replicas finish the requests that they have
            ray.shutdown()
        self._folder.close()


def _check_exposure(settings: Settings) -> None:
    server = settings.server
    if server.host in _LOOPBACK:
        return
    if settings.auth.mode == "none":
        raise ValueError(f'auth.mode = "none" is for loopback only, not for host {server.host}')
    if not (server.behind_tls_proxy or server.tls_cert):
        raise ValueError(
            f"plain HTTP on host {server.host} would show every photo's address on the network: "
            "give --tls-cert and --tls-key, or set server.behind_tls_proxy if a proxy adds TLS"
        )
