"""Ways to damage a healthy store by raw SQL, and what a check has to say of each."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

FOREVER = 2**62
NOBODY = "'nobody'"
"""An id, as SQL, that nothing has."""

Named: TypeAlias = tuple[str, str]
"""An invariant, and a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One row that is changed, copied with changes, or deleted behind the program's back."""

    name: str
    named: Named
    """What has to be said of the row itself."""
    besides: tuple[Named, ...] = ()
    """What follows from it elsewhere."""
    verb: Literal["set", "copy", "delete"] = "set"
    row: str = "1"
    """SQL condition for the row; the first one is taken."""
    values: Mapping[str, str] = field(default_factory=dict)
    """SQL expressions by column."""
    key: str
    """The columns that name the row; ``alias=column`` where the check calls one otherwise."""
    table: str = ""
    """Where the row is, if that is not the table of ``named``."""
    quiescent: bool = False
    """Whether it is damage only when nothing is left to do."""

    def do(self, database: sqlite3.Connection) -> str:
        """Damage the store; return the key that the check has to name."""
        table = self.table or self.named[1]
        find = f"SELECT rowid FROM {table} WHERE {self.row} LIMIT 1"
        (rowid,) = database.execute(find).fetchone()
        if self.verb == "copy":
            names = [r[1] for r in database.execute(f"PRAGMA table_info({table})")]
            columns = ", ".join(f'"{name}"' for name in names)
            read = ", ".join(self.values.get(name, f'"{name}"') for name in names)
            rowid = database.execute(
                f"INSERT INTO {table} ({columns}) SELECT {read} FROM {table} WHERE rowid = {rowid}"
            ).lastrowid
        elif self.verb == "set":
            sets = ", ".join(f'"{name}" = {value}' for name, value in self.values.items())
            database.execute(f"UPDATE {table} SET {sets} WHERE rowid = {rowid}")
        aliases = [part.partition("=") for part in self.key.split()]
        columns = ", ".join(column or alias for alias, _, column in aliases)
        ids = database.execute(f"SELECT {columns} FROM {table} WHERE rowid = {rowid}").fetchone()
        if self.verb == "delete":
            database.execute(f"DELETE FROM {table} WHERE rowid = {rowid}")
        return " ".join(f"{alias[0]}={value}" for alias, value in zip(aliases, ids, strict=True))


OPEN = f"to_run = {FOREVER}"
FACE = f"kind = 'figure' AND {OPEN}"
PHOTO = f"kind = 'similar' AND {OPEN}"
ITEM = "dataset_id kind item_id"
CLUSTER = "dataset_id kind cluster_id"
FILE = "dataset_id file_id"
TASK = "dataset_id task_id"
EDIT = "dataset_id edit_id"
EVENT = "dataset_id event_id"
INDEXED = "status = 'Succeeded' AND content_hash <> '' AND vector IS NOT NULL"
MISCOUNTED = ("I8", "cluster_state")
FAR = str(10**6)

PLACES = (
    Damage(
        name="an item in two clusters",
        named=("I2", "membership"),
        besides=(MISCOUNTED,),
        verb="copy",
        row=FACE,
        values={"from_run": "from_run - 1"},
        key=ITEM,
    ),
    Damage(
        name="a place in a cluster without state",
        named=("I2", "membership"),
        besides=(MISCOUNTED,),
        row=FACE,
        values={"cluster_id": NOBODY},
        key=ITEM,
    ),
    Damage(
        name="a cluster with two states",
        named=("I2", "cluster_state"),
        besides=(("I10", "cluster_state"),),
        verb="copy",
        row=FACE,
        values={"from_run": "from_run - 1"},
        key=CLUSTER,
    ),
    Damage(
        name="a place that never holds",
        named=("I2", "membership"),
        besides=(MISCOUNTED,),
        row=FACE,
        values={"to_run": "from_run"},
        key=ITEM,
    ),
    Damage(
        name="a state that never holds",
        named=("I2", "cluster_state"),
        verb="copy",
        row=FACE,
        values={"from_run": "0", "to_run": "0"},
        key=CLUSTER,
    ),
    Damage(
        name="a place of another file",
        named=("I2", "membership"),
        row=f"{FACE} AND item_id IN (SELECT figure_id FROM figure)",
        values={
            "file_id": "(SELECT file_id FROM file WHERE file_id <> membership.file_id LIMIT 1)"
        },
        key=ITEM,
    ),
    Damage(
        name="a place of a figure that is gone",
        named=("I9", "membership"),
        besides=(MISCOUNTED,),
        row=FACE,
        values={"item_id": NOBODY},
        key=ITEM,
    ),
    Damage(
        name="a place of a file that is gone",
        named=("I9", "membership"),
        row=PHOTO,
        values={"item_id": NOBODY},
        key=ITEM,
    ),
)

