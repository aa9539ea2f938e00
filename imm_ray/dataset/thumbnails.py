"""Makes thumbnails of indexed pictures: read, compare, decode in a child process."""

from typing import Protocol

from imm_ray.dataset.analysis import Reader
from imm_ray.errors import SourceError
from imm_ray.model import Box, Refused, Thumbnail


class Cropper(Protocol):
    """Decodes pictures; every refusal is a `SourceError`."""

    def crop(self, data: bytes, *, box: Box, side: int, longest: int) -> bytes:
        """Return a JPEG of a part of a picture."""


class Thumbnailer:
    """Reads pictures by URI and reduces them."""

    def __init__(self, reader: Reader, cropper: Cropper) -> None:
        self._reader = reader
        self._cropper = cropper

    def make(self, wanted: Thumbnail) -> bytes | Refused:
        """Return a JPEG; a file that is not what was indexed is refused."""
        try:
            fetched = self._reader.read(wanted.uri, wanted.account)
            if fetched.stat.content_hash != wanted.content_hash:
                return Refused("The file has changed since it was indexed; index it again.")
            return self._cropper.crop(
                fetched.data,
                box=wanted.box,
                side=wanted.side,
                longest=max(wanted.width, wanted.height),
            )
        except SourceError as error:
            return Refused(error.reason, transient=error.transient)
