"""No log holds what a client says or what a model sees, however talkative it is made."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from imm_ray.cli.client import ImmClient
from imm_ray.measure import (
    CLUSTERING_SECONDS,
    EMBED_SECONDS,
    EMBEDDED,
    FILES,
    INDEXING_SECONDS,
    REQUEST_SECONDS,
    RUN_DISTANCES,
    RUN_ITEMS,
)
from imm_ray.model import Outcome, Refused
from imm_ray.runtime.logging import configure_logging
from imm_ray.settings import load_settings
from imm_ray.testing import (
    ACCESS_KEY_ID,
    ACCESS_KEY_SECRET,
    FakeEmbedder,
    LocalImm,
    RecordedMeasures,
    face,
    near,
    picture,
    random_vector,
)

CANARY = "canary"
CLIENTS = ("httpx", "httpcore")
"""Loggers of the client, which runs in the same process here."""
NAMES = {"ProjectName": "p", "DatasetName": "d"}


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged meanwhile, by us and by every library, at the lowest level."""
    ours, root, before = logging.getLogger("imm_ray"), logging.getLogger(), structlog.get_config()
    kept = (ours.handlers, ours.propagate, ours.level, root.level)
    stream = io.StringIO()
    configure_logging(logging.DEBUG, stream)
    root.addHandler(everything := logging.StreamHandler(stream))
    everything.addFilter(lambda record: not record.name.startswith(CLIENTS))
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(everything)
    ours.handlers, ours.propagate, ours.level, root.level = kept
    structlog.configure(**before)


def album() -> dict[str, Outcome]:
    ann = random_vector("ann", 128)
    pictures: dict[str, Outcome] = {
        f"oss://b/{n}.jpg": picture(str(n), face(near(ann, str(n), 0.99))) for n in range(4)
    }
    return pictures | {"oss://b/bad.jpg": Refused("The file is empty.")}


def job(imm: LocalImm, client: ImmClient, uris: list[str]) -> None:
    """Say a canary wherever a client can say something, and have everything done with it."""
    label = {f"{CANARY}-key": f"{CANARY}-value"}
    topic = {"MNS": {"TopicName": "told"}}
    client.call("CreateProject", ProjectName="p", Description=CANARY)
    client.call("CreateDataset", **NAMES, Description=CANARY)
    files = [
        {"URI": uri, "CustomId": CANARY, "CustomLabels": label, "Title": CANARY} for uri in uris
    ]
    told = {"Notification": topic, "UserData": CANARY}
    client.call("BatchIndexFileMeta", Files=files, **NAMES, **told)
    for action in ("CreateFigureClusteringTask", "CreateSimilarImageClusteringTask"):
        client.call(action, Tags={CANARY: CANARY}, **NAMES, **told)
    imm.settle()
    (person,) = client.call("QueryFigureClusters", **NAMES)["FigureClusters"]
    named = {"ObjectId": person["ObjectId"], "Name": CANARY, "CustomLabels": label}
    client.call("UpdateFigureCluster", FigureCluster=named, **NAMES)
    query = {"Field": "CustomLabels.x", "Operation": "eq", "Value": CANARY}
    client.call("SimpleQuery", Query=query, **NAMES)
    client.call("FuzzyQuery", Query=CANARY, **NAMES)
    client.call("BatchDeleteFileMeta", URIs=uris[:1], **NAMES)


def test_a_whole_job_leaves_no_content_in_a_log(tmp_path: Path, lines: io.StringIO) -> None:
    key = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    topics = {"told": str(tmp_path / "told.jsonl")}
    settings = load_settings(
        None, data=tmp_path / "data", auth={"users": [key]}, notifications={"topics": topics}
    )
    measures, pictures = RecordedMeasures(), album()
    embedder = FakeEmbedder(pictures)
    with LocalImm(settings.data, embedder, settings=settings, measures=measures) as imm:
        with ImmClient(f"http://{imm.address}", ACCESS_KEY_ID, ACCESS_KEY_SECRET) as client:
            job(imm, client, list(pictures))
        imm.settle()
    logged = lines.getvalue()
    assert "task succeeded" in logged
    for content in (CANARY, ACCESS_KEY_SECRET, *vectors(pictures)):
        assert content not in logged
    ours = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    (done, _) = [line for line in ours if line["event"] == "task succeeded"]
    assert done["task_id"].startswith("FigureClustering-")
    check(measures)


def vectors(pictures: dict[str, Outcome]) -> list[str]:
    """Return how the first numbers of each face's vector could be printed."""
    found = []
    for outcome in pictures.values():
        analysis = getattr(outcome, "analysis", None)
        for one in analysis.faces if analysis else ():
            head = one.vector[:2].tolist()
            found += [str(head)[1:-1], str(one.vector[:2])[1:-1], one.vector[:4].tobytes().hex()]
    assert found
    return found


def check(measures: RecordedMeasures) -> None:
    """Check the metrics of the job."""
    totals: dict[Any, float] = dict(measures.totals)
    assert totals[(FILES.name, "indexed")] == 4
    assert totals[(FILES.name, "failed")] == 1
    assert totals[(EMBEDDED.name,)] == 5
    assert totals[(RUN_ITEMS.name, "figure")] == 4
    assert totals[(RUN_DISTANCES.name, "figure")] > 0
    assert len(measures.values[(INDEXING_SECONDS.name,)]) == 5
    assert measures.values[(EMBED_SECONDS.name,)]
    for kind in ("figure", "similar"):
        assert len(measures.values[(CLUSTERING_SECONDS.name, kind, "task")]) == 1
    assert len(measures.values[(REQUEST_SECONDS.name, "CreateDataset", "200")]) == 1
    assert CANARY not in str(measures.totals) + str(list(measures.values))
