"""`LocalImm` for actions that ask models and owners, and the official SDK as its client."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions
from Tea.exceptions import TeaException

from imm_ray.settings import Settings, load_settings
from imm_ray.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, FakeEmbedder, LocalImm
from tests.wire.rig import everybodys

HERE = {"project_name": "p", "dataset_name": "d"}

NAMES: dict[str, Any] = {"ProjectName": "p", "DatasetName": "d"}
OTHER_KEY = ("otherak", "othersecret")


def settings_of(folder: Path, **more: Any) -> Settings:
    users = [
        {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET},
        {
            "access_key_id": OTHER_KEY[0],
            "access_key_secret": OTHER_KEY[1],
            "account": "200000",
            "name": "other",
        },
    ]
    (folder / "bucket").mkdir(exist_ok=True)
    return load_settings(
        None,
        **{
            "data": folder / "data",
            "auth": {"users": users},
            "notifications": {"topics": {"told": everybodys(str(folder / "told.jsonl"))}},
            "buckets": {"b": everybodys(str(folder / "bucket"))},
            **more,
        },
    )


class Asker:
    """One client of one service."""

    def __init__(self, imm: LocalImm, embedder: FakeEmbedder, key: tuple[str, str]) -> None:
        self.imm = imm
        self.embedder = embedder
        self.client = Client(
            Config(
                endpoint=imm.address,
                protocol="http",
                access_key_id=key[0],
                access_key_secret=key[1],
            )
        )

    def as_other(self) -> "Asker":
        """Return a client of another account."""
        return Asker(self.imm, self.embedder, OTHER_KEY)

    def create(self) -> None:
        self.client.create_project(models.CreateProjectRequest(project_name="p"))
        self.client.create_dataset(models.CreateDatasetRequest(**HERE))

    def index(self, *uris: str) -> None:
        files = [models.InputFile(uri=uri) for uri in uris]
        self.client.batch_index_file_meta(models.BatchIndexFileMetaRequest(**HERE, files=files))
        self.imm.settle()

    def cluster(self) -> None:
        """Run both clustering tasks."""
        self.client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
        self.client.create_similar_image_clustering_task(
            models.CreateSimilarImageClusteringTaskRequest(**HERE)
        )
        self.imm.settle()

    def figure(self, uri: str, place: int = 0) -> Any:
        got = self.client.get_file_meta(models.GetFileMetaRequest(**HERE, uri=uri))
        return got.body.files[0].figures[place]

    def delete(self, *uris: str) -> None:
        request = models.BatchDeleteFileMetaRequest(**HERE, uris=list(uris))
        self.client.batch_delete_file_meta(request)

    def search_clusters(self, uri: str) -> list[Any]:
        request = models.SearchImageFigureClusterRequest(**HERE, source_uri=uri)
        return list(self.client.search_image_figure_cluster(request).body.clusters)

    def extension(self, action: str, *, form: bool = False, **given: Any) -> dict[str, Any]:
        """Call an action that the SDK has no method for, with the SDK's own generic call."""
        params = Params(
            action=action,
            version="2020-09-30",
            protocol="HTTP",
            pathname="/",
            method="POST",
            auth_type="AK",
            style="RPC",
            req_body_type="formData",
            body_type="json",
        )
        values = {name: str(value) for name, value in given.items()}
        request = OpenApiRequest(body=values) if form else OpenApiRequest(query=values)
        body = self.client.call_api(params, request, RuntimeOptions())["body"]
        return dict(body)

    def tell(self) -> list[dict[str, Any]]:
        """Return the contents of the notifications that wait."""
        return [json.loads(json.loads(message)["content"]) for message in self.imm.messages()]


@contextmanager
def asking(settings: Settings, embedder: FakeEmbedder, **more: Any) -> Iterator[Asker]:
    with LocalImm(settings.data, embedder, settings=settings, **more) as imm:
        yield Asker(imm, embedder, (ACCESS_KEY_ID, ACCESS_KEY_SECRET))


def refusal(run: Callable[[], object]) -> tuple[str, int, str]:
    """Return code, status and message of a call that is refused."""
    with pytest.raises(TeaException) as caught:
        run()
    return caught.value.code, caught.value.status_code, caught.value.message
