"""the first schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "index_request",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=128), nullable=False),
        sa.Column("dataset_name", sa.String(length=128), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("batch", sa.Boolean(), nullable=False),
        sa.Column("notification", sa.JSON(), nullable=False),
        sa.Column("user_data", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_index_request")),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "nonce",
        sa.Column("access_key_id", sa.String(length=128), nullable=False),
        sa.Column("nonce", sa.String(length=128), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", "nonce", name=op.f("pk_nonce")),
    )
    with op.batch_alter_table("nonce", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_nonce_seen_at"), ["seen_at"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("dead", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_outbox_dead_next_attempt_at"), ["dead", "next_attempt_at"], unique=False
        )

    op.create_table(
        "ownership",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_ownership")),
    )
    op.create_table(
        "project",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("service_role", sa.Text(), server_default="", nullable=False),
        sa.Column("template_id", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("quotas", sa.JSON(), nullable=False),
        sa.Column("max_dataset_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "name", name=op.f("pk_project")),
    )
    op.create_table(
        "task",
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("task_type", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=128), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_name", sa.String(length=128), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("watermark", sa.BigInteger(), nullable=False),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("code", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("user_data", sa.Text(), server_default="", nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("notification", sa.JSON(), nullable=False),
        sa.Column("request_definition", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("ledger", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task")),
    )
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_task_account_project_started_at"),
            ["account", "project", "started_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_task_dataset_id_status_watermark"),
            ["dataset_id", "status", "watermark"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_task_started_at"), ["started_at"], unique=False)

    op.create_table(
        "dataset",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("template_id", sa.Text(), server_default="", nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("quotas", sa.JSON(), nullable=False),
        sa.Column("workflow_parameters", sa.JSON(), nullable=False),
        sa.Column("face_model", sa.Text(), server_default="", nullable=False),
        sa.Column("image_model", sa.Text(), server_default="", nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("figure_run", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("figure_watermark", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("similar_run", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("similar_watermark", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("mended_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("disturbed_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("file_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_file_size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account", "project"],
            ["project.account", "project.name"],
            name=op.f("fk_dataset_account_project"),
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_dataset")),
        sa.UniqueConstraint(
            "account", "project", "name", name=op.f("uq_dataset_account_project_name")
        ),
    )
    op.create_table(
        "index_request_file",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["index_request.event_id"],
            name=op.f("fk_index_request_file_event_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("event_id", "file_id", name=op.f("pk_index_request_file")),
    )
    with op.batch_alter_table("index_request_file", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_index_request_file_file_id"), ["file_id"], unique=False
        )

    op.create_table(
        "cluster",
        sa.Column("cluster_id", sa.String(length=64), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("custom_id", sa.Text(), server_default="", nullable=False),
        sa.Column("custom_labels", sa.JSON(), nullable=False),
        sa.Column("meta_lock_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_cluster_dataset_id")
        ),
        sa.PrimaryKeyConstraint("cluster_id", name=op.f("pk_cluster")),
    )
    with op.batch_alter_table("cluster", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cluster_dataset_id_kind"), ["dataset_id", "kind"], unique=False
        )

    op.create_table(
        "file",
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("etag", sa.Text(), server_default="", nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=True),
        sa.Column("content_hash", sa.Text(), server_default="", nullable=False),
        sa.Column("content_type", sa.Text(), server_default="", nullable=False),
        sa.Column("width", sa.Integer(), server_default="0", nullable=False),
        sa.Column("height", sa.Integer(), server_default="0", nullable=False),
        sa.Column("orientation", sa.Integer(), server_default="0", nullable=False),
        sa.Column("image_score", sa.Float(), nullable=True),
        sa.Column("produce_time", sa.Text(), server_default="", nullable=False),
        sa.Column("lat_long", sa.Text(), server_default="", nullable=False),
        sa.Column("exif", sa.JSON(), nullable=False),
        sa.Column("vector_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_file_dataset_id")
        ),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_file")),
        sa.UniqueConstraint("dataset_id", "uri", name=op.f("uq_file_dataset_id_uri")),
    )
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_file_dataset_id_status_seq"),
            ["dataset_id", "status", "seq"],
            unique=False,
        )

    op.create_table(
        "tombstone",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_tombstone_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "seq", "file_id", name=op.f("pk_tombstone")),
    )
    op.create_table(
        "cluster_state",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("cluster_id", sa.String(length=64), nullable=False),
        sa.Column("from_run", sa.BigInteger(), nullable=False),
        sa.Column("to_run", sa.BigInteger(), nullable=False),
        sa.Column("item_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("image_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cover_item", sa.String(length=36), server_default="", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_id"],
            ["cluster.cluster_id"],
            name=op.f("fk_cluster_state_cluster_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "kind", "cluster_id", "from_run", name=op.f("pk_cluster_state")
        ),
    )
    with op.batch_alter_table("cluster_state", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cluster_state_dataset_id_kind_to_run"),
            ["dataset_id", "kind", "to_run"],
            unique=False,
        )

    op.create_table(
        "figure",
        sa.Column("figure_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("left", sa.Integer(), nullable=False),
        sa.Column("top", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("quality", sa.Float(), nullable=False),
        sa.Column("sharpness", sa.Float(), nullable=False),
        sa.Column("pitch", sa.Float(), nullable=False),
        sa.Column("roll", sa.Float(), nullable=False),
        sa.Column("yaw", sa.Float(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["file.file_id"], name=op.f("fk_figure_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("figure_id", name=op.f("pk_figure")),
    )
    with op.batch_alter_table("figure", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_figure_dataset_id_figure_id"), ["dataset_id", "figure_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_figure_file_id"), ["file_id"], unique=False)

    op.create_table(
        "membership",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("from_run", sa.BigInteger(), nullable=False),
        sa.Column("to_run", sa.BigInteger(), nullable=False),
        sa.Column("cluster_id", sa.String(length=64), nullable=False),
        sa.Column("file_id", sa.String(length=36), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["file.file_id"], name=op.f("fk_membership_file_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "kind", "item_id", "from_run", name=op.f("pk_membership")
        ),
    )
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_membership_dataset_id_kind_cluster_id"),
            ["dataset_id", "kind", "cluster_id"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_membership_dataset_id_kind_to_run"),
            ["dataset_id", "kind", "to_run"],
            unique=False,
        )
        batch_op.create_index(batch_op.f("ix_membership_file_id"), ["file_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("membership", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_membership_file_id"))
        batch_op.drop_index(batch_op.f("ix_membership_dataset_id_kind_to_run"))
        batch_op.drop_index(batch_op.f("ix_membership_dataset_id_kind_cluster_id"))

    op.drop_table("membership")
    with op.batch_alter_table("figure", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_figure_file_id"))
        batch_op.drop_index(batch_op.f("ix_figure_dataset_id_figure_id"))

    op.drop_table("figure")
    with op.batch_alter_table("cluster_state", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cluster_state_dataset_id_kind_to_run"))

    op.drop_table("cluster_state")
    op.drop_table("tombstone")
    with op.batch_alter_table("file", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_file_dataset_id_status_seq"))

    op.drop_table("file")
    with op.batch_alter_table("cluster", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cluster_dataset_id_kind"))

    op.drop_table("cluster")
    with op.batch_alter_table("index_request_file", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_index_request_file_file_id"))

    op.drop_table("index_request_file")
    op.drop_table("dataset")
    with op.batch_alter_table("task", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_task_started_at"))
        batch_op.drop_index(batch_op.f("ix_task_dataset_id_status_watermark"))
        batch_op.drop_index(batch_op.f("ix_task_account_project_started_at"))

    op.drop_table("task")
    op.drop_table("project")
    op.drop_table("ownership")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_outbox_dead_next_attempt_at"))

    op.drop_table("outbox")
    with op.batch_alter_table("nonce", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_nonce_seen_at"))

    op.drop_table("nonce")
    op.drop_table("meta")
    op.drop_table("index_request")
