"""the cover that a client chose, and the orders in which clusters, tasks and events are read"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_INDEXES = {
    "cluster": (
        ["dataset_id", "kind", "name", "cluster_id"],
        ["dataset_id", "kind", "created_at", "cluster_id"],
        ["dataset_id", "kind", "has_labels", "cluster_id"],
    ),
    "cluster_state": (
        ["dataset_id", "kind", "to_run", "from_run", "item_count"],
        ["dataset_id", "kind", "item_count", "cluster_id"],
        ["dataset_id", "kind", "image_count", "cluster_id"],
        ["dataset_id", "kind", "updated_at", "cluster_id"],
    ),
    "cluster_event": (["dataset_id", "at", "kind", "run", "position"],),
    "task": (["account", "project", "task_id"],),
}
_REPLACED = "ix_cluster_state_dataset_id_kind_to_run"


def upgrade() -> None:
    for table in ("cluster", "retired_cluster"):
        op.add_column(
            table,
            sa.Column("chosen_cover", sa.String(length=36), server_default="", nullable=False),
        )
        op.add_column(
            table,
            sa.Column("has_labels", sa.Boolean(), server_default=sa.false(), nullable=False),
        )
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)
    op.drop_index(op.f(_REPLACED), "cluster_state")


def downgrade() -> None:
    op.create_index(op.f(_REPLACED), "cluster_state", ["dataset_id", "kind", "to_run"])
    for table, indexes in _INDEXES.items():
        for columns in indexes:
            op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    for table in ("cluster", "retired_cluster"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("has_labels")
            batch_op.drop_column("chosen_cover")
