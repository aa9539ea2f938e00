"""what some shapes of a message tell beside its text, who delivers, and orders by topic and age"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("outbox", sa.Column("details", sa.JSON(), server_default="{}", nullable=False))
    op.drop_index(op.f("ix_outbox_dead_next_attempt_at"), "outbox")
    op.create_index(
        op.f("ix_outbox_topic_dead_next_attempt_at"), "outbox", ["topic", "dead", "next_attempt_at"]
    )
    op.create_index(op.f("ix_outbox_dead_created_at"), "outbox", ["dead", "created_at"])
    op.create_table(
        "duty",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("generation", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("beat", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_duty")),
    )


def downgrade() -> None:
    op.drop_table("duty")
    op.drop_index(op.f("ix_outbox_dead_created_at"), "outbox")
    op.drop_index(op.f("ix_outbox_topic_dead_next_attempt_at"), "outbox")
    op.create_index(op.f("ix_outbox_dead_next_attempt_at"), "outbox", ["dead", "next_attempt_at"])
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.drop_column("details")
