"""Search by picture: SearchImageFigureCluster, CreateFacesSearchingTask, ImmRaySearchByImage."""

import base64
import binascii
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from imm_ray.api.actions.pictures import CredentialConfig
from imm_ray.api.actions.tasks import CreateTask, create_task
from imm_ray.api.asking import Asking
from imm_ray.api.call import Call, Written
from imm_ray.api.looking import look_at
from imm_ray.api.render_faces import boundary, detected_face_body, similarity
from imm_ray.api.schema import MAX_BATCH, AsJson, Integer, OfDataset, Uri, Wire
from imm_ray.embed.match import mismatch
from imm_ray.errors import InvalidArgument, StatusConflict
from imm_ray.model import (
    SIMILAR_FACES,
    ClusterId,
    Dataset,
    DatasetId,
    Found,
    Near,
    NearCluster,
    Search,
    TaskType,
)
from imm_ray.settings import Models
from imm_ray.store import datasets, pictures
from imm_ray.store.database import Tx

MAX_UPLOAD_BYTES = 2_500_000
"""Base64 in a form body takes up to 1.4 times as much, and a body has at most 4 MiB."""


def _up_to_hundred(default: int, least: int) -> AfterValidator:
    def validate(count: int) -> int:
        if not least <= count <= MAX_BATCH:
            raise ValueError(f"{count} is not between {least} and {MAX_BATCH}")
        return count or default

    return AfterValidator(validate)


class SearchImageFigureCluster(OfDataset):
    """Parameters of SearchImageFigureCluster."""

    credential_config: CredentialConfig | None = None
    source_uri: Annotated[Uri, Field(alias="SourceURI")]


class SearchSource(Wire):
    """One picture of ``CreateFacesSearchingTaskRequestSources``."""

    uri: Annotated[Uri, Field(alias="URI")]


class CreateFacesSearchingTask(CreateTask):
    """Parameters of CreateFacesSearchingTask."""

    sources: Annotated[list[SearchSource], AsJson, Field(min_length=1, max_length=MAX_BATCH)]
    max_result: Annotated[Integer, _up_to_hundred(SIMILAR_FACES, 0)] = SIMILAR_FACES


class SearchByImage(OfDataset):
    """Parameters of ImmRaySearchByImage."""

    content: str
    limit: Annotated[Integer, _up_to_hundred(10, 1)] = 10


async def search_image_figure_cluster(
    asking: Asking, call: Call, params: SearchImageFigureCluster
) -> dict[str, Any]:
    """Return the clusters that the faces of a picture belong to; nothing is stored or indexed.

    A face belongs to the cluster of greatest similarity, if that reaches the threshold at which the
    clustering would put it there; a face that matches none has no entry, and each face answers for
    itself. ``Similarity`` is the mean of the face to those faces of the cluster that are like the
    nearest one, on the scale of FigureClusterConfidence (0 strangers, 1 two pictures of a person).
    Clusters are those that reads show; faces that no run has covered yet belong to none.
    """
    dataset = await _dataset(asking, call, params)
    seen = await look_at(asking, call, params.source_uri, "SourceURI")
    wanted = Search(faces=tuple(face.vector for face in seen.faces))
    found = await asking.owners.search(dataset.dataset_id, wanted) if seen.faces else Found()
    people = await _visible(asking, dataset.dataset_id, found)
    return {
        "Clusters": [
            {**_cluster(matched.cluster), "Boundary": boundary(face.box)}
            for face, matched in zip(seen.faces, found.faces, strict=True)
            if matched.cluster is not None and matched.cluster.cluster_id in people
        ]
    }


def create_faces_searching_task(tx: Tx, call: Call, params: CreateFacesSearchingTask) -> Written:
    """Make a task that searches a dataset for the faces most similar to those of pictures.

    It runs when all files acknowledged before it are indexed, in the order of the dataset's tasks.
    Of each source the largest face is searched with; ``MaxResult`` faces (0 and absent: 5) are told
    for it in the notification and nowhere else, as ``Sources`` [{URI, Error, Boundary,
    SimilarFaces [{URI, FigureId, FigureClusterId, Boundary, Similarity}]}], the most similar first.
    A source that can not be read, or has no face, has an ``Error``; the task Succeeded unless all
    have. IMM documents no number of sources; here it is 1–100. Where the server runs other models
    than the dataset was made with it is a StatusConflict; a task that was made before fails with
    that code when it comes to run.
    """
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    require_models(dataset, call.surroundings.settings.models)
    return create_task(tx, call, params, TaskType.FACES_SEARCHING)


