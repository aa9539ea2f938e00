"""up to which change the ids of deleted figures were taken out of the history"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    column = sa.Column("scrubbed_seq", sa.BigInteger(), server_default="0", nullable=False)
    with op.batch_alter_table("dataset") as batch:
        batch.add_column(column)


def downgrade() -> None:
    op.drop_column("dataset", "scrubbed_seq")
