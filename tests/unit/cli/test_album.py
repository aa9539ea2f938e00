import filecmp
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imm_ray.cli.album import PHOTOS
from imm_ray.cli.album.shots import SHOTS, build
from imm_ray.cli.folder import regular_files
from imm_ray.media.decoder import Decoder
from imm_ray.settings import Limits

NOTICE = (Path(__file__).parents[3] / "NOTICE").read_text()
NAMES = regular_files(PHOTOS, skip=PHOTOS / "none")


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("album")
    build(folder)
    return folder


def test_the_album_is_built_the_same_way_every_time(rebuilt: Path, tmp_path: Path) -> None:
    build(tmp_path)
    same, different, broken = filecmp.cmpfiles(rebuilt, tmp_path, NAMES, shallow=False)
    assert (len(same), different, broken) == (len(SHOTS) + 1, [], [])


def test_the_album_that_ships_is_what_the_script_makes(rebuilt: Path) -> None:
    assert regular_files(rebuilt, skip=rebuilt / "none") == NAMES
    for name in NAMES:
        made, shipped = (np.asarray(Image.open(root / name), int) for root in (rebuilt, PHOTOS))
        assert made.shape == shipped.shape, name
        # Another release of Pillow may round differently.
        assert np.abs(made - shipped).mean() < 2, name


def test_every_picture_opens_and_one_lies_on_its_side() -> None:
    with Decoder(Limits()) as decoder:
        pictures = {name: decoder.decode((PHOTOS / name).read_bytes()) for name in NAMES}
    turned = [name for name, picture in pictures.items() if picture.orientation == 6]
    assert turned == ["people/hopper-phone.jpg"]
    assert pictures[turned[0]].height > pictures[turned[0]].width


def test_the_album_is_small() -> None:
    assert sum((PHOTOS / name).stat().st_size for name in NAMES) <= 1_500_000


def test_the_notice_names_every_picture() -> None:
    patterns = [word for word in NOTICE.replace(",", " ").split() if word.endswith(".jpg")]
    for name in NAMES:
        assert any(Path(name).match(pattern) for pattern in patterns), name
