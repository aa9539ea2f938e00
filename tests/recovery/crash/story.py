"""What a client does, step by step; it repeats each step that it has no answer to."""

import json
import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

from imm_ray.model import Outcome
from imm_ray.testing import FakeEmbedder, face, near, picture, random_vector
from tests.recovery.crash.life import LATE, TOPIC, Life, ill_at
from tests.recovery.crash.owners import DOOMED as DOOMED_NAME

HERE = {"ProjectName": "p", "DatasetName": "d"}
DOOMED = {"ProjectName": "p", "DatasetName": DOOMED_NAME}
POISON = "oss://b/poison"
"""No embedder gets past this file."""
FACES, PICTURES = 128, 1280
DELETED = frozenset({"oss://b/bob1", "oss://b/cid3"})
EXPIRY = "began to expire"
"""What is noted before tasks may be gone."""

Body: TypeAlias = dict[str, Any]


def shot(name: str, number: int, *, version: str = "") -> Outcome:
    """Return a photo of a person: one face, a scene of its own that those of the person share."""
    seed = f"{name}{number}{version}"
    who = near(random_vector(name, FACES), seed, 0.985)
    return picture(
        seed, face(who), vector=near(random_vector(f"scene {name}", PICTURES), seed, 0.95)
    )


def uri(name: str, number: int) -> str:
    return f"oss://b/{name}{number}"


ALBUM = {
    uri(name, number): shot(name, number)
    for name, count in (("ann", 4), ("bob", 3), ("cid", 4), ("dan", 2))
    for number in range(count)
}
CHANGED = {uri("ann", 0): shot("ann", 0, version=" again")}


