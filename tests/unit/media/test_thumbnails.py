"""The folder of thumbnails: bounded, private, and nothing but keys leads into it."""

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.media.thumbnails import DiskThumbnails


def key(name: object) -> str:
    return f"d/f{name}/{sha256(str(name).encode()).hexdigest()}"


def contents(folder: Path) -> list[Path]:
    """Return all files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def age(folder: Path, name: object, seconds: int) -> None:
    """Make a file look unused for ``seconds``."""
    os.utime(folder / key(name), (10_000 - seconds, 10_000 - seconds))


def test_what_was_put_is_there_also_for_the_next_process(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    first = DiskThumbnails(folder, 1000)
    assert first.get(key(1)) is None
    first.put(key(1), b"one")
    assert first.get(key(1)) == b"one"
    assert DiskThumbnails(folder, 1000).get(key(1)) == b"one"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert contents(folder) == [folder / key(1)]
    for part in ("d", "d/f1"):
        assert stat.S_IMODE((folder / part).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / key(1)).stat().st_mode) == 0o600


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = DiskThumbnails(tmp_path, 100)
    for number in range(10):
        cache.put(key(number), bytes(10))
        age(tmp_path, number, 100 - number)
    assert cache.get(key(0)) is not None  # used now
    cache.put(key(10), bytes(10))
    left = {number for number in range(11) if (tmp_path / key(number)).exists()}
    assert left == {0, 3, 4, 5, 6, 7, 8, 9, 10}


@given(sizes=st.lists(st.integers(0, 60), max_size=40))
def test_the_folder_never_grows_beyond_its_limit(
    sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("t")
    cache = DiskThumbnails(folder, 50)
    for number, size in enumerate(sizes):
        cache.put(key(number), bytes(size))
        assert sum(path.stat().st_size for path in contents(folder)) <= 50


def test_two_processes_share_one_limit(tmp_path: Path) -> None:
    one, two = DiskThumbnails(tmp_path, 100), DiskThumbnails(tmp_path, 100)
    for number in range(30):
        (one if number % 2 else two).put(key(number), bytes(10))
    one.put(key("more"), bytes(60))
    assert sum(path.stat().st_size for path in contents(tmp_path)) <= 100


def test_a_limit_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache = DiskThumbnails(tmp_path / "t", 0)
    cache.put(key(1), b"one")
    assert cache.get(key(1)) is None
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    "name", ["", "..", "a" * 64, "d/../" + "a" * 64, key(1) + "\n", "/" + key(1), key(1)[:-1]]
)
def test_only_a_key_is_a_key(tmp_path: Path, name: str) -> None:
    cache = DiskThumbnails(tmp_path, 100)
    with pytest.raises(ValueError, match="no key"):
        cache.get(name)
    with pytest.raises(ValueError, match="no key"):
        cache.put(name, b"x")


def test_a_disk_that_takes_nothing_costs_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = DiskThumbnails(tmp_path, 100)

    def full(self: Path, target: Path) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    cache.put(key(1), b"one")
    assert "thumbnail not kept, so it will be made again: no space left" in caplog.text
    assert contents(tmp_path) == []
    assert cache.get(key(1)) is None


def test_what_can_not_be_read_is_not_there(tmp_path: Path) -> None:
    (tmp_path / key(1)).mkdir(parents=True)
    assert DiskThumbnails(tmp_path, 100).get(key(1)) is None
