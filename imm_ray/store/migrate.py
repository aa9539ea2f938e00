"""The schema's version: `upgrade` raises it, everybody else checks it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from imm_ray.store.database import Database


class WrongSchema(Exception):
    """The database's schema is not the one that this version of the program uses."""


def upgrade(database: Database) -> None:
    """Bring the database to the newest schema, in one transaction that holds the write lock.

    Raises
    ------
    WrongSchema
        The database was made by a newer version.
    """
    with database.write() as tx:
        current = MigrationContext.configure(tx).get_current_revision()
        config = _config()
        _refuse_newer(config, current)
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def require_current(database: Database) -> None:
    """Return when the schema is current.

    Raises
    ------
    WrongSchema
    """
    with database.read() as tx:
        current = MigrationContext.configure(tx).get_current_revision()
    head = newest()
    if current != head:
        raise WrongSchema(
            f"the database has schema {current}, this version needs {head}: run `imm-ray serve`"
        )


def newest() -> str:
    """Return the revision of the schema that this version uses."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _refuse_newer(config: Config, current: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise WrongSchema(
            f"the database has schema {current}, which is newer than this imm-ray: upgrade it"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
