"""The sample album that ``imm-ray demo`` shows when it is given no folder.

``photos/`` holds derivatives of photographs that are in the public domain or under CC0; NOTICE
names each with its author. ``python -m imm_ray.cli.album`` makes them again.
"""

from pathlib import Path

PHOTOS = Path(__file__).parent / "photos"
"""The folder of the album's pictures."""