async def search_by_image(asking: Asking, call: Call, params: SearchByImage) -> dict[str, Any]:
    """Return the clusters and the pictures of a dataset that an uploaded picture is like.

    An extension of this service. ``Content`` is the picture in base64, best in a form body (POST,
    ``application/x-www-form-urlencoded``), at most 2.5 MB before base64; nothing of it is stored.
    Each of ``Faces`` has what DetectImageFaces returns, and ClusterId and Similarity if it belongs
    to a cluster (as in SearchImageFigureCluster). ``Images`` holds the ``Limit`` (1–100, default
    10) nearest pictures with their Similarity on the image model's scale: 0 as two unrelated
    pictures, 1 as two shots of the same.
    """
    upload = _upload(params.content)
    dataset = await _dataset(asking, call, params)
    seen = await asking.look(upload, "Content")
    wanted = Search(
        faces=tuple(face.vector for face in seen.faces), image=seen.vector, images=params.limit
    )
    found = await asking.owners.search(dataset.dataset_id, wanted)
    people = await _visible(asking, dataset.dataset_id, found)
    near = {image.file_id for image in found.images}
    uris = await asking.read(lambda tx: pictures.uris(tx, dataset.dataset_id, near))
    return {
        "Faces": [
            {**detected_face_body(face), **_cluster_if_visible(matched.cluster, people)}
            for face, matched in zip(seen.faces, found.faces, strict=True)
        ],
        "Images": [
            {"URI": uris[image.file_id], "Similarity": similarity(image.similarity)}
            for image in _existing(found, uris)
        ],
    }


def require_models(dataset: Dataset, models: Models) -> None:
    """Return when the models that run now are those whose vectors the dataset holds.

    Raises
    ------
    StatusConflict
        Vectors of different models can not be compared.
    """
    if reason := mismatch(dataset, models):
        raise StatusConflict(reason)


async def _dataset(asking: Asking, call: Call, params: OfDataset) -> Dataset:
    dataset = await asking.read(
        lambda tx: datasets.get(tx, call.account, params.project_name, params.dataset_name)
    )
    require_models(dataset, call.surroundings.settings.models)
    return dataset


async def _visible(asking: Asking, dataset_id: DatasetId, found: Found) -> set[ClusterId]:
    """Return which of the found clusters a read shows: a delete may have come in between."""
    ids = {face.cluster.cluster_id for face in found.faces if face.cluster is not None}
    if not ids:
        return set()
    return await asking.read(lambda tx: pictures.visible_people(tx, dataset_id, ids))


def _existing(found: Found, uris: dict[Any, str]) -> list[Near]:
    return [image for image in found.images if image.file_id in uris]


def _cluster(cluster: NearCluster) -> dict[str, Any]:
    return {"ClusterId": cluster.cluster_id, "Similarity": similarity(cluster.similarity)}


def _cluster_if_visible(cluster: NearCluster | None, people: set[ClusterId]) -> dict[str, Any]:
    return _cluster(cluster) if cluster is not None and cluster.cluster_id in people else {}


def _upload(content: str) -> bytes:
    """Return the bytes of a picture that was sent as base64, of either alphabet."""
    if len(content) > MAX_UPLOAD_BYTES * 4 // 3 + 4:
        raise _too_large()
    text = content.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument.of("Content", "it is not base64") from error
    if len(data) > MAX_UPLOAD_BYTES:
        raise _too_large()
    return data


def _too_large() -> InvalidArgument:
    return InvalidArgument.of(
        "Content",
        f"the picture is larger than {MAX_UPLOAD_BYTES / 1e6:g} MB; send a smaller one: 1600 "
        "pixels on the longest side are enough",
    )
