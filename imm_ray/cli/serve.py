"""`imm-ray serve`: the service on this machine."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from imm_ray.settings import Settings, load_settings

if TYPE_CHECKING:
    from imm_ray.runtime.embedded import EmbeddedServer

USAGE = 2
UNAVAILABLE = 1
NOTHING_DONE = 3


def serve(
    config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="TOML or YAML settings.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen.  [default: 127.0.0.1]")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0 takes a free one.  [default: 8000]")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Where everything is kept.  [default: imm-ray-data]"),
    ] = None,
    dashboard: Annotated[bool, typer.Option(help="Start Ray's dashboard on loopback.")] = False,
    bucket: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER_OR_URL",
            help="What oss://NAME/... and s3://NAME/... mean; repeat it.",
        ),
    ] = None,
    access_key: Annotated[
        list[str] | None,
        typer.Option(metavar="ID:SECRET", help="A root user's key (seen by `ps`!); repeat it."),
    ] = None,
    access_key_file: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="A file with ID:SECRET, or a credentials.json."
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM certificate.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="PEM private key.")
    ] = None,
) -> None:
    """Serve the API until SIGTERM or Ctrl-C; the same --data restores everything."""
    server = {"host": host, "port": port, "tls_cert": tls_cert, "tls_key": tls_key}
    keys = [*(access_key or ()), *map(_key_of_file, access_key_file or ())]
    try:
        settings = _settings(config, data, server=server, buckets=bucket or (), keys=keys)
    except ValueError as error:
        typer.echo(f"imm-ray: {error}", err=True)
        raise typer.Exit(USAGE) from error
    _run(settings, dashboard=dashboard)


def _settings(
    config: Path | None,
    data: Path | None,
    *,
    server: dict[str, Any],
    buckets: list[str] | tuple[()],
    keys: list[str],
) -> Settings:
    overrides: dict[str, Any] = {"server": {k: v for k, v in server.items() if v is not None}}
    if data is not None:
        overrides["data"] = data
    if buckets:
        overrides["buckets"] = dict(
            _split(item, "=", "--bucket NAME=FOLDER_OR_URL") for item in buckets
        )
    if keys:
        pairs = [_split(key, ":", "an access key ID:SECRET") for key in keys]
        overrides["auth"] = {
            "users": [{"access_key_id": i, "access_key_secret": secret} for i, secret in pairs]
        }
    return load_settings(config, **overrides)


def _split(text: str, mark: str, meaning: str) -> tuple[str, str]:
    left, found, right = text.partition(mark)
    if not (left and found and right):
        raise ValueError(
            f"expected {meaning}, with a {mark!r} between two parts that are not empty"
        )
    return left, right


def _key_of_file(path: Path) -> str:
    text = path.read_text().strip()
    if not text.startswith("{"):
        return text
    found = json.loads(text)
    return f"{found['access_key_id']}:{found['access_key_secret']}"


class _Stopped(BaseException):
    """A signal came while the server was starting."""


def _run(settings: Settings, *, dashboard: bool) -> None:
    stop = threading.Event()
    starting = True

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if starting and not stop.is_set():
            stop.set()
            raise _Stopped
        stop.set()

    def listen() -> None:
        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)

    listen()
    from imm_ray.runtime.data_folder import InUse
    from imm_ray.runtime.embedded import EmbeddedServer

    try:
        with _usable(settings):
            server = EmbeddedServer(settings, dashboard=dashboard, on_ray_started=listen)
        with _usable(settings), server:
            starting = False
            _announce(server, settings)
            stop.wait()
    except (InUse, ValueError) as error:
        typer.echo(f"imm-ray: {error}", err=True)
        raise typer.Exit(UNAVAILABLE if isinstance(error, InUse) else USAGE) from error
    except (_Stopped, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != signal.SIGTERM:
            raise  # Ray's own handler, in place for a moment of its start, exits with the number
        os._exit(0)  # nothing was served, and what of Ray was half started has been stopped
    if server.lost_ray:
        os._exit(0)  # what is left of Ray in this process would wait for its dead cluster


@contextmanager
def _usable(settings: Settings) -> Iterator[None]:
    """End with a sentence where the data folder or its disk takes nothing."""
    from imm_ray.store.outage import outage_of

    try:
        yield
    except Exception as error:
        if (why := outage_of(error)) is None:
            raise
        typer.echo(f"imm-ray: {settings.data} can not be used: {why}", err=True)
        raise typer.Exit(NOTHING_DONE) from error


def _announce(server: "EmbeddedServer", settings: Settings) -> None:
    if server.made_credentials:
        typer.echo(f"access key in {settings.data / 'credentials.json'}", err=True)
    if server.metrics_address:
        typer.echo(f"metrics at {server.metrics_address}", err=True)
    typer.echo(f"imm-ray ready at {server.endpoint}")
