"""A request that was caught before a restore can not be sent again after it."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import httpx

from imm_ray.api.signature import sign
from imm_ray.store.backup.make import back_up
from imm_ray.store.backup.restore import restore
from imm_ray.testing import ACCESS_KEY_ID, ACCESS_KEY_SECRET, FakeEmbedder, wall_clock
from tests.wire.asking import Asker, asking, settings_of

NAMES = {"ProjectName": "p", "DatasetName": "late"}


def signed(asker: Asker, seconds_ago: float) -> dict[str, str]:
    return sign(
        NAMES,
        action="CreateDataset",
        host=asker.imm.address,
        access_key_id=ACCESS_KEY_ID,
        secret=ACCESS_KEY_SECRET,
        now=wall_clock() - timedelta(seconds=seconds_ago),
    )


def send(asker: Asker, headers: dict[str, str]) -> tuple[int, str]:
    query = urlencode(NAMES, quote_via=quote)
    answer = httpx.post(f"http://{asker.imm.address}/?{query}", headers=headers)
    return answer.status_code, str(answer.json().get("Code", ""))


def test_who_caught_a_request_can_not_repeat_it_after_a_restore(tmp_path: Path) -> None:
    with asking(settings_of(tmp_path), FakeEmbedder()) as asker:
        asker.create()
        back_up(asker.imm.database, tmp_path / "backup", now=wall_clock())
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    settings = settings_of(other)
    at = wall_clock() - timedelta(seconds=30)
    restore(tmp_path / "backup", settings.store_url, now=at)
    with asking(settings, FakeEmbedder()) as asker:
        assert send(asker, signed(asker, 60)) == (400, "InvalidTimeStamp.Expired")
        assert send(asker, signed(asker, 0)) == (200, "")
