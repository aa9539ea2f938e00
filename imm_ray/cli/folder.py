"""Which files of a folder the demo indexes."""

import os
from pathlib import Path


def regular_files(root: Path, *, skip: Path) -> list[str]:
    """Return the regular files below ``root`` as sorted relative paths with ``/``.

    Left out are hidden files and folders, the folder ``skip`` (where the demo writes), folders that
    are links, and links to files outside ``root``.
    """
    root = root.resolve()
    skip = skip.resolve()
    found: list[str] = []
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and here / name != skip]
        found += [
            (here / name).relative_to(root).as_posix()
            for name in files
            if not name.startswith(".") and _is_inside(here / name, root)
        ]
    return sorted(found)


def _is_inside(path: Path, root: Path) -> bool:
    """Tell whether ``path`` is a regular file below ``root``, or a link to one."""
    return path.is_file() and path.resolve().is_relative_to(root)
