"""What clustering makes of it: clusters, members, edits and history."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    UniqueConstraint,
    false,
)

from imm_ray.store.columns import count, of_dataset, of_status, text, time
from imm_ray.store.tables.schema import metadata

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
    Index(None, "cluster_id"),
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
    of_status("edit", "Pending"),
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
