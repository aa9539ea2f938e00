"""Decodes pictures in warm child processes: a hostile file costs one file and nothing else."""

import logging
import queue
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, Self, TypeAlias, TypeVar

from imm_ray.errors import SourceError
from imm_ray.media.child import NOTHING_MORE, ChildDied, CpuLimitReached, DecoderChild
from imm_ray.model import Box, Pixels
from imm_ray.settings import Limits

T = TypeVar("T")

_ATTEMPTS = 3
_log = logging.getLogger(__name__)

_Reader: TypeAlias = Callable[[DecoderChild, dict[str, Any]], T]
"""Makes a result of a child and its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An upright picture as it is analysed: BGR, longest side at most ``limits.analysis_side``."""

    pixels: Pixels
    width: int
    """Of the full-size upright picture, as is ``height``."""
    height: int
    orientation: int
    content_type: str
    produce_time: str = ""
    lat_long: str = ""
    exif: dict[str, str] = field(default_factory=dict)


class Decoder:
    """A few decoder children, shared by any number of threads.

    Notes
    -----
    Children start at first use. A child decodes one picture at a time, so a picture whose child
    dies is the suspect; it is tried again alone in a fresh child and refused after three deaths,
    while other pictures go on in other children. The CPU limit is the exception: its verdict does
    not change, so it is final at once.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._closed = False
        self._idle: queue.LifoQueue[_Slot] = queue.LifoQueue()
        for _ in range(limits.decode_processes):
            self._idle.put(_Slot(limits))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(self, data: bytes) -> Decoded:
        """Return the picture in ``data``, or raise `SourceError` with the reason."""
        return self._run(data, NOTHING_MORE, _decoded)

    def crop(self, data: bytes, *, box: Box, side: int, longest: int) -> bytes:
        """Return a JPEG of a part of a picture (``media.crop``), or raise `SourceError`."""
        asked = {"box": astuple(box), "side": side, "longest": longest}
        return self._run(data, {"crop": asked}, _jpeg)

    def _run(self, data: bytes, job: Mapping[str, Any], read: "_Reader[T]") -> T:
        slot = self._idle.get()
        try:
            if self._closed:
                raise RuntimeError("the decoder is closed")
            return slot.run(data, job, read)
        finally:
            self._idle.put(slot)

    def pids(self) -> list[int]:
        """Return the process ids of the idle children that run."""
        return [slot.child.pid for slot in list(self._idle.queue) if slot.child is not None]

    def close(self) -> None:
        """Wait for running jobs, then end every child. Later calls of ``decode`` raise."""
        self._closed = True
        slots = [self._idle.get() for _ in range(self._limits.decode_processes)]
        for slot in slots:
            slot.stop()
            self._idle.put(slot)


class _Slot:
    """The place of one child: starts it when needed, replaces it when it died or grew."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.child: DecoderChild | None = None

    def run(self, data: bytes, job: Mapping[str, Any], read: "_Reader[T]") -> T:
        try:
            return self._attempt(data, job, read)
        finally:
            if self.child is not None and self.child.is_worn():
                self.stop()

    def _attempt(self, data: bytes, job: Mapping[str, Any], read: "_Reader[T]") -> T:
        for attempt in range(1, _ATTEMPTS + 1):
            child = self.child = self.child or DecoderChild(self._limits)
            try:
                return read(child, child.run(data, job))
            except CpuLimitReached as error:
                self.stop()
                raise SourceError(
                    f"The image takes more than {self._limits.decode_cpu_s} s of CPU time to "
                    "decode (limits.decode_cpu_s)."
                ) from error
            except ChildDied as error:
                self.stop()
                _log.warning("decoder child died attempt=%s of=%s %s", attempt, _ATTEMPTS, error)
        raise SourceError(
            f"The image can not be decoded: its decoder process died {_ATTEMPTS} times."
        )

    def stop(self) -> None:
        if self.child is not None:
            self.child.close()
            self.child = None


def _decoded(child: DecoderChild, answer: dict[str, Any]) -> Decoded:
    _check(answer)
    try:
        return Decoded(pixels=child.read_pixels(answer.pop("shape")), **answer)
    except (KeyError, TypeError, ValueError) as error:
        raise _senseless(child, error) from error


def _jpeg(child: DecoderChild, answer: dict[str, Any]) -> bytes:
    _check(answer)
    try:
        return child.read_bytes(answer["jpeg_bytes"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _senseless(child, error) from error


def _check(answer: dict[str, Any]) -> None:
    if (reason := answer.pop("reason", None)) is not None:
        raise SourceError(str(reason))


def _senseless(child: DecoderChild, error: Exception) -> ChildDied:
    return ChildDied(f"pid={child.pid} its answer makes no sense: {error!r}")
