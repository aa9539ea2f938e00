"""The Ingress deployment: the API over HTTP, stateless."""

from typing import Any

from imm_ray.api.asgi import AsgiApp, accepted_hosts, build_asgi
from imm_ray.api.key_rotation import open_key_ring
from imm_ray.api.ports import Ports
from imm_ray.api.service import ImmService
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.runtime.clock import utc_now
from imm_ray.runtime.directory import Directory
from imm_ray.runtime.logging import configure_logging
from imm_ray.runtime.measures import RayMeasures
from imm_ray.runtime.one_host import require_shared_store
from imm_ray.runtime.owners_port import OwnerActors
from imm_ray.runtime.pictures_port import ServePictures
from imm_ray.runtime.ready import open_readiness
from imm_ray.runtime.steward import start_steward
from imm_ray.settings import Settings
from imm_ray.store import constants
from imm_ray.store.database import Database
from imm_ray.store.migrate import require_current
from imm_ray.store.nonce_memory import NonceMemory
from imm_ray.store.writer import GroupWriter


class Ingress:
    """One replica. In embedded mode there is one, so that all writes share its group commits."""

    def __init__(self, settings: Settings, generation: int, *_dependencies: Any) -> None:
        configure_logging()
        require_shared_store(settings)
        busy = settings.store.busy_timeout_s
        database = Database(settings.store_url, busy_timeout_s=busy)
        require_current(database)
        with database.write() as tx:
            secret = constants.secret(tx)
            signed_from = constants.signed_from(tx)
        directory = Directory(database, settings, generation)
        self._service = ImmService(
            settings,
            open_key_ring(settings.auth),
            database=database,
            writer=GroupWriter(database),
            nonces=NonceMemory(database, busy_timeout_s=busy),
            secret=secret,
            clock=utc_now,
            ring=directory.ring,
            ports=Ports(
                pictures=ServePictures(),
                owners=OwnerActors(directory),
                thumbnails=open_thumbnails(settings),
            ),
            measures=RayMeasures(),
            signed_from=signed_from,
        )
        start_steward(settings, generation)
        self._readiness = open_readiness(database, directory)
        self._hosts = accepted_hosts(settings.server, settings.server.port)

    def __serve_build_asgi_app__(self) -> AsgiApp:
        """Return the ASGI application (Ray Serve asks for it after the constructor)."""
        return build_asgi(self._service, self._hosts, self._readiness.is_ready)
