"""No secret, token or signature in a log, an answer, a repr or a file, whatever goes wrong."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from imm_ray.api.actions.registry import ACTIONS, Action
from imm_ray.api.call import Call, Written
from imm_ray.api.canonical import v1_string_to_sign
from imm_ray.api.key_rotation import open_key_ring
from imm_ray.api.rpc import HttpRequest, parse_request
from imm_ray.api.signature import sign
from imm_ray.store.database import Tx
from tests.security.world import OWNER, SECRET, World, user
from tests.wire.rig import HOST

LEASED, TOKEN = "leased", "canary-of-a-security-token"
SIGNATURE = re.compile(r"Signature=([0-9a-f]{64})")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    leased = user(LEASED, security_token=TOKEN, expires="2026-12-01T00:00:00Z", v1=True)
    with World(tmp_path, users=[leased]) as world:
        yield world


def leased(world: World, action: str = "ListProjects", **changes: Any) -> HttpRequest:
    given = {"security_token": TOKEN, "secret": SECRET, "now": world.clock(), **changes}
    headers = sign({}, action=action, host=HOST, access_key_id=LEASED, **given)
    return HttpRequest(method="POST", headers=tuple(headers.items()))


def with_header(http: HttpRequest, name: str, change: Callable[[str], str]) -> HttpRequest:
    return replace(http, headers=tuple((n, change(v) if n == name else v) for n, v in http.headers))


def old(world: World, **more: str) -> HttpRequest:
    """Return a request with the old signature, which is wrong."""
    parameters = {
        "Action": "ListProjects",
        "Version": "2020-09-30",
        "AccessKeyId": LEASED,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": "n",
        "Timestamp": f"{world.clock():%Y-%m-%dT%H:%M:%SZ}",
        "SecurityToken": TOKEN,
        "Signature": SECRET,
        **more,
    }
    assert v1_string_to_sign("POST", parameters)
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return HttpRequest(method="POST", query=query.encode(), headers=(("host", HOST),))


def bad_requests(world: World) -> list[HttpRequest]:
    good = leased(world)
    return [
        good,
        good,
        leased(world, secret="another"),
        leased(world, security_token=f"{TOKEN}x"),
        leased(world, now=datetime.fromisoformat("2026-01-01T00:00:00Z")),
        leased(world, "NoSuchAction"),
        leased(world, "GetProject"),
        leased(world, "CreateProject"),
        with_header(good, "authorization", lambda value: value[:-1]),
        with_header(good, "authorization", lambda value: f"Basic {value}"),
        with_header(good, "authorization", lambda value: f"{value}\n"),
        with_header(good, "x-acs-security-token", lambda value: f"{value}\0"),
        with_header(good, "x-acs-date", lambda value: TOKEN),
        with_header(good, "x-acs-signature-nonce", lambda value: value * 10),
        replace(good, headers=(*good.headers, *good.headers)),
        replace(good, query=b"SecurityToken=" + TOKEN.encode()),
        replace(good, query=b"a=%"),
        replace(good, body=b"x" * 10),
        old(world),
        old(world, SignatureMethod=TOKEN),
        old(world, Timestamp=TOKEN),
        old(world, SignatureNonce=TOKEN * 10),
    ]


class Broken(Exception):
    pass


def failing(action: Action, error: Exception) -> Action:
    def prepare(given: object) -> Callable[[Tx, Call], Written]:
        def run(tx: Tx, call: Call) -> Written:
            raise error

        return run

    return replace(action, prepare=prepare)


def test_failures_tell_no_secret(
    world: World,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = []
    with caplog.at_level(logging.DEBUG):
        for http in bad_requests(world):
            answers.append((http, world.send(http)))
        for error in (Broken("bug"), OperationalError("SELECT", {"nonce": "x"}, Broken("disk"))):
            for name in ("ListProjects", "CreateProject"):
                broken = {**ACTIONS, name: failing(ACTIONS[name], error)}
                monkeypatch.setattr("imm_ray.api.service.ACTIONS", broken)
                http = leased(world, name)
                answers.append((http, world.send(http)))
    assert [response.status for _, response in answers[-4:]] == [500] * 4
    signatures = {s for http, _ in answers for s in SIGNATURE.findall(str(dict(http.headers)))}
    assert len(signatures) > 5
    told = caplog.text + "".join(response.body.decode() for _, response in answers)
    told += "".join(str(response.headers) for _, response in answers)
    for secret in (SECRET, TOKEN, f"Credential={LEASED}", *signatures):
        assert secret not in told
    world.database.close()
    for file in tmp_path.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [s for s in (SECRET, TOKEN, *signatures) if s.encode() in content], file


def test_values_show_no_secret(world: World) -> None:
    http = leased(world)
    request, v1 = parse_request(http), parse_request(old(world))
    ring = open_key_ring(world.settings.auth)
    key = ring.find(LEASED)
    shown = [http, request, v1, request.credential, v1.credential, key, ring, world.settings]
    shown.append(key.identify(nonce="n"))
    (signature,) = SIGNATURE.findall(str(dict(http.headers)))
    for value in shown:
        for secret in (SECRET, TOKEN, signature):
            assert secret not in repr(value) + str(value), type(value)
    assert SECRET not in json.dumps(world.settings.model_dump(mode="json"))
    assert key.secret == SECRET


def test_an_error_of_the_database_does_not_show_what_was_to_be_stored(world: World) -> None:
    with (
        pytest.raises(OperationalError, match="no such table") as caught,
        world.database.write() as tx,
    ):
        tx.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": SECRET})
    assert SECRET not in str(caught.value)


def test_what_the_sender_wrote_into_the_wrong_place_is_not_said_again(world: World) -> None:
    http = world.signed(OWNER, "ListProjects", AccessKeySecret=SECRET)
    assert SECRET not in world.send(http).body.decode()
