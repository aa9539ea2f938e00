"""The cover of a person as it is read and sent back, through the official SDK."""

from collections.abc import Iterator
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from alibabacloud_imm20200930.client import Client

from imm_ray.model import Outcome
from imm_ray.settings import Settings
from imm_ray.testing import FakeEmbedder, LocalImm, face, near, picture, random_vector
from tests.wire.test_local_imm import HERE, client_of, create, index, settings
from tests.wire.test_people import cluster, code_of, file_of, person, update

__all__ = ["settings"]

PEOPLE = ("ann", "bob")
BOTH = "oss://b/both.jpg"


def of(name: str, seed: str, left: int) -> Any:
    return face(near(random_vector(name, 128), f"{name}{seed}", 0.99), left=left)


def album() -> dict[str, Outcome]:
    alone: dict[str, Outcome] = {
        f"oss://b/{name}{i}.jpg": picture(f"{name}{i}", of(name, str(i), 0))
        for name in PEOPLE
        for i in range(4)
    }
    return {**alone, BOTH: picture("both", *(of(n, "x", 200 * i) for i, n in enumerate(PEOPLE)))}


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with LocalImm(settings.data, FakeEmbedder(album()), settings=settings) as imm:
        client = client_of(imm)
        create(client)
        index(client, list(album()))
        client.create_figure_clustering_task(models.CreateFigureClusteringTaskRequest(**HERE))
        imm.settle()
        yield client


def figures_of_both(client: Client) -> dict[str, str]:
    """Return the figures of the photo of both by the cluster that each is in."""
    asked = models.GetFileMetaRequest(**HERE, uri=BOTH)
    figures = client.get_file_meta(asked).body.files[0].figures
    return {figure.figure_cluster_id: figure.figure_id for figure in figures}


def choose(client: Client, object_id: str, *figure_ids: str, **said: Any) -> None:
    figures = [models.FigureClusterForReqCoverFigures(figure_id=i) for i in figure_ids]
    cover = models.FigureClusterForReqCover(figures=figures)
    update(client, object_id, cover=cover, **said)


def test_the_figure_that_is_shown_comes_first_and_the_cover_can_be_sent_back(
    client: Client,
) -> None:
    figures = figures_of_both(client)
    assert set(figures) == {person(client, f"{name}0") for name in PEOPLE}
    for object_id, figure_id in figures.items():
        choose(client, object_id, figure_id)
        read = cluster(client, object_id)
        assert read.cover.uri == BOTH
        assert read.cover.figures[0].figure_id == figure_id
        assert len(read.cover.figures) == 2

        back = [figure.figure_id for figure in read.cover.figures]
        choose(client, object_id, *back)
        choose(client, object_id, *reversed(back))
        again = cluster(client, object_id)
        assert again.meta_lock_version == read.meta_lock_version + 2
        assert again.cover.to_map() == read.cover.to_map()


def test_a_cover_without_figures_is_not_given(client: Client) -> None:
    ann = person(client, "ann0")
    chosen = file_of(client, "ann2").figure_id
    choose(client, ann, chosen)
    choose(client, ann, name="Ann")
    update(client, ann, cover=models.FigureClusterForReqCover(), custom_id="1")
    read = cluster(client, ann)
    assert (read.name, read.custom_id) == ("Ann", "1")
    assert read.cover.figures[0].figure_id == chosen


def test_a_cover_of_others_is_refused(client: Client) -> None:
    ann = person(client, "ann0")
    others = [file_of(client, f"bob{number}").figure_id for number in range(2)]
    assert code_of(lambda: choose(client, ann, *others)) == "InvalidArgument"
    assert cluster(client, ann).meta_lock_version == 0