SEQUENCE = (
    *(
        Damage(
            name=f"{table}.{column} of the future",
            named=("I3", table),
            besides=besides,
            row=row,
            values={column: FAR},
            key=key,
        )
        for table, column, row, key, besides in (
            ("file", "seq", "1", FILE, ()),
            ("file", "vector_seq", "vector IS NULL", FILE, (("I4", "file"),)),
            ("figure", "seq", "1", "dataset_id figure_id", (("I4", "figure"),)),
            ("edit", "seq", "1", EDIT, ()),
            ("task", "watermark", "1", TASK, ()),
            ("tombstone", "seq", "1", FILE, ()),
            *(
                ("dataset", column, "1", "dataset_id", ())
                for column in (
                    "figure_watermark",
                    "similar_watermark",
                    "mended_seq",
                    "disturbed_seq",
                    "stopped_seq",
                )
            ),
        )
    ),
    Damage(
        name="a change number of two changes",
        named=("I3", "dataset"),
        table="edit",
        values={"seq": "(SELECT watermark FROM task LIMIT 1)"},
        key="dataset_id seq",
    ),
)

INDEXING = (
    Damage(
        name="a file of no status",
        named=("I4", "file"),
        row=INDEXED,
        values={"status": "'Fine'"},
        key=FILE,
    ),
    Damage(
        name="a failure without reason",
        named=("I4", "file"),
        row=INDEXED,
        values={"status": "'Failed'"},
        key=FILE,
    ),
    Damage(
        name="a success with a reason",
        named=("I4", "file"),
        row=INDEXED,
        values={"reason": "'broken'"},
        key=FILE,
    ),
    Damage(
        name="results of nothing",
        named=("I4", "file"),
        row=INDEXED,
        values={"content_hash": "''"},
        key=FILE,
    ),
    Damage(
        name="results newer than the file",
        named=("I4", "file"),
        row=f"{INDEXED} AND NOT EXISTS (SELECT 1 FROM figure g WHERE g.file_id = file.file_id)",
        values={"vector_seq": "seq + 1"},
        key=FILE,
    ),
    Damage(
        name="a negative revision",
        named=("I4", "file"),
        row=INDEXED,
        values={"revision": "-1"},
        key=FILE,
    ),
    Damage(
        name="a figure of an older analysis",
        named=("I4", "figure"),
        values={"seq": "seq - 1"},
        key="dataset_id figure_id",
    ),
    Damage(
        name="half a face vector",
        named=("I4", "figure"),
        values={"vector": "substr(vector, 1, 2)"},
        key="dataset_id figure_id",
    ),
    Damage(
        name="half a picture vector",
        named=("I4", "file"),
        row=INDEXED,
        values={"vector": "substr(vector, 1, 2)"},
        key=FILE,
    ),
    Damage(
        name="a file that waits",
        named=("I4", "file"),
        row=INDEXED,
        values={"status": "'Pending'"},
        key=FILE,
        quiescent=True,
    ),
)

