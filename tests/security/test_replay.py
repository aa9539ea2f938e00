"""A request works once: within the window, on every replica, after a restart."""

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import anyio
import pytest

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.signature import sign
from imm_ray.store import nonces
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
            assert (
                code_of(world, signed(world, "ListProjects", nonce="the same", who=who)) == expected
            )


Kind = tuple[str, dict[str, str], str]
READ: Kind = ("ListProjects", {}, "done")
WRITE = ("CreateProject", {"ProjectName": "made"}, "done")
REFUSED_READ = ("GetProject", {"ProjectName": "none"}, "ResourceNotFound")
REFUSED_WRITE = ("DeleteProject", {"ProjectName": "none"}, "ResourceNotFound")
KINDS = {"read": READ, "write": WRITE, "refused read": REFUSED_READ, "refused write": REFUSED_WRITE}


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(KINDS, 2)))
def test_a_nonce_is_used_up_by_any_kind_of_request_for_every_kind(
    first: str, second: str, tmp_path: Path
) -> None:
    """On the replica that saw it, on another one, and after a restart."""
    with World(tmp_path) as one, World(tmp_path) as other:
        action, given, expected = KINDS[first]
        assert code_of(one, signed(one, action, nonce="same", **given)) == expected
        action, given, _ = KINDS[second]
        for world in (one, other):
            again = signed(world, action, nonce="same", **given)
            assert code_of(world, again) == "SignatureNonceUsed"
    with World(tmp_path) as later:
        assert code_of(later, again) == "SignatureNonceUsed"
        made = later.ask(OWNER, "ListProjects")["Projects"]
        assert len(made) == (first == "write")


def test_a_request_without_rights_uses_up_its_nonce_wherever_it_stands(tmp_path: Path) -> None:
    with World(tmp_path, users=USERS) as one, World(tmp_path, users=USERS) as other:
        for action in ("ListProjects", "CreateProject"):
            http = one.signed(NOBODY, action, **example(action))
            assert code_of(one, http) == "NoPermission"
            assert code_of(other, http) == "SignatureNonceUsed"


def test_a_read_does_not_wait_for_who_writes(tmp_path: Path) -> None:
    """Its nonce is remembered all the same."""
    with World(tmp_path) as world:
        http = world.signed(OWNER, "ListProjects")
        with world.database.write():
            assert code_of(world, http) == "done"
            assert code_of(world, http) == "SignatureNonceUsed"
        assert code_of(world, http) == "SignatureNonceUsed"


def test_a_nonce_that_an_older_version_kept_with_the_others_is_known(tmp_path: Path) -> None:
    """It wrote those of reads into the main database, and had no other."""
    with World(tmp_path) as world:
        read = signed(world, "ListProjects", nonce="old")
        with world.database.write() as tx:
            nonces.remember(tx, OWNER, "old", world.clock())
    for file in tmp_path.glob("nonce.db*"):
        file.unlink()
    with World(tmp_path) as newer:
        assert code_of(newer, read) == "SignatureNonceUsed"
        assert code_of(newer, newer.signed(OWNER, "ListProjects")) == "done"


_KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from imm_ray.store.database import Database
from imm_ray.store.nonce_memory import NonceMemory
memory = NonceMemory(Database(sys.argv[1]))
memory.submit("owner", "of the dead", datetime.fromisoformat(sys.argv[2])).result()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_nonce_of_a_read_survives_a_kill(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        url, now = world.settings.store_url, world.clock()
    killed = subprocess.run([sys.executable, "-c", _KILLED, url, now.isoformat()], check=False)
    assert killed.returncode == -signal.SIGKILL
    with World(tmp_path) as world:
        for action, given, _ in (READ, WRITE):
            again = signed(world, action, nonce="of the dead", **given)
            assert code_of(world, again) == "SignatureNonceUsed"


def signed(world: World, action: str, *, nonce: str, who: str = OWNER, **given: str) -> HttpRequest:
    """Return a request with the nonce of another."""
    headers = sign(
        given,
        action=action,
        host=HOST,
        access_key_id=who,
        secret=SECRET,
        now=world.clock(),
        nonce=nonce,
    )
    query = urlencode(given, quote_via=quote).encode()
    return HttpRequest(method="POST", query=query, headers=tuple(headers.items()))
