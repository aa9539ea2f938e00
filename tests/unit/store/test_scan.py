"""Bytes are found wherever they stand in a file."""

from itertools import zip_longest
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imm_ray.store.erasure import scan as scanning
from imm_ray.store.erasure.scan import scan

_BYTES = st.binary(max_size=60) | st.text("ab", max_size=60).map(str.encode)
_TEXTS = st.lists(st.binary(min_size=8, max_size=20) | st.text("ab", min_size=8).map(str.encode))


@given(st.lists(_BYTES, min_size=1, max_size=4), _TEXTS, st.integers(8, 40))
@settings(max_examples=100, deadline=None)
def test_it_finds_what_a_plain_search_finds(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], texts: list[bytes], chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("scan")
    content = b"".join(part + text for part, text in zip_longest(parts, texts, fillvalue=b""))
    (folder / "inner").mkdir()
    (folder / "inner" / "file").write_bytes(content)
    (folder / "other").write_bytes(parts[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "_CHUNK", chunk)
        found = scan(folder, texts)
    files = {"inner/file": content, "other": parts[0]}
    expected = {text: {name for name in files if text in files[name]} for text in texts}
    assert found.hits == {text: names for text, names in expected.items() if names}
    assert (found.files, found.size) == (2, len(content) + len(parts[0]))


def test_what_is_found_everywhere_is_not_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        scan(tmp_path, [b"1234567"])


def test_links_and_files_to_skip_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"a long enough text")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert scan(tmp_path, [b"long enough"], skip=[tmp_path / "file"]).files == 0
