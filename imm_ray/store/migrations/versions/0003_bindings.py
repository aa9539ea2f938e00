"""bindings, the configuration of datasets, purged datasets"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "binding",
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("uri", sa.String(length=512), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("phase", sa.String(length=32), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_binding_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "uri", name=op.f("pk_binding")),
    )
    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.add_column(sa.Column("config", sa.JSON(), server_default="{}", nullable=False))
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.add_column(sa.Column("config", sa.JSON(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("purged_at", sa.BigInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_dataset_purged_at"), ["purged_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dataset_purged_at"))
        batch_op.drop_column("purged_at")
        batch_op.drop_column("config")
    with op.batch_alter_table("project", schema=None) as batch_op:
        batch_op.drop_column("config")
    op.drop_table("binding")
