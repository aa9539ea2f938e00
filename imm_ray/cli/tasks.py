"""`imm-ray tasks`: a project's tasks, and the notifications of ended work that never arrived.

Tasks are a client's to see: they are asked of a server, with a key. Dead letters are the
operator's: topics and endpoints are in the settings, so they are read in the store itself, beside a
server that runs or without one.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imm_ray.cli.place import settings_of, store_file

if TYPE_CHECKING:
    from imm_ray.store.database import Database
    from imm_ray.store.outbox import Waiting

INTERNAL_ERROR = 1
USAGE = 2
NOTHING_DONE = 3

_MOST = 1000
_ALL = "all"


def tasks(
    endpoint: Annotated[
        str, typer.Option(envvar="IMM_RAY_ENDPOINT", help="The server's http(s)://HOST:PORT.")
    ] = "http://127.0.0.1:8000",
    project: Annotated[
        str, typer.Option(envvar="IMM_RAY_PROJECT", help="The project whose tasks are shown.")
    ] = "",
    credentials: Annotated[
        Path | None,
        typer.Option(
            envvar="IMM_RAY_CREDENTIALS",
            exists=True,
            dir_okay=False,
            help="A credentials.json, or a file with ID:SECRET.",
        ),
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="Only those: Running, Succeeded or Failed.")
    ] = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Show the notifications that were given up.")
    ] = False,
    redeliver: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MESSAGE_ID", help="Deliver a dead letter anew; repeat it, or say 'all'."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="For dead letters: the server's settings file."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="For dead letters: the server's data folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the tasks of a project; show or deliver anew the notifications that were given up."""
    if redeliver:
        with _store(config, data) as database:
            _redeliver(database, redeliver, as_json=as_json)
    elif dead_letters:
        with _store(config, data) as database:
            _show_dead_letters(database, as_json=as_json)
    else:
        _show_tasks(endpoint, project, credentials, status=status, as_json=as_json)


def _show_tasks(
    endpoint: str, project: str, credentials: Path | None, *, status: str | None, as_json: bool
) -> None:
    import httpx

    from imm_ray.cli.client import ImmCallFailed, ImmClient

    if not project or credentials is None:
        _end("give --project and --credentials, or ask for --dead-letters", USAGE)
    key_id, secret = _key(credentials)
    asked = {"ProjectName": project, "MaxResults": 100, "Status": status}
    try:
        with ImmClient(endpoint, key_id, secret) as client:
            if as_json:
                typer.echo(json.dumps(client.call("ListTasks", **asked), ensure_ascii=False))
                return
            found = list(client.pages("ListTasks", "Tasks", **asked))
    except ImmCallFailed as error:
        _end(str(error), NOTHING_DONE)
    except httpx.TransportError as error:
        _end(f"no answer from {endpoint}: {error}", NOTHING_DONE)
    names = ("TaskId", "TaskType", "Status", "Progress", "StartTime", "EndTime", "Message")
    _print_table(names, [[str(task.get(name, "")) for name in names] for task in found])


def _key(file: Path) -> tuple[str, str]:
    """Return the id and the secret of the key in a file."""
    text = file.read_text().strip()
    try:
        if text.startswith("{"):
            found = json.loads(text)
            return found["access_key_id"], found["access_key_secret"]
        key_id, colon, secret = text.partition(":")
    except (ValueError, KeyError):
        colon = ""
    if not colon:
        _end(f"{file} is neither a credentials.json nor a file with ID:SECRET", USAGE)
    return key_id, secret


@contextmanager
def _store(config: Path | None, data: Path | None) -> Iterator["Database"]:
    """Yield the database of the settings; it must be there already."""
    from imm_ray.store.database import Database
    from imm_ray.store.migrate import WrongSchema, require_current

    try:
        settings = settings_of(config, data, None)
    except ValueError as error:
        _end(str(error), USAGE)
    file = store_file(settings)
    if file is not None and not file.is_file():
        _end(f"there is no store at {file}: say which with --data or --config", NOTHING_DONE)
    database = Database(settings.store_url)
    try:
        require_current(database)
        yield database
    except WrongSchema as error:
        _end(str(error), NOTHING_DONE)
    finally:
        database.close()


def _show_dead_letters(database: "Database", *, as_json: bool) -> None:
    from imm_ray.store import outbox

    with database.read() as tx:
        letters = outbox.dead_letters(tx, limit=_MOST)
    if as_json:
        told = {"DeadLetters": [_as_json(letter) for letter in letters]}
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    rows = [
        [
            letter.message.message_id,
            letter.message.topic,
            letter.message.event_type,
            str(letter.attempts),
            letter.put_at.isoformat(timespec="seconds"),
            letter.last_error,
        ]
        for letter in letters
    ]
    _print_table(("MessageId", "Topic", "Type", "Attempts", "PutTime", "LastError"), rows)


def _as_json(letter: "Waiting") -> dict[str, Any]:
    """Return what is told of a dead letter: nothing of its content."""
    envelope = json.loads(letter.message.body)
    return {
        "MessageId": letter.message.message_id,
        "EventId": envelope["id"],
        "Topic": letter.message.topic,
        "Type": letter.message.event_type,
        "Subject": envelope["subject"],
        "Attempts": letter.attempts,
        "PutTime": letter.put_at.isoformat(),
        "LastError": letter.last_error,
    }


def _redeliver(database: "Database", message_ids: Sequence[str], *, as_json: bool) -> None:
    from imm_ray.store import outbox

    wanted = None if _ALL in message_ids else set(message_ids)
    with database.write() as tx:
        count = outbox.redeliver(tx, wanted, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps({"Redelivered": count}))
    else:
        typer.echo(f"{count} of the dead letters will be delivered again")
    if wanted and count < len(wanted):
        _end(f"{len(wanted) - count} of the ids are no dead letters", NOTHING_DONE)


def _print_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(*names, box=None)
    for row in rows:
        table.add_row(*map(Text, row))
    # Not cut to a width when another program reads it.
    Console(width=None if os.isatty(1) else 400).print(table)


def _end(message: str, code: int) -> NoReturn:
    typer.echo(f"imm-ray: {message}", err=True)
    raise typer.Exit(code)
