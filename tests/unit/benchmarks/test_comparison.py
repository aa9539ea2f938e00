import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.clustering import command, comparison, plot
from benchmarks.clustering.graph import exact_graph
from benchmarks.clustering.limits import TimedSearch, calibrate, mean_cosines
from benchmarks.clustering.peers import PEERS, Peer, components
from benchmarks.clustering.plot import Bar, Cost
from benchmarks.clustering.scores import pairwise
from benchmarks.clustering.synthetic import Sample
from tests.unit.cluster.sample import normalised


@pytest.fixture
def sample() -> Sample:
    labels = np.repeat(np.arange(6), 10)
    rows = np.eye(6, 32)[labels] + np.random.default_rng(1).normal(size=(60, 32)) * 0.08
    return Sample(normalised(rows), labels)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_mean_cosines_are_those_of_all_pairs(sample: Sample) -> None:
    wide = sample.vectors.astype(np.float64)
    matrix = wide @ wide.T
    same = sample.labels[:, None] == sample.labels
    different, alike = mean_cosines(sample, np.random.default_rng(0))
    assert different == pytest.approx(matrix[~same].mean(), abs=0.01)
    assert alike == pytest.approx(matrix[same & ~np.eye(60, dtype=bool)].mean(), abs=0.01)


def test_calibration_finds_limits_that_part_people(sample: Sample) -> None:
    scale = calibrate([sample])
    labels = comparison.our_own(sample, scale).labels
    assert pairwise(sample.labels, labels).f == 1
    limits = scale.figure_limits()
    assert scale.moved(0.1).figure_limits().threshold > limits.threshold


def test_a_repeated_search_answers_the_same_and_a_wider_one_more(sample: Sample) -> None:
    search = TimedSearch(sample.vectors)
    queries = sample.vectors[:7]
    near = search.within(queries, 0.8)
    far = search.within(queries, 0.2)
    again = search.within(queries, 0.8)
    assert len(far) > len(near)
    assert np.array_equal(near.slots, again.slots)
    fresh = TimedSearch(sample.vectors).within(queries, 0.2)
    assert np.array_equal(far.slots, fresh.slots)


def test_the_best_setting_of_a_peer_is_the_one_that_the_labels_like(sample: Sample) -> None:
    graph = exact_graph(sample.vectors, 20)
    material = comparison.Material(sample, 1, graph, 0.0, sample)
    peer = Peer(name="x", cluster=components, grid={"least": (-1.0, 0.5, 0.9999)})
    outcome = comparison.best(peer, material)
    assert outcome.facts["setting"] == {"least": 0.5}
    assert outcome.facts["privilege"] == "best of 3 settings, chosen on these labels"


def test_a_comparison_reports_every_method_and_says_which_are_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = Peer(name="gone", cluster=components, grid={"least": (0.5,)}, needs="no_such_package")
    there = [peer for peer in PEERS if peer.name in {"DBSCAN", "HDBSCAN (part)"}]
    monkeypatch.setattr(comparison, "PEERS", [*there, missing])
    monkeypatch.setattr(comparison, "_PART", 150)
    comparison.run(Path(), quick=False, out=tmp_path, sizes=[400], seeds=[1, 2])
    told = lines(capsys)
    rows = [line for line in told if line["benchmark"] == "clustering peers"]
    assert [(row["seed"], row["method"]) for row in rows] == [
        (seed, method)
        for seed in (1, 2)
        for method in ("imm_ray", "imm_ray (part)", "DBSCAN", "HDBSCAN (part)", "gone")
    ]
    parts = [row for row in rows if "part" in str(row["method"])]
    assert [row["items"] for row in parts] == [150] * 4
    assert all(float(str(row["pairwise_f"])) > 0.8 for row in parts)
    assert all("privilege" in row or "absent" in row for row in rows)
    assert "no_such_package" in str(rows[-1]["absent"])
    verdicts = [line for line in told if line["benchmark"] == "clustering verdict"]
    assert len(verdicts) == 2
    assert (tmp_path / "clustering-peers.png").is_file()


def test_what_is_measured_is_no_sample_of_the_calibration(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="seed 1002 is one of the calibration"):
        comparison.run(Path(), quick=True, out=tmp_path, sizes=[400], seeds=[1, 1002])


def test_costs_are_drawn(tmp_path: Path) -> None:
    costs = [
        Cost(label="flat", stored=10_000, delta=1000, milliseconds={"search": 10, "cluster": 5}),
        Cost(label="ivf", stored=10**6, delta=1000, milliseconds={"search": 30, "cluster": 6}),
    ]
    plot.plot_costs(costs, tmp_path / "deep" / "cost.png")
    assert (tmp_path / "deep" / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_matplotlib_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    bar = Bar(method="a", size=10, items=10, pairwise_f=0.9, bcubed_f=0.8)
    plot.plot_peers([bar], tmp_path / "peers.png")
    (line,) = lines(capsys)
    assert line["absent"] == "matplotlib is not installed: pip install 'imm-ray[bench]'"
    assert not list(tmp_path.iterdir())


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--parts", "peers,speed"])
    assert "there is no part 'speed': choose of peers, faces" in capsys.readouterr().err


def test_parts_run_in_the_order_of_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[object, ...]] = []
    monkeypatch.setattr(command, "PARTS", {"peers": "comparison", "again": "comparison"})
    monkeypatch.setattr(comparison, "run", lambda data, **more: ran.append((data, more)))
    command.main(["--parts", "again,peers", "--quick", "--size", "50", "--out", str(tmp_path)])
    data = Path("../shared/data")
    assert ran == [
        (data, {"quick": True, "out": tmp_path, "sizes": [50], "seeds": [1]}),
        (data, {"quick": True, "out": tmp_path}),
    ]
    ran.clear()
    command.main(["--parts", "again", "--out", str(tmp_path)])
    assert ran == [(data, {"quick": False, "out": tmp_path})]
