"""Which hostile pictures are indexed, which fail, and what does each cost its decoder child?

Every file of the corpus goes the whole way: an index request over HTTP, the engine, the fetch, the
limited decoder child, the models, the commit, and the status that a client reads. Good pictures
stand between the hostile ones. A second pass indexes all anew, in another order.
"""

import argparse
import csv
import os
import random
import resource
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.result import report
from imm_ray.cli.client import ImmClient, batches
from imm_ray.dataset.analysis import Models, PictureAnalyzer
from imm_ray.dataset.thumbnails import Thumbnailer
from imm_ray.embed.models import EmbeddedModels
from imm_ray.media.buckets import Buckets
from imm_ray.media.decoder import Decoded, Decoder
from imm_ray.runtime.embedder import Replica
from imm_ray.settings import Limits, Settings, load_settings
from imm_ray.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, LocalImm

MOST_CPU_S = 10.0
MOST_MB = 1500.0
_EXPECTED = {"decodable": ("Succeeded",), "must be rejected": ("Failed",)}
_EITHER = ("Succeeded", "Failed")
_HERE = {"ProjectName": "hostile", "DatasetName": "corpus"}
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one file cost the decoder child; memory is the child's whole peak."""

    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one file."""

    path: str
    kind: str
    expected: str
    verdict: str
    reason: str
    again: str
    """The verdict and reason of the second pass, where they differ from the first."""
    cost: Cost

    @property
    def faults(self) -> list[str]:
        """What is not as it must be."""
        found = []
        if self.verdict not in _EXPECTED.get(self.expected, _EITHER):
            found.append(f"{self.verdict}, expected {self.expected}")
        if self.verdict == "Failed" and not self.reason.endswith("."):
            found.append("Failed without a reason")
        if "died" in self.reason or "internal error" in self.reason:
            found.append(self.reason)
        if self.again:
            found.append(f"{self.verdict} {self.reason} first, then {self.again}")
        if self.cost.cpu_s > MOST_CPU_S + 1 or self.cost.peak_mb > MOST_MB:
            found.append(f"{self.cost.cpu_s:.1f} s CPU, {self.cost.peak_mb:.0f} MB")
        return found


class MeasuringDecoder(Decoder):
    """A decoder of one child that keeps the cost of each content, by its hash."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.costs: dict[str, Cost] = {}
        self._one = threading.Lock()

    def decode(self, data: bytes) -> Decoded:
        """Decode, and keep the larger of the costs of this content so far."""
        with self._one:
            before, begun = self.pids(), _cpu_s(self.pids())
            for pid in before:
                Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak starts anew
            try:
                return super().decode(data)
            finally:
                now = self.pids()
                cost = Cost(max(0.0, _cpu_s(now) - begun), _peak_mb(now))
                name = sha256(data).hexdigest()
                old = self.costs.get(name, Cost())
                self.costs[name] = Cost(max(old.cpu_s, cost.cpu_s), max(old.peak_mb, cost.peak_mb))


def survey(corpus: Path, folder: Path, *, models: Models, seed: int = 1) -> list[Row]:
    """Return what became of every file of a corpus, and that its good neighbours were unharmed.

    Raises
    ------
    RuntimeError
        A good picture among them failed.
    """
    with (corpus / "manifest.csv").open(newline="") as file:
        wanted = {row["path"]: row for row in csv.DictReader(file)}
    album = Path(__file__).parents[1] / "imm_ray" / "cli" / "album" / "photos"
    good = [f"oss://good/{path.relative_to(album)}" for path in sorted(album.rglob("*.jpg"))]
    hostile = [f"oss://hostile/{path}" for path in wanted]
    settings = _settings(folder, {"hostile": str(corpus), "good": str(album)})
    chance = random.Random(seed)
    with ExitStack() as stack:
        decoder = stack.enter_context(MeasuringDecoder(settings.limits))
        buckets = Buckets(settings.buckets, settings.file_roots, settings.limits)
        analyzer = PictureAnalyzer(buckets, decoder, models, threads=1)
        replica = Replica(analyzer, Thumbnailer(buckets, decoder))
        imm = stack.enter_context(LocalImm(folder / "data", replica, settings=settings))
        client = stack.enter_context(
            ImmClient(f"http://{imm.address}", ACCESS_KEY_ID, ACCESS_KEY_SECRET)
        )
        client.call("CreateProject", ProjectName=_HERE["ProjectName"])
        client.call("CreateDataset", **_HERE)
        passes = []
        for _ in range(2):
            uris = [*hostile, *good]
            chance.shuffle(uris)
            passes.append(_verdicts(imm, client, uris))
    first, second = passes
    if harmed := [uri for uri in good if {first[uri][0], second[uri][0]} != {"Succeeded"}]:
        raise RuntimeError(f"neighbours were harmed: {harmed}")
    return [
        Row(
            path=path,
            kind=row["kind"],
            expected=row["expected"],
            verdict=first[uri][0],
            reason=first[uri][1],
            again="" if first[uri] == second[uri] else " ".join(second[uri]),
            cost=decoder.costs.get(row["sha256"], Cost()),
        )
        for uri, (path, row) in zip(hostile, wanted.items(), strict=True)
    ]


