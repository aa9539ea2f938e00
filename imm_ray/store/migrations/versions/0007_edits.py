"""edits that wait while a run is brought to its end, and where a run without a task was stopped"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "dataset",
        sa.Column("edits_held", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column(
        "dataset",
        sa.Column("stopped_seq", sa.BigInteger(), server_default="0", nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.drop_column("stopped_seq")
        batch_op.drop_column("edits_held")
