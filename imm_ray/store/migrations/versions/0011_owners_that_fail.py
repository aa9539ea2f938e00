"""renewals that others can count, and how often an owner or a run has failed"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_COUNTS = {
    "ownership": ("renewals", "attempts", "failures", "attempted_seq"),
    "task": ("attempts",),
}


def upgrade() -> None:
    for table, names in _COUNTS.items():
        for name in names:
            column = sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            op.add_column(table, column)
    op.add_column("ownership", sa.Column("failing_since", sa.Float(), nullable=True))
    op.add_column("ownership", sa.Column("failure", sa.Text(), server_default="", nullable=False))
    op.add_column("task", sa.Column("attempted_at", sa.BigInteger(), nullable=True))
    op.add_column("task", sa.Column("retry_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("task", schema=None) as batch_op:
        for name in ("retry_at", "attempted_at", *_COUNTS["task"]):
            batch_op.drop_column(name)
    with op.batch_alter_table("ownership", schema=None) as batch_op:
        for name in ("failure", "failing_since", *_COUNTS["ownership"]):
            batch_op.drop_column(name)
