"""Hostile requests to every action: IMM's JSON, no 5xx, nothing of the inside."""

import asyncio
import gc
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.rpc import HttpRequest
from imm_ray.api.service import Response
from tests.security.examples import example
from tests.security.mutation import TEXTS, Chance, Signer, mutated
from tests.security.world import OWNER, SECRET, World
from tests.wire.rig import HOST

INSIDE = ("Traceback", 'File "', "sqlite", "sqlalchemy", "imm_ray", "pydantic", SECRET)
relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@dataclass
class Target:
    world: World
    known: dict[str, str]
    runner: asyncio.Runner
    signer: Signer

    def send(self, http: HttpRequest) -> Response:
        return self.runner.run(self.world.service.handle(http))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    no_limit = {"requests_per_second": 0}
    with (
        World(tmp_path_factory.mktemp("fuzz"), limits=no_limit) as world,
        asyncio.Runner() as runner,
    ):
        signer = Signer(HOST, OWNER, SECRET, world.clock)
        yield Target(world, world.fill(), runner, signer)


def check(response: Response) -> None:
    assert response.status < 500, response.body
    assert response.headers["content-type"] == "application/json;charset=utf-8"
    text = response.body.decode()
    body = json.loads(text)
    assert body["RequestId"] == response.headers["x-acs-request-id"]
    if response.status != 200:
        assert body["Code"]
        assert body["Message"]
        assert len(text) < 5000, "an error echoes no more than it must"
        shown = [word for word in INSIDE if word in text]
        assert not shown, text


@pytest.mark.parametrize("action", ACTIONS)
def test_no_request_breaks_an_action(action: str, target: Target) -> None:
    good = example(action, target.known)

    @relaxed
    @given(st.randoms(use_true_random=False))
    def attack(chance: Chance) -> None:
        check(target.send(mutated(target.signer, action, good, chance)))

    attack()


@pytest.mark.parametrize("action", ACTIONS)
def test_no_value_of_the_list_breaks_an_action(action: str, target: Target) -> None:
    good = example(action, target.known)
    names = [f.alias or name for name, f in ACTIONS[action].schema.model_fields.items()]
    for number, text in enumerate(TEXTS * 2):
        name = names[number % len(names)]
        check(target.send(target.signer.request(action, {**good, name: text})))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_request_leaves_nothing_in_memory(action: str, target: Target) -> None:
    good, chance = example(action, target.known), random.Random(action)
    before = requests_in_memory()
    for _ in range(15):
        target.send(mutated(target.signer, action, good, chance))
    wrong = (("ProjectName", "1 a"), ("MaxResults", "x"), ("NextToken", "x" * 100))
    for name, text in wrong * 10:
        target.send(target.signer.request(action, {**good, name: text}))
    # The threads of the service may still hold what they did last.
    assert requests_in_memory() - before < 20


def requests_in_memory() -> int:
    gc.collect()
    return sum(type(thing) is HttpRequest for thing in gc.get_objects())


latin = st.text(st.characters(max_codepoint=255), max_size=40)
header_names = st.sampled_from(
    ["authorization", "host", "content-type", "x-acs-action", "x-acs-version", "x-acs-date", "b"]
)
actions = st.sampled_from([b"GetTask", b"ListProjects", b"%00", b"", b"x" * 200])


@relaxed
@given(
    method=st.sampled_from(["GET", "POST", "PUT", ""]),
    query=st.builds(
        lambda action, rest: b"Version=2020-09-30&Action=" + action + b"&" + rest,
        actions,
        st.binary(max_size=100),
    ),
    headers=st.lists(st.tuples(header_names, latin), max_size=8),
    body=st.binary(max_size=100),
    peer=latin,
)
def test_no_bytes_break_the_dispatcher(
    target: Target,
    method: str,
    query: bytes,
    headers: list[tuple[str, str]],
    body: bytes,
    peer: str,
) -> None:
    http = HttpRequest(method=method, query=query, headers=tuple(headers), body=body, peer=peer)
    check(target.send(http))
