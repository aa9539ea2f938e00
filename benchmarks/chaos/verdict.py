"""What is wrong with the store and the answers after the storm: nothing may be."""

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from benchmarks.chaos.beliefs import TAG, DatasetBelief, TaskBelief
from benchmarks.chaos.caller import Caller
from benchmarks.chaos.inbox import Inbox
from benchmarks.chaos.journal import Outcome, read_journal
from benchmarks.chaos.workload import PROJECT, Client
from imm_ray.store import tables, work
from imm_ray.store.database import Database

_LOOK_S = 0.5
_PAGE = 100


@dataclass(slots=True)
class Verdict:
    """Violations by what they mean."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        """Return every violation."""
        return [*self.lost, *self.doubled, *self.stuck, *self.other]

    def figures(self) -> dict[str, Any]:
        """Return their numbers, and the first of them."""
        return {
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "stuck": len(self.stuck),
            "violations": len(self.other),
            "first": self.all()[:20],
        }


def left_to_do(database: Database) -> list[str]:
    """Return what the service has not finished: datasets with work, messages to deliver."""
    o = tables.outbox.c
    with database.read() as tx:
        busy = [f"dataset {dataset_id} has work" for dataset_id in work.datasets_with_work(tx)]
        waiting = int(tx.scalar(select(func.count()).where(o.dead.is_(False))) or 0)
    return [*busy, *([f"{waiting} messages wait"] if waiting else [])]


def wait_until_quiet(database: Database, timeout_s: float) -> list[str]:
    """Return what is still left to do after ``timeout_s``; nothing, if all is done before."""
    deadline = time.monotonic() + timeout_s
    while (left := left_to_do(database)) and time.monotonic() < deadline:
        time.sleep(_LOOK_S)  # a look at rows that other processes write
    return left


def judge_journal(path: Path) -> dict[str, DatasetBelief]:
    """Return what may be believed of each dataset by the journal alone."""
    beliefs: dict[str, DatasetBelief] = {}
    for entry in read_journal(path):
        if entry.client.startswith("client ") and "ProjectName" in entry.params:
            name = entry.client.removeprefix("client ")
            beliefs.setdefault(name, DatasetBelief()).apply(entry)
    return beliefs


def judge(
    verdict: Verdict, client: Client, belief: DatasetBelief, caller: Caller, inbox: Inbox
) -> None:
    """Compare what the service shows of a dataset with what its client was told."""
    verdict.other += belief.violations
    _judge_files(verdict, client, belief, caller)
    shown = _tasks(client, caller)
    _judge_tasks(verdict, belief, shown)
    for task in belief.tasks.values():
        if task.told and task.task_id in shown:
            _judge_messages(verdict, task, shown[task.task_id], inbox)
    texts = [body for bodies in inbox.messages.values() for body in bodies]
    for request_id in belief.told_requests:
        if not any(request_id in text for text in texts):
            verdict.lost.append(f"I7 nobody was told of the index request {request_id}")


def _judge_files(verdict: Verdict, client: Client, belief: DatasetBelief, caller: Caller) -> None:
    uris = list(belief.files)
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(uris), _PAGE):
        some = uris[start : start + _PAGE]
        body = caller.until_done("BatchGetFileMeta", **client.names, URIs=some).body
        found |= {file["URI"]: file for file in body.get("Files", ())}
    for uri in uris:
        file = found.get(uri)
        if wrong := belief.check(uri, file):
            verdict.lost.append(f"I1 {client.dataset}: {wrong}")
        if file is None:
            continue
        wanted = "Failed" if uri in client.pictures.poison else "Succeeded"
        if file["ObjectStatus"] != wanted:
            why = f"{file['ObjectStatus']} {file.get('Reason', '')}".strip()
            verdict.stuck.append(f"I4 {client.dataset}: {uri} is {why}, not {wanted}")


def _tasks(client: Client, caller: Caller) -> dict[str, Mapping[str, Any]]:
    """Return the tasks of the dataset's client that are shown, by id."""
    shown: dict[str, Mapping[str, Any]] = {}
    token = ""
    while True:
        asked = {"ProjectName": PROJECT, "MaxResults": _PAGE, "NextToken": token or None}
        body = caller.until_done("ListTasks", **asked).body
        for task in body.get("Tasks", ()):
            if str(task.get("Tags", {}).get(TAG, "")).startswith(f"{client.dataset}-"):
                shown[task["TaskId"]] = task
        token = body.get("NextToken") or ""
        if not token:
            return shown


def _judge_tasks(
    verdict: Verdict, belief: DatasetBelief, shown: Mapping[str, Mapping[str, Any]]
) -> None:
    tags = Counter(task["Tags"][TAG] for task in shown.values())
    verdict.doubled += [f"I3 the request {tag} made {n} tasks" for tag, n in tags.items() if n > 1]
    for tag in tags:
        if belief.tags.get(tag, Outcome.REFUSED) is Outcome.REFUSED:
            verdict.other.append(f"I3 the refused request {tag} made a task")
    for task_id in belief.tasks:
        if task_id not in shown:
            verdict.lost.append(f"I1 the task {task_id} is lost")
    for task_id, task in shown.items():
        if task["Status"] not in ("Succeeded", "Failed"):
            verdict.stuck.append(f"I5 the task {task_id} is {task['Status']}")


def _judge_messages(
    verdict: Verdict, task: TaskBelief, shown: Mapping[str, Any], inbox: Inbox
) -> None:
    ids = [i for i, bodies in inbox.messages.items() if any(task.task_id in b for b in bodies)]
    if not ids:
        verdict.lost.append(f"I7 nobody was told of {task.task_id}")
    if len(ids) > 1:
        verdict.doubled.append(f"I7 {task.task_id} was told under the ids {ids}")
    for message_id in ids:
        bodies = inbox.messages[message_id]
        if len(set(bodies)) > 1:
            verdict.other.append(f"I7 the message {message_id} was not always the same")
        if not any(str(shown["Status"]) in body for body in bodies):
            verdict.other.append(f"I7 the message {message_id} does not say {shown['Status']}")


def there(client: Client, caller: Caller) -> list[str]:
    """Return the URIs of the good pictures that the dataset of a client has."""
    found: list[str] = []
    good = client.pictures.good
    for start in range(0, len(good), _PAGE):
        some = good[start : start + _PAGE]
        body = caller.until_done("BatchGetFileMeta", **client.names, URIs=some).body
        found += [file["URI"] for file in body.get("Files", ())]
    return found


def partition(client: Client, caller: Caller, dataset: str) -> set[frozenset[str]]:
    """Return the people of a dataset as sets of figures; ids, which differ, play no part."""
    groups: dict[str, set[str]] = {}
    names = {"ProjectName": PROJECT, "DatasetName": dataset}
    good = list(client.pictures.good)
    for start in range(0, len(good), _PAGE):
        some = good[start : start + _PAGE]
        body = caller.until_done("BatchGetFileMeta", **names, URIs=some).body
        for file in body.get("Files", ()):
            for figure in file.get("Figures", ()):
                box = figure["Boundary"]
                place = f"{file['URI']} {box['Left']} {box['Top']}"
                groups.setdefault(figure["FigureClusterId"], set()).add(place)
    return {frozenset(places) for places in groups.values()}


def difference(before: set[frozenset[str]], after: set[frozenset[str]]) -> str:
    """Return how two partitions differ, or ''."""
    if before == after:
        return ""
    return f"{len(before - after)} groups are gone, {len(after - before)} are new"
