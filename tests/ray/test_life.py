"""Start and stop of `imm-ray serve`: signals, exit codes, credentials, who may connect."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.ray.server import Album, ServerProcess

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

SERVE = (sys.executable, "-m", "imm_ray.cli", "serve")


def test_a_signal_to_all_processes_at_once_stops_it_cleanly(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "data", buckets={})
    server.start()
    processes = server.processes()
    assert server.stop(signal.SIGTERM, group=True) == 0
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert alive == []


def test_a_signal_during_the_start_stops_it_cleanly(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [*SERVE, "--data", str(tmp_path / "data"), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not any("raylet" in child.name() for child in psutil.Process(server.pid).children()):
        assert server.poll() is None
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=60)
    assert (server.returncode, out) == (0, ""), err


def test_the_folder_and_the_port_belong_to_one_server(tmp_path: Path) -> None:
    """Also: the credentials made at the first start work, and nobody else may connect."""
    first = subprocess.Popen(
        [*SERVE, "--data", str(tmp_path / "data"), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    address = first.stdout.readline().rpartition("//")[2].strip()
    made = tmp_path / "data" / "credentials.json"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    keys = json.loads(made.read_text())
    server = ServerProcess(tmp_path / "data", buckets={})
    server.address = address
    client = server.client(keys["access_key_id"], keys["access_key_secret"])
    Album(client, "made").create()

    stranger = httpx.post(f"http://{address}/", headers={"host": "evil.example"})
    assert (stranger.status_code, stranger.json()["Code"]) == (403, "NoPermission")
    assert httpx.get(f"http://{address}/healthz").status_code == 200

    second = subprocess.run(
        [*SERVE, "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert f"process {first.pid}" in second.stderr
    port = address.rpartition(":")[2]
    third = subprocess.run(
        [*SERVE, "--data", str(tmp_path / "other"), "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert third.returncode == 1
    assert f"port {port}" in third.stderr
    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 0
    first.stdout.close()


def test_ray_asks_for_its_token(server: ServerProcess) -> None:
    token = server.folder / "data" / "ray-token"
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    (gcs,) = [p for p in server.processes() if p.name() == "gcs_server"]
    (port,) = {c.laddr.port for c in gcs.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert connects(port, RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token))
    assert not connects(port, RAY_AUTH_MODE="disabled", HOME=str(server.folder))


def connects(port: int, **environment: str) -> bool:
    """Return whether a Ray driver that is told ``environment`` is let in within some seconds."""
    code = f"import ray; ray.init('127.0.0.1:{port}', log_to_driver=False); print('let in')"
    driver = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")} | environment,
    )
    try:
        out, _ = driver.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        driver.kill()
        out, _ = driver.communicate()
    return "let in" in out
