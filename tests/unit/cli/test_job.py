import io
from typing import Any

import pytest
from rich.console import Console

from imm_ray.cli.client import ImmCallFailed, ImmClient
from imm_ray.cli.job import NOT_UTF8, PATIENCE_POLLS, Job, TaskFailed
from imm_ray.cli.progress import Stages
from imm_ray.cli.result import Findings, result_json
from tests.cli.fake_imm import FakeImm, figure, figure_cluster, similar_cluster


def run(fake: FakeImm, *paths: str) -> Findings:
    stages = Stages(Console(file=io.StringIO()))
    with ImmClient("http://imm.test", "id", "secret", transport=fake.transport()) as client:
        return Job(client, stages, sleep=lambda seconds: None).run(paths)


def album() -> FakeImm:
    return FakeImm(
        figures={
            "a.jpg": [figure("f1", "Cluster-1", 1, 2, 3, 4)],
            "b.jpg": [figure("f2", "Cluster-1"), figure("f3", "Cluster-2")],
            "c.jpg": [figure("f4", "figure-cluster-id-independent"), figure("f5", "Cluster-2")],
            "e.jpg": [figure("f6", "Cluster-2")],
        },
        reasons={"d.txt": "The file is not an image."},
        figure_clusters=[
            figure_cluster("Cluster-1", faces=2, images=2, cover="a.jpg#f1"),
            figure_cluster("Cluster-2", faces=3, images=3),
        ],
        similar_clusters=[similar_cluster("S1", a=0.9, b=0.4), similar_cluster("S2", c=0.1, e=0.1)],
    )


def test_the_result_says_all_that_the_server_found() -> None:
    paths = ["a.jpg", "b.jpg", "c.jpg", "d.txt", "e.jpg"]
    result = result_json(run(album(), *paths))

    assert result["files"][0] == {
        "uri": "oss://demo/a.jpg",
        "path": "a.jpg",
        "status": "Succeeded",
        "reason": "",
        "figures": [{"figure_id": "f1", "box": [1, 2, 3, 4], "cluster_id": "Cluster-1"}],
    }
    assert [file["path"] for file in result["files"]] == paths
    assert [figure["cluster_id"] for figure in result["files"][2]["figures"]] == [None, "Cluster-2"]
    assert result["files"][3]["status"] == "Failed"
    assert result["files"][3]["reason"] == "The file is not an image."
    assert result["figure_clusters"] == [
        {
            "id": "Cluster-2",
            "name": "",
            "figure_count": 3,
            "image_count": 3,
            "figure_ids": ["f3", "f5", "f6"],
            "paths": ["b.jpg", "c.jpg", "e.jpg"],
            "cover": None,
        },
        {
            "id": "Cluster-1",
            "name": "",
            "figure_count": 2,
            "image_count": 2,
            "figure_ids": ["f1", "f2"],
            "paths": ["a.jpg", "b.jpg"],
            "cover": {"path": "a.jpg", "figure_id": "f1"},
        },
    ]
    assert result["similar_clusters"] == [
        {"id": "S1", "paths": ["a.jpg", "b.jpg"], "best": "a.jpg"},
        {"id": "S2", "paths": ["c.jpg", "e.jpg"], "best": "c.jpg"},
    ]
    assert result["ledger"] == {
        "figures": {"items_new": 3, "task": "FigureClustering-1"},
        "similar": {"items_new": 3, "task": "SimilarImageClustering-1"},
    }


def test_polling_asks_only_for_files_that_are_pending() -> None:
    fake = FakeImm(pending_polls=0)
    paths = [f"{n:04}.jpg" for n in range(1000)]
    run(fake, *paths)
    assert set(fake.looks.values()) == {2}  # one look to see it done, one to read the result
    assert fake.count("BatchIndexFileMeta") == 10


def test_a_file_that_never_comes_first_does_not_hide_the_others() -> None:
    stuck = {f"{n:03}.jpg" for n in range(100)}

    class Slow(FakeImm):
        def _file(self, uri: str) -> dict[str, Any]:
            file = super()._file(uri)
            is_stuck = uri.removeprefix("oss://demo/") in stuck and not self.looks["200.jpg"]
            return {"URI": uri, "ObjectStatus": "Pending"} if is_stuck else file

    fake = Slow(pending_polls=0)
    found = run(fake, *sorted(stuck), "200.jpg")
    assert len(found.succeeded) == 101
    assert max(fake.looks.values()) <= PATIENCE_POLLS + 3


def test_a_name_that_no_uri_can_hold_is_failed_and_not_sent() -> None:
    fake = FakeImm()
    found = run(fake, "a.jpg", "b\udcff.jpg")
    assert [(photo.path, photo.reason) for photo in found.failed] == [("b\udcff.jpg", NOT_UTF8)]
    assert found.succeeded[0].path == "a.jpg"


def test_a_failed_task_ends_the_job_with_its_reason() -> None:
    with pytest.raises(TaskFailed, match="FigureClustering-1 failed: Oops: broke"):
        run(FakeImm(task_status="Failed"), "a.jpg")


def test_a_refusal_of_the_server_ends_the_job() -> None:
    class Refusing(FakeImm):
        on_create_dataset = None  # type: ignore[assignment] # the action is unknown to this server

    with pytest.raises(ImmCallFailed, match=r"InvalidApi\.NotFound"):
        run(Refusing(), "a.jpg")
