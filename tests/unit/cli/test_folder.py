import os
from pathlib import Path

from imm_ray.cli.folder import regular_files


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_files_are_found_at_any_depth_in_a_fixed_order(tmp_path: Path) -> None:
    make(tmp_path, "b.jpg", "a/z.jpg", "a/deep/er/1.png", "a b.jpg")
    found = regular_files(tmp_path, skip=tmp_path / "out")
    assert found == ["a b.jpg", "a/deep/er/1.png", "a/z.jpg", "b.jpg"]


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.jpg", ".thumbnails/1.jpg", "seen.jpg")
    assert regular_files(tmp_path, skip=tmp_path / "out") == ["seen.jpg"]


def test_the_report_of_an_earlier_run_is_not_indexed(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg", "imm-ray-demo/pictures/photo-00001.jpg")
    assert regular_files(tmp_path, skip=tmp_path / "imm-ray-demo") == ["1.jpg"]


def test_links_that_lead_outside_are_left_out(tmp_path: Path) -> None:
    album = tmp_path / "album"
    make(tmp_path, "secret.jpg", "album/1.jpg", "other/2.jpg")
    (album / "stolen.jpg").symlink_to(tmp_path / "secret.jpg")
    (album / "folder").symlink_to(tmp_path / "other")
    (album / "again.jpg").symlink_to("1.jpg")
    (album / "dangling.jpg").symlink_to("nowhere")
    assert regular_files(album, skip=tmp_path / "out") == ["1.jpg", "again.jpg"]


def test_only_regular_files_count(tmp_path: Path) -> None:
    make(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert regular_files(tmp_path, skip=tmp_path / "out") == ["1.jpg"]
