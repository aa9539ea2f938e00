"""An engine that has failed is asked nothing more: its memory may not be what is stored."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from imm_ray.dataset.service import DatasetService
from tests.unit.dataset.owner import Owner


def test_a_call_that_failed_is_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(tmp_path)

    async def story() -> None:
        service = DatasetService(owner.engine, owner.embedder, retry_s=0)
        with monkeypatch.context() as spoilt:
            spoilt.setattr(owner.engine, "run_due_task", lambda: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                await service.drain()
        with pytest.raises(ZeroDivisionError):
            await service.drain()
        service.close()

    with closing(owner.database):
        asyncio.run(story())
