"""`imm-ray migrate`: the database's schema as this version needs it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imm_ray.settings import Settings, load_settings

UNAVAILABLE = 1
USAGE = 2


def migrate(
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML or YAML settings.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="The data folder.  [default: imm-ray-data]"
        ),
    ] = None,
    store_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The database (seen by `ps`! IMM_RAY_STORE__URL is not).  [default: the one of "
            "the settings]",
        ),
    ] = None,
) -> None:
    """Bring the database to the schema of this version; `serve` does the same when it starts.

    Only one migration runs at a time: another waits. A database of a newer version is refused.
    """
    from imm_ray.runtime.data_folder import InUse
    from imm_ray.store.failure import DatabaseAway, why_away

    overrides: dict[str, Any] = {} if data is None else {"data": data}
    if store_url is not None:
        overrides["store"] = {"url": store_url}
    try:
        typer.echo(_migrate(load_settings(config, **overrides)))
    except DatabaseAway as error:
        typer.echo(f"imm-ray: the database can not be reached: {why_away(error)}", err=True)
        raise typer.Exit(UNAVAILABLE) from error
    except (InUse, ValueError) as error:
        typer.echo(f"imm-ray: {error}", err=True)
        raise typer.Exit(UNAVAILABLE if isinstance(error, InUse) else USAGE) from error


def _migrate(settings: Settings) -> str:
    """Migrate; return what was done, in words."""
    from imm_ray.runtime.data_folder import DataFolder
    from imm_ray.store import address
    from imm_ray.store.database import Database
    from imm_ray.store.migrate import upgrade

    url = settings.store_url
    address.check(url)
    folder = DataFolder(settings.data, patience_s=0) if address.is_of_one_host(url) else None
    database = Database(url)
    try:
        done = upgrade(database)
    finally:
        database.close()
        if folder is not None:
            folder.close()
    where = address.shown(url)
    if done.before == done.after:
        return f"{where} has schema {done.after}: nothing to do"
    return f"{where}: from {done.before or 'no schema'} to {done.after}"
