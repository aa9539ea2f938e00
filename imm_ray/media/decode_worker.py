"""The decoder child: ``python -m imm_ray.media.decode_worker INPUT_FD PIXELS_FD SETTINGS``.

It trusts neither the pictures nor, once it has seen one, itself: limits on memory, CPU time, files
and file size are set before the first job. It ends when its parent does, because its standard input
closes. The CPU timer is armed for each job; SIGPROF then ends the process.

A job names the ``size`` of the input. The answer is a picture's pixels and metadata; with ``crop``
(a box of four numbers, ``side``, ``longest``) it is a JPEG of that part.
"""

import json
import mmap
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from imm_ray.errors import SourceError
from imm_ray.media.crop import crop
from imm_ray.media.decode import Picture, decode, prepare
from imm_ray.media.frame import read_frame, write_frame
from imm_ray.model import Box

_REQUESTS = 0
_ANSWERS = 1


def main() -> None:
    """Answer jobs until standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then closes us
    input_fd, pixels_fd = int(sys.argv[1]), int(sys.argv[2])
    settings = json.loads(sys.argv[3])
    with mmap.mmap(pixels_fd, settings["pixels_bytes"]) as pixels:
        os.close(pixels_fd)
        prepare()
        _limit(settings["memory_bytes"])
        write_frame(_ANSWERS, {"ready": True})
        while (job := read_frame(_REQUESTS)) is not None:
            signal.setitimer(signal.ITIMER_PROF, settings["cpu_s"])
            answer = _answer(input_fd, job, pixels, settings)
            signal.setitimer(signal.ITIMER_PROF, 0)
            write_frame(_ANSWERS, answer)


def _limit(memory_bytes: int) -> None:
    """Give up the right to more memory, to open anything and to write any file."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = {
        resource.RLIMIT_AS: pages * mmap.PAGESIZE + memory_bytes,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 0,  # descriptors that are open stay usable
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _answer(
    fd: int, job: dict[str, Any], pixels: mmap.mmap, settings: dict[str, Any]
) -> dict[str, Any]:
    try:
        data = _read(fd, job["size"])
        if (asked := job.get("crop")) is not None:
            return _deliver_crop(data, asked, pixels, settings["max_pixels"])
        picture = decode(data, side=settings["side"], max_pixels=settings["max_pixels"])
        return _deliver(picture, pixels)
    except SourceError as error:
        return {"reason": error.reason}
    except MemoryError:
        return {
            "reason": "The image needs more memory to decode than is allowed "
            "(limits.decode_memory_bytes)."
        }


def _read(fd: int, size: int) -> bytes:
    data = os.pread(fd, size, 0)
    if len(data) != size:
        raise RuntimeError(f"got {len(data)} of {size} bytes from the parent")
    return data


def _deliver(picture: Picture, pixels: mmap.mmap) -> dict[str, Any]:
    data = picture.bgr()
    pixels[: len(data)] = data
    return {
        "shape": (picture.image.height, picture.image.width, 3),
        "width": picture.width,
        "height": picture.height,
        "orientation": picture.orientation,
        "content_type": picture.content_type,
        "produce_time": picture.exif.produce_time,
        "lat_long": picture.exif.lat_long,
        "exif": dict(picture.exif.tags),
    }


def _deliver_crop(
    data: bytes, asked: dict[str, Any], pixels: mmap.mmap, max_pixels: int
) -> dict[str, Any]:
    jpeg = crop(
        data,
        box=Box(*asked["box"]),
        side=asked["side"],
        longest=asked["longest"],
        max_pixels=max_pixels,
    )
    if len(jpeg) > len(pixels):
        raise SourceError("The part that is to be shown is too large; ask for a smaller size.")
    pixels[: len(jpeg)] = jpeg
    return {"jpeg_bytes": len(jpeg)}


if __name__ == "__main__":
    main()
