"""The API over a real store, called without HTTP; and the least engine that gives it results."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode

import anyio
import numpy as np

from imm_ray.api.keyring import KeyRing
from imm_ray.api.notification import NotificationBuilder
from imm_ray.api.ports import Ports
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.service import ImmService, Response
from imm_ray.api.signature import sign
from imm_ray.model import (
    Box,
    ClusterId,
    ClusterKind,
    DatasetId,
    DetectedFace,
    HeadPose,
    ImageAnalysis,
    Indexed,
    Refused,
    SourceStat,
    TaskStatus,
)
from imm_ray.settings import Settings, load_settings
from imm_ray.store import datasets, files, migrate, ownership, results, staging, tables, tasks
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import NonceMemory
from imm_ray.store.writer import GroupWriter

HOST = "127.0.0.1:8000"
START = datetime(2026, 11, 21, 22, 7, 30, tzinfo=UTC)
USERS = (
    {"access_key_id": "testak", "access_key_secret": "testsecret"},
    {"access_key_id": "oldak", "access_key_secret": "oldsecret", "v1": True},
    {"access_key_id": "otherak", "access_key_secret": "othersecret", "account": "200000"},
    {
        "access_key_id": "STS.testak",
        "access_key_secret": "stssecret",
        "security_token": "TOKEN+/=abc",
    },
)
SECRETS = {user["access_key_id"]: user["access_key_secret"] for user in USERS}


def everybodys(share: Any) -> Any:
    """Return a bucket or topic that is given by its target alone as one that all accounts use."""
    return {"target": share, "accounts": ["*"]} if isinstance(share, str) else share


class Clock:
    """Stands still until it is moved; ``None`` follows the real time."""

    def __init__(self, now: datetime | None = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return datetime.now(UTC) if self.now is None else self.now

    def move(self, **delta: float) -> None:
        assert self.now is not None
        self.now += timedelta(**delta)


class Rig:
    """A service with its database, writers and clock; records which datasets were rung."""

    ports: Ports | None = None
    """Without them, actions that ask models and owners are refused."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        topics = {name: everybodys("/dev/null") for name in ("topic1", "topic2")}
        buckets = overrides.pop("buckets", {})
        self.settings: Settings = load_settings(
            **{
                "data": folder,
                "auth": {"users": USERS},
                "notifications": {"topics": topics},
                "buckets": {name: everybodys(place) for name, place in buckets.items()},
                **overrides,
            }
        )
        self.clock = Clock()
        self.rung: list[DatasetId] = []
        self._stack = ExitStack()
        url, patience_s = self.settings.store_url, self.settings.store.busy_timeout_s
        self.database = Database(url, busy_timeout_s=patience_s)
        migrate.upgrade(self.database)
        self.writer = GroupWriter(self.database)
        self.nonces = NonceMemory(self.database, busy_timeout_s=patience_s)
        self._stack.callback(self.database.close)
        self._stack.callback(self.writer.close)
        self._stack.callback(self.nonces.close)
        self.service = self.new_service()
        self.notices = NotificationBuilder(self.settings.server.region)

    def new_service(self, settings: Settings | None = None) -> ImmService:
        service = ImmService(
            settings or self.settings,
            KeyRing.of_users(self.settings.auth.users),
            database=self.database,
            writer=self.writer,
            nonces=self.nonces,
            secret=b"the server's secret",
            clock=self.clock,
            ring=self.rung.append,
            ports=self.ports,
        )
        self._stack.callback(service.close)
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def request(
        self, action: str, access_key_id: str = "testak", *, method: str = "POST", **given: Any
    ) -> HttpRequest:
        """Return a signed request; parameters that are no text are sent as JSON."""
        parameters = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in given.items()
        }
        headers = sign(
            parameters,
            action=action,
            host=HOST,
            access_key_id=access_key_id,
            secret=str(SECRETS.get(access_key_id, "unknown")),
            method=method,
            now=self.clock(),
        )
        query = urlencode(parameters, quote_via=quote).encode()
        return HttpRequest(method=method, query=query, headers=tuple(headers.items()))

    def send(self, http: HttpRequest) -> Response:
        return anyio.run(self.service.handle, http)

    def call(self, action: str, access_key_id: str = "testak", **given: Any) -> dict[str, Any]:
        """Return the response of an action that succeeds."""
        status, body = self.try_call(action, access_key_id, **given)
        assert status == 200, body
        return body

    def try_call(
        self, action: str, access_key_id: str = "testak", **given: Any
    ) -> tuple[int, dict[str, Any]]:
        response = self.send(self.request(action, access_key_id, **given))
        return response.status, json.loads(response.body)

    def refusal(self, action: str, access_key_id: str = "testak", **given: Any) -> tuple[str, str]:
        """Return code and message of an action that is refused."""
        status, body = self.try_call(action, access_key_id, **given)
        assert status >= 400
        return body["Code"], body["Message"]

    def album(self, *uris: str) -> dict[str, str]:
        """Make project ``p`` with dataset ``d`` that has these files waiting; return the names."""
        names = {"ProjectName": "p", "DatasetName": "d"}
        self.call("CreateProject", ProjectName="p")
        self.call("CreateDataset", **names)
        if uris:
            self.call("BatchIndexFileMeta", Files=[{"URI": uri} for uri in uris], **names)
        return names

    def index(self, dataset_id: DatasetId, *, bad: Sequence[str] = ()) -> None:
        """Do the owner's work: every waiting file has one face, those in ``bad`` are refused."""
        with self.database.write() as tx:
            lease = ownership.take(tx, dataset_id, "rig", 1)
            waiting = results.pending(tx, dataset_id, limit=1000)
            outcomes = [
                results.Result(file, Refused("It is no image.") if file.uri in bad else _picture())
                for file in waiting
            ]
            results.commit(tx, lease, outcomes, self.clock(), self.notices.index_request)

    def run(self, dataset_id: DatasetId, groups: Sequence[Sequence[str]]) -> None:
        """Finish the oldest task of a dataset: ``groups`` holds file names, one cluster each."""
        with self.database.write() as tx:
            task = tasks.oldest_running(tx, dataset_id)
            assert task is not None
            lease = ownership.take(tx, dataset_id, "rig", 1)
            kind = task.task_type.kind
            items = self._items(dataset_id, kind)
            prefix = "Cluster" if kind is ClusterKind.FIGURE else "SimilarImageCluster"
            stated, moves = [], []
            for number, group in enumerate(groups):
                cluster_id = ClusterId(f"{prefix}-{number:04}")
                stated.append(staging.StatedCluster(cluster_id, items[group[0]][0], True))
                moves += [staging.Move(*items[uri], cluster_id, 0.9) for uri in group]
            staging.stage_members(tx, lease, kind, 1, moves)
            staging.stage_states(tx, lease, kind, 1, stated, self.clock())
            ended = replace(
                task,
                status=TaskStatus.SUCCEEDED,
                progress=100,
                ended_at=self.clock(),
                ledger={"items_new": len(items)},
            )
            end = staging.RunEnd(
                watermark=task.watermark,
                task=ended,
                edits_until=datasets.acknowledged(tx, dataset_id),
                at=self.clock(),
            )
            assert staging.publish(tx, lease, kind, 1, end, self.notices.task)

    def _items(self, dataset_id: DatasetId, kind: ClusterKind) -> dict[str, tuple[str, Any]]:
        with self.database.read() as tx:
            rows = tx.execute(
                tables.file.select().where(tables.file.c.dataset_id == dataset_id)
            ).all()
            found = files.by_id(tx, dataset_id, [row.file_id for row in rows])
        if kind is ClusterKind.SIMILAR:
            return {file.uri: (file.file_id, file.file_id) for file in found.values()}
        return {
            file.uri: (figure.figure_id, file.file_id)
            for file in found.values()
            for figure in file.figures
        }


def _picture() -> Indexed:
    vector = np.ones(4, dtype=np.float16) / np.float16(2)
    face = DetectedFace(
        box=Box(10, 20, 100, 120),
        confidence=0.99,
        quality=0.9,
        sharpness=0.8,
        head_pose=HeadPose(1.0, -2.0, 3.5),
        vector=vector,
    )
    return Indexed(
        stat=SourceStat(size=1000, etag="abc", modified_at=START, content_hash="00"),
        content_type="image/jpeg",
        analysis=ImageAnalysis(
            width=640,
            height=480,
            orientation=1,
            content_type="image/jpeg",
            faces=(face,),
            vector=vector,
            image_score=0.7,
            produce_time="2020-01-01T00:00:00",
            exif={"Model": "X"},
        ),
    )
