"""What belongs to one account is to another as if it were not configured, whatever the action."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.dataset.analysis import PictureAnalyzer
from imm_ray.media.buckets import Buckets
from imm_ray.media.decoder import Decoder
from imm_ray.model import ImageAnalysis, Outcome, Pixels, Source
from imm_ray.settings import Settings
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    LocalImm,
    face,
    picture,
    random_vector,
)
from tests.unit.media.pictures import oriented
from tests.wire.asking import NAMES, OTHER_KEY, Asker, settings_of

HERS, NOBODYS = "oss://hers/a.jpg", "oss://none/a.jpg"
MINE = "oss://b/a.jpg"
ALICE, BOB = "100000", "200000"


class OneFace:
    """Models that see the same face in every picture."""

    def analyze(self, pixels: Pixels, width: int, height: int) -> ImageAnalysis:
        seen = picture(
            "x", face(random_vector("ann", 128)), vector=random_vector("x", 1280)
        ).analysis
        assert seen is not None
        return seen


class Reading:
    """An embedder that really reads, as the service's own does."""

    def __init__(self, settings: Settings) -> None:
        self._decoder = Decoder(settings.limits)
        buckets = Buckets(settings.buckets, settings.file_roots, settings.limits)
        self._analyzer = PictureAnalyzer(buckets, self._decoder, OneFace(), threads=1)

    async def embed(self, sources: Sequence[Source]) -> list[Outcome]:
        return self._analyzer.analyze_many(sources)

    def close(self) -> None:
        self._decoder.close()


def settings_for(folder: Path, hers: Sequence[str] = (ALICE,)) -> Settings:
    for name in ("bucket", "hers", "root"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "a.jpg").write_bytes(oriented(6))
    topics = {
        "hers": {"target": str(folder / "hers.jsonl"), "accounts": hers},
        "told": {"target": str(folder / "told.jsonl"), "accounts": ["*"]},
    }
    return settings_of(
        folder,
        buckets={
            "hers": {"target": str(folder / "hers"), "accounts": hers},
            "b": {"target": str(folder / "bucket"), "accounts": [ALICE, BOB]},
        },
        file_roots=[{"target": str(folder / "root"), "accounts": hers}],
        notifications={"topics": topics},
    )


class Bob:
    """A client of the other account, and what it sees."""

    def __init__(self, imm: LocalImm) -> None:
        self.imm = imm
        self.alice = Asker(imm, FakeEmbedder(), (ACCESS_KEY_ID, ACCESS_KEY_SECRET))
        self.me = Asker(imm, FakeEmbedder(), OTHER_KEY)

    def ask(self, action: str, *, who: Asker | None = None, **given: Any) -> str:
        """Return the answer, without what is new in each."""
        wire: dict[str, Any] = {
            k: v if isinstance(v, str) else json.dumps(v) for k, v in given.items()
        }
        try:
            body = (who or self.me).extension(action, **wire)
        except Exception as error:  # noqa: BLE001 - what it says is compared
            said = str(getattr(error, "message", error)).partition(" request id")[0]
            return f"{getattr(error, 'code', '')}: {said}"
        return json.dumps(sorted(body))

    def index(self, action: str, uri: str, **given: Any) -> str:
        file = {"File": {"URI": uri}} if action == "IndexFileMeta" else {"Files": [{"URI": uri}]}
        answer = self.ask(action, **NAMES, **file, **given)
        self.imm.settle()
        found = self.me.extension("GetFileMeta", **NAMES, URI=uri)["Files"][0]
        return f"{answer} {found['ObjectStatus']} {found.get('Reason')}"

    def search(self, uri: str) -> str:
        sources = json.dumps([{"URI": uri}])
        made = self.me.extension("CreateFacesSearchingTask", **NAMES, Sources=sources)
        self.imm.settle()
        asked: dict[str, Any] = {
            "TaskType": "FacesSearching",
            "TaskId": made["TaskId"],
            "ProjectName": "p",
        }
        task = self.me.extension("GetTask", **asked)
        return f"{task['TaskType']} {task['Status']} {task.get('Message')}"


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bob]:
    settings = settings_for(tmp_path_factory.mktemp("shares"))
    reading = Reading(settings)
    with LocalImm(settings.data, reading, settings=settings) as imm:
        bob = Bob(imm)
        for who in (bob.me, bob.alice):
            who.create()
        yield bob
    reading.close()


Ask = Callable[[Bob, str], str]


def looks(action: str, **names: Any) -> Ask:
    return lambda bob, uri: bob.ask(action, ProjectName="p", SourceURI=uri, **names)


