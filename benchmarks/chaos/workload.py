"""The clients: each owns a dataset, does what people do, and believes only what it was told."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.chaos.beliefs import TAG, TASK_ACTIONS, DatasetBelief, TaskBelief
from benchmarks.chaos.caller import Caller
from benchmarks.chaos.journal import Entry, Outcome
from benchmarks.chaos.pictures import Pictures

PROJECT = "chaos"
TOPIC = "web"
FIXED = 8
"""The first pictures of a dataset that are never deleted: every listing must show them once."""

_MOST_RUNNING = 2
_QUARANTINE_S = 15.0
"""A request without an answer may still be carried out so long; its files are left alone."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """What is done to a dataset, and how often."""

    name: str
    weights: Mapping[str, int]


_COMMON = {"index": 5, "figures": 3, "similar": 2, "update": 6, "get": 4, "search": 2, "poison": 1}
FLAVOURS = (
    Flavour("growing", _COMMON),
    Flavour("churning", {**_COMMON, "delete": 3}),
    Flavour("edited", {**_COMMON, "delete": 1, "merge": 2, "name": 2}),
)


@dataclass
class Client:
    """One dataset's only writer.

    Every choice comes from ``chance``, but what happens also depends on what is answered when.
    """

    caller: Caller
    dataset: str
    flavour: Flavour
    pictures: Pictures
    chance: Random
    belief: DatasetBelief = field(default_factory=DatasetBelief)
    poisoned: int = 0
    _resting: dict[str, float] = field(default_factory=dict)
    _number: int = 0

    @property
    def names(self) -> dict[str, str]:
        """The parameters that name the dataset."""
        return {"ProjectName": PROJECT, "DatasetName": self.dataset}

    @property
    def fixed(self) -> Sequence[str]:
        """URIs that are indexed from the beginning to the end."""
        return self.pictures.good[:FIXED]

    def begin(self) -> None:
        """Make the dataset with its fixed files."""
        self.caller.until_done("CreateDataset", **self.names)
        self._learn(self.caller.until_done("BatchIndexFileMeta", **self._files(self.fixed)))

    def act(self) -> Entry | None:
        """Do one thing; return the answer, None when there was nothing to do."""
        running = self.running()
        if running and (len(running) >= _MOST_RUNNING or self.chance.random() < 0.5):
            return self.poll(self.chance.choice(running))
        names, weights = zip(*self.flavour.weights.items(), strict=True)
        (name,) = self.chance.choices(names, weights)
        act: Callable[[], Entry | None] = getattr(self, f"_{name}")
        return act()

    def running(self) -> list[TaskBelief]:
        """Return the tasks that were not seen to end."""
        return [task for task in self.belief.tasks.values() if task.status == "Running"]

    def poll(self, task: TaskBelief) -> Entry:
        """Ask for a task."""
        asked = {"ProjectName": PROJECT, "TaskId": task.task_id, "TaskType": task.task_type}
        return self._learn(self.caller.call("GetTask", **asked))

    def close(self) -> None:
        """Close the connection."""
        self.caller.close()

    def _learn(self, entry: Entry) -> Entry:
        self.belief.apply(entry)
        if entry.outcome is Outcome.UNKNOWN:
            for uri in _uris(entry.params):
                self._resting[uri] = time.monotonic() + _QUARANTINE_S
        return entry

    def _files(self, uris: Sequence[str]) -> dict[str, Any]:
        return {**self.names, "Files": [{"URI": uri} for uri in uris]}

    def _some(self, uris: Sequence[str], most: int) -> list[str]:
        now = time.monotonic()
        free = [uri for uri in uris if self._resting.get(uri, 0.0) < now]
        return self.chance.sample(free, min(len(free), self.chance.randint(1, most)))

    def _there(self, *, fixed: bool) -> list[str]:
        start = 0 if fixed else FIXED
        files = self.belief.files
        return [u for u in self.pictures.good[start:] if u in files and files[u].present == {True}]

    def _send_files(self, uris: Sequence[str]) -> Entry | None:
        if not uris:
            return None
        told = {"Notification": _TOLD} if self.chance.random() < 0.3 else {}
        return self._learn(self.caller.call("BatchIndexFileMeta", **self._files(uris), **told))

    def _index(self) -> Entry | None:
        return self._send_files(self._some(self.pictures.good[FIXED:], 5))

    def _poison(self) -> Entry | None:
        poison = self._some(self.pictures.poison, 1)
        mixed = [*self._some(self.pictures.good[FIXED:], 2), *poison]
        self.chance.shuffle(mixed)
        self.poisoned += len(poison)
        return self._send_files(mixed)

    def _delete(self) -> Entry | None:
        uris = self._some(self._there(fixed=False), 4)
        if not uris:
            return None
        return self._learn(self.caller.call("BatchDeleteFileMeta", **self.names, URIs=uris))

    def _update(self) -> Entry | None:
        """Say something of a file and read it back at once."""
        uris = self._some(self._there(fixed=True), 1)
        if not uris:
            return None
        said = {"URI": uris[0], "CustomId": f"{self.dataset}-{self._next()}"}
        self._learn(self.caller.call("UpdateFileMeta", **self.names, File=said))
        return self._learn(self.caller.call("GetFileMeta", **self.names, URI=uris[0]))

    def _get(self) -> Entry | None:
        uris = self._some(self.pictures.good, 1)
        return self._learn(self.caller.call("GetFileMeta", **self.names, URI=uris[0]))

    def _figures(self) -> Entry:
        return self._task("CreateFigureClusteringTask")

    def _similar(self) -> Entry:
        return self._task("CreateSimilarImageClusteringTask")

    def _merge(self) -> Entry | None:
        people = self._people()
        if len(people) < 2:
            return None
        one, other = self.chance.sample(people, 2)
        return self._task("CreateFigureClustersMergingTask", From=one, To=other)

    def _name(self) -> Entry | None:
        people = self._people()
        if not people:
            return None
        said = {"ObjectId": self.chance.choice(people), "Name": f"name-{self._next()}"}
        return self.caller.call("UpdateFigureCluster", **self.names, FigureCluster=said)

    def _search(self) -> Entry:
        source = self.chance.choice(self.pictures.good)
        return self.caller.call("SearchImageFigureCluster", **self.names, SourceURI=source)

    def _people(self) -> list[str]:
        entry = self.caller.call("QueryFigureClusters", **self.names, MaxResults=20)
        return [found["ObjectId"] for found in entry.body.get("FigureClusters", ())]

    def _task(self, action: str, **more: Any) -> Entry:
        told = {"Notification": _TOLD} if self.chance.random() < 0.6 else {}
        tags = {TAG: f"{self.dataset}-{self._next()}"}
        return self._learn(self.caller.call(action, **self.names, Tags=tags, **told, **more))

    def _next(self) -> int:
        self._number += 1
        return self._number


_TOLD = {"MNS": {"TopicName": TOPIC}}


def _uris(params: Mapping[str, Any]) -> list[str]:
    """Return the URIs that a request changes."""
    file = [params["File"]["URI"]] if "File" in params else []
    return [*file, *params.get("URIs", ()), *(item["URI"] for item in params.get("Files", ()))]


def is_task(entry: Entry) -> bool:
    """Return whether a request asked for a task."""
    return entry.action in TASK_ACTIONS


class Lister:
    """Reads what others write to: pages show what stays exactly once (I16), and to its account.

    ``violations`` is what it has seen.
    """

    def __init__(self, caller: Caller, stranger: Caller, clients: Sequence[Client]) -> None:
        self.caller = caller
        self.violations: list[str] = []
        self._stranger = stranger
        self._clients = clients
        self._turn = 0

    def act(self) -> None:
        """Page through one dataset, and try one of another account."""
        client = self._clients[self._turn % len(self._clients)]
        self._turn += 1
        shown = self._listed(client)
        if shown is not None:
            wrong = {uri: shown.count(uri) for uri in client.fixed if shown.count(uri) != 1}
            if wrong:
                self.violations.append(f"I16 {client.dataset} lists {wrong}")
        entry = self._stranger.call("GetFileMeta", **client.names, URI=client.fixed[0])
        if entry.outcome is Outcome.DONE:
            self.violations.append(f"I12 another account reads {client.dataset}")

    def close(self) -> None:
        """Close the connections."""
        self.caller.close()
        self._stranger.close()

    def _listed(self, client: Client) -> list[str] | None:
        """Return the URIs of all pages, None if one was not answered."""
        shown: list[str] = []
        token = ""
        while True:
            asked = {"Sort": "URI", "Order": "asc", "MaxResults": 5, "WithFields": ["URI"]}
            entry = self.caller.call(
                "SimpleQuery", **client.names, **asked, NextToken=token or None
            )
            if entry.outcome is not Outcome.DONE:
                return None
            shown += [file["URI"] for file in entry.body.get("Files", ())]
            token = entry.body.get("NextToken") or ""
            if not token:
                return shown


class Threads:
    """Runs what is done again and again until it is told to stop; keeps the first failure."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.failure: BaseException | None = None

    def repeat(self, name: str, act: Callable[[], object], pause: Callable[[], float]) -> None:
        """Start a thread that acts and pauses (seconds)."""

        def loop() -> None:
            try:
                while not self._stop.is_set():
                    act()
                    self._stop.wait(pause())
            except BaseException as error:
                self.failure = self.failure or error
                raise

        thread = threading.Thread(target=loop, name=name)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Return when all have stopped; raise what one of them has failed with."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure
