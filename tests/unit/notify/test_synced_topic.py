"""A message in a topic's file is on the disk before it counts as delivered."""

import os
from pathlib import Path

import pytest

from imm_ray.model import Message
from imm_ray.notify.sender import DeliveryFailed, FileSender

MESSAGE = Message("m", "topic", "type", '{"id":"1"}')


def test_a_message_that_could_not_be_synced_was_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DeliveryFailed, match="Input/output error"):
        FileSender(tmp_path / "told.jsonl").send(MESSAGE)
