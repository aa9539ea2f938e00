"""S28: a receiver refuses what is forged or sent again; any library of the standard agrees."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from imm_ray.notify.signing import TOLERANCE_S, Forged, Receiver, check, sign
from imm_ray.topic import Topic, signing_key

KEY, OTHER = bytes(range(32)), bytes(32)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BODY = '{"é": 1}'.encode()


def secret(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def signed(body: bytes = BODY, *keys: bytes, at: datetime = NOW, id: str = "m") -> dict[str, str]:
    return sign(body, message_id=id, timestamp=int(at.timestamp()), keys=keys or [KEY])


def test_another_library_of_the_standard_accepts_our_signature() -> None:
    headers = signed(at=datetime.now(UTC))
    assert Webhook(secret(KEY)).verify(BODY, headers) == {"é": 1}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(OTHER)).verify(BODY, headers)


def test_we_accept_the_signature_of_another_library() -> None:
    signature = Webhook(secret(KEY)).sign("m", NOW, BODY.decode())
    headers = {
        "Webhook-Id": "m",
        "Webhook-Timestamp": str(int(NOW.timestamp())),
        "Webhook-Signature": f"v1a,x {signature}",
    }
    assert check(BODY, headers, keys=[KEY], now=NOW) == "m"


@given(position=st.integers(0), flip=st.integers(1, 255), where=st.sampled_from(["body", "id"]))
def test_no_byte_can_be_changed(position: int, flip: int, where: str) -> None:
    body, headers = bytearray(BODY), signed()
    if where == "body":
        body[position % len(body)] ^= flip
    else:
        headers["webhook-id"] = chr(ord("m") ^ flip)
    with pytest.raises(Forged, match="no signature fits"):
        check(bytes(body), headers, keys=[KEY], now=NOW)


def test_the_time_is_signed_too() -> None:
    headers = signed() | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)}
    with pytest.raises(Forged, match="no signature fits"):
        check(BODY, headers, keys=[KEY], now=NOW)


@pytest.mark.parametrize("away", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_an_old_message_is_a_replay(away: int) -> None:
    with pytest.raises(Forged, match="more than 300 s away"):
        check(BODY, signed(), keys=[KEY], now=NOW + timedelta(seconds=away))


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "٣"},
        {"webhook-timestamp": "9" * 5000},
        {"webhook-timestamp": "-1"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,é"},
        {"webhook-signature": "v2,x"},
    ],
)
def test_whatever_is_sent_is_accepted_or_forged(change: dict[str, str]) -> None:
    with pytest.raises(Forged):
        check(BODY, signed() | change, keys=[KEY], now=NOW)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_is_named(name: str) -> None:
    headers = signed()
    del headers[name]
    with pytest.raises(Forged, match=name):
        check(BODY, headers, keys=[KEY], now=NOW)


def test_a_receiver_acts_once_on_a_message_that_comes_again() -> None:
    receiver = Receiver([secret(KEY)])
    later = NOW + timedelta(hours=3)
    assert receiver.accept(BODY, signed(), NOW)
    assert not receiver.accept(BODY, signed(), NOW)
    assert not receiver.accept(BODY, signed(at=later), later)
    assert receiver.accept(BODY, signed(id="n"), NOW)
    with pytest.raises(Forged):
        receiver.accept(BODY, signed(BODY, OTHER, id="o"), NOW)
    assert receiver.accept(BODY, signed(id="o"), NOW)  # what is forged is not remembered


def test_a_secret_is_changed_without_a_gap(tmp_path: Path) -> None:
    file = tmp_path / "secrets"
    topic = Topic(target="https://x/y", secret_file=file)
    file.write_text(f"{secret(KEY)}\n")
    before = signed(BODY, *topic.keys())
    file.write_text(f"{secret(OTHER)}\n\n{secret(KEY)}\n")
    between = signed(BODY, *topic.keys())
    for key, headers in ((KEY, before), (KEY, between), (OTHER, between)):
        assert check(BODY, headers, keys=[key], now=NOW) == "m"
    with pytest.raises(Forged):
        check(BODY, before, keys=[OTHER], now=NOW)


def test_without_a_key_nothing_is_signed() -> None:
    assert sign(BODY, message_id="m", timestamp=1, keys=[]) == {}


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!", secret(bytes(23)), secret(bytes(65))])
def test_a_secret_that_is_none_is_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="a signing secret is whsec_") as caught:
        signing_key(text)
    assert len(text) < 8 or text[6:] not in str(caught.value)
