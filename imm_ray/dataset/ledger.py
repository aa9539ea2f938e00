"""What a run says of its own work."""

from typing import Any

from imm_ray.cluster.run import Run
from imm_ray.dataset.ports import Clusterer, VectorIndex


def ledger_of(
    clusterer: Clusterer,
    index: VectorIndex,
    run: Run | None,
    *,
    new: int,
    changed: int,
    stored: int,
) -> dict[str, Any]:
    """Return the facts of a run, None for one that had nothing to look at.

    Parameters
    ----------
    new
        Items that it covers first.
    changed
        Clusters that are not what they were.
    stored
        All items.
    """
    report = index.report()
    facts: dict[str, Any] = {
        "items_new": new,
        "distances_computed": run.work.pairs_compared if run else 0,
        "clusters_touched": run.work.clusters_touched if run else 0,
        "items_reclustered": run.work.items_reopened if run else 0,
        "clusters_changed": changed,
        "items_stored": stored,
        "index": report.tier,
    }
    if report.recall is not None:
        facts["index_recall"] = round(report.recall, 4)
    if run and run.work.drift is not None:
        facts["drift"] = {
            "adjusted_rand_index": round(run.work.drift, 6),
            "items_moved": run.work.items_moved,
        }
    if run:
        facts["lists_at_cap"] = clusterer.capped_lists
    return facts
