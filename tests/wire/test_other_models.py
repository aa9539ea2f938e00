"""Searches of faces where the server runs another model than the dataset was made with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imm_ray.dataset.ports import EmbedderUnavailable
from imm_ray.embed import cards
from imm_ray.model import Source
from imm_ray.settings import Settings
from imm_ray.testing import FakeEmbedder
from tests.wire.asking import asking, refusal, settings_of
from tests.wire.test_faces_searching import create, get
from tests.wire.test_pictures import INDEXED, album


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a server that runs another face model."""
    known = list(cards.cards())
    face = cards.load_card("dlib-resnet")
    newer = face.model_copy(update={"name": "newer", "model_id": "newer-1"})
    monkeypatch.setattr(cards, "cards", lambda: [*known, newer])
    return settings_of(tmp_path, models={"face": "newer"})


def unavailable(sources: Sequence[Source]) -> None:
    raise EmbedderUnavailable("not now")


def explained(task: Any) -> None:
    assert task.code == "StatusConflict"
    assert "this server runs newer-1" in task.message
    assert "Set models.face and models.image" in task.message


def test_no_search_is_made_that_could_not_compare(tmp_path: Path, other: Settings) -> None:
    embedder = FakeEmbedder(album())
    with asking(settings_of(tmp_path), embedder) as asker:
        asker.create()
    with asking(other, embedder) as asker:
        code, _, message = refusal(lambda: create(asker, "oss://b/both.jpg"))
        assert code == "StatusConflict"
        assert "this server runs newer-1" in message


def test_searches_that_wait_fail_when_the_model_has_changed(
    tmp_path: Path, other: Settings
) -> None:
    embedder = FakeEmbedder(album())
    with asking(settings_of(tmp_path), embedder) as asker:
        asker.create()
        asker.index(*INDEXED)
        embedder.hook = unavailable
        made = [create(asker, "oss://b/both.jpg").task_id for _ in range(2)]
    embedder.hook = lambda sources: None
    looked = len(embedder.calls)
    with asking(other, embedder) as asker:
        asker.imm.settle()
        for task_id in made:
            task = get(asker, task_id)
            assert task.status == "Failed"
            explained(task)
        assert [told["Code"] for told in asker.tell()] == ["StatusConflict"] * len(made)
    assert len(embedder.calls) == looked
