"""the orders in which files are read by time"""

from alembic import op

revision = "0008"
down_revision = "0007"

_TIMES = ("produced_at", "created_at", "updated_at")


def upgrade() -> None:
    for time in _TIMES:
        columns = ["dataset_id", time, "uri"]
        op.create_index(op.f(f"ix_file_{'_'.join(columns)}"), "file", columns)


def downgrade() -> None:
    for time in _TIMES:
        op.drop_index(op.f(f"ix_file_dataset_id_{time}_uri"), "file")
