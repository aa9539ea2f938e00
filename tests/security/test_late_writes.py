"""A write whose client was told that it took too long."""

import json
import threading
from pathlib import Path

from imm_ray.store.database import Tx
from tests.security.world import OWNER, World


def test_a_write_that_never_began_stays_undone_for_ever(tmp_path: Path) -> None:
    """Neither does it happen behind the client's back, nor can the request be sent again."""
    begun, gate = threading.Event(), threading.Event()

    def block(tx: Tx) -> None:
        begun.set()
        gate.wait()

    with World(tmp_path, limits={"request_timeout_s": 0.3}) as world:
        world.writer.submit(block)
        begun.wait()
        caught = world.signed(OWNER, "CreateProject", ProjectName="late")
        late = world.send(caught)
        assert (late.status, json.loads(late.body)["Code"]) == (503, "ServiceUnavailable")
        gate.set()
    with World(tmp_path) as world:
        assert world.ask(OWNER, "ListProjects")["Projects"] == []
        again = world.send(caught)
        assert json.loads(again.body)["Code"] == "SignatureNonceUsed"
