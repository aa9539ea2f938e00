"""Actions that look into pictures or ask the owner, through the official SDK."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_imm20200930 import models
from sqlalchemy import update

from imm_ray.api.ports import Pictures
from imm_ray.api.service import ImmService
from imm_ray.embed.cards import load_card
from imm_ray.model import Box, DetectedFace, Outcome, Picture, Refused, Thumbnail
from imm_ray.store import tables
from imm_ray.testing import FakeEmbedder, face, near, picture, random_vector, upload_uri
from tests.wire.asking import HERE, NAMES, Asker, asking, refusal, settings_of

ANN, BEN, SEA = random_vector("ann", 128), random_vector("ben", 128), random_vector("sea", 1280)
UPLOAD = b"the bytes of some picture +/ " * 10
SCALE = load_card("dlib-resnet").scale


def boxed(face: DetectedFace, box: Box) -> DetectedFace:
    return replace(face, box=box)


def album() -> dict[str, Outcome]:
    small, large = Box(10, 20, 80, 90), Box(200, 50, 120, 150)
    ann, ben = face(near(ANN, "q", 0.99)), face(near(BEN, "q", 0.99))
    both = picture("both", boxed(ann, small), boxed(ben, large), vector=near(SEA, "q", 0.9))
    stranger = face(random_vector("stranger", 128))
    return {
        **{
            f"oss://b/ann{i}.jpg": picture(
                f"ann{i}", face(near(ANN, str(i), 0.99)), vector=near(SEA, str(i), 0.95)
            )
            for i in range(4)
        },
        **{
            f"oss://b/ben{i}.jpg": picture(
                f"ben{i}", face(near(BEN, str(i), 0.99)), vector=random_vector(f"i{i}", 1280)
            )
            for i in range(3)
        },
        "oss://b/both.jpg": both,
        "oss://b/stranger.jpg": picture("stranger", stranger),
        "oss://b/empty.jpg": picture("empty", score=0.25),
        "oss://b/bad.jpg": Refused("The image is truncated or damaged."),
        "oss://b/away.jpg": Refused("The bucket does not answer.", transient=True),
        upload_uri(UPLOAD): both,
    }


INDEXED = [uri for uri in album() if "/ann" in uri or "/ben" in uri]


@pytest.fixture
def asker(tmp_path: Path) -> Iterator[Asker]:
    with asking(settings_of(tmp_path), FakeEmbedder(album())) as asker:
        asker.create()
        yield asker


@pytest.fixture
def clustered(asker: Asker) -> Asker:
    asker.index(*INDEXED)
    asker.cluster()
    return asker


def detect(asker: Asker, uri: str) -> list[object]:
    request = models.DetectImageFacesRequest(project_name="p", source_uri=uri)
    return list(asker.client.detect_image_faces(request).body.faces)


def compare(asker: Asker, uri1: str, uri2: str) -> float:
    source = models.CompareImageFacesRequestSource(uri1=uri1, uri2=uri2)
    request = models.CompareImageFacesRequest(project_name="p", source=source)
    return float(asker.client.compare_image_faces(request).body.similarity)


def test_faces_are_detected_and_not_stored(asker: Asker) -> None:
    request = models.DetectImageFacesRequest(project_name="p", source_uri="oss://b/both.jpg")
    faces = asker.client.detect_image_faces(request).body.faces
    assert [(f.boundary.left, f.boundary.width) for f in faces] == [(10, 80), (200, 120)]
    first = faces[0]
    assert (first.figure_type, first.figure_confidence, first.face_quality) == ("face", 0.99, 0.95)
    assert (first.figure_id, first.figure_cluster_id) == (None, None)
    assert detect(asker, "oss://b/empty.jpg") == []
    project = asker.client.get_project(models.GetProjectRequest(project_name="p")).body.project
    assert project.file_count == 0


def test_the_largest_faces_are_compared_on_the_calibrated_scale(asker: Asker) -> None:
    assert compare(asker, "oss://b/both.jpg", "oss://b/both.jpg") == 1.0
    assert compare(asker, "oss://b/both.jpg", "oss://b/stranger.jpg") == 0.0
    one, two = face(ANN), face(near(ANN, "x", SCALE.cosine(0.5)))
    asker.embedder.outcomes["oss://b/1.jpg"] = picture("1", one)
    asker.embedder.outcomes["oss://b/2.jpg"] = picture("2", two)
    assert compare(asker, "oss://b/1.jpg", "oss://b/2.jpg") == pytest.approx(0.5, abs=0.02)
    code, status, message = refusal(lambda: compare(asker, "oss://b/both.jpg", "oss://b/empty.jpg"))
    assert (code, status) == ("InvalidArgument", 400)
    assert "Source.URI2 is not valid: there is no face in the picture." in message


def test_the_score_of_a_picture(asker: Asker) -> None:
    request = models.DetectImageScoreRequest(project_name="p", source_uri="oss://b/empty.jpg")
    assert asker.client.detect_image_score(request).body.image_score.overall_quality_score == 0.25


@pytest.mark.parametrize(
    ("uri", "code", "status", "words"),
    [
        (
            "oss://b/none.jpg",
            "InvalidArgument",
            400,
            "SourceURI is not valid: File does not exist.",
        ),
        ("oss://b/bad.jpg", "InvalidArgument", 400, "The image is truncated or damaged."),
        ("oss://b/away.jpg", "ServiceUnavailable", 503, "The bucket does not answer. Try again."),
        ("http://169.254.169.254/", "InvalidArgument", 400, "is not a URI like"),
        ("", "InvalidArgument", 400, "The parameter SourceURI is required but not provided."),
    ],
)
def test_a_picture_that_can_not_be_had(
    asker: Asker, uri: str, code: str, status: int, words: str
) -> None:
    got = refusal(lambda: detect(asker, uri))
    assert got[:2] == (code, status)
    assert words in got[2]


def test_a_role_to_assume_is_refused(asker: Asker) -> None:
    config = models.CredentialConfig(service_role="AliyunIMMDefaultRole")
    request = models.DetectImageFacesRequest(
        project_name="p", source_uri="oss://b/both.jpg", credential_config=config
    )
    code, _, message = refusal(lambda: asker.client.detect_image_faces(request))
    assert code == "InvalidArgument"
    assert "assumes no roles" in message
    empty = models.CredentialConfig()
    request.credential_config = empty
    assert len(asker.client.detect_image_faces(request).body.faces) == 2


def test_each_face_is_told_its_cluster(clustered: Asker) -> None:
    ann = clustered.figure("oss://b/ann0.jpg").figure_cluster_id
    ben = clustered.figure("oss://b/ben0.jpg").figure_cluster_id
    found = clustered.search_clusters("oss://b/both.jpg")
    assert [(c.cluster_id, c.boundary.left) for c in found] == [(ann, 10), (ben, 200)]
    assert all(0.77 <= c.similarity <= 1 for c in found)
    assert clustered.search_clusters("oss://b/stranger.jpg") == []
    assert clustered.search_clusters("oss://b/empty.jpg") == []


def test_a_face_belongs_to_a_cluster_from_the_threshold_on(clustered: Asker) -> None:
    vectors = [f.vector for uri in INDEXED[:4] for f in _faces(clustered, uri)]
    for scaled, matches in ((SCALE.threshold + 0.1, True), (SCALE.threshold - 0.1, False)):
        probe = near(ANN, "probe", SCALE.cosine(scaled) / 0.99)
        mean = sum(float(probe.astype(float) @ v.astype(float)) for v in vectors) / len(vectors)
        assert (SCALE.scaled(mean) >= SCALE.threshold) is matches
        clustered.embedder.outcomes["oss://b/probe.jpg"] = picture("probe", face(probe))
        assert bool(clustered.search_clusters("oss://b/probe.jpg")) is matches


def test_faces_that_no_run_has_covered_are_in_no_cluster(asker: Asker) -> None:
    asker.index(*INDEXED)
    assert asker.search_clusters("oss://b/both.jpg") == []


def test_a_deleted_person_is_found_no_more(clustered: Asker) -> None:
    clustered.delete(*[uri for uri in INDEXED if "/ann" in uri])
    (found,) = clustered.search_clusters("oss://b/both.jpg")
    assert found.boundary.left == 200


def test_a_dataset_that_rests_is_loaded_for_a_question(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with asking(settings, FakeEmbedder(album())) as asker:
        asker.create()
        asker.index(*INDEXED)
        asker.cluster()
        before = [c.to_map() for c in asker.search_clusters("oss://b/both.jpg")]
    with asking(settings, FakeEmbedder(album())) as asker:
        assert [c.to_map() for c in asker.search_clusters("oss://b/both.jpg")] == before


def test_search_of_a_dataset_of_other_models_is_refused(asker: Asker) -> None:
    with asker.imm.database.write() as tx:
        tx.execute(update(tables.dataset).values(face_model="another@1"))
    code, status, message = refusal(lambda: asker.search_clusters("oss://b/both.jpg"))
    assert (code, status) == ("StatusConflict", 400)
    assert "another@1" in message


def search_by(asker: Asker, content: bytes | str, **more: Any) -> dict[str, Any]:
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    return asker.extension("ImmRaySearchByImage", form=True, Content=text, **NAMES, **more)


def test_an_upload_is_searched_with(clustered: Asker) -> None:
    body = search_by(clustered, UPLOAD, Limit=3)
    faces, images = body["Faces"], body["Images"]
    ann, ben = (clustered.figure(f"oss://b/{who}0.jpg").figure_cluster_id for who in ("ann", "ben"))
    assert [f["ClusterId"] for f in faces] == [ann, ben]
    assert {f["Boundary"]["Left"] for f in faces} == {10, 200}
    assert len(images) == 3
    assert all("/ann" in image["URI"] for image in images)
    similar = [image["Similarity"] for image in images]
    assert similar == sorted(similar, reverse=True)
    assert len(search_by(clustered, base64.urlsafe_b64encode(UPLOAD).decode())["Images"]) == 7
    project = clustered.client.get_project(models.GetProjectRequest(project_name="p"))
    assert project.body.project.file_count == 7


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("not base64!", "it is not base64"),
        ("", "Content is required"),
        (base64.b64encode(b"x" * 2_500_001).decode(), "larger than 2.5 MB"),
        (base64.b64encode(b"unknown").decode(), "File does not exist"),
    ],
)
def test_an_upload_that_is_refused(asker: Asker, content: str, words: str) -> None:
    code, _, message = refusal(lambda: search_by(asker, content))
    assert code == "InvalidArgument"
    assert words in message


def test_why_two_faces_are_together(clustered: Asker) -> None:
    figures = [
        clustered.figure(f"oss://b/{name}.jpg").figure_id for name in ("ann0", "ann1", "ben0")
    ]
    one = clustered.extension("ImmRayExplain", FigureId1=figures[0], FigureId2=figures[1], **NAMES)[
        "Explanation"
    ]
    assert (one["Together"], one["Reason"], one["GroupSizes"]) == (True, "SameBaseCluster", [4, 4])
    assert one["Sentence"].startswith("One person:")
    assert one["Similarity"] > one["Threshold"]
    two = clustered.extension("ImmRayExplain", FigureId1=figures[0], FigureId2=figures[2], **NAMES)[
        "Explanation"
    ]
    assert (two["Together"], two["Reason"]) == (False, "TooDifferent")
    assert two["MeanSimilarity"] < two["Threshold"]


def test_why_two_pictures_are_in_one_group(clustered: Asker) -> None:
    def ask(a: str, b: str) -> dict[str, object]:
        found = clustered.extension(
            "ImmRayExplain", URI1=f"oss://b/{a}.jpg", URI2=f"oss://b/{b}.jpg", **NAMES
        )["Explanation"]
        return dict(found)

    one = ask("ann0", "ann1")
    assert (one["Together"], one["Reason"], one["GroupSizes"]) == (True, "SameGroup", [4, 4])
    assert str(one["Sentence"]).startswith("In one group:")
    two = ask("ann0", "ben1")
    assert (two["Together"], two["Reason"], two["GroupSizes"]) == (False, "TooDifferent", [4, 1])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "InvalidArgument"),
        ({"URI1": "oss://b/ann0.jpg"}, "InvalidArgument"),
        ({"URI1": "oss://b/ann0.jpg", "URI2": "oss://b/ann0.jpg"}, "InvalidArgument"),
        ({"URI1": "oss://b/ann0.jpg", "URI2": "oss://b/none.jpg"}, "ResourceNotFound"),
        ({"FigureId1": "x", "FigureId2": "y"}, "ResourceNotFound"),
        ({"URI1": "oss://b/ann0.jpg", "URI2": "oss://b/ann1.jpg"}, "StatusConflict"),
    ],
)
def test_what_can_not_be_explained(asker: Asker, given: dict[str, Any], code: str) -> None:
    asker.index(*INDEXED)
    assert refusal(lambda: asker.extension("ImmRayExplain", **NAMES, **given))[0] == code


ASKS: dict[str, Callable[[Asker], object]] = {
    "DetectImageFaces": lambda a: detect(a, "oss://b/both.jpg"),
    "CompareImageFaces": lambda a: compare(a, "oss://b/both.jpg", "oss://b/both.jpg"),
    "DetectImageScore": lambda a: a.client.detect_image_score(
        models.DetectImageScoreRequest(project_name="p", source_uri="oss://b/both.jpg")
    ),
    "SearchImageFigureCluster": lambda a: a.search_clusters("oss://b/both.jpg"),
    "CreateFacesSearchingTask": lambda a: a.client.create_faces_searching_task(
        models.CreateFacesSearchingTaskRequest(
            **HERE, sources=[models.CreateFacesSearchingTaskRequestSources(uri="oss://b/x.jpg")]
        )
    ),
    "ImmRaySearchByImage": lambda a: search_by(a, UPLOAD),
    "ImmRayGetThumbnail": lambda a: a.extension(
        "ImmRayGetThumbnail", URI="oss://b/ann0.jpg", **NAMES
    ),
    "ImmRayExplain": lambda a: a.extension(
        "ImmRayExplain", URI1="oss://b/ann0.jpg", URI2="oss://b/ann1.jpg", **NAMES
    ),
}


@pytest.mark.parametrize("action", ASKS)
def test_another_account_sees_nothing(asker: Asker, action: str) -> None:
    asker.index(*INDEXED)
    code, _, message = refusal(lambda: ASKS[action](asker.as_other()))
    assert code == "ResourceNotFound"
    assert "resource project is not found" in message


class Silent(Pictures):
    """Never answers."""

    async def look(self, picture: Picture) -> Outcome:
        return await asyncio.Future[Outcome]()

    async def thumbnail(self, wanted: Thumbnail) -> bytes | Refused:
        return await asyncio.Future[bytes]()


def test_what_takes_too_long_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = ImmService.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "ask_s", 0.05)
    with asking(settings_of(tmp_path), FakeEmbedder(), pictures=Silent()) as asker:
        asker.create()
        code, status, message = refusal(lambda: detect(asker, "oss://b/x.jpg"))
    assert (code, status) == ("ServiceUnavailable", 503)
    assert "Nothing was changed; try again." in message


def _faces(asker: Asker, uri: str) -> tuple[DetectedFace, ...]:
    outcome = asker.embedder.outcomes[uri]
    assert not isinstance(outcome, Refused)
    assert outcome.analysis is not None
    return outcome.analysis.faces
