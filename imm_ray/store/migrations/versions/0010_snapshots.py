"""snapshots, and how far the rebuilding of a dataset without one is"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "snapshot",
        sa.Column("dataset_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("manifest", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("manifest_bytes", sa.BigInteger, nullable=False),
        sa.Column("bytes_in_all", sa.BigInteger, nullable=False),
        sa.Column("items", sa.BigInteger, nullable=False),
        sa.Column("run", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("outdated", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("dataset_id", "kind", "number", name=op.f("pk_snapshot")),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.dataset_id"], name=op.f("fk_snapshot_dataset_id")
        ),
    )
    for name in ("rebuild_left", "rebuild_total"):
        op.add_column("dataset", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    for name in ("rebuild_left", "rebuild_total"):
        op.drop_column("dataset", name)
    op.drop_table("snapshot")
