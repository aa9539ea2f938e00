import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from imm_ray.model import Message
from imm_ray.notify.backoff import after_failure
from imm_ray.notify.sender import DeliveryFailed, FileSender, WebhookSender, open_sender
from imm_ray.settings import Notifications

MESSAGE = Message("m-1", "topic", "imm:Task:FigureClustering", '{"id": "é\\n"}')


def webhook(answer: Callable[[httpx.Request], httpx.Response]) -> WebhookSender:
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return WebhookSender("http://127.0.0.1/hook", client)


def test_a_file_gets_one_line_of_json_per_message(tmp_path: Path) -> None:
    path = tmp_path / "new" / "told.jsonl"
    for _ in range(2):
        FileSender(path).send(MESSAGE)
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"id": "é\n"}] * 2


def test_a_file_that_can_not_be_written_is_a_failed_delivery(tmp_path: Path) -> None:
    with pytest.raises(DeliveryFailed, match="cannot write"):
        FileSender(tmp_path).send(MESSAGE)


def test_a_webhook_is_given_the_text_and_its_stable_id() -> None:
    seen: list[httpx.Request] = []

    def accept(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    webhook(accept).send(MESSAGE)
    assert seen[0].headers["x-mns-message-id"] == "m-1"
    assert json.loads(seen[0].content) == {"id": "é\n"}


@pytest.mark.parametrize("status", [302, 404, 500])
def test_any_other_answer_is_a_failed_delivery(status: int) -> None:
    answer = httpx.Response(status, headers={"location": "http://127.0.0.1/else"})
    with pytest.raises(DeliveryFailed, match=str(status)):
        webhook(lambda request: answer).send(MESSAGE)


def test_an_absent_endpoint_is_a_failed_delivery() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(DeliveryFailed, match="ConnectError"):
        webhook(refuse).send(MESSAGE)


def test_a_target_is_a_url_or_a_path() -> None:
    with httpx.Client() as client:
        assert isinstance(open_sender("https://x/y", client), WebhookSender)
        assert isinstance(open_sender("/var/told.jsonl", client), FileSender)


def test_waits_double_up_to_a_limit_and_end() -> None:
    settings = Notifications(first_retry_s=1, max_retry_s=5, max_attempts=5)
    waits = [after_failure(n, settings).wait for n in range(1, 6)]
    assert [w.total_seconds() if w else None for w in waits] == [1, 2, 4, 5, None]
