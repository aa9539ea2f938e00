"""What an operator sees of a running server: metrics, readiness, logs."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from alibabacloud_imm20200930 import models

from tests.ray.server import Album, ServerProcess

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

SCRAPE_S = 60.0  # Ray's agent learns of a value within ten seconds
POLL_S = 0.5
CANARY = "canary-of-the-logs"
EXPECTED = (
    'imm_ray_request_seconds_count{action="CreateDataset",',
    'imm_ray_files_total{node="',
    "imm_ray_backlog{",
    "imm_ray_outbox_messages{",
    'imm_ray_engines{host="owner-',
    "imm_ray_datasets_taken_total{",
    "imm_ray_embedded_files_total{",
    'imm_ray_clustering_seconds_bucket{kind="figure"',
    "imm_ray_notifications_total{",
)


def wait_until_ready(address: str) -> None:
    """Return when the server is ready: its owner host is made by the first question."""
    deadline = time.monotonic() + SCRAPE_S
    while (answer := httpx.get(f"http://{address}/readyz", timeout=30)).status_code != 200:
        assert (answer.status_code, answer.json()) == (503, {"Status": "unavailable"})
        assert time.monotonic() < deadline, "it is not ready"
        time.sleep(POLL_S)  # other processes need the cores more than we do


def scrape(address: str) -> str:
    """Return the page once it has everything."""
    deadline = time.monotonic() + SCRAPE_S
    while True:
        page = httpx.get(address, timeout=30).text
        missing = [name for name in EXPECTED if name not in page]
        if not missing:
            return page
        assert time.monotonic() < deadline, f"{missing} are not in {page}"
        time.sleep(POLL_S)  # other processes need the cores more than we do


def ray_logs(server: ServerProcess) -> str:
    """Return all that the processes of the server have written."""
    (raylet,) = [p for p in server.processes() if p.name() == "raylet"]
    (session,) = {m[1] for m in map(re.compile("--session_dir=(.*)").match, raylet.cmdline()) if m}
    files = [*Path(session, "logs").rglob("*.err"), *Path(session, "logs").rglob("*.out")]
    return server.log() + "".join(file.read_text(errors="replace") for file in files)


def test_a_job_shows_in_metrics_and_logs_and_what_it_says_does_not(server: ServerProcess) -> None:
    wait_until_ready(server.address)
    album = Album(server.client(), "observed").create()
    topic = models.Notification(mns=models.MNS(topic_name="file"))
    told: dict[str, Any] = {"notification": topic, "user_data": CANARY}
    album.index(["oss://lfw/absent.jpg"], **told)
    task_id = album.create_figures_task(**told)
    assert album.wait(task_id).status == "Succeeded"

    (address,) = re.findall(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", server.log())
    page = scrape(address)
    assert "observed" not in page
    assert httpx.get(address.removesuffix("metrics")).status_code == 404

    logged = ray_logs(server)
    assert CANARY not in logged
    ours = [json.loads(line) for line in logged.splitlines() if line.startswith('{"')]
    (done,) = [line for line in ours if line.get("task_id") == task_id]
    assert done["event"] == "task succeeded"
    assert done["dataset_id"]
