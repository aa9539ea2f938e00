"""Alembic's environment: runs on the connection that `store.migrate` passes in."""

from alembic import context

from imm_ray.crash_point import reached
from imm_ray.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    on_version_apply=lambda **_: reached("migration.step_applied"),
)
with context.begin_transaction():
    context.run_migrations()
