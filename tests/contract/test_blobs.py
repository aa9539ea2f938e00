"""Every storage of snapshots keeps the same promises: a local folder, and S3."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from imm_ray.settings import Settings, Snapshots
from imm_ray.store.blobs import BlobError, Blobs, LocalBlobs, RemoteBlobs, open_blobs
from tests.conftest import missing

DATASET = "0b7b8d1e-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    """An S3 server in this process."""
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        missing("s3", f"moto[server] is not installed ({error})")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    try:
        import s3fs
    except ImportError as error:
        missing("s3", f"s3fs is not installed ({error})")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{uuid.uuid4()}"
    s3fs.S3FileSystem().mkdir(bucket)
    return open_blobs(Settings(snapshots=Snapshots(url=f"s3://{bucket}/some/prefix")))


@pytest.fixture(params=["local", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "local":
        return LocalBlobs(tmp_path / "snapshots")
    if request.param == "memory":
        return RemoteBlobs(f"memory://{tmp_path.name}")
    found: Blobs = request.getfixturevalue("s3")
    return found


def test_what_was_put_is_there_until_it_is_deleted(blobs: Blobs) -> None:
    for name in ("a", "b.json"):
        blobs.put(f"{DATASET}/{name}", name.encode() * 3)
    assert blobs.get(f"{DATASET}/b.json", 18) == b"b.json" * 3
    assert blobs.keys(DATASET) == [f"{DATASET}/a", f"{DATASET}/b.json"]
    assert blobs.folders() == [DATASET]
    blobs.put(f"{DATASET}/a", b"")
    assert blobs.get(f"{DATASET}/a", 0) == b""
    for key in (*blobs.keys(DATASET), f"{DATASET}/a"):
        blobs.delete(key)
    assert blobs.keys(DATASET) == []
    assert blobs.folders() == []


def test_what_has_another_size_or_is_not_there_is_refused(blobs: Blobs) -> None:
    blobs.put(f"{DATASET}/a", b"1234")
    for size in (0, 3, 5, 2**40):
        with pytest.raises(BlobError, match=f"4 bytes instead of {size}"):
            blobs.get(f"{DATASET}/a", size)
    with pytest.raises(BlobError, match="can not be read"):
        blobs.get(f"{DATASET}/b", 4)
    blobs.delete(f"{DATASET}/a")


def test_no_key_leads_elsewhere(blobs: Blobs) -> None:
    away = ["a", "../a", "a/../b", "a/b/c", "/a/b", "a/.b", "a/", "a\0/b", "ä/b"]
    for key in away:
        with pytest.raises(BlobError, match="is no"):
            blobs.put(key, b"x")
        with pytest.raises(BlobError, match="is no"):
            blobs.get(key, 1)
        with pytest.raises(BlobError, match="is no"):
            blobs.delete(key)
    with pytest.raises(BlobError, match="no dataset's folder"):
        blobs.keys("..")


def test_a_file_that_could_not_be_written_leaves_nothing_but_what_was_there(
    tmp_path: Path,
) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put(f"{DATASET}/a", b"old")
    (tmp_path / DATASET / "b").mkdir()
    with pytest.raises(BlobError, match="can not be written"):
        blobs.put(f"{DATASET}/b", b"new")
    assert sorted(path.name for path in (tmp_path / DATASET).iterdir()) == ["a", "b"]


def test_links_and_what_is_no_file_are_not_read(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "snapshots")
    blobs.put(f"{DATASET}/a", b"mine")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(b"5678")
    folder = tmp_path / "snapshots"
    (folder / DATASET / "link").symlink_to(tmp_path / "elsewhere" / "a")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / DATASET / "pipe")
    for key, size in ((f"{DATASET}/link", 4), ("linked/a", 4), (f"{DATASET}/pipe", 0)):
        with pytest.raises(BlobError):
            blobs.get(key, size)


def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "snapshots")
    blobs.put(f"{DATASET}/a", b"x")
    modes = [path.stat().st_mode & 0o077 for path in (tmp_path / "snapshots").rglob("*")]
    assert modes == [0, 0]