class Journal:
    """What the client has an answer to: it outlives the service."""

    def __init__(self, path: Path) -> None:
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.answers: dict[str, Body] = {e["step"]: e["body"] for e in map(json.loads, lines)}

    def note(self, step: str, body: Body) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps({"step": step, "body": body}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.answers[step] = body


class Client:
    """Goes through the story in one life of the service."""

    def __init__(self, folder: Path) -> None:
        embedder = FakeEmbedder(ALBUM)
        embedder.hook = ill_at(folder, once=uri("dan", 0), always=POISON)
        self.journal = Journal(folder / "client.jsonl")
        if "index ann again" in self.journal.answers or "began to change" in self.journal.answers:
            embedder.outcomes.update(CHANGED)
        self.life = Life(folder, embedder)

    def ask(self, action: str, *tolerated: str, **given: Any) -> Body:
        """Return the answer; codes that a repetition of the same may get are answers too."""
        status, body = self.life.call(action, **given)
        assert status == 200 or body["Code"] in tolerated, (action, body)
        return body

    def go_on(self) -> None:
        """Do every step that has no answer yet."""
        for name, step in STEPS:
            if name not in self.journal.answers:
                self.journal.note(name, step(self))

    def expire(self) -> None:
        """Let a week go by, in which everything that was asked for ends its life."""
        self.journal.note(EXPIRY, {})
        self.life.wait(timedelta(days=8))
        self.life.expire()

    def file(self, uri: str) -> Body:
        files: list[Body] = self.ask("GetFileMeta", URI=uri, **HERE)["Files"]
        return files[0]

    def person(self, name: str, number: int = 0) -> str:
        """Return the id of the figure cluster of a photo's first face."""
        return str(self.file(uri(name, number))["Figures"][0]["FigureClusterId"])


def _told(topic: str = TOPIC) -> Body:
    return {"Notification": {"MNS": {"TopicName": topic}}}


def _index(uris: Iterable[str], topic: str = TOPIC) -> Callable[[Client], Body]:
    files = [{"URI": u, "CustomLabels": {"Of": u[-4:]}} for u in uris]
    return lambda client: client.ask("BatchIndexFileMeta", Files=files, **HERE, **_told(topic))


def _task(action: str, topic: str = TOPIC) -> Callable[[Client], Body]:
    return lambda client: client.ask(action, **HERE, **_told(topic))


def _settle(client: Client) -> Body:
    client.life.settle()
    return {}


def _deliver(client: Client) -> Body:
    client.life.deliver()
    return {}


def _look(client: Client) -> Body:
    """Note every id that a client can know."""
    return {
        u: {
            "file": (found := client.file(u))["ObjectId"],
            "figures": [figure["FigureId"] for figure in found["Figures"]],
            "person": found["Figures"][0]["FigureClusterId"],
        }
        for u in ALBUM
        if u in _EARLY
    }


def _name(client: Client) -> Body:
    changes = {"ObjectId": client.person("ann"), "Name": "Ann", "CustomLabels": {"Kin": "aunt"}}
    return client.ask("UpdateFigureCluster", FigureCluster=changes, **HERE)


def _merge(client: Client) -> Body:
    known = client.journal.answers["look"]
    ann, bob = (known[uri(name, 0)]["person"] for name in ("ann", "bob"))
    action = "CreateFigureClustersMergingTask"
    return client.ask(action, To=ann, From=bob, **HERE, **_told())


def _undo_merge(client: Client) -> Body:
    edits = client.ask("ImmRayListEdits", **HERE)["Edits"]
    first = [e for e in edits if e["Kind"].lower() == "merge"][-1]
    return client.ask("ImmRayUndo", EditId=first["EditId"], **HERE)


def _split(client: Client) -> Body:
    figure_id = client.journal.answers["look"][uri("ann", 3)]["figures"][0]
    ann = client.journal.answers["look"][uri("ann", 0)]["person"]
    given = {"ObjectId": ann, "FigureIds": [figure_id]}
    return client.ask("ImmRaySplitFigureCluster", "InvalidArgument", **given, **HERE)


def _move(client: Client) -> Body:
    known = client.journal.answers["look"]
    figure_id, cid = known[uri("bob", 2)]["figures"][0], known[uri("cid", 0)]["person"]
    change = {
        "URI": uri("bob", 2),
        "CustomLabels": {"Of": "moved"},
        "Figures": [{"FigureId": figure_id, "FigureClusterId": cid}],
    }
    return client.ask("UpdateFileMeta", File=change, **HERE)


def _change(client: Client) -> Body:
    client.life.embedder.outcomes.update(CHANGED)
    client.journal.note("began to change", {})
    return client.ask("IndexFileMeta", File={"URI": uri("ann", 0)}, **HERE, **_told(LATE))


def _delete(client: Client) -> Body:
    return client.ask("BatchDeleteFileMeta", URIs=sorted(DELETED), **HERE)


def _search(client: Client) -> Body:
    sources = [{"URI": uri("cid", 0)}]
    return client.ask("CreateFacesSearchingTask", Sources=sources, **HERE, **_told())


def _doom(uri: str) -> Callable[[Client], Body]:
    given = {"Files": [{"URI": uri}], **DOOMED, **_told()}
    return lambda client: client.ask("BatchIndexFileMeta", "ResourceNotFound", **given)


def _doomed_task(action: str) -> Callable[[Client], Body]:
    return lambda client: client.ask(action, **DOOMED, **_told())


def _purge(client: Client) -> Body:
    return client.ask("ImmRayPurgeDataset", "ResourceNotFound", **DOOMED)


def _repair(client: Client) -> Body:
    """Make the topic LATE writable: until then a file stood where its folder belongs."""
    (client.life.folder / "late").unlink(missing_ok=True)
    client.life.wait(timedelta(hours=1))
    return {}


def _break(client: Client) -> Body:
    (client.life.folder / "late").touch()
    return {}


_EARLY = [u for u in ALBUM if "dan" not in u]
_FIGURES, _SIMILAR = "CreateFigureClusteringTask", "CreateSimilarImageClusteringTask"
_EXISTS = "ResourceAlreadyExists"

STEPS: tuple[tuple[str, Callable[[Client], Body]], ...] = (
    ("break", _break),
    ("project", lambda client: client.ask("CreateProject", _EXISTS, ProjectName="p")),
    ("dataset", lambda client: client.ask("CreateDataset", _EXISTS, **HERE)),
    ("index", _index(_EARLY)),
    ("figures", _task(_FIGURES)),
    ("similar", _task(_SIMILAR, LATE)),
    ("settle", _settle),
    ("look", _look),
    ("deliver", _deliver),
    ("name", _name),
    ("merge", _merge),
    ("settle merge", _settle),
    ("undo merge", _undo_merge),
    ("settle undo", _settle),
    ("split", _split),
    ("settle split", _settle),
    ("move", _move),
    ("settle move", _settle),
    ("index ann again", _change),
    ("delete", _delete),
    ("index dan", _index(u for u in ALBUM if "dan" in u)),
    ("figures again", _task(_FIGURES)),
    ("search", _search),
    ("similar again", _task(_SIMILAR)),
    ("settle changes", _settle),
    ("doomed dataset", lambda client: client.ask("CreateDataset", _EXISTS, **DOOMED)),
    ("doomed file", _doom(uri("ann", 0))),
    ("doomed task", _doomed_task(_SIMILAR)),
    ("settle doomed task", _settle),
    ("poison", _doom(POISON)),
    ("poisoned task", _doomed_task(_FIGURES)),
    ("settle poison", _settle),
    ("purge", _purge),
    ("settle purge", _settle),
    ("repair", _repair),
    ("deliver all", _deliver),
)
"""The story up to the moment at which all of it is checked."""
