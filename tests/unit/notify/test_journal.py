import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from imm_ray.notify.journal import append_line


def test_a_torn_line_is_ended_and_costs_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    append_line(file, b'{"n": 1}')
    with file.open("ab") as torn:
        torn.write(b'{"n": 2, "ha')
    append_line(file, b'{"n": 3}')
    assert file.read_bytes() == b'{"n": 1}\n{"n": 2, "ha\n{"n": 3}\n'


def test_a_renamed_file_is_replaced_by_a_new_one(tmp_path: Path) -> None:
    file = tmp_path / "new" / "told.jsonl"
    append_line(file, b'{"n": 1}')
    file.rename(file.with_suffix(".1"))
    append_line(file, b'{"n": 2}')
    assert [json.loads(f.read_bytes())["n"] for f in (file.with_suffix(".1"), file)] == [1, 2]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_that_does_not_fit_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "told.jsonl"
    append_line(file, b'{"n": 1}')
    real = os.write
    monkeypatch.setattr("imm_ray.notify.journal.os.write", lambda to, line: real(to, line[:5]))
    with pytest.raises(OSError, match="only 5 of 9 bytes"):
        append_line(file, b'{"n": 2}')
    monkeypatch.undo()
    assert file.read_bytes() == b'{"n": 1}\n'


def test_a_file_that_somebody_has_locked_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "told.jsonl"
    with file.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OSError, match=os.strerror(errno.EWOULDBLOCK)):
            append_line(file, b"{}")
    append_line(file, b"{}")


def test_what_is_no_file_is_written_to_or_refused(tmp_path: Path) -> None:
    append_line(Path("/dev/null"), b"{}")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):  # nobody reads it, and nobody may wait
        append_line(tmp_path / "pipe", b"{}")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    append_line(tmp_path / "pipe", b"{}")
    assert os.read(reader, 10) == b"{}\n"
    os.close(reader)
