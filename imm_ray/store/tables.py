"""The tables.

Notes
-----
*Identity*: rows refer to ``dataset_id``, never to names. *Time* is microseconds since 1970 UTC.

*Runs*: what a clustering run makes is kept as intervals of run numbers. A ``membership`` or
``cluster_state`` row holds for the runs ``from_run <= run < to_run``; readers look at the dataset's
visible run. A run in progress writes rows from its own number on, in short transactions that nobody
sees, and becomes visible by one update of the dataset row. A crashed run leaves rows beyond the
visible run, which the next run discards.

*Processed marks*: a figure (a file, for similar images) has been processed when its ``seq`` is at
most the watermark of the last run of that kind.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

FOREVER = 2**62
"""``to_run`` of a row that no later run has replaced."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UtcTime(TypeDecorator[datetime]):
    """An aware datetime, stored as microseconds since 1970 UTC in 64 bits."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the stored number."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Return the aware datetime."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _text(name: str, *, default: str | None = "", **kwargs: Any) -> Column[str]:
    if default is not None:
        kwargs["server_default"] = default
    return Column(name, Text, nullable=False, **kwargs)


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _time(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, UtcTime, nullable=nullable)


def _of_dataset() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["dataset_id"], ["dataset.dataset_id"])


meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    _text("value"),
)

project = Table(
    "project",
    metadata,
    Column("account", String(64), primary_key=True),
    Column("name", String(128), primary_key=True),
    _text("service_role"),
    _text("template_id"),
    _text("description"),
    Column("tags", JSON, nullable=False),
    Column("quotas", JSON, nullable=False),
    _count("max_dataset_count"),
    _time("created_at"),
    _time("updated_at"),
)

dataset = Table(
    "dataset",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("project", String(128), nullable=False),
    Column("name", String(128), nullable=False),
    _text("template_id"),
    _text("description"),
    Column("quotas", JSON, nullable=False),
    Column("workflow_parameters", JSON, nullable=False),
    _text("face_model"),
    _text("image_model"),
    _count("seq"),
    _count("figure_run"),
    _count("figure_watermark"),
    _count("similar_run"),
    _count("similar_watermark"),
    _count("mended_seq"),
    _count("disturbed_seq"),
    _count("file_count"),
    _count("total_file_size"),
    _time("created_at"),
    _time("updated_at"),
    UniqueConstraint("account", "project", "name"),
    ForeignKeyConstraint(["account", "project"], ["project.account", "project.name"]),
)

file = Table(
    "file",
    metadata,
    Column("file_id", String(36), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    _text("uri", default=None),
    Column("revision", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    _text("reason"),
    Column("attributes", JSON, nullable=False),
    _count("attempts"),
    _count("size"),
    _text("etag"),
    _time("modified_at", nullable=True),
    _text("content_hash"),
    _text("content_type"),
    Column("width", Integer, nullable=False, server_default="0"),
    Column("height", Integer, nullable=False, server_default="0"),
    Column("orientation", Integer, nullable=False, server_default="0"),
    Column("image_score", Float),
    _text("produce_time"),
    _text("lat_long"),
    Column("exif", JSON, nullable=False),
    _count("vector_seq"),
    Column("vector", LargeBinary),
    _time("created_at"),
    _time("updated_at"),
    _of_dataset(),
    UniqueConstraint("dataset_id", "uri"),
    Index(None, "dataset_id", "status", "seq"),
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
    _of_dataset(),
)

cluster = Table(
    "cluster",
    metadata,
    Column("cluster_id", String(64), primary_key=True),
    Column("dataset_id", String(36), nullable=False),
    Column("kind", String(16), nullable=False),
    _text("name"),
    _text("custom_id"),
    Column("custom_labels", JSON, nullable=False),
    _count("meta_lock_version"),
    _time("created_at"),
    _of_dataset(),
    Index(None, "dataset_id", "kind"),
)

cluster_state = Table(
    "cluster_state",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("cluster_id", String(64), primary_key=True),
    Column("from_run", BigInteger, primary_key=True),
    Column("to_run", BigInteger, nullable=False),
    _count("item_count"),
    _count("image_count"),
    Column("cover_item", String(36), nullable=False, server_default=""),
    _time("updated_at"),
    ForeignKeyConstraint(["cluster_id"], ["cluster.cluster_id"], ondelete="CASCADE"),
    Index(None, "dataset_id", "kind", "to_run"),
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
    _text("code"),
    _text("message"),
    _text("user_data"),
    Column("tags", JSON, nullable=False),
    Column("notification", JSON, nullable=False),
    _text("request_definition"),
    _time("started_at"),
    _time("ended_at", nullable=True),
    Column("ledger", JSON, nullable=False),
    Index(None, "dataset_id", "status", "watermark"),
    Index(None, "account", "project", "started_at"),
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
    _text("user_data"),
    _time("started_at"),
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
    _text("error"),
    ForeignKeyConstraint(["event_id"], ["index_request.event_id"], ondelete="CASCADE"),
    Index(None, "file_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("message_id", String(36), primary_key=True),
    _text("topic", default=None),
    _text("event_type", default=None),
    _text("body", default=None),
    _count("attempts"),
    Column("dead", Boolean, nullable=False, server_default="0"),
    _text("last_error"),
    _time("created_at"),
    _time("next_attempt_at"),
    Index(None, "dead", "next_attempt_at"),
)

nonce = Table(
    "nonce",
    metadata,
    Column("access_key_id", String(128), primary_key=True),
    Column("nonce", String(128), primary_key=True),
    _time("seen_at"),
    Index(None, "seen_at"),
)

ownership = Table(
    "ownership",
    metadata,
    Column("dataset_id", String(36), primary_key=True),
    _text("host"),
    _count("epoch"),
    _count("generation"),
    Column("lease_until", Float),
)
