"""the last commit of each writer, for commits of which the answer was lost"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "writer",
        sa.Column("writer_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("writer_id", name=op.f("pk_writer")),
    )


def downgrade() -> None:
    op.drop_table("writer")
