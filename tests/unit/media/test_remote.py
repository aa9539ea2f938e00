"""Remote stores that fail, hang or lie."""

from collections.abc import Iterator
from io import BytesIO
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec import AbstractFileSystem

from imm_ray.errors import SourceError
from imm_ray.media import remote as remote_module
from imm_ray.media.remote import RemoteFolder


class UnreliableStore(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """A store of one endless object that fails as it is told to."""

    protocol = "unreliable"
    cachable = False
    failures: ClassVar[list[Exception]] = []
    bytes_read = 0

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        if self.failures:
            raise self.failures.pop(0)
        return {"name": path, "size": 5, "type": "file", "ETag": '"v1"'}

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return Endless()


class Endless(BytesIO):
    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0, "an unbounded read of an endless object"
        UnreliableStore.bytes_read += size
        return bytes(size)


class Clock:
    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(remote_module, "wait_exponential", lambda **_: lambda state: 0)
    fsspec.register_implementation("unreliable", UnreliableStore, clobber=True)
    UnreliableStore.failures, UnreliableStore.bytes_read = [], 0
    return iter([None])


def folder(step: float = 0) -> RemoteFolder:
    return RemoteFolder("unreliable://bucket", timeout_s=30, clock=Clock(step))


def test_never_more_bytes_than_asked_for() -> None:
    data, stat = folder().read("a.jpg", limit=10_000_000)
    assert len(data) == UnreliableStore.bytes_read == 10_000_000
    assert stat.etag == "v1"


def test_a_passing_error_is_tried_again() -> None:
    UnreliableStore.failures = [ConnectionResetError(), TimeoutError()]
    assert folder().stat("a.jpg").size == 5


@pytest.mark.parametrize("error", [ConnectionResetError(), RuntimeError("of the library's own")])
def test_an_error_that_stays_is_a_reason(error: Exception) -> None:
    UnreliableStore.failures = [error] * 9
    with pytest.raises(SourceError, match="can not be fetched"):
        folder().stat("a.jpg")
    assert len(UnreliableStore.failures) == (6 if isinstance(error, OSError) else 8)


def test_a_missing_object_is_not_tried_again() -> None:
    UnreliableStore.failures = [FileNotFoundError()] * 2
    with pytest.raises(SourceError, match="File does not exist"):
        folder().stat("a.jpg")
    assert len(UnreliableStore.failures) == 1


def test_a_slow_object_is_given_up() -> None:
    with pytest.raises(SourceError, match="can not be fetched"):
        folder(step=12).read("a.jpg", limit=1 << 30)
    assert UnreliableStore.bytes_read < 1 << 26


@pytest.mark.parametrize("key", ["../a.jpg", "in/../../a.jpg", "./a.jpg", "in//a.jpg", "a\0.jpg"])
def test_no_key_leads_out_of_the_prefix(key: str) -> None:
    with pytest.raises(SourceError, match="not allowed"):
        folder().read(key, limit=10)
    assert UnreliableStore.bytes_read == 0


def test_a_store_that_does_not_answer_says_nothing_of_the_file() -> None:
    UnreliableStore.failures = [ConnectionResetError()] * 3
    with pytest.raises(SourceError) as unreachable:
        folder().stat("a.jpg")
    UnreliableStore.failures = [FileNotFoundError()]
    with pytest.raises(SourceError) as missing:
        folder().stat("a.jpg")
    assert unreachable.value.transient
    assert not missing.value.transient
