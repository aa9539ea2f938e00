from pathlib import Path

import pytest
import ray

from imm_ray.runtime.one_host import require_shared_store
from imm_ray.settings import load_settings


@pytest.mark.parametrize(
    ("alive", "url", "refused"),
    [
        ([True], "", False),
        ([True, False], "", False),
        ([True, True], "", True),
        ([True, True], "postgresql://u:long-enough@db/imm", False),
    ],
)
def test_a_file_does_not_serve_several_nodes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, alive: list[bool], url: str, refused: bool
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": one} for one in alive])
    settings = load_settings(None, data=tmp_path, store={"url": url})
    if refused:
        with pytest.raises(ValueError, match="Ray has 2 nodes"):
            require_shared_store(settings)
    else:
        require_shared_store(settings)
