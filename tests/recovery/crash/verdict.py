"""What has to be true when the story has ended, whatever has died on the way."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from imm_ray.store import fsck, tables
from tests.recovery.crash.story import ALBUM, DELETED, EXPIRY, HERE, Body, Client, uri

UNTOUCHED = tuple(uri("cid", number) for number in range(3))
"""Photos that no step has changed: all that is known of them stays."""


def deliveries(folder: Path) -> list[Body]:
    """Return what has arrived at both topics, in order."""
    found = []
    for path in (folder / "told.jsonl", folder / "late" / "told.jsonl"):
        if path.is_file():
            found += [json.loads(line) for line in path.read_text().splitlines()]
    return found


def partition(client: Client) -> Any:
    """Return what clustering and edits have come to, in words that no id is part of."""
    names = {
        cluster["ObjectId"]: cluster.get("Name", "")
        for cluster in client.ask("QueryFigureClusters", **HERE)["FigureClusters"]
    }
    people: dict[str, list[str]] = {}
    for u in ALBUM:
        for found in client.ask("GetFileMeta", "ResourceNotFound", URI=u, **HERE).get("Files", []):
            for figure in found["Figures"]:
                people.setdefault(figure["FigureClusterId"], []).append(u)
    groups = [
        sorted(file["URI"] for file in group["Files"])
        for group in client.ask("QuerySimilarImageClusters", **HERE)["SimilarImageClusters"]
    ]
    named = [[names.get(cluster, "nobody"), sorted(uris)] for cluster, uris in people.items()]
    return [sorted(named), sorted(groups)]


def findings(client: Client, deaths: int) -> Iterator[str]:
    """Yield what is wrong."""
    for violation in fsck.check(client.life.database, quiescent=True):
        yield f"{violation}"
    yield from _lost(client)
    yield from _unstable(client)
    yield from _badly_told(client, deaths)


def _lost(client: Client) -> Iterator[str]:
    """I1: what was acknowledged is there."""
    for u in ALBUM:
        found = client.ask("GetFileMeta", "ResourceNotFound", URI=u, **HERE).get("Files", [])
        states = [file["ObjectStatus"] for file in found]
        expected = [] if u in DELETED else ["Succeeded"]
        if states != expected:
            yield f"I1 {u} is {states}, not {expected}"
        for file in found:
            label = "moved" if u == uri("bob", 2) else u[-4:]
            if file["CustomLabels"] != {"Of": label}:
                yield f"I1 the labels of {u} are {file['CustomLabels']}"
    if EXPIRY in client.journal.answers:
        return
    t = tables.task.c
    with client.life.database.read() as tx:
        known = set(tx.scalars(select(t.task_id)))
    for step, answer in client.journal.answers.items():
        if "TaskId" in answer and answer["TaskId"] not in known:
            yield f"I1 the task of the step {step!r} is not there"


def _unstable(client: Client) -> Iterator[str]:
    """I10: ids of what nobody has touched stay."""
    for u, before in client.journal.answers["look"].items():
        if u in DELETED:
            continue
        now = client.file(u)
        if now["ObjectId"] != before["file"]:
            yield f"I10 {u} has another ObjectId"
        if [figure["FigureId"] for figure in now["Figures"]] != before["figures"]:
            yield f"I10 {u} has other FigureIds"
        if u in UNTOUCHED and now["Figures"][0]["FigureClusterId"] != before["person"]:
            yield f"I10 {u} has another FigureClusterId"


def _badly_told(client: Client, deaths: int) -> Iterator[str]:
    """I7: each end is told once, or once more for each death, with the same words."""
    told = deliveries(client.life.folder)
    times = Counter(message["id"] for message in told)
    for event_id, count in times.items():
        if count > 1 + deaths:
            yield f"I7 the event {event_id} was told {count} times after {deaths} deaths"
        if len({json.dumps(m) for m in told if m["id"] == event_id}) > 1:
            yield f"I7 the event {event_id} was told in different words"
    t, o = tables.task, tables.outbox.c
    with client.life.database.read() as tx:
        ended = {row.event_id: row for row in tx.execute(select(t))}
        left = list(tx.scalars(select(o.message_id)))
    if left:
        yield f"I7 {len(left)} messages are left"
    answered = {a["EventId"] for a in client.journal.answers.values() if "EventId" in a}
    never = sorted((answered | ended.keys()) - times.keys())
    yield from (f"I7 the end of the event {event_id} was never told" for event_id in never)
    yield from _told_otherwise(told, ended)


def _told_otherwise(told: list[Body], ended: Mapping[str, Any]) -> Iterator[str]:
    """I7: what is told of a task is how it has ended."""
    for message in told:
        content, task = json.loads(message["content"]), ended.get(message["id"])
        if task is not None and (task.task_id, task.status) != (
            content["TaskId"],
            content["Status"],
        ):
            yield f"I7 the message of the task {task.task_id} says {content['Status']}"
