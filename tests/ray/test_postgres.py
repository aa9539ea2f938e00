"""`imm-ray serve` on PostgreSQL does the main job, also while the database crashes."""

from pathlib import Path

import pytest

from imm_ray.cli.album import PHOTOS
from tests.postgres import Databases
from tests.ray.server import Album, ServerProcess

pytestmark = pytest.mark.ray


def test_faces_are_grouped_with_the_store_on_postgresql(
    postgres: Databases, tmp_path: Path
) -> None:
    photos = sorted(path.name for path in (PHOTOS / "people").iterdir() if path.suffix == ".jpg")
    uris = [f"oss://album/{name}" for name in photos]
    with postgres.fresh() as url:
        settings = {"store": {"url": url}, "clustering": {"min_entity_count": 2}}
        buckets = {"album": PHOTOS / "people"}
        with ServerProcess(tmp_path / "data", buckets=buckets, settings=settings) as server:
            album = Album(server.client(), "main").create()
            album.index(uris)
            postgres.server.restart()
            task = album.wait(album.create_figures_task())
            assert task.status == "Succeeded"
            assert {file.object_status for file in album.files(uris)} == {"Succeeded"}
            assert album.people()
        assert "Traceback" not in server.log()
        assert url not in server.log()