WORK = (
    Damage(
        name="a task of no status",
        named=("I5", "task"),
        row="status = 'Succeeded'",
        values={"status": "'Queued'"},
        key=TASK,
    ),
    Damage(
        name="an ended task that runs",
        named=("I5", "task"),
        row="status = 'Running' AND task_type = 'FaceClustering'",
        values={"ended_at": "started_at"},
        key=TASK,
    ),
    Damage(
        name="an ended task without an end",
        named=("I5", "task"),
        row="status = 'Succeeded'",
        values={"ended_at": "NULL"},
        key=TASK,
    ),
    Damage(
        name="half a success",
        named=("I5", "task"),
        row="status = 'Succeeded'",
        values={"progress": "50"},
        key=TASK,
    ),
    Damage(
        name="a progress beyond the end",
        named=("I5", "task"),
        row="status = 'Running'",
        values={"progress": "101"},
        key=TASK,
    ),
    Damage(
        name="a task of no dataset",
        named=("I5", "task"),
        row="status = 'Running' AND task_type = 'FaceClustering'",
        values={"dataset_id": NOBODY},
        key=TASK,
    ),
    Damage(
        name="a merging task without its edit",
        named=("I5", "task"),
        row="status = 'Running' AND task_type = 'FigureClustersMerging'",
        values={"task_id": "'T'"},
        key=TASK,
    ),
    Damage(
        name="an edit of no status",
        named=("I5", "edit"),
        row="status = 'Applied'",
        values={"status": "'Done'"},
        key=EDIT,
    ),
    Damage(
        name="an applied edit without a time",
        named=("I5", "edit"),
        row="status = 'Applied'",
        values={"applied_at": "NULL"},
        key=EDIT,
    ),
    Damage(
        name="a refusal without a reason",
        named=("I5", "edit"),
        row="status = 'Applied'",
        values={"status": "'Refused'"},
        key=EDIT,
    ),
    Damage(
        name="an edit of a run that is not",
        named=("I5", "edit"),
        row="status = 'Applied'",
        values={"run": FAR},
        key=EDIT,
    ),
    Damage(
        name="a task that runs",
        named=("I5", "task"),
        row="status = 'Succeeded' AND task_type = 'FaceClustering'",
        values={"status": "'Running'", "ended_at": "NULL"},
        key=TASK,
        quiescent=True,
    ),
    Damage(
        name="an edit that waits",
        named=("I5", "edit"),
        row="status = 'Applied'",
        values={"status": "'Pending'", "applied_at": "NULL"},
        key=EDIT,
        quiescent=True,
    ),
    Damage(
        name="a shut door",
        named=("I5", "dataset"),
        values={"edits_held": "1"},
        key="dataset_id",
        quiescent=True,
    ),
)

OWNERS = (
    Damage(
        name="a place staged by two owners",
        named=("I6", "membership"),
        row=FACE,
        verb="copy",
        values={"from_run": "from_run + 1000"},
        key="dataset_id kind",
    ),
    Damage(
        name="a state staged by two owners",
        named=("I6", "cluster_state"),
        row=FACE,
        verb="copy",
        values={"from_run": "from_run + 1000"},
        key="dataset_id kind",
    ),
    Damage(
        name="an end staged by two owners",
        named=("I6", "retired_cluster"),
        values={"run": "run + 1000"},
        key="dataset_id kind",
    ),
    Damage(
        name="an event staged by two owners",
        named=("I6", "cluster_event"),
        verb="copy",
        values={"run": "run + 1000"},
        key="dataset_id kind",
    ),
    Damage(
        name="a place closed by a lost owner",
        named=("I6", "membership"),
        row=FACE,
        values={"to_run": "from_run + 1000"},
        key="dataset_id kind",
    ),
    Damage(
        name="a state closed by a lost owner",
        named=("I6", "cluster_state"),
        row=FACE,
        values={"to_run": "from_run + 1000"},
        key="dataset_id kind",
    ),
    Damage(
        name="an owner of the future",
        named=("I6", "ownership"),
        values={"generation": FAR},
        key="dataset_id",
    ),
    Damage(
        name="an owner of nothing",
        named=("I6", "ownership"),
        values={"dataset_id": NOBODY},
        key="dataset_id",
    ),
)

