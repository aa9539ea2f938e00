"""How good are the clusters, with default settings but ``min_entity_count = 2``?"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.result import report
from tests.ray.quality import centre_cluster, load_scores, read_labels, some_identities
from tests.ray.server import Album, ServerProcess


def run(data: Path, *, quick: bool) -> None:
    with (
        TemporaryDirectory() as folder,
        ServerProcess(
            Path(folder) / "data",
            buckets={"lfw": data / "lfw_dev", "kodak": data / "neardup_kodak_dev"},
            settings={"clustering": {"min_entity_count": 2}},
        ) as server,
    ):
        _faces(server, data, quick=quick)
        _similar(server, data)


def _faces(server: ServerProcess, data: Path, *, quick: bool) -> None:
    labels = read_labels(data / "lfw_dev")
    paths = some_identities(labels, least=2, paths=200) if quick else sorted(labels)
    uris = [f"oss://lfw/{path}" for path in paths]
    album = Album(server.client(), "faces").create()
    begun = time.perf_counter()
    album.index(uris)
    album.wait(album.create_figures_task())
    seconds = time.perf_counter() - begun
    found = [centre_cluster(file) for file in album.files(uris)]
    truth = [labels[path] for path in paths]
    scores = load_scores(data.parent)
    report(
        "quality faces",
        set="lfw_dev",
        files=len(paths),
        clusters=len(album.people()),
        pairwise=[round(x, 4) for x in scores.pairwise(truth, found)],
        bcubed=[round(x, 4) for x in scores.bcubed(truth, found)],
        seconds=round(seconds, 1),
    )


def _similar(server: ServerProcess, data: Path) -> None:
    labels = read_labels(data / "neardup_kodak_dev")
    uris = {f"oss://kodak/{path}": path for path in sorted(labels)}
    album = Album(server.client(), "similar").create()
    album.index(uris)
    album.wait(album.create_similar_task(), "SimilarImageClustering")
    groups = album.groups()
    place = {file.uri: group.object_id for group in groups for file in group.files}
    found = [place.get(uri, uri) for uri in uris]
    truth = [labels[path] for path in uris.values()]
    report(
        "quality similar",
        set="neardup_kodak_dev",
        files=len(uris),
        groups=len(groups),
        smallest=min(len(group.files) for group in groups),
        pairwise=[round(x, 4) for x in load_scores(data.parent).pairwise(truth, found)],
    )
