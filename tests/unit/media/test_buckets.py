"""Which URIs are read, and which are refused."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from imm_ray.errors import SourceError
from imm_ray.media.buckets import Buckets, content_type
from imm_ray.settings import Limits, Share

NOT_ALLOWED = "The source is not allowed."
LIMITS = Limits(max_file_bytes=1000)


def mine(target: Path | str) -> Share:
    return Share(target=str(target), accounts=("1",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bucket's folder, beside a secret that no URI may reach."""
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    root = tmp_path / "bucket"
    (root / "sub").mkdir(parents=True)
    (root / "a.jpg").write_bytes(b"picture a")
    (root / "sub" / "b.jpg").write_bytes(b"picture b")
    return root


@pytest.fixture
def buckets(folder: Path) -> Buckets:
    return Buckets({"photos": mine(folder)}, [mine(folder)], LIMITS)


def reason(buckets: Buckets, uri: str) -> str:
    """Return why ``uri`` is refused, the same by both methods unless reading is needed to tell."""
    with pytest.raises(SourceError) as caught:
        buckets.read(uri, "1")
    return caught.value.reason


@pytest.mark.parametrize("scheme", ["oss", "s3"])
def test_an_object_is_read_with_what_tells_its_version(buckets: Buckets, scheme: str) -> None:
    fetched = buckets.read(f"{scheme}://photos/sub/b.jpg", "1")
    assert fetched.data == b"picture b"
    assert fetched.content_type == "image/jpeg"
    assert fetched.stat.size == 9
    assert fetched.stat.content_hash == hashlib.sha256(b"picture b").hexdigest()
    assert fetched.stat.etag == buckets.stat(f"{scheme}://photos/sub/b.jpg", "1").etag != ""


def test_a_file_below_a_root_is_read(buckets: Buckets, folder: Path) -> None:
    assert buckets.read(f"file://{folder}/a.jpg", "1").data == b"picture a"


def test_a_changed_file_has_another_etag(buckets: Buckets, folder: Path) -> None:
    before = buckets.stat("oss://photos/a.jpg", "1")
    (folder / "a.jpg").write_bytes(b"picture A")
    os.utime(folder / "a.jpg", ns=(1, 1))
    assert buckets.stat("oss://photos/a.jpg", "1").etag != before.etag


@pytest.mark.parametrize(
    "name", ["100%.jpg", "%2e%2e.jpg", "a b+c.jpg", "日本 ü.jpg", "q?x=1#f.jpg"]
)
def test_a_key_is_taken_as_it_is_given(buckets: Buckets, folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"odd")
    assert buckets.read(f"oss://photos/{name}", "1").data == b"odd"


@pytest.mark.parametrize(
    "key",
    [
        "../secret.jpg",
        "sub/../../secret.jpg",
        "sub/../a.jpg",
        "./a.jpg",
        "/etc/passwd",
        "sub//b.jpg",
        "..",
        "a.jpg\0.png",
        "a\ud800.jpg",
    ],
)
def test_no_key_leads_out_of_the_folder(buckets: Buckets, folder: Path, key: str) -> None:
    assert reason(buckets, f"oss://photos/{key}") == NOT_ALLOWED
    assert reason(buckets, f"file://{folder}/{key}") == NOT_ALLOWED
    with pytest.raises(SourceError, match=NOT_ALLOWED):
        buckets.stat(f"oss://photos/{key}", "1")


@pytest.mark.parametrize("key", ["%2e%2e/secret.jpg", "..%2fsecret.jpg", "..\\secret.jpg"])
def test_encoded_dots_are_only_names(buckets: Buckets, key: str) -> None:
    assert reason(buckets, f"oss://photos/{key}") == "File does not exist."


@pytest.mark.parametrize(
    "uri",
    [
        "oss://other/a.jpg",
        "oss://photos",
        "oss://photos/",
        "OSS://photos/a.jpg",
        "http://127.0.0.1/a.jpg",
        "https://example.com/a.jpg",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "memory://photos/a.jpg",
        "/etc/passwd",
        "",
    ],
)
def test_what_is_not_configured_is_refused_in_one_sentence(buckets: Buckets, uri: str) -> None:
    assert reason(buckets, uri) == NOT_ALLOWED


def test_a_file_root_is_a_folder_not_a_prefix(buckets: Buckets, folder: Path) -> None:
    twin = folder.with_name("bucket-of-others")
    twin.mkdir()
    (twin / "a.jpg").write_bytes(b"theirs")
    assert reason(buckets, f"file://{twin}/a.jpg") == NOT_ALLOWED