def _settings(folder: Path, buckets: Mapping[str, str]) -> Settings:
    user = {"access_key_id": ACCESS_KEY_ID, "access_key_secret": ACCESS_KEY_SECRET}
    return load_settings(None, data=folder / "data", auth={"users": [user]}, buckets=buckets)


def _verdicts(imm: LocalImm, client: ImmClient, uris: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Index files in this order; return status and reason of each; they are gone afterwards."""
    files = [{"URI": uri, "MediaType": "image"} for uri in uris]
    for batch in batches(files, "Files", **_HERE):
        client.call("BatchIndexFileMeta", Files=batch, **_HERE)
    imm.settle()
    found: dict[str, tuple[str, str]] = {}
    for batch in batches(uris, "URIs", **_HERE):
        for file in client.call("BatchGetFileMeta", URIs=batch, **_HERE)["Files"]:
            found[file["URI"]] = (file["ObjectStatus"], file.get("Reason", ""))
        client.call("BatchDeleteFileMeta", URIs=batch, **_HERE)
    imm.settle()
    return found


def _cpu_s(pids: Sequence[int]) -> float:
    """Return the CPU seconds of children, of those that have died too."""
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = gone.ru_utime + gone.ru_stime
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += (int(fields[11]) + int(fields[12])) * _TICK_S
    return seconds


def _peak_mb(pids: Sequence[int]) -> float:
    peaks = [0.0]
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                peaks.append(int(line.split()[1]) / 1000)
    return max(peaks)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks hostile", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=Path("../shared/data/hostile_dev"))
    parser.add_argument("--table", type=Path, default=Path("benchmarks/results/hostile.md"))
    options = parser.parse_args(arguments)
    begun = perf_counter()
    settings = load_settings()
    models = EmbeddedModels(settings.models.face, settings.models.image)
    with TemporaryDirectory() as folder:
        rows = survey(options.corpus, Path(folder), models=models)
    options.table.write_text(table(rows))
    faults = [f"{row.path}: {fault}" for row in rows for fault in row.faults]
    report(
        "hostile",
        files=len(rows),
        succeeded=sum(row.verdict == "Succeeded" for row in rows),
        failed=sum(row.verdict == "Failed" for row in rows),
        faults=faults,
        most_cpu_s=round(max(row.cost.cpu_s for row in rows), 2),
        most_memory_mb=round(max(row.cost.peak_mb for row in rows)),
        seconds=round(perf_counter() - begun),
    )
    if faults:
        raise SystemExit(1)


def table(rows: Sequence[Row]) -> str:
    """Return the files as a table in Markdown."""
    head = [
        "# The hostile corpus, file by file",
        "",
        "Written by `python -m benchmarks hostile`. CPU and memory are the decoder child's, "
        "what it needs at rest (about 77 MB) included; a verdict is that of two passes in "
        "different orders.",
        "",
        "| file | kind | expected | verdict | CPU s | peak MB | reason |",
        "|---|---|---|---|---:|---:|---|",
    ]
    lines = [
        f"| {_cell(row.path)} | {row.kind} | {row.expected} | {row.verdict} "
        f"| {row.cost.cpu_s:.2f} | {row.cost.peak_mb:.0f} | {_cell(row.reason)} |"
        for row in rows
    ]
    return "\n".join([*head, *lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
