"""Searches and files of one dataset take turns with the embedder."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from threading import Event

import pytest

from imm_ray.dataset.ports import EmbedderDied
from imm_ray.dataset.service import CHUNK
from imm_ray.model import FileStatus, Outcome, Source, Task, TaskId, TaskStatus, TaskType
from imm_ray.store import datasets, tasks
from imm_ray.store.results import PendingFile
from imm_ray.testing import FakeEmbedder
from tests.unit.dataset.owner import Owner
from tests.unit.dataset.photos import portraits, uri

FILES = 3 * CHUNK


class Slow(FakeEmbedder):
    """Lets everybody else go on while it works; ``together`` are the calls under way at once."""

    together: list[frozenset[str]]
    under_way: set[str]
    may_end: Event

    async def embed(self, sources: Sequence[Source]) -> Sequence[Outcome]:
        """Return the prepared outcomes, late."""
        self.under_way.add(who(sources[0].uri))
        self.together.append(frozenset(self.under_way))
        try:
            await asyncio.to_thread(self.may_end.wait, 2)
            for _ in range(200):
                await asyncio.sleep(0)
            return await super().embed(sources)
        finally:
            self.under_way.discard(who(sources[0].uri))


def who(uri: str) -> str:
    return "search" if "like" in uri else "files"


def slow(owner: Owner) -> Slow:
    embedder = Slow()
    embedder.together, embedder.under_way, embedder.may_end = [], set(), Event()
    embedder.may_end.set()
    owner.embedder = embedder
    return embedder


def ask_search(owner: Owner, *uris: str) -> TaskId:
    """Acknowledge a FacesSearching task."""
    task_id = TaskId(f"search-{owner.clock()}")
    with owner.database.write() as tx:
        task = Task(
            task_id=task_id,
            task_type=TaskType.FACES_SEARCHING,
            account="a",
            project="p",
            dataset_id=owner.dataset_id,
            dataset_name="d",
            event_id="e",
            request_id="r",
            status=TaskStatus.RUNNING,
            watermark=datasets.next_seq(tx, owner.dataset_id),
            started_at=owner.clock(),
            request_definition=json.dumps({"Sources": [{"URI": source} for source in uris]}),
        )
        tasks.create(tx, task)
    return task_id


def test_files_are_indexed_between_the_chunks_of_a_search(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = slow(owner)
    source = owner.engine.source

    def next_in_turn(file: PendingFile) -> Source:
        embedder.may_end.set()
        return source(file)

    monkeypatch.setattr(owner.engine, "source", next_in_turn)
    embedder.may_end.clear()
    sources = portraits("like", 4 * CHUNK)
    embedder.outcomes.update(sources)
    task_id = ask_search(owner, *sources)
    owner.index(portraits("ann", FILES))
    owner.drain()
    assert owner.task(task_id).status is TaskStatus.SUCCEEDED
    assert all(owner.file(uri("ann", i)).status is FileStatus.SUCCEEDED for i in range(FILES))
    turns = [who(call[0]) for call in embedder.calls]
    assert turns[:3] == ["search", "files", "search"]
    assert all(len(together) == 1 for together in embedder.together)


def test_a_stream_of_searches_does_not_starve_files(owner: Owner) -> None:
    embedder = slow(owner)
    embedder.outcomes.update(portraits("like", 1))
    asked = [ask_search(owner, uri("like", 0))]
    owner.index(portraits("ann", FILES))

    def ask_again(sources: Sequence[Source]) -> None:
        """Keep a search waiting until every file has been indexed."""
        done = sum(len(call) for call in embedder.calls if who(call[0]) == "files")
        if who(sources[0].uri) == "search" and done < FILES and len(asked) < 50:
            owner.clock.advance(timedelta(seconds=1))
            asked.append(ask_search(owner, uri("like", 0)))

    embedder.hook = ask_again
    owner.drain()
    assert len(asked) < 10
    assert {owner.task(task_id).status for task_id in asked} == {TaskStatus.SUCCEEDED}


def test_the_death_of_the_embedder_with_a_source_blames_no_file(owner: Owner) -> None:
    embedder = slow(owner)
    embedder.outcomes.update(portraits("like", CHUNK + 1))
    killer = uri("like", 0)

    def die(sources: Sequence[Source]) -> None:
        if killer in [source.uri for source in sources]:
            raise EmbedderDied

    embedder.hook = die
    task_id = ask_search(owner, *(uri("like", i) for i in range(CHUNK + 1)))
    owner.index(portraits("ann", FILES))
    owner.drain()
    assert owner.task(task_id).ledger["sources_failed"] == 1
    # A file under suspicion is embedded alone.
    assert all(len(call) == CHUNK for call in embedder.calls if who(call[0]) == "files")
