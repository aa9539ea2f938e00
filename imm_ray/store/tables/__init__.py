"""The tables.

Notes
-----
*Identity*: rows refer to ``dataset_id``, never to names. *Time* is microseconds since 1970 UTC.

*Runs*: what a clustering run makes is kept as intervals of run numbers. A ``membership`` or
``cluster_state`` row holds for the runs ``from_run <= run < to_run``; readers look at the dataset's
visible run. A run in progress writes rows from its own number on, in short transactions that nobody
sees, and becomes visible by one update of the dataset row. A crashed run leaves rows beyond the
visible run, which the next run discards.

A ``retired_cluster`` row is such an interval too: from ``run``, in which the cluster was given up,
until ``to_run``, in which it was restored.

*Processed marks*: a figure (a file, for similar images) has been processed when its ``seq`` is at
most the watermark of the last run of that kind.
"""

from imm_ray.store.tables.clusters import (
    cluster,
    cluster_event,
    cluster_state,
    edit,
    figure_constraint,
    membership,
    retired_cluster,
)
from imm_ray.store.tables.contents import (
    binding,
    dataset,
    figure,
    file,
    file_label,
    project,
    tombstone,
)
from imm_ray.store.tables.schema import (
    FOREVER,
    metadata,
)
from imm_ray.store.tables.work import (
    index_request,
    index_request_file,
    meta,
    nonce,
    outbox,
    ownership,
    task,
    writer,
)

__all__ = [
    "FOREVER",
    "binding",
    "cluster",
    "cluster_event",
    "cluster_state",
    "dataset",
    "edit",
    "figure",
    "figure_constraint",
    "file",
    "file_label",
    "index_request",
    "index_request_file",
    "membership",
    "meta",
    "metadata",
    "nonce",
    "outbox",
    "ownership",
    "project",
    "retired_cluster",
    "task",
    "tombstone",
    "writer",
]
