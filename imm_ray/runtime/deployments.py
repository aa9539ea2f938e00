"""Prepares the database and assembles the deployments of one cluster."""

from ray import serve
from ray.serve import Application

from imm_ray.runtime.actors import Embedder
from imm_ray.runtime.ingress import Ingress
from imm_ray.runtime.names import EMBEDDER, INGRESS
from imm_ray.runtime.one_host import require_shared_store
from imm_ray.settings import Settings
from imm_ray.store import address, constants, migrate
from imm_ray.store.database import Database
from imm_ray.store.failure import DatabaseAway, why_away

_HEADROOM = 1000
"""Serve's own request limits are a safety net far above ours, which answer in IMM's words."""

_START_S = 30.0
"""A database that is started together with the service is waited for so long."""
_HEALTH_S = 2.0
"""How often Serve looks after a replica, which is how it learns of a death. Its 10 s would be 10 s
without an answer where one replica serves."""


def prepare(settings: Settings) -> int:
    """Bring the database to the current schema; return the cluster's generation number.

    Raises
    ------
    ValueError
        The database is of a newer version, can not be reached, or must not be used so.
    """
    require_shared_store(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    address.check(settings.store_url)
    patience_s = max(settings.store.busy_timeout_s, _START_S)
    database = Database(settings.store_url, busy_timeout_s=patience_s)
    try:
        migrate.upgrade(database)
        with database.write() as tx:
            return constants.next_generation(tx)
    except DatabaseAway as error:
        where = address.shown(settings.store_url)
        raise ValueError(f"the database {where} can not be reached: {why_away(error)}") from error
    finally:
        database.close()


def assemble(settings: Settings, generation: int) -> Application:
    """Return the Serve application: the ingress, and the embedder that it brings along."""
    actor = {"num_cpus": 0}
    embedder = serve.deployment(
        name=EMBEDDER,
        num_replicas=settings.models.replicas,
        max_ongoing_requests=_HEADROOM,
        health_check_period_s=_HEALTH_S,
        ray_actor_options=actor,
    )(Embedder)
    ingress = serve.deployment(
        name=INGRESS,
        num_replicas=1,
        max_ongoing_requests=_HEADROOM,
        health_check_period_s=_HEALTH_S,
        ray_actor_options=actor,
    )(serve.ingress()(Ingress))
    app: Application = ingress.bind(settings, generation, embedder.bind(settings))
    return app
