"""BatchUpdateFileMeta of many files and faces: what it costs, what it folds, what it refuses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from imm_ray.model import Dataset, Edit
from imm_ray.store import datasets, edits
from tests.wire.rig import Rig

URIS = [f"oss://b/{number:03}.jpg" for number in range(100)]
INDEPENDENT = "figure-cluster-id-independent"
ANN, BOB = "Cluster-0000", "Cluster-0001"


class Album:
    """A hundred photos of one face each: fifty of Ann and fifty of Bob."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.names = rig.album(*URIS)
        dataset_id = self.dataset().dataset_id
        rig.index(dataset_id)
        rig.call("CreateFigureClusteringTask", **self.names)
        rig.run(dataset_id, [URIS[:50], URIS[50:]])
        found = rig.call("BatchGetFileMeta", URIs=URIS, **self.names)["Files"]
        self.figures = {file["URI"]: file["Figures"][0]["FigureId"] for file in found}

    def dataset(self) -> Dataset:
        with self.rig.database.read() as tx:
            return datasets.get(tx, "100000", "p", "d")

    def edits(self) -> list[Edit]:
        with self.rig.database.read() as tx:
            return edits.list_edits(tx, self.dataset().dataset_id, limit=9999)

    def move(self, uri: str, *places: str, **said: Any) -> dict[str, Any]:
        figures = [{"FigureId": self.figures[uri], "FigureClusterId": place} for place in places]
        return {"URI": uri, "Figures": figures, **said}

    def update(self, *changes: dict[str, Any]) -> list[bool]:
        body = self.rig.call("BatchUpdateFileMeta", Files=changes, **self.names)
        return [result["Success"] for result in body["Files"]]


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    with Rig(tmp_path) as rig:
        yield Album(rig)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Yield the statements that are run; one with many rows counts once."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def changed(album: Album, uris: list[str]) -> int:
    with statements(album.rig.database.engine) as seen:
        done = album.update(
            *(album.move(uri, BOB, CustomId="x", CustomLabels={"k": uri}) for uri in uris)
        )
    assert all(done)
    return len(seen)


def test_a_hundred_files_take_as_many_statements_as_one(album: Album) -> None:
    one = changed(album, URIS[:1])
    hundred = changed(album, URIS)
    assert hundred <= one + 5
    assert hundred <= 40
    seqs = [edit.seq for edit in album.edits()]
    assert len(seqs) == 101
    assert seqs == sorted(set(seqs), reverse=True)
    files = album.rig.call("BatchGetFileMeta", URIs=URIS, **album.names)["Files"]
    assert [(file["CustomId"], file["CustomLabels"]) for file in files] == [
        ("x", {"k": uri}) for uri in URIS
    ]


def test_of_a_face_that_is_moved_twice_the_last_move_happens(album: Album) -> None:
    uri, other = URIS[0], URIS[1]
    assert all(
        album.update(
            album.move(uri, BOB, CustomId="a", CustomLabels={"k": "v"}),
            album.move(other, BOB),
            album.move(uri, INDEPENDENT, CustomId="b"),
        )
    )
    assert [(edit.kind, edit.payload["figure_id"]) for edit in reversed(album.edits())] == [
        ("move", album.figures[other]),
        ("remove", album.figures[uri]),
    ]
    (file,) = album.rig.call("BatchGetFileMeta", URIs=[uri], **album.names)["Files"]
    assert (file["CustomId"], file["CustomLabels"]) == ("b", {"k": "v"})


def test_a_face_moved_away_and_back_in_one_request_stays(album: Album) -> None:
    assert all(album.update(album.move(URIS[0], BOB), album.move(URIS[0], ANN)))
    assert album.edits() == []


def test_a_refused_change_leaves_the_one_before_it(album: Album) -> None:
    done = album.update(
        album.move(URIS[0], BOB, CustomId="a"),
        album.move(URIS[0], "Cluster-none", CustomId="b"),
    )
    assert done == [True, False]
    assert [edit.payload.get("cluster_id") for edit in album.edits()] == [BOB]
    (file,) = album.rig.call("BatchGetFileMeta", URIs=URIS[:1], **album.names)["Files"]
    assert file["CustomId"] == "a"


def test_a_thousand_faces_are_allowed_and_one_more_is_not(album: Album) -> None:
    batch = [album.move(uri, *[BOB] * 10) for uri in URIS]
    body = album.rig.call("BatchUpdateFileMeta", Files=batch, **album.names)
    assert "more than once" in json.dumps(body)
    batch[0] = album.move(URIS[0], *[BOB] * 11)
    code, message = album.rig.refusal("BatchUpdateFileMeta", Files=batch, **album.names)
    assert code == "InvalidArgument"
    assert "1001 Figures in all, and may have 1000" in message
    assert album.edits() == []
