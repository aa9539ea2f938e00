"""What the service itself needs: tasks, requests, messages, nonces, owners."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from imm_ray.store.columns import count, of_status, text, time
from imm_ray.store.tables.schema import metadata

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    text("value"),
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
    of_status("task", "Running"),
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
    Index(None, "dataset_id"),
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

writer = Table(
    "writer",
    metadata,
    Column("writer_id", String(36), primary_key=True),
    count("number"),
    time("seen_at"),
)
