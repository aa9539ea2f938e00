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

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from imm_ray.store.columns import count, of_dataset, text, time

FOREVER = 2**62
"""``to_run`` of a row that no later run has replaced."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    text("value"),
)

project = Table(
    "project",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("name", String(128), primary_key=True),
    text("service_role"),
    text("template_id"),
    text("description"),
    Column("tags", JSON, nullable=False),
    Column("quotas", JSON, nullable=False),
    count("max_dataset_count"),
    Column("config", JSON, nullable=False, server_default="{}"),
    time("created_at"),
    time("updated_at"),
)

dataset = Table(
    "dataset",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("project", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    text("template_id"),
    text("description"),
    Column("quotas", JSON, nullable=False),
    Column("workflow_parameters", JSON, nullable=False),
    text("face_model"),
    text("image_model"),
    count("seq"),
    count("figure_run"),
    count("figure_watermark"),
    count("similar_run"),
    count("similar_watermark"),
    count("mended_seq"),
    count("disturbed_seq"),
    count("stopped_seq"),
    Column("edits_held", Boolean, nullable=False, server_default=false()),
    count("file_count"),
    count("total_file_size"),
    Column("config", JSON, nullable=False, server_default="{}"),
    time("purged_at", nullable=True),
    time("created_at"),
    time("updated_at"),
    UniqueConstraint("account", "project", "name"),
    ForeignKeyConstraint(["account", "project"], ["project.account", "project.name"]),
    Index(None, "purged_at"),
)

binding = Table(
    "binding",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("uri", String(512), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("phase", String(32), nullable=False, server_default=""),
    text("reason"),
    time("created_at"),
    time("updated_at"),
    of_dataset(),
)

file = Table(
    "file",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    text("uri", default=None),
    Column("revision", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    text("reason"),
    Column("attributes", JSON, nullable=False),
    count("attempts"),
    count("size"),
    text("etag"),
    time("modified_at", nullable=True),
    text("content_hash"),
    text("content_type"),
    Column("width", Integer, nullable=False, server_default="0"),
    Column("height", Integer, nullable=False, server_default="0"),
    Column("orientation", Integer, nullable=False, server_default="0"),
    Column("image_score", Float),
    text("produce_time"),
    text("lat_long"),
    Column("exif", JSON, nullable=False),
    count("vector_seq"),
    Column("vector", LargeBinary),
    text("words"),
    time("produced_at", nullable=True),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("place_x", Float),
    Column("place_y", Float),
    Column("place_z", Float),
    time("created_at"),
    time("updated_at"),
    of_dataset(),
    UniqueConstraint("dataset_id", "uri"),
    Index(None, "dataset_id", "status", "seq"),
)

# CustomLabels once more, for queries: keys and values without the case of their letters.
file_label = Table(
    "file_label",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("label_key", String(512), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    text("value", default=None),
    text("said", default=None),
    Column("number", Float),
    ForeignKeyConstraint(["file_id"], ["file.file_id"], ondelete="CASCADE"),
    Index(None, "dataset_id", "label_key", "value"),
    Index(None, "dataset_id", "label_key", "number"),
)

figure = Table(
    "figure",
    metadata,
    Column("figure_id", String(36), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    Column("file_id", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("left", Integer, nullable=False),
    Column("top", Integer, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("quality", Float, nullable=False),
    Column("sharpness", Float, nullable=False),
    Column("pitch", Float, nullable=False),
    Column("roll", Float, nullable=False),
    Column("yaw", Float, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    ForeignKeyConstraint(["file_id"], ["file.file_id"], ondelete="CASCADE"),
    Index(None, "file_id"),
    Index(None, "dataset_id", "figure_id"),
)

tombstone = Table(
    "tombstone",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("file_id", String(36), primary_key=True),
    of_dataset(),
)

cluster = Table(
    "cluster",
    metadata,
    Column("cluster_id", String(64), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    text("name"),
    text("custom_id"),
    Column("custom_labels", JSON, nullable=False),
    count("meta_lock_version"),
    Column("chosen_cover", String(36), nullable=False, server_default=""),
    Column("has_labels", Boolean, nullable=False, server_default=false()),
    time("created_at"),
    of_dataset(),
    Index(None, "dataset_id", "kind"),
    Index(None, "dataset_id", "kind", "name", "cluster_id"),
    Index(None, "dataset_id", "kind", "created_at", "cluster_id"),
    Index(None, "dataset_id", "kind", "has_labels", "cluster_id"),
)

cluster_state = Table(
    "cluster_state",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("cluster_id", String(64), primary_key=True),
    Column("from_run", BigInteger, primary_key=True),
    Column("to_run", BigInteger, nullable=False),
    count("item_count"),
    count("image_count"),
    Column("cover_item", String(36), nullable=False, server_default=""),
    time("updated_at"),
    ForeignKeyConstraint(["cluster_id"], ["cluster.cluster_id"], ondelete="CASCADE"),
    Index(None, "dataset_id", "kind", "to_run", "from_run", "item_count"),
    Index(None, "dataset_id", "kind", "from_run"),
    Index(None, "dataset_id", "kind", "item_count", "cluster_id"),
    Index(None, "dataset_id", "kind", "image_count", "cluster_id"),
    Index(None, "dataset_id", "kind", "updated_at", "cluster_id"),
)

membership = Table(
    "membership",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("item_id", String(36), primary_key=True),
    Column("from_run", BigInteger, primary_key=True),
    Column("to_run", BigInteger, nullable=False),
    Column("cluster_id", String(64), nullable=False),
    Column("file_id", String(36), nullable=False),
    Column("confidence", Float, nullable=False),
    ForeignKeyConstraint(["file_id"], ["file.file_id"], ondelete="CASCADE"),
    Index(None, "file_id"),
    Index(None, "dataset_id", "kind", "cluster_id"),
    Index(None, "dataset_id", "kind", "to_run"),
    Index(None, "dataset_id", "kind", "from_run"),
)

task = Table(
    "task",
    metadata,
    Column("task_id", String(64), primary_key=True),
    Column("task_type", String(32), nullable=False),
    Column("account", String(64), nullable=False),
    Column("project", String(128), nullable=False),
    Column("dataset_id", String(36), nullable=False),
    Column("dataset_name", String(128), nullable=False),
    Column("event_id", String(36), nullable=False),
    Column("request_id", String(36), nullable=False),
    Column("status", String(16), nullable=False),
    Column("watermark", BigInteger, nullable=False),
    Column("progress", Integer, nullable=False, server_default="0"),
    text("code"),
    text("message"),
    text("user_data"),
    Column("tags", JSON, nullable=False),
    Column("notification", JSON, nullable=False),
    text("request_definition"),
    time("started_at"),
    time("ended_at", nullable=True),
    Column("ledger", JSON, nullable=False),
    Index(None, "dataset_id", "status", "watermark"),
    Index(None, "account", "project", "started_at"),
    Index(None, "account", "project", "task_id"),
    Index(None, "started_at"),
)

index_request = Table(
    "index_request",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    Column("account", String(64), nullable=False),
    Column("project", String(128), nullable=False),
    Column("dataset_name", String(128), nullable=False),
    Column("request_id", String(36), nullable=False),
    Column("batch", Boolean, nullable=False),
    Column("notification", JSON, nullable=False),
    text("user_data"),
    time("started_at"),
)

index_request_file = Table(
    "index_request_file",
    metadata,
    Column("event_id", String(36), primary_key=True),
    Column("file_id", String(36), primary_key=True),
    Column("uri", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("done", Boolean, nullable=False),
    text("error"),
    ForeignKeyConstraint(["event_id"], ["index_request.event_id"], ondelete="CASCADE"),
    Index(None, "file_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", String(36), primary_key=True),
    text("topic", default=None),
    text("event_type", default=None),
    text("body", default=None),
    count("attempts"),
    Column("dead", Boolean, nullable=False, server_default="0"),
    text("last_error"),
    time("created_at"),
    time("next_attempt_at"),
    Index(None, "dead", "next_attempt_at"),
)

nonce = Table(
    "nonce",
    metadata,
    Column("access_key_id", String(128), primary_key=True),
    Column("nonce", String(128), primary_key=True),
    time("seen_at"),
    Index(None, "seen_at"),
)

ownership = Table(
    "ownership",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    text("host"),
    count("epoch"),
    count("generation"),
    Column("lease_until", Float),
)

edit = Table(
    "edit",
    metadata,
    Column("edit_id", String(36), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("task_id", String(64), nullable=False, server_default=""),
    Column("status", String(16), nullable=False),
    text("reason"),
    Column("effect", JSON, nullable=False),
    count("run"),
    time("created_at"),
    time("applied_at", nullable=True),
    of_dataset(),
    UniqueConstraint("dataset_id", "seq"),
    Index(None, "dataset_id", "status", "seq"),
)

# A re-indexed photo's figures are deleted and inserted again under their ids, so no foreign key to
# figure may take their constraints away.
figure_constraint = Table(
    "figure_constraint",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("item_id", String(36), primary_key=True),
    Column("cluster_id", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("edit_id", String(36), nullable=False),
    of_dataset(),
    Index(None, "dataset_id", "cluster_id"),
)

cluster_event = Table(
    "cluster_event",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("run", BigInteger, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("event", String(16), nullable=False),
    Column("cluster_id", String(64), nullable=False),
    Column("other_id", String(64), nullable=False, server_default=""),
    Column("items", JSON, nullable=False),
    count("item_count"),
    Column("task_id", String(64), nullable=False, server_default=""),
    Column("edit_id", String(36), nullable=False, server_default=""),
    time("at"),
    of_dataset(),
    Index(None, "dataset_id", "cluster_id", "run"),
    Index(None, "dataset_id", "at", "kind", "run", "position"),
)

retired_cluster = Table(
    "retired_cluster",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("cluster_id", String(64), primary_key=True),
    Column("run", BigInteger, primary_key=True),
    Column("to_run", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("into_id", String(64), nullable=False, server_default=""),
    time("at"),
    text("name"),
    text("custom_id"),
    Column("custom_labels", JSON, nullable=False),
    count("meta_lock_version"),
    Column("chosen_cover", String(36), nullable=False, server_default=""),
    Column("has_labels", Boolean, nullable=False, server_default=false()),
    time("created_at"),
    of_dataset(),
    Index(None, "dataset_id", "into_id"),
)
