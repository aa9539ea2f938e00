"""A scripted IMM endpoint: what the commands see of a server, without one."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from imm_ray.settings import Settings


@dataclass
class FakeImm:
    """Answers as it was told.

    ``figures`` and ``reasons`` go by relative path; a path in ``reasons`` fails. Every file is
    Pending for ``pending_polls`` looks at it.
    """

    figures: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    figure_clusters: list[dict[str, Any]] = field(default_factory=list)
    similar_clusters: list[dict[str, Any]] = field(default_factory=list)
    pending_polls: int = 2
    throttled: int = 0
    task_status: str = "Succeeded"
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)

    def count(self, action: str) -> int:
        return sum(called == action for called, _ in self.calls)

    def reply(self, action: str, query: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        params = {name: _value(text) for name, text in query.items()}
        self.calls.append((action, params))
        if self.throttled:
            self.throttled -= 1
            return 429, {"Code": "Throttling.User", "Message": "slower", "RequestId": "R"}
        answer = getattr(self, f"on_{_snake(action)}", None)
        if answer is None:
            return 404, {"Code": "InvalidApi.NotFound", "Message": action, "RequestId": "R"}
        return 200, {"RequestId": "R", **answer(params)}

    def transport(self) -> httpx.MockTransport:
        def handle(request: httpx.Request) -> httpx.Response:
            query = dict(parse_qsl(request.url.query.decode(), strict_parsing=True))
            status, body = self.reply(request.headers["x-acs-action"], query)
            return httpx.Response(status, json=body, headers=_headers(status))

        return httpx.MockTransport(handle)

    def on_create_project(self, params: dict[str, Any]) -> dict[str, Any]:
        return {}

    def on_create_dataset(self, params: dict[str, Any]) -> dict[str, Any]:
        return {}

    def on_batch_index_file_meta(self, params: dict[str, Any]) -> dict[str, Any]:
        assert 0 < len(params["Files"]) <= 100
        return {"EventId": "E"}

    def on_batch_get_file_meta(self, params: dict[str, Any]) -> dict[str, Any]:
        assert 0 < len(params["URIs"]) <= 100
        return {"Files": [self._file(uri) for uri in params["URIs"]]}

    def _file(self, uri: str) -> dict[str, Any]:
        path = uri.removeprefix("oss://demo/")
        self.looks[path] += 1
        if self.looks[path] <= self.pending_polls:
            return {"URI": uri, "ObjectStatus": "Pending"}
        if path in self.reasons:
            return {"URI": uri, "ObjectStatus": "Failed", "Reason": self.reasons[path]}
        return {"URI": uri, "ObjectStatus": "Succeeded", "Figures": self.figures.get(path, [])}

    def on_create_figure_clustering_task(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"TaskId": "FigureClustering-1", "EventId": "E"}

    def on_create_similar_image_clustering_task(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"TaskId": "SimilarImageClustering-1", "EventId": "E"}

    def on_get_task(self, params: dict[str, Any]) -> dict[str, Any]:
        first = not any(
            action == "GetTask" and earlier == params for action, earlier in self.calls[:-1]
        )
        status = "Running" if first else self.task_status
        return {"TaskId": params["TaskId"], "Status": status, "Code": "Oops", "Message": "broke"}

    def on_imm_ray_get_task_ledger(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"Ledger": {"items_new": 3, "task": params["TaskId"]}}

    def on_query_figure_clusters(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._page("FigureClusters", self.figure_clusters, params)

    def on_query_similar_image_clusters(self, params: dict[str, Any]) -> dict[str, Any]:
        return self._page("SimilarImageClusters", self.similar_clusters, params)

    def _page(
        self, member: str, items: list[dict[str, Any]], params: dict[str, Any]
    ) -> dict[str, Any]:
        """One item a page, so that paging is always used."""
        start = int(params.get("NextToken", 0))
        token = str(start + 1) if start + 1 < len(items) else ""
        return {member: items[start : start + 1], "NextToken": token}


@dataclass(frozen=True)
class FakeServer:
    """The fake behind a real socket."""

    endpoint: str
    access_key_id: str = "id"
    access_key_secret: str = "secret"


@contextmanager
def serving(fake: FakeImm, settings: Settings) -> Iterator[FakeServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = dict(parse_qsl(urlsplit(self.path).query, strict_parsing=True))
            status, body = fake.reply(self.headers["x-acs-action"], query)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**_headers(status), "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", settings.server.port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield FakeServer(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def figure(figure_id: str, cluster_id: str, *box: int) -> dict[str, Any]:
    left, top, width, height = box or (10, 20, 30, 40)
    return {
        "FigureId": figure_id,
        "FigureClusterId": cluster_id,
        "Boundary": {"Left": left, "Top": top, "Width": width, "Height": height},
    }


def figure_cluster(cluster_id: str, *, faces: int, images: int, cover: str = "") -> dict[str, Any]:
    cluster: dict[str, Any] = {"ObjectId": cluster_id, "FaceCount": faces, "ImageCount": images}
    if cover:
        path, _, figure_id = cover.partition("#")
        cluster["Cover"] = {"URI": f"oss://demo/{path}", "Figures": [{"FigureId": figure_id}]}
    return cluster


def similar_cluster(cluster_id: str, **scores: float) -> dict[str, Any]:
    files = [{"URI": f"oss://demo/{n}.jpg", "ImageScore": score} for n, score in scores.items()]
    return {"ObjectId": cluster_id, "Files": files}


def _headers(status: int) -> dict[str, str]:
    return {"x-acs-retry-after": "1"} if status == 429 else {}


def _value(text: str) -> Any:
    return json.loads(text) if text[:1] in "[{" else text


def _snake(action: str) -> str:
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", action).lower()
