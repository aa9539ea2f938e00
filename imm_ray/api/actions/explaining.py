"""ImmRayExplain."""

from typing import Annotated, Any

from pydantic import Field

from imm_ray.api.asking import Asking
from imm_ray.api.call import Call
from imm_ray.api.schema import Id, OfDataset, Uri
from imm_ray.errors import InvalidArgument, StatusConflict
from imm_ray.model import ClusterKind, DatasetId, Explained, Pair
from imm_ray.store import datasets, pictures
from imm_ray.store.database import Tx


class Explain(OfDataset):
    """Parameters of ImmRayExplain."""

    figure_id1: Annotated[Id | None, Field(alias="FigureId1")] = None
    figure_id2: Annotated[Id | None, Field(alias="FigureId2")] = None
    uri1: Annotated[Uri | None, Field(alias="URI1")] = None
    uri2: Annotated[Uri | None, Field(alias="URI2")] = None


async def explain(asking: Asking, call: Call, params: Explain) -> dict[str, Any]:
    """Return why two faces are one person or not, or why two pictures are in one group or not.

    An extension of this service. Give ``FigureId1`` and ``FigureId2``, or ``URI1`` and ``URI2`` for
    the groups of similar pictures. ``Sentence`` is for a person, ``Reason`` for a program;
    ``Similarity``, ``MeanSimilarity`` (of all pairs across their groups, where there are two) and
    ``Threshold`` are cosines of the model. Two that no run has covered yet are a StatusConflict.
    """
    dataset_id, pair = await asking.read(lambda tx: _pair(tx, call, params))
    explained = await asking.owners.explain(dataset_id, pair)
    if explained is None:
        task = "figure" if pair.kind is ClusterKind.FIGURE else "similar-image"
        raise StatusConflict(
            f"No {task} clustering task has looked at both yet: create one and ask again."
        )
    return {"Explanation": _body(explained)}


def _pair(tx: Tx, call: Call, params: Explain) -> tuple[DatasetId, Pair]:
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    figures, uris = (params.figure_id1, params.figure_id2), (params.uri1, params.uri2)
    if all(figures) and not any(uris):
        a, b = (str(figure_id) for figure_id in figures)
        for figure_id in (a, b):
            pictures.of_figure(tx, dataset.dataset_id, figure_id)
        kind = ClusterKind.FIGURE
    elif all(uris) and not any(figures):
        a, b = (pictures.file_id_of(tx, dataset.dataset_id, str(uri)) for uri in uris)
        kind = ClusterKind.SIMILAR
    else:
        raise InvalidArgument("Give either FigureId1 and FigureId2, or URI1 and URI2.")
    if a == b:
        raise InvalidArgument("Give two different figures or pictures.")
    return dataset.dataset_id, Pair(kind, a, b)


def _body(explained: Explained) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Together": explained.together,
        "Reason": explained.reason,
        "Sentence": explained.sentence,
        "Similarity": round(explained.similarity, 6),
        "Threshold": round(explained.threshold, 6),
        "GroupSizes": list(explained.group_sizes),
    }
    if explained.mean_similarity is not None:
        body["MeanSimilarity"] = round(explained.mean_similarity, 6)
    return body
