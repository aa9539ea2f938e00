"""F20: an endpoint may do what it likes; an attempt ends in time, and says what happened."""

import asyncio
import base64
import json
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.notify.backoff import after_failure
from imm_ray.notify.circuit import FAILURES, Circuit
from imm_ray.notify.sender import DeliveryFailed, open_client, open_sender
from imm_ray.notify.signing import check
from imm_ray.settings import Notifications
from imm_ray.topic import Topic
from tests.unit.notify.endpoint import (
    Answer,
    Endpoint,
    close_early,
    endless,
    garbage,
    hang,
    self_signed,
    status,
    trickle,
)
from tests.unit.notify.messages import NOW, message

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
QUICK = Notifications(timeout_s=0.5, connect_timeout_s=0.5)
PATIENT = Notifications()


def send(topic: Topic, settings: Notifications = PATIENT) -> None:
    async def once() -> None:
        async with open_client(settings) as client:
            sender = open_sender(topic, client, timeout_s=settings.timeout_s)
            await sender.send(message(), NOW)

    asyncio.run(once())


def test_a_file_gets_one_line_of_json_per_message(tmp_path: Path) -> None:
    path = tmp_path / "new" / "told.jsonl"
    for shape in ("mns-simplified", "cloudevents"):
        send(Topic.model_validate({"target": str(path), "format": shape}))
    first, second = map(json.loads, path.read_text().splitlines())
    assert (first, second["specversion"]) == (json.loads(message().body), "1.0")


def test_a_file_that_can_not_be_written_is_a_failed_delivery(tmp_path: Path) -> None:
    with pytest.raises(DeliveryFailed, match=r"cannot write .* Is a directory"):
        send(Topic(target=str(tmp_path)))


@pytest.mark.parametrize("shape", ["mns-simplified", "mns-xml", "cloudevents"])
def test_what_is_posted_is_signed(shape: str) -> None:
    with Endpoint(status(204)) as endpoint:
        given = {"target": f"{endpoint.url}?a=b", "format": shape, "secret": SECRET}
        send(Topic.model_validate(given))
    (posted,) = endpoint.posted
    assert posted.target == "/notifications?a=b"
    assert check(posted.body, posted.headers, keys=[KEY], now=NOW) == message().message_id


def test_without_a_secret_it_is_not_signed() -> None:
    with Endpoint(status(204)) as endpoint:
        send(Topic(target=endpoint.url))
    assert not [name for name in endpoint.posted[0].headers if name.startswith("webhook")]


def test_a_secret_that_can_not_be_read_posts_nothing(tmp_path: Path) -> None:
    with Endpoint(status(204)) as endpoint:
        topic = Topic(target=endpoint.url, secret_file=tmp_path / "absent")
        with pytest.raises(DeliveryFailed, match="can not be made"):
            send(topic)
    assert endpoint.posted == []


@pytest.mark.parametrize(
    "answer",
    [status(200), status(204), status(202, body=b"x" * 1000), endless(200)],
    ids=["200", "204", "202", "endless"],
)
def test_any_2xx_is_success_whatever_follows(answer: Answer) -> None:
    with Endpoint(answer) as endpoint:
        send(Topic(target=endpoint.url))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (status(301, "location: /else"), "301 Moved"),
        (status(307, "location: http://127.0.0.1:1/"), "307"),
        (status(404), "404 Not Found"),
        (status(500), "500 Internal"),
        (status(599), "answered 599$"),
        (endless(503), "503"),
        (close_early, "RemoteProtocolError"),
        (garbage, "RemoteProtocolError"),
    ],
    ids=["301", "307", "404", "500", "599", "endless", "close", "garbage"],
)
def test_any_other_answer_is_a_failed_delivery(answer: Answer, why: str) -> None:
    with Endpoint(answer) as endpoint, pytest.raises(DeliveryFailed, match=why):
        send(Topic(target=endpoint.url))
    assert len(endpoint.posted) == 1  # a redirect is not followed


def test_what_the_endpoint_says_is_kept_apart_from_the_reason() -> None:
    said = b"you sent: " + message().body.encode() * 100
    with Endpoint(status(400, body=said)) as endpoint, pytest.raises(DeliveryFailed) as caught:
        send(Topic(target=endpoint.url))
    assert str(caught.value) == "the endpoint answered 400 Bad Request"
    assert caught.value.answer.startswith("you sent")
    assert len(caught.value.answer) <= 200


@pytest.mark.parametrize("answer", [hang, trickle])
def test_an_attempt_ends_however_slowly_the_endpoint_answers(answer: Answer) -> None:
    with Endpoint(answer) as endpoint, pytest.raises(DeliveryFailed, match=r"longer than 0\.5 s"):
        send(Topic(target=endpoint.url), QUICK)


def test_an_absent_endpoint_is_a_failed_delivery() -> None:
    with Endpoint(status(204)) as endpoint:
        pass
    with pytest.raises(DeliveryFailed, match="ConnectError"):
        send(Topic(target=endpoint.url))


def test_an_endpoint_that_speaks_no_tls_gets_nothing() -> None:
    refused = pytest.raises(DeliveryFailed, match="ConnectError")
    with Endpoint(status(204), greets=True) as endpoint, refused:
        send(Topic(target=endpoint.url.replace("http:", "https:")))
    assert endpoint.posted == []


def test_an_endpoint_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    refused = pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED")
    with Endpoint(status(204), certificate=self_signed(tmp_path)) as endpoint, refused:
        send(Topic(target=endpoint.url.replace("http:", "https:")))
    assert endpoint.posted == []


def test_the_environment_lends_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Endpoint(status(204)) as endpoint:
        send(Topic(target=endpoint.url))


@given(attempts=st.integers(1, 10_000), seed=st.integers(0, 100))
def test_waits_are_drawn_below_a_limit_that_doubles(attempts: int, seed: int) -> None:
    settings = Notifications(first_retry_s=1, max_retry_s=600)
    retry = after_failure(attempts, age=timedelta(), settings=settings, chance=Random(seed))
    assert retry.wait is not None
    assert 0 <= retry.wait.total_seconds() <= min(600, 2.0 ** min(attempts - 1, 20))


def test_waits_differ_and_grow() -> None:
    chance = Random(1)
    waits = [
        [after_failure(n, age=timedelta(), settings=PATIENT, chance=chance).wait for n in (2, 9)]
        for _ in range(50)
    ]
    early, late = ([w.total_seconds() for w in column if w] for column in zip(*waits, strict=True))
    assert len(set(early)) == 50
    assert sum(late) > 20 * sum(early)


def test_there_is_no_retry_after_a_day() -> None:
    day = timedelta(days=1)
    for age, is_over in ((day - timedelta(seconds=1), False), (day, True)):
        retry = after_failure(1, age=age, settings=PATIENT, chance=Random(1))
        assert (retry.wait is None) is is_over


def test_an_endpoint_that_fails_rests_longer_and_longer_up_to_a_minute() -> None:
    now = 0.0
    circuit = Circuit(clock=lambda: now, chance=Random(1))
    for _ in range(FAILURES):
        assert circuit.allowed(4) == 4
        circuit.failed()
    rests = []
    for _ in range(12):
        begun = now
        while not circuit.allowed(4):
            now += 0.25
        assert circuit.allowed(4) == 1
        circuit.failed()
        rests.append(now - begun)
    assert rests[0] <= 1.25
    assert 30 <= rests[-1] <= 60.25
    now += 61
    circuit.succeeded()
    assert circuit.allowed(4) == 4
