"""What a server refuses before it starts anything."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from imm_ray.runtime.exposure import check_exposure
from imm_ray.settings import load_settings


@pytest.mark.parametrize(
    ("server", "auth", "refused"),
    [
        ({"host": "127.0.0.1"}, {"mode": "none"}, None),
        ({"host": "0.0.0.0"}, {"mode": "none"}, "loopback only"),
        ({"host": "0.0.0.0", "behind_tls_proxy": True}, {"mode": "none"}, "loopback only"),
        ({"host": "0.0.0.0"}, {}, "plain HTTP"),
        ({"host": "0.0.0.0", "behind_tls_proxy": True}, {}, None),
        ({"host": "0.0.0.0", "tls_cert": "c", "tls_key": "k"}, {}, None),
    ],
)
def test_nothing_is_served_in_the_clear_beyond_this_machine(
    tmp_path: Path, server: dict[str, Any], auth: dict[str, Any], refused: str | None
) -> None:
    settings = load_settings(None, data=tmp_path, server=server, auth=auth)
    with pytest.raises(ValueError, match=refused) if refused else nullcontext():
        check_exposure(settings)
