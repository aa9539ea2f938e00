"""edits, constraints, lineage and retired clusters"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "edit",
        sa.Column("edit_id", sa.String(length=36), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("task_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("effect", sa.JSON(), nullable=False),
        sa.Column("run", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_edit_dataset_id")
        ),
        sa.PrimaryKeyConstraint("edit_id", name=op.f("pk_edit")),
        sa.UniqueConstraint("dataset_id", "seq", name=op.f("uq_edit_dataset_id_seq")),
    )
    with op.batch_alter_table("edit", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_edit_dataset_id_status_seq"),
            ["dataset_id", "status", "seq"],
            unique=False,
        )

    op.create_table(
        "figure_constraint",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("item_id", sa.String(length=36), nullable=False),
        sa.Column("cluster_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("edit_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_figure_constraint_dataset_id")
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "item_id", "cluster_id", "kind", name=op.f("pk_figure_constraint")
        ),
    )
    with op.batch_alter_table("figure_constraint", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_figure_constraint_dataset_id_cluster_id"),
            ["dataset_id", "cluster_id"],
            unique=False,
        )

    op.create_table(
        "cluster_event",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=16), nullable=False),
        sa.Column("cluster_id", sa.String(length=64), nullable=False),
        sa.Column("other_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("item_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("task_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("edit_id", sa.String(length=36), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_cluster_event_dataset_id")
        ),
        sa.PrimaryKeyConstraint(
            "dataset_id", "kind", "run", "position", name=op.f("pk_cluster_event")
        ),
    )
    with op.batch_alter_table("cluster_event", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_cluster_event_dataset_id_cluster_id_run"),
            ["dataset_id", "cluster_id", "run"],
            unique=False,
        )

    op.create_table(
        "retired_cluster",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("cluster_id", sa.String(length=64), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("to_run", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("into_id", sa.String(length=64), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("custom_id", sa.Text(), server_default="", nullable=False),
        sa.Column("custom_labels", sa.JSON(), nullable=False),
        sa.Column("meta_lock_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_retired_cluster_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "cluster_id", "run", name=op.f("pk_retired_cluster")),
    )
    with op.batch_alter_table("retired_cluster", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_retired_cluster_dataset_id_into_id"),
            ["dataset_id", "into_id"],
            unique=False,
        )

    for table in ("cluster_state", "membership"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(
                batch_op.f(f"ix_{table}_dataset_id_kind_from_run"),
                ["dataset_id", "kind", "from_run"],
                unique=False,
            )


def downgrade() -> None:
    for table in ("cluster_state", "membership"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_index(batch_op.f(f"ix_{table}_dataset_id_kind_from_run"))
    with op.batch_alter_table("retired_cluster", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_retired_cluster_dataset_id_into_id"))

    op.drop_table("retired_cluster")
    with op.batch_alter_table("cluster_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cluster_event_dataset_id_cluster_id_run"))

    op.drop_table("cluster_event")
    with op.batch_alter_table("figure_constraint", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_figure_constraint_dataset_id_cluster_id"))

    op.drop_table("figure_constraint")
    with op.batch_alter_table("edit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_edit_dataset_id_status_seq"))

    op.drop_table("edit")
