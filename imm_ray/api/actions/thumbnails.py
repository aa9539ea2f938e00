"""ImmRayGetThumbnail."""

import base64
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from imm_ray.api.asking import Asking, Raw
from imm_ray.api.call import Call
from imm_ray.api.schema import Id, Integer, OfDataset, Uri
from imm_ray.errors import InvalidArgument, ResourceNotFound, ServiceUnavailable, StatusConflict
from imm_ray.model import Box, Dataset, Refused, Thumbnail
from imm_ray.settings import NOT_ALLOWED
from imm_ray.store import datasets, pictures
from imm_ray.store.database import Tx
from imm_ray.store.pictures import IndexedPicture

CONTENT_TYPE = "image/jpeg"


def _between(least: int, most: int) -> AfterValidator:
    def validate(number: int) -> int:
        if not least <= number <= most:
            raise ValueError(f"{number} is not between {least} and {most}")
        return number

    return AfterValidator(validate)


class GetThumbnail(OfDataset):
    """Parameters of ImmRayGetThumbnail."""

    uri: Annotated[Uri | None, Field(alias="URI")] = None
    figure_id: Id | None = None
    size: Annotated[Integer, _between(16, 1024)] = 256
    margin: Annotated[Integer, _between(0, 200)] = 30
    response_format: Literal["json", "raw"] = "json"


async def get_thumbnail(asking: Asking, call: Call, params: GetThumbnail) -> dict[str, Any] | Raw:
    """Return a small JPEG of an indexed picture, or of one figure in it.

    An extension of this service. Give ``URI`` for the whole picture or ``FigureId`` for a face with
    ``Margin`` percent of its size around it (0–200, default 30). ``Size`` is the longest side in
    pixels (16–1024, default 256); nothing is enlarged. The picture is upright and carries no
    metadata. ``Content`` is its base64; ``ResponseFormat`` ``raw`` answers the JPEG itself, not
    JSON (the SDKs need ``json``, the default; ``Format`` is a parameter of the protocol).
    A picture that is not indexed, or whose file has changed since, is a StatusConflict.
    """
    if (params.uri is None) == (params.figure_id is None):
        raise InvalidArgument("Give exactly one of the parameters URI and FigureId.")
    wanted, picture = await asking.read(lambda tx: _wanted(tx, call, params))
    if call.surroundings.settings.forbids(wanted.uri, call.account):  # kept ones are not read
        raise _refusal(Refused(NOT_ALLOWED))
    content = await asking.in_thread(lambda: asking.thumbnails.get(wanted.key))
    if content is None:
        made = await asking.pictures.thumbnail(wanted)
        if isinstance(made, Refused):
            raise _refusal(made)
        content = made
        if not await asking.read(lambda tx: pictures.is_current(tx, picture)):
            raise ResourceNotFound.of("file" if params.figure_id is None else "figure")
        await asking.in_thread(lambda: asking.thumbnails.put(wanted.key, content))
    if params.response_format == "raw":
        return Raw(content, CONTENT_TYPE)
    return {
        "URI": wanted.uri,
        "ContentType": CONTENT_TYPE,
        "Content": base64.b64encode(content).decode(),
    }


def _wanted(tx: Tx, call: Call, params: GetThumbnail) -> tuple[Thumbnail, IndexedPicture]:
    dataset = datasets.get(tx, call.account, params.project_name, params.dataset_name)
    if params.figure_id is not None:
        picture, box = pictures.of_figure(tx, dataset.dataset_id, params.figure_id)
        box = _with_margin(box, params.margin, picture)
    else:
        picture = pictures.of_uri(tx, dataset.dataset_id, params.uri or "")
        box = Box(0, 0, picture.width, picture.height)
    if not picture.content_hash or not picture.width:
        raise StatusConflict(
            "There is no indexed picture of this file: it waits to be indexed, could not be "
            "decoded, or is no picture (GetFileMeta says which)."
        )
    return _thumbnail(dataset, picture, box, params.size), picture


def _thumbnail(dataset: Dataset, picture: IndexedPicture, box: Box, side: int) -> Thumbnail:
    return Thumbnail(
        account=dataset.account,
        dataset_id=dataset.dataset_id,
        file_id=picture.file_id,
        revision=picture.revision,
        uri=picture.uri,
        content_hash=picture.content_hash,
        width=picture.width,
        height=picture.height,
        box=box,
        side=side,
    )


def _with_margin(box: Box, percent: int, picture: IndexedPicture) -> Box:
    """Return a box with something around it, within the picture."""
    across, down = box.width * percent // 100, box.height * percent // 100
    left, top = max(0, box.left - across), max(0, box.top - down)
    right = min(picture.width, box.left + box.width + across)
    bottom = min(picture.height, box.top + box.height + down)
    return Box(left, top, right - left, bottom - top)


def _refusal(refused: Refused) -> ServiceUnavailable | StatusConflict:
    if refused.transient:
        return ServiceUnavailable(f"{refused.reason} Try again.")
    return StatusConflict(f"There is no picture to show: {refused.reason}")
