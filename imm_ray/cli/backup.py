"""`imm-ray backup` and `imm-ray restore`."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from imm_ray.cli.place import DATA, STORE_URL, settings_of, store_file
from imm_ray.cli.progress import Stage, Stages

if TYPE_CHECKING:
    from imm_ray.settings import Settings
    from imm_ray.store.backup.manifest import Manifest

USAGE = 2
NOTHING_DONE = 3
DAMAGED = 1

_Config = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="TOML or YAML settings.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")]


def backup(
    out: Annotated[Path, typer.Argument(dir_okay=False, help="The file to write.")],
    config: _Config = None,
    data: DATA = None,
    store_url: STORE_URL = None,
    as_json: _Json = False,
) -> None:
    """Write all that is stored to one file, as it is at this moment; the service may go on.

    The file can be restored into either kind of store, so it is also the way from an embedded
    service to a cluster with PostgreSQL, and back. It holds vectors of faces: keep it as safe as
    the store. Not in it: access keys (credentials.json, the settings), thumbnails and snapshots,
    which are made again, and the photos.
    """
    from imm_ray.runtime.clock import utc_now
    from imm_ray.store.backup.make import back_up
    from imm_ray.store.database import Database

    settings = _settings(config, data, store_url)
    file = store_file(settings)
    if file is not None and not file.is_file():
        _end(f"nothing was written: there is no store at {file}", NOTHING_DONE)
    with _told(out, "nothing was written"), _stage("backup", as_json) as stage:
        database = Database(settings.store_url)
        try:
            made = back_up(
                database, out, now=utc_now(), on_progress=lambda t, n, _: stage.update(n, t)
            )
        finally:
            database.close()
    _report(out, made, as_json)
    if made.violations:
        _end("the store is damaged: `imm-ray fsck` says where; the backup has it as it is", DAMAGED)


def restore(
    backup: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The backup.")],
    config: _Config = None,
    data: DATA = None,
    store_url: STORE_URL = None,
    even_if_damaged: Annotated[
        bool, typer.Option(help="Restore also what the check of the store finds fault with.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Fill an empty store with a backup: all of it or nothing.

    No server may use the store meanwhile, nor go on with it afterwards that has used it before.
    Tasks that ran go on; messages are sent again under the ids that they had. Requests that were
    signed before the restore are refused, because nobody knows which of them were used.
    """
    from imm_ray.runtime.clock import utc_now
    from imm_ray.store.backup import restore as restoring

    settings = _settings(config, data, store_url)
    with (
        _told(backup, "nothing was restored"),
        _locked(settings),
        _stage("restore", as_json) as stage,
    ):
        made = restoring.restore(
            backup,
            settings.store_url,
            now=utc_now(),
            on_progress=lambda table, rows, _: stage.update(rows, table),
            even_if_damaged=even_if_damaged,
        )
    _report(backup, made, as_json)


def _settings(config: Path | None, data: Path | None, store_url: str | None) -> "Settings":
    try:
        return settings_of(config, data, store_url)
    except ValueError as error:
        typer.echo(f"imm-ray: {error}", err=True)
        raise typer.Exit(USAGE) from error


def _locked(settings: "Settings") -> AbstractContextManager[object]:
    """Return what keeps servers out of the data folder, where the store is in it."""
    from imm_ray.runtime.data_folder import DataFolder

    if store_file(settings) is None:
        return nullcontext()
    return DataFolder(settings.data, patience_s=0)


@contextmanager
def _told(file: Path, nothing: str) -> Iterator[None]:
    """End with a sentence where what is wrong is the file, the store or the disk."""
    from imm_ray.errors import ImmError
    from imm_ray.runtime.data_folder import InUse
    from imm_ray.store.backup.make import BackupExists
    from imm_ray.store.backup.manifest import DamagedBackup
    from imm_ray.store.backup.restore import NotEmpty, StoreDamaged
    from imm_ray.store.migrate import WrongSchema
    from imm_ray.store.outage import outage_of

    try:
        yield
    except DamagedBackup as error:
        _end(f"{nothing}: {file} is no whole backup: {error}", NOTHING_DONE, error)
    except StoreDamaged as error:
        _end(
            f"{nothing}: the store was damaged when the backup was made ({error}); see --help",
            NOTHING_DONE,
            error,
        )
    except (BackupExists, NotEmpty, InUse, WrongSchema, ImmError, OSError) as error:
        _end(f"{nothing}: {error}", NOTHING_DONE, error)
    except Exception as error:
        if (why := outage_of(error)) is None:
            raise
        _end(f"{nothing}: {why}", NOTHING_DONE, error)


@contextmanager
def _stage(title: str, as_json: bool) -> Iterator[Stage]:
    console = Console(stderr=as_json, quiet=as_json)
    with Stages(console).stage(title) as stage:
        yield stage


def _report(file: Path, made: "Manifest", as_json: bool) -> None:
    if as_json:
        facts = {"file": str(file), "bytes": file.stat().st_size, **asdict(made)}
        typer.echo(json.dumps(facts))
        return
    typer.echo(f"{file}: {made.rows} rows, {file.stat().st_size} bytes, of {made.made_at}")
    for violation in made.violations:
        typer.echo(f"  {violation}", err=True)


def _end(message: str, code: int, cause: Exception | None = None) -> NoReturn:
    typer.echo(f"imm-ray: {message}", err=True)
    raise typer.Exit(code) from cause
