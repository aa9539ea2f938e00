import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from imm_ray.embed import verify
from imm_ray.embed.cards import (
    WEIGHTS,
    Calibration,
    ModelCard,
    WeightsFile,
    card_of_model,
    cards,
    load_card,
)
from imm_ray.embed.verify import DamagedModel, require_intact, verify_models


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_card_is_found_by_its_name_and_its_id(card: ModelCard) -> None:
    assert load_card(card.name) is card
    assert card_of_model(card.model_id) is card


@pytest.mark.parametrize("card", cards(), ids=lambda card: card.name)
def test_a_model_id_names_the_weights(card: ModelCard) -> None:
    for file in card.files:
        assert file.sha256[:8] in card.model_id


@pytest.mark.parametrize("name", ["dlib-resnet", "efficientnet-lite0"])
def test_the_threshold_lies_between_strangers_and_the_same(name: str) -> None:
    scale = load_card(name).scale
    assert scale.scaled(scale.different_mean) == 0
    assert scale.scaled(scale.same_mean) == 1
    assert 0 < scale.threshold < 1
    assert scale.scaled(scale.cosine(scale.threshold)) == pytest.approx(scale.threshold)


@pytest.mark.parametrize(
    ("name", "cosine"), [("dlib-resnet", 0.9298), ("efficientnet-lite0", 0.61)]
)
def test_the_threshold_is_the_measured_cosine(name: str, cosine: float) -> None:
    scale = load_card(name).scale
    assert scale.cosine(scale.threshold) == pytest.approx(cosine, abs=5e-5)


def test_the_limits_of_faces_leave_room_between_strangers_and_copies() -> None:
    scale = load_card("dlib-resnet").scale
    assert scale.second_pass is not None
    evidence = scale.threshold + scale.second_pass.offset
    assert scale.threshold < evidence < scale.same_photo
    assert scale.cosine(scale.same_photo) < 1
    assert 0 < scale.margin < scale.threshold


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"different_mean": 0.9}, "different_mean 0.9 is not below same_mean 0.9"),
        ({"same_photo": 0.5}, "threshold 0.6 is above same_photo 0.5"),
        ({"duplicate": 0.7}, "duplicate"),
        ({"margin": -0.1}, "margin"),
        ({"second_pass": {"slack": 0.1, "offset": 0.1, "share": 1.5, "smallest": 2}}, "share"),
        ({"second_pass": {"slack": -0.1, "offset": 0.1, "share": 1, "smallest": 2}}, "slack"),
        ({"strictness": 1.0}, "strictness"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(
    change: dict[str, object], reason: str
) -> None:
    values = {"different_mean": 0.2, "same_mean": 0.9, "threshold": 0.6}
    Calibration.model_validate(values)
    with pytest.raises(ValidationError, match=reason):
        Calibration.model_validate(values | change)


def test_an_unknown_model_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no model 'nonsense'.*dlib-resnet"):
        load_card("nonsense")


def test_the_detector_makes_no_vectors_to_compare() -> None:
    with pytest.raises(ValueError, match="no vectors"):
        load_card("yunet").scale.scaled(0.5)


def test_a_card_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_card("yunet").name = "other"  # type: ignore[misc]  # that it is refused is the test


def test_every_file_that_ships_has_a_card() -> None:
    shipped = {path.name for path in WEIGHTS.iterdir() if path.suffix != ".md"}
    assert shipped == {file.name for card in cards() for file in card.files}


def test_the_files_and_the_detector_are_intact() -> None:
    checks = verify_models()
    assert all(check.ok for check in checks)
    assert {check.name for check in checks} == {card.name for card in cards()}


def test_a_damaged_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = load_card("dlib-resnet")
    data = bytearray(card.files[0].path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / card.files[0].name).write_bytes(data)
    monkeypatch.setattr("imm_ray.embed.cards.WEIGHTS", tmp_path)
    with pytest.raises(DamagedModel, match=r"face_dlib_resnet_fp16\.onnx"):
        require_intact(card)
    missing = card.model_copy(update={"files": (WeightsFile(name="none.onnx", sha256="0"),)})
    with pytest.raises(DamagedModel, match="no file"):
        require_intact(missing)


def test_a_detector_without_its_symbol_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "SYMBOL", "no_such_function")
    bad = [check for check in verify_models() if not check.ok]
    assert [check.name for check in bad] == ["yunet"]


def test_cards_are_read_without_loading_a_model_library() -> None:
    code = (
        "import sys; sys.modules.update(onnxruntime=None, cv2=None, faiss=None);"
        "from imm_ray.embed.cards import cards; print(len(cards()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == len(cards())


def test_the_mean_of_the_image_model_fits_its_card() -> None:
    card = load_card("efficientnet-lite0")
    mean = np.load(card.files[1].path, allow_pickle=False)
    assert mean.shape == (card.dimension,)
