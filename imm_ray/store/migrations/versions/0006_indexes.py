"""the indexes of foreign keys, and of what waits to be done"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_INDEXES = (("cluster_state", "cluster_id"), ("index_request", "dataset_id"))
_PENDING = sa.text("status = 'Pending'")
_RUNNING = sa.text("status = 'Running'")
_WAITING = (
    ("file", "pending", _PENDING),
    ("edit", "pending", _PENDING),
    ("task", "running", _RUNNING),
)


def upgrade() -> None:
    for table, column in _INDEXES:
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    for table, status, only in _WAITING:
        op.create_index(
            op.f(f"ix_{table}_{status}"),
            table,
            ["status", "dataset_id"],
            sqlite_where=only,
            postgresql_where=only,
        )


def downgrade() -> None:
    for table, status, _ in _WAITING:
        op.drop_index(op.f(f"ix_{table}_{status}"), table)
    for table, column in _INDEXES:
        op.drop_index(op.f(f"ix_{table}_{column}"), table)
