import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from imm_ray.runtime.logging import configure_logging, redact


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as the processes of a server do it."""
    ours, before = logging.getLogger("imm_ray"), structlog.get_config()
    kept = (ours.handlers, ours.propagate, ours.level)
    stream = io.StringIO()
    configure_logging(logging.DEBUG, stream)
    yield stream
    ours.handlers, ours.propagate, ours.level = kept
    structlog.configure(**before)


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_every_line_is_one_object_whoever_writes_it(lines: io.StringIO) -> None:
    log = structlog.get_logger("imm_ray.a")
    with bound_contextvars(request_id="R", dataset_id="d"):
        log.info("two\nlines", n=1)
        logging.getLogger("imm_ray.b").warning("plain %s", "text")
        with ThreadPoolExecutor(1) as threads:
            threads.submit(copy_context().run, lambda: log.error("from a thread")).result()
    log.info("after it")
    logging.getLogger("elsewhere").error("not ours")
    found = read(lines)
    assert [(line["event"], line["level"], line.get("request_id")) for line in found] == [
        ("two\nlines", "info", "R"),
        ("plain text", "warning", "R"),
        ("from a thread", "error", "R"),
        ("after it", "info", None),
    ]
    assert found[0]["logger"] == "imm_ray.a"
    assert found[0]["timestamp"].endswith("Z")


def test_a_traceback_is_in_the_line_of_its_event(lines: io.StringIO) -> None:
    try:
        raise ValueError("Signature=0123abcd&x=1")
    except ValueError:
        structlog.get_logger("imm_ray.a").exception("failed")
    (line,) = read(lines)
    assert "ValueError: Signature=***&x=1" in line["exception"]


@pytest.mark.parametrize(
    "event",
    [
        {"Signature": "canary"},
        {"access_key_secret": "canary"},
        {"SecurityToken": "canary"},
        {"x-acs-security-token": "canary"},
        {"Authorization": "canary"},
        {"headers": {"authorization": "canary", "host": "h"}},
        {"given": [{"AccessKeySecret": "canary"}]},
        {"why": "GET /?Action=X&Signature=canary&SignatureNonce=n"},
        {"why": "ACS3-HMAC-SHA256 Credential=id,SignedHeaders=host,Signature=canary"},
        {"why": "{'Authorization': 'Bearer canary', 'a': 1}"},
        {"why": '"SecurityToken": "canary"'},
        {"why": "AccessKeySecret=canary"},
        {"why": "x-acs-security-token: canary"},
        {"why": "secret whsec_canary+/== of a topic"},
    ],
)
def test_secrets_are_hidden_wherever_they_stand(event: dict[str, Any]) -> None:
    told = redact(None, "info", event)
    assert "canary" not in str(told)
    assert "***" in str(told)


def test_what_is_no_secret_is_left_as_it_is() -> None:
    event = {"event": "signature checked", "n": 1, "ok": True, "why": "no Signature", "none": None}
    assert redact(None, "info", dict(event)) == event
