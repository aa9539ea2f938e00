"""Makes the sample album again: ``python -m imm_ray.cli.album [FOLDER]``."""

from pathlib import Path
from typing import Annotated

import typer

from imm_ray.cli.album import PHOTOS
from imm_ray.cli.album.shots import build


def main(
    folder: Annotated[Path, typer.Argument(help="Where to write the pictures")] = PHOTOS,
) -> None:
    """Write the pictures of the sample album."""
    written = build(folder)
    size_kb = sum(path.stat().st_size for path in written) // 1000
    typer.echo(f"{len(written)} pictures, {size_kb} kB, below {folder}")


if __name__ == "__main__":
    typer.run(main)
