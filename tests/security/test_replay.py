"""A request works once: within the window, on every replica, after a restart."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.signature import sign
from tests.security.examples import example
from tests.security.world import OWNER, SECRET, World, user
from tests.wire.rig import HOST

NOBODY = "nobody"
USERS = (user(NOBODY, policies=[]),)


def code_of(world: World, http: Any) -> str:
    return str(json.loads(world.send(http).body).get("Code", "done"))


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_can_be_sent_twice(action: str, tmp_path: Path) -> None:
    with World(tmp_path, users=USERS) as world:
        for who in (OWNER, NOBODY):
            http = world.signed(who, action, **example(action))
            assert code_of(world, http) != "SignatureNonceUsed"
            assert code_of(world, http) == "SignatureNonceUsed"


def test_replicas_share_their_memory(tmp_path: Path) -> None:
    with World(tmp_path) as one, World(tmp_path) as other:
        for action, given in (("ListProjects", {}), ("CreateProject", {"ProjectName": "p"})):
            http = one.signed(OWNER, action, **given)
            assert code_of(one, http) == "done"
            assert code_of(other, http) == "SignatureNonceUsed"


def test_of_many_at_once_one_works(tmp_path: Path) -> None:
    with World(tmp_path) as one, World(tmp_path) as other:
        for action in ("ListProjects", "CreateProject"):
            http = one.signed(OWNER, action, **example(action))
            codes: list[str] = []

            def send(world: World, http: Any = http, codes: list[str] = codes) -> None:
                response = anyio.run(world.service.handle, http)
                codes.append(str(json.loads(response.body).get("Code", "done")))

            threads = [threading.Thread(target=send, args=(w,)) for w in (one, other) * 4]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert Counter(codes) == {"done": 1, "SignatureNonceUsed": 7}


def test_it_is_remembered_as_long_as_it_could_be_sent(tmp_path: Path) -> None:
    """Fifteen minutes before and after its date a request is accepted, never twice."""
    with World(tmp_path) as world:
        http = world.signed(OWNER, "ListProjects")
        world.clock.move(minutes=-15)
        assert code_of(world, http) == "done"
        world.clock.move(minutes=30)
        assert code_of(world, http) == "SignatureNonceUsed"
    with World(tmp_path) as again:
        again.clock.move(minutes=15)
        assert code_of(again, http) == "SignatureNonceUsed"
        again.clock.move(seconds=1)
        assert code_of(again, http) == "InvalidTimeStamp.Expired"
        again.clock.move(minutes=-30, seconds=-2)
        assert code_of(again, http) == "InvalidTimeStamp.Expired"


def test_a_nonce_belongs_to_its_key(tmp_path: Path) -> None:
    with World(tmp_path, users=[user("second")]) as world:
        for who, expected in ((OWNER, "done"), ("second", "done"), (OWNER, "SignatureNonceUsed")):
            headers = sign(
                {},
                action="ListProjects",
                host=HOST,
                access_key_id=who,
                secret=SECRET,
                now=world.clock(),
                nonce="the same",
            )
            http = HttpRequest(method="POST", headers=tuple(headers.items()))
            assert code_of(world, http) == expected
