"""The manifest: which segments a snapshot has, and what it is a snapshot of.

A JSON object: ``format`` (1), ``binding`` (dataset, kind, model, dimension, limits and rules: all
must be those of the reader), ``epoch`` and ``number`` (as the snapshot's row), ``run``,
``watermark``, ``seq`` (of the last acknowledged change), ``slots``, ``items`` and ``segments``,
each with ``name``, ``content``, ``sha256``, ``size``, ``first``, ``count`` and ``mark``: `Segment`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from imm_ray.dataset.snapshot.segment import Content, Segment, SnapshotRefused
from imm_ray.model import JsonObject

FORMAT = 1

MOST_BYTES = 2**26
"""Of one segment: what a reader has in hand at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a snapshot consists of."""

    binding: JsonObject
    epoch: int
    number: int
    run: int
    watermark: int
    seq: int
    slots: int
    items: int
    segments: Sequence[Segment]

    def encode(self) -> bytes:
        """Return the manifest's bytes."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, allow_nan=False)
        return text.encode()

    def of(self, content: Content) -> list[Segment]:
        """Return the segments of one kind of content, in order."""
        return [segment for segment in self.segments if segment.content is content]


def read_manifest(data: bytes, *, binding: JsonObject, epoch: int, number: int) -> Manifest:
    """Return a manifest that is a snapshot of what ``binding`` says.

    Raises
    ------
    SnapshotRefused
        It is of something else, of another version, or damaged.
    """
    try:
        said: dict[str, Any] = json.loads(data)
        if said.pop("format") != FORMAT:
            raise SnapshotRefused(f"it has another format than {FORMAT}")
        said["segments"] = [_segment(segment) for segment in said["segments"]]
        manifest = Manifest(**said)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SnapshotRefused(f"the manifest is damaged: {error!r}") from error
    _refuse_other(manifest.binding, binding)
    if (manifest.epoch, manifest.number) != (epoch, number):
        raise SnapshotRefused(
            f"it is number {manifest.number} of epoch {manifest.epoch}, not {number} of {epoch}"
        )
    _refuse_lies(manifest)
    return manifest


def _segment(said: dict[str, Any]) -> Segment:
    return Segment(**(said | {"content": Content(said["content"])}))


def _refuse_other(said: JsonObject, binding: JsonObject) -> None:
    wanted = json.loads(json.dumps(binding))
    for key in sorted(wanted.keys() | said.keys()):
        if said.get(key) != wanted.get(key):
            raise SnapshotRefused(f"its {key} is {said.get(key)!r}, not {wanted.get(key)!r}")


def _refuse_lies(manifest: Manifest) -> None:
    """Refuse sizes that do not fit together, before anything is allocated for them."""
    if not 0 <= manifest.items <= manifest.slots < 2**31:
        raise SnapshotRefused(f"{manifest.items} items can not be in {manifest.slots} slots")
    for content in (Content.PAGE, Content.COLUMNS):
        at = 0
        for segment in manifest.of(content):
            if segment.first != at or segment.count <= 0:
                raise SnapshotRefused(f"{segment.name} does not begin at slot {at}")
            at += segment.count
        if at != manifest.slots:
            raise SnapshotRefused(f"it has {content}s of {at} slots instead of {manifest.slots}")
    if len(manifest.of(Content.FACTS)) != 1:
        raise SnapshotRefused("it has not one segment of facts")
    if any(not 0 < segment.size <= MOST_BYTES for segment in manifest.segments):
        raise SnapshotRefused(f"it has a segment of more than {MOST_BYTES} bytes, or an empty one")
