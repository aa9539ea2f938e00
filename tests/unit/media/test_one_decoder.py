"""There is one place where bytes become pixels."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "imm_ray"
TRUSTED = ["cli/album/shots.py"]  # makes the sample album from pictures that packages ship
DECODERS = re.compile(r"\bImage\.open\(|\bimread\(|\bimdecode\(|\bopen_heif\(|\bread_heif\(")


def test_no_other_code_decodes_pictures() -> None:
    found = [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        if DECODERS.search(path.read_text())
    ]
    assert found == [*TRUSTED, "media/decode.py"]
