"""SIGKILL: what was acknowledged stays, and what was running finishes."""

from pathlib import Path

import pytest

from tests.ray.quality import read_labels, some_identities
from tests.ray.server import Album, ServerProcess

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture
def paths(shared: Path) -> list[str]:
    return some_identities(read_labels(shared / "data/lfw_dev"), least=2, paths=40)


def people(album: Album) -> list[tuple[str, int]]:
    return sorted((p.object_id, p.face_count) for p in album.people())


@pytest.mark.parametrize(
    "victim", ["OwnerActor", "Embedder", "Ingress", "decode_worker", "Steward"]
)
def test_a_task_survives_each_process(server: ServerProcess, paths: list[str], victim: str) -> None:
    uris = [f"oss://lfw/{path}" for path in paths]
    album = Album(server.client(), f"kill-{victim}").create()
    album.index(uris[:20])
    album.wait(album.create_figures_task())
    album.index(uris[20:])
    task_id = album.create_figures_task()
    victims = server.actors(victim)
    assert victims
    assert album.get_task(task_id, "FaceClustering").status == "Running"
    for process in victims:
        process.kill()
    # A replica that was just killed may take one request with it; the task is in the store.
    task = Album(server.client(), f"kill-{victim}").wait(task_id)
    assert task.status == "Succeeded"
    files = album.files(uris)
    assert {file.object_status for file in files} == {"Succeeded"}
    waiting = "figure-cluster-id-unavailable"
    assert all(f.figure_cluster_id != waiting for file in files for f in file.figures)


def test_everything_survives_the_death_of_everything(
    tmp_path: Path, shared: Path, paths: list[str]
) -> None:
    uris = [f"oss://lfw/{path}" for path in paths]
    server = ServerProcess(
        tmp_path / "data",
        buckets={"lfw": shared / "data/lfw_dev"},
        settings={"clustering": {"min_entity_count": 2}},
    )
    server.start()
    album = Album(server.client(), "all").create()
    album.index(uris[:20])
    album.wait(album.create_figures_task())
    before = people(album)
    album.index(uris[20:])
    task_id = album.create_figures_task(user_data="kept")
    server.kill_all()
    with server:
        album = Album(server.client(), "all")
        task = album.wait(task_id)
        assert (task.status, task.user_data) == ("Succeeded", "kept")
        assert {file.object_status for file in album.files(uris)} == {"Succeeded"}
        after = dict(people(album))
        assert set(dict(before)) <= set(after)