MESSAGES = (
    Damage(
        name="a request that waits for nothing",
        named=("I7", "index_request"),
        verb="copy",
        values={"event_id": "'E'"},
        key=EVENT,
    ),
    Damage(
        name="a request that waits for an indexed file",
        named=("I7", "index_request_file"),
        values={"file_id": f"(SELECT file_id FROM file WHERE {INDEXED} LIMIT 1)"},
        key="event_id file_id",
    ),
    Damage(
        name="a request that waits for a file that is gone",
        named=("I7", "index_request_file"),
        values={"file_id": NOBODY},
        key="event_id file_id",
    ),
    Damage(
        name="files of no request",
        named=("I7", "index_request_file"),
        values={"event_id": "'E'"},
        key="event_id",
    ),
    Damage(
        name="a message that is ahead of its task",
        named=("I7", "outbox"),
        values={
            "body": "'{\"id\":\"' || (SELECT event_id FROM task WHERE status = 'Running') || '\"}'"
        },
        key="message_id",
    ),
)

COUNTS = (
    Damage(
        name="an item too many",
        named=MISCOUNTED,
        row=FACE,
        values={"item_count": "item_count + 1"},
        key=CLUSTER,
    ),
    Damage(
        name="a file too few",
        named=MISCOUNTED,
        row=PHOTO,
        values={"image_count": "image_count - 1"},
        key=CLUSTER,
    ),
    Damage(
        name="a foreign cover",
        named=MISCOUNTED,
        row=FACE,
        values={"cover_item": NOBODY},
        key=CLUSTER,
    ),
    Damage(
        name="no cover",
        named=MISCOUNTED,
        row=PHOTO,
        values={"cover_item": "''"},
        key=CLUSTER,
    ),
    Damage(
        name="a dataset of more files",
        named=("I8", "dataset"),
        values={"file_count": "file_count + 1"},
        key="dataset_id",
    ),
    Damage(
        name="a dataset of larger files",
        named=("I8", "dataset"),
        values={"total_file_size": "total_file_size + 1"},
        key="dataset_id",
    ),
)

DELETED = (
    *(
        Damage(
            name=f"{table} of no dataset",
            named=("I9", table),
            besides=besides,
            verb="copy",
            row=row,
            values={"dataset_id": NOBODY} | more,
            key="dataset_id",
        )
        for table, row, more, besides in (
            ("binding", "1", {}, ()),
            ("cluster", "1", {"cluster_id": "'C'"}, ()),
            ("cluster_event", "1", {}, ()),
            ("cluster_state", "1", {}, (("I12", "cluster_state"),)),
            ("edit", "status = 'Applied'", {"edit_id": "'E'", "task_id": "''"}, ()),
            ("figure", "1", {"figure_id": "'F'"}, (("I12", "figure"),)),
            ("figure_constraint", "kind = 'pin'", {}, ()),
            ("file", INDEXED, {"file_id": "'F'"}, ()),
            ("file_label", "1", {"label_key": "'k'"}, (("I12", "file_label"),)),
            ("index_request", "1", {"event_id": "'E'"}, (("I7", "index_request"),)),
            ("membership", PHOTO, {}, (("I12", "membership"),)),
            ("retired_cluster", "1", {}, ()),
            ("snapshot", "1", {}, ()),
            ("tombstone", "1", {}, ()),
        )
    ),
    *(
        Damage(
            name=f"{table} of no {parent}",
            named=("I9", table),
            besides=besides,
            row=row,
            values={column: NOBODY},
            key=f"of={column}",
        )
        for table, parent, column, row, besides in (
            ("figure", "file", "file_id", "1", (("I2", "membership"),)),
            ("membership", "file", "file_id", PHOTO, ()),
            ("file_label", "file", "file_id", "1", ()),
            (
                "cluster_state",
                "cluster",
                "cluster_id",
                FACE,
                (("I2", "membership"), MISCOUNTED, ("I10", "cluster_state")),
            ),
        )
    ),
    Damage(
        name="a file that has risen",
        named=("I9", "tombstone"),
        values={"file_id": "(SELECT file_id FROM file LIMIT 1)"},
        key=FILE,
    ),
    Damage(
        name="a ban of nobody",
        named=("I9", "figure_constraint"),
        row="kind = 'ban'",
        values={"item_id": NOBODY},
        key="dataset_id item_id cluster_id",
    ),
    Damage(
        name="a purged dataset with its name",
        named=("I9", "dataset"),
        besides=(("I6", "ownership"),),
        values={"purged_at": "1"},
        key="dataset_id",
    ),
    Damage(
        name="a dataset half purged",
        named=("I9", "dataset"),
        besides=(("I6", "ownership"),),
        values={"purged_at": "1", "name": "'~' || dataset_id"},
        key="dataset_id",
        quiescent=True,
    ),
)