@pytest.mark.parametrize("account", ["2", ""])
def test_another_account_s_are_as_if_they_were_not_configured(
    buckets: Buckets, folder: Path, account: str
) -> None:
    for uri in ("oss://photos/a.jpg", "s3://photos/none.jpg", f"file://{folder}/a.jpg"):
        for ask in (buckets.read, buckets.stat):
            with pytest.raises(SourceError) as caught:
                ask(uri, account)
            assert caught.value.reason == NOT_ALLOWED


def test_a_file_below_the_folders_of_two_accounts_is_read_by_both(folder: Path) -> None:
    roots = [mine(folder.parent), Share(target=str(folder), accounts=("2",))]
    buckets = Buckets({}, roots, LIMITS)
    for account in ("1", "2"):
        assert buckets.read(f"file://{folder}/a.jpg", account).data == b"picture a"
    with pytest.raises(SourceError):
        buckets.read(f"file://{folder.parent}/secret.jpg", "2")


def test_symbolic_links_out_of_the_folder_are_refused(buckets: Buckets, folder: Path) -> None:
    (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "up").symlink_to(folder.parent)
    (folder / "inside.jpg").symlink_to(folder / "a.jpg")
    assert reason(buckets, "oss://photos/link.jpg") == NOT_ALLOWED
    assert reason(buckets, "oss://photos/up/secret.jpg") == NOT_ALLOWED
    assert buckets.read("oss://photos/inside.jpg", "1").data == b"picture a"


def test_only_regular_files_are_read(buckets: Buckets, folder: Path) -> None:
    os.mkfifo(folder / "fifo.jpg")
    (folder / "null.jpg").symlink_to("/dev/null")
    assert reason(buckets, "oss://photos/fifo.jpg") == NOT_ALLOWED
    assert reason(buckets, "oss://photos/null.jpg") == NOT_ALLOWED
    assert reason(buckets, "oss://photos/sub") == "The source is a folder, not a file."


def test_the_root_itself_may_be_a_link(buckets: Buckets, folder: Path) -> None:
    link = folder.with_name("link")
    link.symlink_to(folder)
    linked = Buckets({"photos": mine(link)}, [], LIMITS)
    assert linked.read("oss://photos/a.jpg", "1").data == b"picture a"


def test_missing_empty_and_large_files_have_their_reasons(buckets: Buckets, folder: Path) -> None:
    (folder / "empty.jpg").touch()
    (folder / "full.jpg").write_bytes(bytes(1000))
    (folder / "large.jpg").write_bytes(bytes(1001))
    os.truncate(folder / "large.jpg", 10**12)
    assert reason(buckets, "oss://photos/none.jpg") == "File does not exist."
    assert reason(buckets, "oss://photos/a.jpg/x") == "File does not exist."
    assert reason(buckets, "oss://photos/" + "x" * 300) == "File does not exist."
    assert reason(buckets, "oss://photos/empty.jpg") == "The file is empty."
    assert "larger than 0.001 MB" in reason(buckets, "oss://photos/large.jpg")
    assert len(buckets.read("oss://photos/full.jpg", "1").data) == 1000


def test_no_descriptor_is_left_open(buckets: Buckets) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for uri in ("oss://photos/a.jpg", "oss://photos/none.jpg", "oss://photos/sub"):
        try:
            buckets.read(uri, "1")
        except SourceError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_type_is_guessed_from_the_name() -> None:
    assert content_type("oss://photos/a/clip.MP4") == "video/mp4"
    assert content_type("oss://photos/a.jpg/noending") == ""


@pytest.fixture
def remote() -> Iterator[Buckets]:
    fs = fsspec.filesystem("memory")
    fs.pipe("/imm-ray-test/in/a.jpg", b"remote picture")
    fs.pipe("/imm-ray-test/in/large.jpg", bytes(1001))
    yield Buckets({"photos": mine("memory://imm-ray-test/in")}, [], LIMITS)
    fs.rm("/imm-ray-test", recursive=True)


def test_a_remote_bucket_is_read_through_fsspec(remote: Buckets) -> None:
    fetched = remote.read("oss://photos/a.jpg", "1")
    assert fetched.data == b"remote picture"
    assert remote.stat("oss://photos/a.jpg", "1").size == 14
    assert reason(remote, "oss://photos/none.jpg") == "File does not exist."
    assert "larger than" in reason(remote, "oss://photos/large.jpg")
