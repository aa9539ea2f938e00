"""The schema's version: `upgrade` raises it, everybody else checks it."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from imm_ray.crash_point import reached
from imm_ray.store import collation, turn
from imm_ray.store.database import Database


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Which schema a database had, and which it has now."""

    before: str
    """'' when it had none."""
    after: str


class WrongSchema(ValueError):
    """The database's schema is not the one that this version of the program uses."""


def upgrade(database: Database) -> Upgrade:
    """Bring the database to the newest schema, in one transaction; another that wants to waits.

    Raises
    ------
    WrongSchema
        The database was made by a newer version.
    """
    with database.write() as tx:
        turn.of_thing(tx, "schema")
        current = MigrationContext.configure(tx).get_current_revision()
        config = _config()
        _refuse_newer(config, current)
        config.attributes["connection"] = tx
        command.upgrade(config, "head")
        collation.order_by_bytes(tx)
        after = MigrationContext.configure(tx).get_current_revision()
        reached("schema.upgraded")
    reached("schema.committed")
    return Upgrade(current or "", after or "")


def require_current(database: Database) -> None:
    """Return when the schema is current.

    Raises
    ------
    WrongSchema
    """
    with database.read() as tx:
        current = MigrationContext.configure(tx).get_current_revision()
    config = _config()
    _refuse_newer(config, current)
    head = ScriptDirectory.from_config(config).get_current_head()
    if current != head:
        raise WrongSchema(
            f"the database has {f'schema {current}' if current else 'no schema'}, this version "
            f"needs {head}: run `imm-ray migrate` (or `imm-ray serve`)"
        )


def _refuse_newer(config: Config, current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise WrongSchema(
            f"the database has schema {current}, which is newer than this imm-ray: upgrade "
            "imm-ray, or restore a backup that this version has made"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
