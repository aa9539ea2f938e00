"""Where the store of a command is: the options, and what follows from them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imm_ray.settings import Settings, load_settings

DATA = Annotated[
    Path | None, typer.Option(file_okay=False, help="The data folder.  [default: imm-ray-data]")
]
STORE_URL = Annotated[
    str | None,
    typer.Option(
        help="SQLAlchemy URL of the store.  [default: the SQLite file in the data folder]"
    ),
]


def settings_of(config: Path | None, data: Path | None, store_url: str | None) -> Settings:
    """Return the settings of a command that works on the store itself.

    Raises
    ------
    ValueError
        The settings are wrong.
    """
    overrides: dict[str, Any] = {}
    if data is not None:
        overrides["data"] = data
    if store_url is not None:
        overrides["store"] = {"url": store_url}
    from imm_ray.store.database import dialect_of

    settings = load_settings(config, **overrides)
    dialect_of(settings.store_url)
    return settings


def store_file(settings: Settings) -> Path | None:
    """Return the file of the store, None where a server has it."""
    scheme, _, path = settings.store_url.partition(":///")
    return Path(path) if scheme.startswith("sqlite") else None
