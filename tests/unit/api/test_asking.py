"""Actions that ask: what is checked before, and what an answer that does not come means."""

import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.asking import analysis_of
from imm_ray.errors import InvalidArgument, ServiceUnavailable
from imm_ray.model import Box, DatasetId, FileId, Indexed, Refused, SourceStat, Thumbnail
from tests.wire.rig import Rig

URI = "oss://b/1.jpg"


def test_a_server_without_models_says_so(rig: Rig) -> None:
    rig.album(URI)
    request = rig.request("DetectImageFaces", ProjectName="p", SourceURI=URI)
    response = rig.send(request)
    assert response.status == 503
    assert response.headers["x-acs-retry-after"] == "1000"
    assert b"without models" in response.body


def test_the_nonce_of_an_action_that_asks_is_used_up(rig: Rig) -> None:
    rig.album(URI)
    request = rig.request("DetectImageFaces", ProjectName="p", SourceURI=URI)
    rig.send(request)
    assert b"SignatureNonceUsed" in rig.send(request).body


def test_the_signature_comes_before_everything(rig: Rig) -> None:
    assert rig.refusal("DetectImageFaces", "nobody")[0] == "InvalidAccessKeyId.NotFound"
    assert rig.refusal("DetectImageFaces") == (
        "InvalidArgument",
        "The parameter ProjectName is required but not provided.",
    )


def test_asking_writes_nothing() -> None:
    asks = {"DetectImageFaces", "CompareImageFaces", "DetectImageScore", "ImmRayExplain"}
    assert not any(ACTIONS[name].writes for name in asks)


def test_what_a_refusal_becomes() -> None:
    with pytest.raises(InvalidArgument, match=r"SourceURI is not valid: It is empty\.$"):
        analysis_of(Refused("It is empty."), "SourceURI")
    with pytest.raises(ServiceUnavailable, match=r"No answer\. Try again\."):
        analysis_of(Refused("No answer.", transient=True), "SourceURI")
    film = Indexed(stat=SourceStat(), content_type="video/mp4", analysis=None)
    with pytest.raises(InvalidArgument, match="it is no picture"):
        analysis_of(film, "SourceURI")


def test_a_thumbnail_has_a_key_of_its_own() -> None:
    given = {
        "account": "1",
        "dataset_id": DatasetId("d"),
        "file_id": FileId("f"),
        "revision": 1,
        "uri": URI,
        "content_hash": "00",
        "width": 80,
        "height": 60,
        "box": Box(0, 0, 80, 60),
        "side": 64,
    }
    others = {
        "account": "2",
        "dataset_id": "e",
        "file_id": "g",
        "revision": 2,
        "content_hash": "01",
        "box": Box(1, 0, 80, 60),
        "side": 65,
    }
    keys = {Thumbnail(**(given | {name: value})).key for name, value in others.items()}  # type: ignore[arg-type]
    assert len(keys | {Thumbnail(**given).key}) == len(others) + 1  # type: ignore[arg-type]