READS: dict[str, Ask] = {
    "IndexFileMeta": lambda bob, uri: bob.index("IndexFileMeta", uri),
    "BatchIndexFileMeta": lambda bob, uri: bob.index("BatchIndexFileMeta", uri),
    "DetectImageFaces": looks("DetectImageFaces"),
    "DetectImageScore": looks("DetectImageScore"),
    "SearchImageFigureCluster": looks("SearchImageFigureCluster", DatasetName="d"),
    "CompareImageFaces": lambda bob, uri: (
        bob.ask("CompareImageFaces", ProjectName="p", Source={"URI1": MINE, "URI2": uri})
        + bob.ask("CompareImageFaces", ProjectName="p", Source={"URI1": uri, "URI2": MINE})
    ),
    "CreateFacesSearchingTask": lambda bob, uri: bob.search(uri),
    "CreateBinding": lambda bob, uri: bob.ask(
        "CreateBinding", URI=uri.removesuffix("/a.jpg"), **NAMES
    ),
}
"""Actions whose URI is one to read."""

NAMED = {
    "GetFileMeta",
    "BatchGetFileMeta",
    "DeleteFileMeta",
    "BatchDeleteFileMeta",
    "UpdateFileMeta",
    "BatchUpdateFileMeta",
    "ImmRayExplain",
    "ImmRayGetThumbnail",  # it reads, too: see below
    "GetBinding",
    "ListBindings",
    "DeleteBinding",
    "StopBinding",
    "ResumeBinding",
    "SemanticQuery",  # it looks into nothing yet
}
"""Actions whose URI is the name of what their dataset has, and leads nowhere else."""

TELLS: dict[str, dict[str, Any]] = {
    "IndexFileMeta": {"File": {"URI": MINE}},
    "BatchIndexFileMeta": {"Files": [{"URI": MINE}]},
    "CreateFigureClusteringTask": {},
    "CreateSimilarImageClusteringTask": {},
    "CreateFigureClustersMergingTask": {"From": "a", "To": "b"},
    "CreateFacesSearchingTask": {"Sources": [{"URI": MINE}]},
}


def parameters(schema: type[BaseModel]) -> str:
    """Return the names of all parameters of an action, those within others too."""
    return json.dumps(schema.model_json_schema(by_alias=True))


def test_the_tests_below_go_over_every_action_that_takes_a_uri_or_a_topic() -> None:
    schemas = {name: parameters(action.schema) for name, action in ACTIONS.items()}
    uris = {name for name, schema in schemas.items() if "URI" in schema.replace("ageURI", "")}
    untyped = {"BatchUpdateFileMeta"}  # whose files are looked at one by one
    assert uris | untyped == READS.keys() | NAMED
    assert {name for name, schema in schemas.items() if '"Notification"' in schema} == TELLS.keys()


@pytest.mark.parametrize("action", READS)
def test_another_account_s_bucket_is_as_one_that_is_not_there(bob: Bob, action: str) -> None:
    hers, nobodys = (READS[action](bob, uri) for uri in (HERS, NOBODYS))
    assert hers.replace("hers", "none") == nobodys
    assert "not allowed" in hers or "is not configured" in hers


@pytest.mark.parametrize("action", READS)
def test_an_account_s_own_bucket_is_read(bob: Bob, action: str) -> None:
    answer = READS[action](bob, MINE)
    assert "not allowed" not in answer
    assert "not configured" not in answer


@pytest.mark.parametrize("action", sorted(READS.keys() - {"CreateBinding"}))
def test_another_account_s_folder_is_as_one_that_is_not_there(bob: Bob, action: str) -> None:
    (root,) = bob.imm.settings.file_roots
    hers = READS[action](bob, f"file://{root.target}/a.jpg")
    assert hers == READS[action](bob, f"file://{root.target}s/a.jpg")
    assert "not allowed" in hers


@pytest.mark.parametrize("action", TELLS)
def test_another_account_s_topic_is_as_one_that_is_not_there(bob: Bob, action: str) -> None:
    def ask(topic: str, who: Asker) -> str:
        wanted = {"MNS": {"TopicName": topic}}
        return bob.ask(action, who=who, Notification=wanted, **TELLS[action], **NAMES)

    assert "is not configured" in ask("hers", bob.me)
    assert ask("hers", bob.me).replace("hers", "none") == ask("none", bob.me)
    for who, topic in ((bob.me, "told"), (bob.alice, "hers")):
        assert "is not configured" not in ask(topic, who)


def test_no_thumbnail_is_shown_of_what_has_become_another_account_s(tmp_path: Path) -> None:
    kept, new = (dict(NAMES, URI=HERS, Size=str(size)) for size in (40, 50))
    for accounts, refused in (([ALICE, BOB], False), ([ALICE], True)):
        settings = settings_for(tmp_path, accounts)
        reading = Reading(settings)
        with LocalImm(settings.data, reading, settings=settings) as imm:
            bob = Bob(imm)
            if not refused:
                bob.me.create()
                assert "Succeeded" in bob.index("IndexFileMeta", HERS)
                assert "Content" in bob.ask("ImmRayGetThumbnail", **kept)
            else:
                for wanted in (kept, new):
                    answer = bob.ask("ImmRayGetThumbnail", **wanted)
                    assert "There is no picture to show: The source is not allowed." in answer
        reading.close()
