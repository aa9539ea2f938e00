"""Pairwise and BCubed figures of a labelled set, as ``data/scores.py`` defines them."""

import csv
import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any


def load_scores(shared: Path) -> ModuleType:
    """Return the module that defines every quality figure."""
    spec = importlib.util.spec_from_file_location("scores", shared / "data/scores.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_labels(folder: Path) -> dict[str, str]:
    """Return the label of each path."""
    with (folder / "labels.csv").open() as file:
        return {row["path"]: row["label"] for row in csv.DictReader(file)}


def some_identities(labels: dict[str, str], *, least: int, paths: int) -> list[str]:
    """Return about ``paths`` paths: whole identities of ``least`` photos, and some single ones."""
    sizes = Counter(labels.values())
    repeated = [path for path in sorted(labels) if sizes[labels[path]] >= least]
    single = [path for path in sorted(labels) if sizes[labels[path]] == 1]
    whole = repeated[: paths * 4 // 5]
    last = labels[whole[-1]]
    return [path for path in whole if labels[path] != last] + single[: paths // 5]


def centre_cluster(file: Any) -> str:
    """Return the cluster of the face nearest the picture's centre; its own URI if it has none."""
    reserved = ("figure-cluster-id-unavailable", "figure-cluster-id-independent")
    if not file.figures:
        return str(file.uri)

    def off_centre(figure: Any) -> float:
        box = figure.boundary
        x = box.left + box.width / 2 - file.image_width / 2
        y = box.top + box.height / 2 - file.image_height / 2
        return float(x * x + y * y)

    cluster_id = min(file.figures, key=off_centre).figure_cluster_id
    return str(file.uri) if cluster_id in reserved else str(cluster_id)
