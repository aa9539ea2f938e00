"""Nothing is left on disk of the faces in deleted files and purged datasets."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from imm_ray.dataset.thumbnail_sweep import sweep_thumbnails
from imm_ray.media.thumbnails import open_thumbnails
from imm_ray.model import Box, DatasetId, FileId
from imm_ray.store import files
from imm_ray.testing import FakeEmbedder, face, picture, random_vector
from tests.unit.dataset.owner import DIMENSION, Owner, tell_request
from tests.unit.media.pictures import oriented
from tests.wire.asking import NAMES, Asker, asking, settings_of
from tests.wire.test_thumbnails import cached, indexed, put

ONE, TWO = "oss://b/turned.jpg", "oss://b/two.jpg"


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    """A client of a dataset of two files with a face each, whose crops are kept."""
    content = oriented(6)
    outcome = indexed(content, (80, 60), Box(8, 6, 20, 16))
    with asking(settings_of(tmp_path), FakeEmbedder({ONE: outcome, TWO: outcome})) as asker:
        for uri in (ONE, TWO):
            put(asker, uri.rpartition("/")[2], content)
        asker.create()
        asker.index(ONE, TWO)
        for uri in (ONE, TWO):
            show(asker, uri)
        yield asker


def show(asker: Asker, uri: str) -> None:
    for wanted in ({"URI": uri}, {"FigureId": asker.figure(uri).figure_id}):
        asker.extension("ImmRayGetThumbnail", **NAMES, **wanted)


def sweep(asker: Asker) -> None:
    sweep_thumbnails(asker.imm.database, open_thumbnails(asker.imm.settings))


def folder(asker: Asker) -> Path:
    return asker.imm.settings.data / "thumbnails"


def test_a_deleted_file_takes_its_thumbnails_along(asker: Asker) -> None:
    assert len(cached(asker)) == 4
    asker.delete(ONE)
    asker.imm.settle()
    assert len(cached(asker)) == 2
    show(asker, TWO)
    assert len(cached(asker)) == 2


def test_a_purged_dataset_takes_its_thumbnails_along(asker: Asker) -> None:
    asker.extension("ImmRayPurgeDataset", **NAMES)
    asker.imm.settle()
    assert list(folder(asker).iterdir()) == []


def test_an_owner_that_dies_before_it_mends_leaves_nothing(tmp_path: Path) -> None:
    owner = Owner(tmp_path)
    owner.index({uri: picture(uri, face(random_vector(uri, DIMENSION))) for uri in (ONE, TWO)})
    with owner.database.read() as tx:
        one, two = files.get(tx, owner.dataset_id, [ONE, TWO])
    keys = [f"{owner.dataset_id}/{file.file_id}/{'a' * 64}" for file in (one, two)]
    for key in keys:
        owner.thumbnails.put(key, b"a face")
    with owner.database.write() as tx:
        files.delete(tx, owner.dataset_id, [ONE], owner.clock(), tell_request)
    owner.restart()
    assert [owner.thumbnails.get(key) for key in keys] == [None, b"a face"]


def test_a_sweep_finds_what_a_crash_or_a_race_has_left(asker: Asker) -> None:
    (dataset,) = folder(asker).iterdir()
    kept = open_thumbnails(asker.imm.settings)
    before = cached(asker)
    kept.put(f"{dataset.name}/deleted-file/{'a' * 64}", b"a face")
    kept.put(f"purged-dataset/file/{'a' * 64}", b"a face")
    (folder(asker) / ("b" * 64)).write_bytes(b"as earlier versions kept them")
    sweep(asker)
    assert cached(asker) == before
    assert list(folder(asker).iterdir()) == [dataset]
    assert len(list(dataset.iterdir())) == 2


def test_a_sweep_of_nothing_does_nothing(asker: Asker) -> None:
    open_thumbnails(asker.imm.settings).forget(DatasetId("none"), [FileId("none")])
    asker.extension("ImmRayPurgeDataset", **NAMES)
    asker.imm.settle()
    folder(asker).rmdir()
    sweep(asker)
    assert not folder(asker).exists()


def test_what_can_not_be_thrown_away_is_logged_and_tried_again(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError("not now")

    with monkeypatch.context() as patch:
        patch.setattr("imm_ray.media.thumbnails.shutil.rmtree", refuse)
        asker.delete(ONE)
        asker.imm.settle()
    assert "thumbnails not thrown away, so it will be tried again: not now" in caplog.text
    assert len(cached(asker)) == 4
    sweep(asker)
    assert len(cached(asker)) == 2
