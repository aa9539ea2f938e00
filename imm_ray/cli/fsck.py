"""`imm-ray fsck`: tells whether everything in the store is as it has to be.

Exit codes: 0 nothing is wrong, 1 damage was found, 2 usage, 3 there is no store to look at.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from imm_ray.settings import Settings, load_settings

if TYPE_CHECKING:
    from imm_ray.store.fsck import Violation

DAMAGE = 1
USAGE = 2
NOTHING_DONE = 3

_SQLITE = "sqlite:///"


def fsck(
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="The server's folder.  [default: imm-ray-data]"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="The server's TOML or YAML settings."),
    ] = None,
    store_url: Annotated[
        str | None, typer.Option(help="The database, as store.url in the settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Cluster everything anew too, in this process, and compare."),
    ] = False,
    quiescent: Annotated[
        bool,
        typer.Option("--quiescent", help="Work that is left is damage too: the server is idle."),
    ] = False,
) -> None:
    """Check the store, also of a running server: exit 0 when clean, 1 when damage was found."""
    try:
        settings = _settings(data, config, store_url)
    except ValueError as error:
        _end(f"imm-ray: {error}", USAGE, error)
    found = _checked(settings, quiescent=quiescent, deep=deep)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=1))
    else:
        _say(found)
    if found:
        raise typer.Exit(DAMAGE)


def _settings(data: Path | None, config: Path | None, store_url: str | None) -> Settings:
    overrides: dict[str, Any] = {}
    if data is not None:
        overrides["data"] = data
    if store_url is not None:
        overrides["store"] = {"url": store_url}
    return load_settings(config, **overrides)


def _checked(settings: Settings, *, quiescent: bool, deep: bool) -> "Sequence[Violation]":
    from imm_ray.dataset.recount import recount
    from imm_ray.store import fsck as checks
    from imm_ray.store.database import Database
    from imm_ray.store.migrate import WrongSchema, require_current

    url = settings.store_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).is_file():
        _end(f"There is no store at {url.removeprefix(_SQLITE)}: give --data.", NOTHING_DONE)
    try:
        database = Database(url)
    except ValueError as error:
        _end(f"imm-ray: {error}", USAGE, error)
    try:
        require_current(database)
        found = checks.check(database, quiescent=quiescent)
        return [*found, *(recount(database, settings) if deep else ())]
    except WrongSchema as error:
        _end(f"The store can not be checked: {error}", NOTHING_DONE, error)
    finally:
        database.close()


def _say(found: "Sequence[Violation]") -> None:
    from imm_ray.store.fsck import REMEDIES

    for violation in found:
        where = f"{violation.table} {violation.key}".strip()
        typer.echo(f"{violation.invariant} {where}: {violation.what}")
    for invariant in _named(found):
        remedy = REMEDIES[invariant]
        typer.echo(f"{invariant} promises: {remedy.promise} What to do: {remedy.what_to_do}")
    if not found:
        typer.echo("The store is as it has to be.")


def _as_json(found: "Sequence[Violation]") -> dict[str, Any]:
    from imm_ray.store.fsck import REMEDIES

    return {
        "clean": not found,
        "violations": [
            {
                "invariant": violation.invariant,
                "table": violation.table,
                "key": violation.key,
                "what": violation.what,
                "what_to_do": REMEDIES[violation.invariant].what_to_do,
            }
            for violation in found
        ],
    }


def _named(found: "Iterable[Violation]") -> list[str]:
    return sorted({violation.invariant for violation in found}, key=lambda name: int(name[1:]))


def _end(message: str, code: int, cause: Exception | None = None) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code) from cause
