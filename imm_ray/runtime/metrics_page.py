"""``/metrics`` of an embedded server: what Prometheus scrapes, on a loopback port of its own.

Ray's agent serves the same values among hundreds of its own, at a port that it chooses anew at
every start and on all interfaces. Here are ours alone, under the names of `measure`, and nothing
else: any other path is 404, and a page of a stranger that finds its way to this port learns nothing
(``Host`` must name this machine).
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import ray
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

HOST = "127.0.0.1"
_OURS = "ray_imm_ray_"
_RAYS = "ray_"
_RENAMED = {"WorkerId": "worker", "NodeAddress": "node"}
_DROPPED = ("Component", "SessionName", "Version")
_AGENT_S = 5.0
_REQUEST_S = 10.0

_log = structlog.get_logger(__name__)


class MetricsPage:
    """Serves ``/metrics`` while the block runs.

    Parameters
    ----------
    port
        0 takes a free one.
    read
        Returns the texts of Ray's agents.

    Raises
    ------
    OSError
        The port is another process's.
    """

    def __init__(self, port: int, read: Callable[[], Iterable[str]]) -> None:
        self._server = ThreadingHTTPServer((HOST, port), _handler(read))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="imm-ray-metrics", daemon=True
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.port}/metrics"

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def read_agents() -> Iterator[str]:
    """Yield the page of the metrics agent of each node that lives."""
    nodes: Callable[[], list[dict[str, Any]]] = ray.nodes
    for node in nodes():
        if node["Alive"] and node["MetricsExportPort"]:
            address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
            # Not by the proxy of the environment: the agents are nodes of our own cluster.
            yield httpx.get(address, timeout=_AGENT_S, trust_env=False).raise_for_status().text


def own_metrics(pages: Iterable[str]) -> bytes:
    """Return our metrics out of the pages of Ray's agents, in Prometheus's text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Pages(pages))
    return generate_latest(registry)


class _Pages(Collector):
    def __init__(self, pages: Iterable[str]) -> None:
        self._pages = pages

    def collect(self) -> Iterator[Metric]:
        """Yield our metrics, those of the same name together."""
        found: dict[str, Metric] = {}
        for page in self._pages:
            for family in text_string_to_metric_families(page):
                if not family.name.startswith(_OURS):
                    continue
                name = family.name.removeprefix(_RAYS)
                metric = found.setdefault(name, Metric(name, family.documentation, family.type))
                for sample in family.samples:
                    metric.add_sample(
                        sample.name.removeprefix(_RAYS), _labels(sample.labels), sample.value
                    )
        yield from found.values()


def _labels(given: dict[str, str]) -> dict[str, str]:
    return {
        _RENAMED.get(name, name): value
        for name, value in given.items()
        if name not in _DROPPED and not name.startswith("otel_")
    }


def _handler(read: Callable[[], Iterable[str]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _REQUEST_S
        server_version = "imm-ray"
        sys_version = ""

        def do_GET(self) -> None:
            """Answer with the metrics."""
            name = self.headers.get("host", "").rpartition(":")[0]
            if self.path.partition("?")[0] != "/metrics" or name not in (HOST, "localhost"):
                self._answer(404, "text/plain", b"only /metrics is here\n")
                return
            try:
                page = own_metrics(read())
            except (httpx.HTTPError, ValueError) as error:
                _log.warning("metrics not read", why=str(error))
                self._answer(503, "text/plain", b"the metrics can not be read now\n")
                return
            self._answer(200, CONTENT_TYPE_LATEST, page)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: Prometheus asks every few seconds."""

    return Handler
