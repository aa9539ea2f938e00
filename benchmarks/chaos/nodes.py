"""The service on several Ray nodes of this machine: ``python -m benchmarks.chaos.nodes``.

Takes commands on stdin, one a line, and answers each with one line: ``lose node`` (SIGKILL of a
raylet and what runs below it), ``add node``, ``ring DATASET_ID`` (a doorbell too many). SIGTERM
stops everything.
"""

import argparse
import logging
import os
import selectors
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

import ray
from ray import serve
from ray.cluster_utils import Cluster
from ray.serve.config import HTTPOptions, ProxyLocation

from imm_ray.model import DatasetId
from imm_ray.runtime.data_folder import DataFolder
from imm_ray.runtime.deployments import assemble, prepare
from imm_ray.runtime.directory import Directory
from imm_ray.runtime.names import APP, NAMESPACE
from imm_ray.settings import Settings, load_settings
from imm_ray.store.database import Database

_STORE_BYTES = 100 * 2**20
_CPUS = 2
_HEALTH = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 2000,
    "health_check_failure_threshold": 3,
}
"""A lost node is noticed in seconds; the pauses of a crowded machine are not taken for a loss."""


class _Stop(BaseException):
    """A signal asked for the end."""


def main() -> None:
    """Serve until SIGTERM."""
    options = _options()
    settings = load_settings(
        options.config, data=options.data, server={"host": "127.0.0.1", "port": options.port}
    )
    signal.signal(signal.SIGTERM, _stop)
    with DataFolder(settings.data) as folder:
        _prepare_environment(settings, folder)
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": _CPUS,
                "include_dashboard": False,
                "object_store_memory": _STORE_BYTES,
                "_system_config": _HEALTH,
            },
        )
        try:
            _serve(cluster, settings, options.nodes)
        except _Stop:
            serve.delete(APP)
        finally:
            ray.shutdown()
            cluster.shutdown()  # type: ignore[no-untyped-call]  # as all of Ray


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--nodes", type=int, required=True)
    return parser.parse_args()


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stop


def _prepare_environment(settings: Settings, folder: DataFolder) -> None:
    """Set what Ray's processes read as they start."""
    folder.ray_token()  # where RAY_AUTH_TOKEN_PATH points
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_SERVE_ENABLE_HA_PROXY"] = "0"
    os.environ["NUMBA_CACHE_DIR"] = str(settings.data.absolute() / "numba")


def _serve(cluster: Cluster, settings: Settings, nodes: int) -> None:
    generation = prepare(settings)
    for _ in range(nodes - 1):
        _add(cluster)
    ray.init(
        address=cluster.address,
        namespace=NAMESPACE,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    signal.signal(signal.SIGTERM, _stop)  # `ray.init` has put another in place
    server = settings.server
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host=server.host, port=server.port),
    )
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    serve.run(assemble(settings, generation), name=APP, route_prefix="/")
    database = Database(settings.store_url)
    directory = Directory(database, settings, generation)
    commands: Mapping[str, Callable[[str], object]] = {
        "lose": lambda _: _lose(cluster),
        "add": lambda _: _add(cluster),
        "ring": lambda dataset_id: directory.ring(DatasetId(dataset_id)),
    }
    print(f"imm-ray ready at http://{server.host}:{server.port}", flush=True)
    _obey(commands)


def _obey(commands: Mapping[str, Callable[[str], object]]) -> None:
    """Carry out commands until stdin ends or a signal comes."""
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        while selector.select() and (line := sys.stdin.readline()):
            verb, _, what = line.strip().partition(" ")
            commands[verb](what)
            print("done", flush=True)
    raise _Stop


def _add(cluster: Cluster) -> None:
    cluster.add_node(num_cpus=_CPUS, object_store_memory=_STORE_BYTES)
    signal.signal(signal.SIGTERM, _stop)  # each new node puts a handler of Ray's in place


def _lose(cluster: Cluster) -> None:
    node = sorted(cluster.worker_nodes, key=lambda node: str(node.node_id))[0]
    cluster.remove_node(node, allow_graceful=False)


if __name__ == "__main__":
    main()
