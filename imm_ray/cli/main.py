"""The `imm-ray` command.

Exit codes: 0 done (even if single files failed), 1 internal error, 2 usage, 3 nothing could be
done.

Modules that are slow to load are imported by the command that needs them, so that help is quick.
"""

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imm_ray import __version__
from imm_ray.cli.album import PHOTOS
from imm_ray.cli.backup import backup, restore
from imm_ray.cli.erase import erase
from imm_ray.cli.fsck import fsck
from imm_ray.cli.migrate import migrate
from imm_ray.cli.serve import serve
from imm_ray.cli.tasks import tasks

INTERNAL_ERROR = 1
WRONG_USAGE = 2
NOTHING_DONE = 3

app = typer.Typer(
    name="imm-ray",
    help="Groups faces by person and photos by likeness, on your own machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
models_app = typer.Typer(help="The models that come with the package.", no_args_is_help=True)
app.add_typer(models_app, name="models")
app.command("serve")(serve)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("erase")(erase)
app.command("migrate")(migrate)
app.command("tasks")(tasks)
app.command("fsck")(fsck)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"imm-ray {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command("demo")
def demo(
    folder: Annotated[
        Path,
        typer.Argument(
            exists=True,
            file_okay=False,
            show_default="the sample album of the package",
            help="The folder with the pictures; it is only read.",
        ),
    ] = PHOTOS,
    out: Annotated[
        Path, typer.Option(file_okay=False, help="Where report.html and result.json are written.")
    ] = Path("imm-ray-demo"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The server's port meanwhile; 0 takes a free one.")
    ] = 0,
) -> None:
    """Index the pictures of a folder, group the faces and the pictures, and write a report."""
    from pydantic import ValidationError

    # The demo's data folder goes when it ends; compiled kernels are worth keeping for the next.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder() / "numba"))
    from imm_ray.cli.demo import NothingDone, run_demo
    from imm_ray.runtime.data_folder import InUse
    from imm_ray.runtime.embedded import EmbeddedServer

    try:
        run_demo(folder, out, port=port, console=Console(), start=EmbeddedServer)
    except NothingDone as error:
        _end(f"Nothing done: {error}", NOTHING_DONE, error)
    except ValidationError as error:
        _end(f"The settings in the environment are wrong: {error}", WRONG_USAGE, error)
    except InUse as error:
        _end(str(error), INTERNAL_ERROR, error)


def _end(message: str, code: int, cause: Exception) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code) from cause


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "imm-ray"


@models_app.command("list")
def list_models() -> None:
    """Show the models, what each is for, and under which licence."""
    from imm_ray.embed.cards import cards

    table = Table("Model", "For", "Dimension", "Licence", box=None)
    for card in cards():
        row = (card.name, card.kind, str(card.dimension or "–"), card.licence)
        table.add_row(*map(Text, row))
    Console().print(table)


@models_app.command("verify")
def verify() -> None:
    """Compare the checksums of the model files with those in the model cards."""
    from imm_ray.embed.verify import verify_models

    checks = verify_models()
    for check in checks:
        typer.echo(f"{'ok ' if check.ok else 'BAD'}  {check.name}  {check.file}")
        if not check.ok:
            typer.echo(f"     expected {check.expected}, found {check.actual}", err=True)
    if not all(check.ok for check in checks):
        typer.echo("A model file is damaged or was changed: install the package again.", err=True)
        raise typer.Exit(1)
