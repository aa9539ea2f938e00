import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numba.core.registry import CPUDispatcher

from imm_ray.cluster.list_kernels import marks_of_runs
from imm_ray.cluster.warmup import compile_kernels
from tests.unit.cluster.album import PeopleAlbum, Pool, SimilarAlbum
from tests.unit.cluster.sample import crowd, figure_limits

MODULES = ["kernels", "list_kernels", "component_kernels", "base_kernels"]


def compiled() -> dict[str, list[Any]]:
    """The signatures of every kernel that callers call: those inside come with them."""
    return {
        f"{name}.{kernel}": list(dispatcher.signatures)
        for name in MODULES
        for kernel, dispatcher in vars(import_module(f"imm_ray.cluster.{name}")).items()
        if isinstance(dispatcher, CPUDispatcher) and not kernel.startswith("_")
    }


def live() -> None:
    """Use all that the engine uses, on other shapes than the warm-up."""
    limits = figure_limits(strong=0.55, strong_share=0.3, second_mean=0.3, second_smallest=2)
    rng = np.random.default_rng(0)
    for exact_items, width in ((0, 5), (10**6, 40)):
        vectors = crowd(1, count=120, dimension=16, people=8)
        pool = Pool(vectors, photos=rng.integers(0, 90, 120), poor=range(0, 120, 9))
        people = PeopleAlbum(pool, limits, exact_items=exact_items, width=width)
        pictures = SimilarAlbum(pool, limits.threshold, guard=8 if exact_items else 5000)
        for part in np.split(np.arange(120), 6):
            people.insert(part.tolist())
            pictures.insert(part.tolist())
            people.pin(int(part[0]), 1)
            people.ban(int(part[1]), 1)
            people.run()
            pictures.run()
        people.remove(range(0, 120, 3))
        pictures.remove(range(0, 120, 3))
        people.run()
        pictures.run()
        people.free()
        people.insert([0])
        people.clusterer.explain(1, 2)
        people.clusterer.anchors(np.array([1, 2, 4]))
        pictures.clusterer.means(np.array([1, 2, 4]))
        people.consolidate()
        pictures.consolidate()
        for clusterer in (people.clusterer, pictures.clusterer):
            rows = clusterer.rows(np.array([1, 2, 4]))
            clusterer.marks(100)
            marks_of_runs(rows.ids, rows.similarities, rows.counts)


def check() -> None:
    compile_kernels()
    before = compiled()
    never = sorted(name for name, signatures in before.items() if not signatures)
    assert not never, f"never compiled: {never}"
    live()
    after = compiled()
    late = {name: after[name] for name in after if after[name] != before[name]}
    assert not late, f"compiled after the warm-up: {late}"


def test_after_the_warm_up_runs_compile_nothing() -> None:
    """In a process of its own, because other tests compile too."""
    code = f"from {__name__} import check; check()"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
