import os
import socket
import stat
from pathlib import Path

import pytest

from imm_ray.runtime.data_folder import DataFolder, InUse
from imm_ray.runtime.port import take_port


def test_a_data_folder_has_one_server_and_says_which(tmp_path: Path) -> None:
    with DataFolder(tmp_path), pytest.raises(InUse, match=f"process {os.getpid()}"):
        DataFolder(tmp_path, patience_s=0)
    with DataFolder(tmp_path, patience_s=0):
        pass


def test_credentials_are_made_once_and_are_private(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        first = folder.credentials()
        token = folder.ray_token()
    with DataFolder(tmp_path / "data") as folder:
        assert folder.credentials() == first
        assert folder.ray_token().read_text() == token.read_text()
    for path in (tmp_path / "data" / "credentials.json", token):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_busy_port_is_named_with_its_process() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(InUse, match=f"port {port} .* process {os.getpid()}"):
            take_port("127.0.0.1", port, patience_s=0)
    assert take_port("127.0.0.1", port, patience_s=0) == port
    assert take_port("127.0.0.1", 0, patience_s=0) > 0
