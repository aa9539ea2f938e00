"""ImmRayListEdits by the figure and by the status, so that a move can be followed to its end."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from imm_ray.model import EditStatus
from imm_ray.store import edits, ownership, tables
from tests.wire.rig import Rig
from tests.wire.test_large_updates import ANN, BOB, INDEPENDENT, URIS, Album

MOVED, OTHER, THIRD = URIS[:3]


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    with Rig(tmp_path) as rig:
        album = Album(rig)
        for uri, place in ((MOVED, BOB), (OTHER, BOB), (MOVED, INDEPENDENT)):
            assert all(album.update(album.move(uri, place)))
        ids = [album.figures[MOVED], album.figures[THIRD]]
        rig.call("ImmRaySplitFigureCluster", ObjectId=ANN, FigureIds=ids, **album.names)
        said = {"ObjectId": BOB, "Name": json.dumps(album.figures[MOVED])}
        rig.call("UpdateFigureCluster", FigureCluster=said, **album.names)
        yield album


def listed(album: Album, **asked: Any) -> list[dict[str, Any]]:
    return list(album.rig.call("ImmRayListEdits", **asked, **album.names)["Edits"])


def kinds(album: Album, **asked: Any) -> list[str]:
    return [edit["Kind"] for edit in listed(album, **asked)]


def test_the_edits_of_a_figure(album: Album) -> None:
    assert kinds(album) == ["Name", "Split", "Remove", "Move", "Move"]
    assert kinds(album, FigureId=album.figures[MOVED]) == ["Split", "Remove", "Move"]
    assert kinds(album, FigureId=album.figures[OTHER]) == ["Move"]
    assert kinds(album, FigureId=album.figures[THIRD]) == ["Split"]
    for nobody in (
        "nobody",
        "%",
        "_" * 36,
        album.figures[MOVED].upper(),
        BOB,
        ANN,
        album.figures[MOVED][:-1],
        '"',
    ):
        assert kinds(album, FigureId=nobody) == []


def test_a_move_that_was_refused_is_found_with_its_reason(album: Album) -> None:
    move = listed(album, FigureId=album.figures[MOVED])[-1]
    dataset_id = album.dataset().dataset_id
    with album.rig.database.write() as tx:
        lease = ownership.take(tx, dataset_id, "rig", 1)
        settled = edits.SettledEdit(
            edit_id=move["EditId"],
            status=EditStatus.REFUSED,
            reason="The cluster is gone.",
            effect={},
        )
        edits.settle(tx, lease, 1, [settled], album.rig.clock())
    (refused,) = listed(album, FigureId=album.figures[MOVED], Status="Refused")
    assert (refused["EditId"], refused["Reason"]) == (move["EditId"], "The cluster is gone.")
    assert len(listed(album, Status="Pending")) == 4
    assert listed(album, Status="Applied") == []
    code, message = album.rig.refusal("ImmRayListEdits", Status="Gone", **album.names)
    assert (code, "Status" in message) == ("InvalidArgument", True)


def test_a_filtered_list_is_paged(album: Album) -> None:
    figure_id, found, token = album.figures[MOVED], [], ""
    asked = {"FigureId": figure_id, "MaxResults": "1", **album.names}
    while True:
        page = album.rig.call("ImmRayListEdits", NextToken=token, **asked)
        found += [edit["EditId"] for edit in page["Edits"]]
        if not (token := page.get("NextToken", "")):
            break
    assert found == [edit["EditId"] for edit in listed(album, FigureId=figure_id)]
    first = album.rig.call("ImmRayListEdits", **asked)["NextToken"]
    other = {**asked, "FigureId": album.figures[OTHER], "NextToken": first}
    assert album.rig.refusal("ImmRayListEdits", **other)[0] == "InvalidArgument"


def test_the_filter_is_portable() -> None:
    query = select(tables.edit).where(edits.wants("f"))
    text = str(query.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # untyped in SQLAlchemy
    assert "->>" in text
    assert "AS VARCHAR)" in text