LINEAGE = (
    Damage(
        name="a history with a gap",
        named=("I10", "cluster_event"),
        row="kind = 'figure'",
        values={"position": "position + 1000"},
        key="dataset_id kind run",
    ),
    Damage(
        name="a visible cluster that was given up",
        named=("I10", "retired_cluster"),
        values={
            "cluster_id": "(SELECT cluster_id FROM cluster_state WHERE kind = 'figure' AND "
            f"{OPEN} LIMIT 1)"
        },
        key=CLUSTER,
    ),
    Damage(
        name="an heir of itself",
        named=("I10", "retired_cluster"),
        values={"into_id": "cluster_id"},
        key=CLUSTER,
    ),
    Damage(
        name="a cluster given up twice",
        named=("I10", "retired_cluster"),
        verb="copy",
        values={"run": "run - 1"},
        key=CLUSTER,
    ),
    Damage(
        name="a cluster of unknown origin",
        named=("I10", "cluster_state"),
        besides=(("I9", "cluster_state"), ("I2", "membership"), MISCOUNTED),
        row=FACE,
        values={"cluster_id": "'C'"},
        key=CLUSTER,
    ),
)

TENANTS = (
    Damage(
        name="a dataset of no project",
        named=("I12", "dataset"),
        besides=(("I12", "task"), ("I12", "index_request")),
        values={"project": NOBODY},
        key="dataset_id",
    ),
    Damage(
        name="a task of another account",
        named=("I12", "task"),
        values={"account": NOBODY},
        key=TASK,
    ),
    Damage(
        name="a request of another account",
        named=("I12", "index_request"),
        values={"account": NOBODY},
        key=EVENT,
    ),
    *(
        Damage(
            name=f"{table} of another dataset than its parent",
            named=("I12", table),
            besides=besides,
            row=row,
            values={"dataset_id": "(SELECT dataset_id FROM dataset WHERE name = 'other')"},
            key=key,
        )
        for table, row, key, besides in (
            ("figure", "1", "dataset_id figure_id", (("I3", "figure"),)),
            ("file_label", "1", FILE, ()),
            ("edit", "task_id <> ''", EDIT, (("I3", "edit"),)),
        )
    ),
    Damage(
        name="a retired cluster of another kind",
        named=("I12", "retired_cluster"),
        values={"cluster_id": "(SELECT cluster_id FROM cluster WHERE kind = 'similar' LIMIT 1)"},
        key="dataset_id cluster_id",
    ),
    Damage(
        name="a place in a cluster of another kind",
        named=("I12", "membership"),
        besides=(("I2", "membership"), MISCOUNTED),
        row=FACE,
        values={"cluster_id": "(SELECT cluster_id FROM cluster WHERE kind = 'similar' LIMIT 1)"},
        key=ITEM,
    ),
    Damage(
        name="a place in another dataset than its file",
        named=("I12", "membership"),
        besides=(MISCOUNTED,),
        row=FACE,
        values={"dataset_id": "(SELECT dataset_id FROM dataset WHERE name = 'other')"},
        key=ITEM,
    ),
    Damage(
        name="a state of a cluster of another kind",
        named=("I12", "cluster_state"),
        besides=(MISCOUNTED, ("I2", "membership")),
        row=PHOTO,
        values={"kind": "'figure'"},
        key=CLUSTER,
    ),
    Damage(
        name="a request for a file of another dataset",
        named=("I12", "index_request_file"),
        table="index_request",
        values={"dataset_id": "(SELECT dataset_id FROM dataset WHERE name = 'other')"},
        key="event_id",
    ),
)

DAMAGES = (
    *PLACES,
    *SEQUENCE,
    *INDEXING,
    *WORK,
    *OWNERS,
    *MESSAGES,
    *COUNTS,
    *DELETED,
    *LINEAGE,
    *TENANTS,
)
