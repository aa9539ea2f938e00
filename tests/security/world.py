"""A service whose account has some of everything, and requests of any user to it."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from imm_ray.api.rpc import HttpRequest
from imm_ray.api.signature import sign
from imm_ray.store import tables
from tests.security.ports import PORTS
from tests.wire.rig import HOST, Rig

URIS = [f"oss://b/{number}.jpg" for number in range(1, 4)]
OWNER, STRANGER = "owner", "stranger"
SECRET = "the-secret-of-everybody"
_RANDOM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9A-F]{3}-\w{27}")


def user(key: str, **more: Any) -> dict[str, Any]:
    """Return a user whose key's id is its name."""
    return {"name": key, "access_key_id": key, "access_key_secret": SECRET} | more


class World(Rig):
    """``p``/``d`` of the owner's account has files, clusters of both kinds and tasks."""

    ports = PORTS

    def __init__(
        self, folder: Path, *, users: Sequence[Mapping[str, Any]] = (), **overrides: Any
    ) -> None:
        everybody = [user(OWNER), user(STRANGER, account="200000"), *users]
        super().__init__(folder, **{"auth": {"users": everybody}, **overrides})

    def fill(self) -> dict[str, str]:
        """Make everything; return the ids by the names that parameters have."""
        names = {"ProjectName": "p", "DatasetName": "d"}
        self.ask(OWNER, "CreateProject", ProjectName="p")
        self.ask(OWNER, "CreateDataset", **names)
        files = json.dumps([{"URI": uri} for uri in URIS])
        self.ask(OWNER, "BatchIndexFileMeta", Files=files, **names)
        dataset_id = self.rung[-1]
        self.index(dataset_id)
        task_id = self.ask(OWNER, "CreateFigureClusteringTask", **names)["TaskId"]
        self.run(dataset_id, [URIS[:2], URIS[2:]])
        self.ask(OWNER, "CreateSimilarImageClusteringTask", **names)
        self.run(dataset_id, [URIS])
        uris = json.dumps(URIS)
        found = self.ask(OWNER, "BatchGetFileMeta", URIs=uris, **names)["Files"]
        figure_ids = [file["Figures"][0]["FigureId"] for file in found]
        return {"TaskId": task_id, "FigureId": figure_ids[0], "ObjectId": "Cluster-0000"}

    def signed(self, who: str, action: str, **parameters: str) -> HttpRequest:
        """Return a request of ``who``."""
        headers = sign(
            parameters,
            action=action,
            host=HOST,
            access_key_id=who,
            secret=SECRET,
            now=self.clock(),
        )
        query = urlencode(parameters, quote_via=quote).encode()
        return HttpRequest(
            method="POST", query=query, headers=tuple(headers.items()), peer="192.0.2.7"
        )

    def answer(self, who: str, action: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        """Return status and body, whatever they are."""
        response = self.send(self.signed(who, action, **parameters))
        return response.status, json.loads(response.body)

    def ask(self, who: str, action: str, **parameters: str) -> dict[str, Any]:
        """Return the body of an answer that must be good."""
        status, body = self.answer(who, action, **parameters)
        assert status == 200, body
        return body

    def rows(self, *, without: str) -> list[str]:
        """Return every row of every table that does not speak of ``without``, nonces left out."""
        found = []
        with self.database.read() as tx:
            for table in tables.metadata.sorted_tables:
                if table is not tables.nonce:
                    found += [f"{table.name} {row}" for row in tx.execute(table.select())]
        return sorted(row for row in found if without not in row)


def without_chance(body: Mapping[str, Any]) -> str:
    """Return a body with every id that is drawn by lot as ``?``."""
    return _RANDOM.sub("?", json.dumps(body, sort_keys=True))
