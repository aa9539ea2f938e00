"""`imm-ray erase`: biometric data goes, and a receipt says how it was made sure."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from imm_ray.cli.place import DATA, STORE_URL, settings_of, store_file
from imm_ray.settings import DEFAULT_ACCOUNT

USAGE = 2
NOTHING_DONE = 3
LEFT = 1


def erase(
    project: Annotated[str, typer.Option(help="The project.")],
    dataset: Annotated[str, typer.Option(help="The dataset; all of it, if nothing else is said.")],
    receipt: Annotated[Path, typer.Option(dir_okay=False, help="The file to write.")],
    uri: Annotated[list[str] | None, typer.Option(help="Erase this file only; repeat it.")] = None,
    person: Annotated[
        str, typer.Option(help="A FigureClusterId: erase the files that show this person.")
    ] = "",
    account: Annotated[str, typer.Option(help="Whose project it is.")] = DEFAULT_ACCOUNT,
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML or YAML settings.")
    ] = None,
    data: DATA = None,
    store_url: STORE_URL = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the owner of a running service.")
    ] = 60.0,
) -> None:
    """Erase files, a person's files or a dataset, and prove that nothing is left of them.

    Works beside a running service, and without one. Deletes as DeleteFileMeta and
    ImmRayPurgeDataset do, waits until the owner has taken it out of its memory, takes what is left
    out of histories, edits, messages and tasks, cuts the log of the database, and then looks for
    URIs and vectors in every byte of every file below the data folder and by an exact search. The
    receipt says what was done and found. Photos, backups and messages that were delivered stay
    where they are.
    """
    from imm_ray.dataset.erasure import Unfinished, Wanted
    from imm_ray.errors import ImmError
    from imm_ray.store.migrate import WrongSchema

    if receipt.exists():
        _end(f"{receipt} exists already: give another name", USAGE)
    try:
        settings = settings_of(config, data, store_url)
    except ValueError as error:
        _end(str(error), USAGE, error)
    file = store_file(settings)
    if file is not None and not file.is_file():
        _end(f"nothing was erased: there is no store at {file}", NOTHING_DONE)
    wanted = Wanted(
        account=account, project=project, dataset=dataset, uris=tuple(uri or ()), person=person
    )
    from imm_ray.cli.erasing import erase_all

    try:
        done = erase_all(settings, wanted, receipt, patience_s=patience)
    except Unfinished as error:
        _end(str(error), LEFT, error)
    except (ImmError, WrongSchema, OSError) as error:
        _end(f"nothing was erased: {error}", NOTHING_DONE, error)
    typer.echo(f"{receipt}: {done.counts['files']} files, {done.counts['figures']} figures")
    if not done.is_complete:
        _end("something is left: see rows_left, scan and search in the receipt", LEFT)


def _end(message: str, code: int, cause: Exception | None = None) -> NoReturn:
    typer.echo(f"imm-ray: {message}", err=True)
    raise typer.Exit(code) from cause
