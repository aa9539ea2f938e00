"""What actions need that look into pictures, or ask the owner of a dataset."""

from dataclasses import dataclass
from typing import Protocol

from imm_ray.model import (
    DatasetId,
    Explained,
    Found,
    Outcome,
    Pair,
    Picture,
    Refused,
    Search,
    Thumbnail,
)


class Pictures(Protocol):
    """Looks into pictures, with the limits and the decoder processes of indexing.

    What can not be had at the moment (no replica, too many that wait) is a transient `Refused` or a
    `ServiceUnavailable`.
    """

    async def look(self, picture: Picture) -> Outcome:
        """Return what the models see in a picture that is stored nowhere by this."""

    async def thumbnail(self, wanted: Thumbnail) -> bytes | Refused:
        """Return a JPEG, upright and without metadata."""


class Owners(Protocol):
    """Asks the owners of datasets; an owner that is not there is waited for.

    Every method raises `ServiceUnavailable` when it can not be asked, and `ResourceNotFound` when
    the dataset has been deleted.
    """

    async def search(self, dataset_id: DatasetId, wanted: Search) -> Found:
        """Return what is nearest among what is indexed."""

    async def explain(self, dataset_id: DatasetId, pair: Pair) -> Explained | None:
        """Return why two items are in one cluster or not, None when no run has seen both."""


class ThumbnailCache(Protocol):
    """Keeps made thumbnails by `Thumbnail.key`. Blocks; not for an event loop."""

    def get(self, key: str) -> bytes | None:
        """Return what is kept."""

    def put(self, key: str, content: bytes) -> None:
        """Keep ``content`` while there is room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All of them."""

    pictures: Pictures
    owners: Owners
    thumbnails: ThumbnailCache
