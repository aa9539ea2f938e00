"""A message in a topic's file is on the disk before it counts as delivered."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imm_ray.model import Message
from imm_ray.notify.sender import DeliveryFailed, FileSender
from imm_ray.topic import Topic

MESSAGE = Message("m", "topic", "type", '{"id":"1"}')


def test_a_message_that_could_not_be_synced_was_not_delivered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "told.jsonl"
    path.touch()  # else its name is synced too
    monkeypatch.setattr(os, "fsync", failing)
    topic = Topic(target=str(path))
    with pytest.raises(DeliveryFailed, match="Input/output error"):
        asyncio.run(FileSender(topic).send(MESSAGE, datetime(2026, 1, 1, tzinfo=UTC)))
