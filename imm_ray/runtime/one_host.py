"""A database in a file belongs to one host."""

import ray

from imm_ray.settings import Settings
from imm_ray.store.address import is_of_one_host


def require_shared_store(settings: Settings) -> None:
    """Return when every node of the cluster can reach the database.

    Raises
    ------
    ValueError
        It is a SQLite file, and Ray has several nodes.
    """
    if not (is_of_one_host(settings.store_url) and ray.is_initialized()):
        return
    nodes = sum(node["Alive"] for node in ray.nodes())  # type: ignore[no-untyped-call] # Ray's own
    if nodes > 1:
        raise ValueError(
            f"Ray has {nodes} nodes, and a SQLite file serves one: locks do not hold over a "
            "network. Set store.url to postgresql://USER:PASSWORD@HOST/DATABASE"
        )
