"""CreateFacesSearchingTask through the official SDK: asynchronous, durable, told once."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models

from imm_ray.dataset.ports import EmbedderDied, EmbedderUnavailable
from imm_ray.dataset.suspects import ATTEMPTS, embed_all
from imm_ray.model import Outcome, Refused, Source
from imm_ray.testing import FakeEmbedder, face, picture, random_vector
from tests.wire.asking import HERE, Asker, asking, refusal, settings_of
from tests.wire.test_pictures import INDEXED, album


def create(asker: Asker, *uris: str, **more: Any) -> Any:
    sources = [models.CreateFacesSearchingTaskRequestSources(uri=uri) for uri in uris]
    told = models.Notification(mns=models.MNS(topic_name="told"))
    request = models.CreateFacesSearchingTaskRequest(
        **HERE, sources=sources, notification=told, **more
    )
    return asker.client.create_faces_searching_task(request).body


def get(asker: Asker, task_id: str, **more: Any) -> Any:
    request = models.GetTaskRequest(
        project_name="p", task_id=task_id, task_type="FacesSearching", **more
    )
    return asker.client.get_task(request).body


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    with asking(settings_of(tmp_path), FakeEmbedder(album())) as asker:
        asker.create()
        yield asker


def test_a_search_from_start_to_end(asker: Asker) -> None:
    asker.index(*INDEXED)
    asker.cluster()
    created = create(asker, "oss://b/both.jpg", "oss://b/bad.jpg", max_result=3, user_data="mine")
    assert created.task_id.startswith("CreateFacesSearchingTask-")
    assert len(created.event_id) == 31
    asker.imm.settle()

    task = get(asker, created.task_id, request_definition=True)
    assert (task.status, task.task_type, task.user_data) == ("Succeeded", "FacesSearching", "mine")
    assert '"MaxResult":3' in task.task_request_definition
    listed = asker.client.list_tasks(
        models.ListTasksRequest(project_name="p", task_types=["FacesSearching"])
    ).body.tasks
    assert [one.task_id for one in listed] == [created.task_id]

    (told,) = asker.tell()
    assert (told["TaskType"], told["Status"], told["Code"]) == ("FacesSearching", "Succeeded", "")
    both, bad = told["Sources"]
    assert bad == {
        "URI": "oss://b/bad.jpg",
        "Error": "The image is truncated or damaged.",
        "SimilarFaces": [],
    }
    assert (both["URI"], both["Error"]) == ("oss://b/both.jpg", "")
    assert both["Boundary"] == {"Left": 200, "Top": 50, "Width": 120, "Height": 150}
    found = both["SimilarFaces"]
    assert {one["URI"] for one in found} == {uri for uri in INDEXED if "/ben" in uri}
    similar = [one["Similarity"] for one in found]
    assert similar == sorted(similar, reverse=True)
    ben = asker.figure(found[0]["URI"])
    assert (found[0]["FigureId"], found[0]["FigureClusterId"]) == (
        ben.figure_id,
        ben.figure_cluster_id,
    )
    assert found[0]["Boundary"]["Width"] == ben.boundary.width


def test_it_needs_no_clusters_and_tells_five_unless_asked_otherwise(asker: Asker) -> None:
    asker.index(*INDEXED)
    create(asker, "oss://b/both.jpg")
    create(asker, "oss://b/both.jpg", max_result=0)
    asker.imm.settle()
    for told in asker.tell():
        found = told["Sources"][0]["SimilarFaces"]
        assert len(found) == 5
        assert {one["FigureClusterId"] for one in found} == {"figure-cluster-id-unavailable"}


def test_it_covers_what_was_acknowledged_before_it(asker: Asker) -> None:
    many = 40  # more than are embedded at once
    crowd = {
        f"oss://b/crowd{i}.jpg": picture(f"{i}", face(random_vector(f"{i}", 128)))
        for i in range(many)
    }
    asker.embedder.outcomes |= crowd
    let_go = threading.Event()
    embed = asker.embedder.embed

    async def wait(sources: Sequence[Source]) -> Sequence[Outcome]:
        await asyncio.to_thread(let_go.wait)
        return await embed(sources)

    asker.embedder.embed = wait  # type: ignore[method-assign]  # holds the indexing back
    files = [models.InputFile(uri=uri) for uri in crowd]
    asker.client.batch_index_file_meta(models.BatchIndexFileMetaRequest(**HERE, files=files))
    task_id = create(asker, "oss://b/both.jpg", max_result=100).task_id
    assert get(asker, task_id).status == "Running"
    let_go.set()
    asker.imm.settle()
    assert len(asker.tell()[0]["Sources"][0]["SimilarFaces"]) == many


def test_a_search_without_any_usable_source_failed(asker: Asker) -> None:
    task_id = create(asker, "oss://b/bad.jpg", "oss://b/empty.jpg").task_id
    asker.imm.settle()
    task = get(asker, task_id)
    assert (task.status, task.code) == ("Failed", "InvalidArgument")
    assert "The image is truncated or damaged." in task.message
    (told,) = asker.tell()
    assert [one["Error"] for one in told["Sources"]] == [
        "The image is truncated or damaged.",
        "There is no face in the picture.",
    ]


@pytest.mark.parametrize(
    ("uris", "more"),
    [([], {}), (["oss://b/x.jpg"] * 101, {}), (["oss://b/x.jpg"], {"max_result": 101})],
)
def test_what_is_refused(asker: Asker, uris: list[str], more: dict[str, int]) -> None:
    assert refusal(lambda: create(asker, *uris, **more))[0] == "InvalidArgument"


def test_it_survives_the_owner(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    embedder = FakeEmbedder(album())
    with asking(settings, embedder) as asker:
        asker.create()
        asker.index(*INDEXED)
        begun = threading.Event()

        async def never(sources: Sequence[Source]) -> Sequence[Outcome]:
            begun.set()
            return await asyncio.Future[Sequence[Outcome]]()

        asker.embedder.embed = never  # type: ignore[method-assign]  # the owner ends meanwhile
        task_id = create(asker, "oss://b/both.jpg").task_id
        assert begun.wait(30)
        assert get(asker, task_id).status == "Running"
    with asking(settings, FakeEmbedder(album())) as asker:
        asker.imm.settle()
        assert get(asker, task_id).status == "Succeeded"
        assert len(asker.tell()) == 1


def test_edits_and_later_tasks_go_on_after_it(asker: Asker) -> None:
    asker.index(*INDEXED)
    search = create(asker, "oss://b/both.jpg").task_id
    asker.cluster()
    assert get(asker, search).status == "Succeeded"
    assert asker.figure("oss://b/ann0.jpg").figure_cluster_id.startswith("Cluster-")


def test_a_searched_picture_that_kills_the_embedder_fails_alone(asker: Asker) -> None:
    def kill(sources: Sequence[Source]) -> None:
        if any(source.uri == "oss://b/killer.jpg" for source in sources):
            raise EmbedderDied("gone")

    asker.index(*INDEXED)
    asker.embedder.hook = kill
    create(asker, "oss://b/both.jpg", "oss://b/killer.jpg", max_result=1)
    asker.imm.settle()
    both, killer = asker.tell()[0]["Sources"]
    assert len(both["SimilarFaces"]) == 1
    assert killer["Error"] == f"The file stopped the analysis {ATTEMPTS} times."
    alone = [call for call in asker.embedder.calls if call == ["oss://b/killer.jpg"]]
    assert len(alone) == ATTEMPTS


def test_an_embedder_that_is_away_is_waited_for() -> None:
    embedder = FakeEmbedder({"oss://b/1.jpg": picture("1")})
    away = [True, True]

    def hook(sources: Sequence[Source]) -> None:
        if away:
            away.pop()
            raise EmbedderUnavailable("starting")

    embedder.hook = hook
    sources = [Source(uri="oss://b/1.jpg"), Source(uri="oss://b/2.jpg")]
    outcomes = asyncio.run(embed_all(embedder, sources, size=1, retry_s=0))
    assert outcomes == [picture("1"), Refused("File does not exist.")]
    assert len(embedder.calls) == 4
