"""Golden exchanges: what official clients sent must verify, and nothing else must."""

from dataclasses import replace
from datetime import timedelta

import pytest

from imm_ray.api.canonical import v1_string_to_sign, v3_string_to_sign
from imm_ray.api.credential import V3Credential
from imm_ray.api.keyring import Identity, KeyRing
from imm_ray.api.rpc import HttpRequest, parse_request
from imm_ray.api.signature import verify
from imm_ray.errors import ImmError, InvalidSignatureMethod, InvalidTimeStampExpired
from tests.wire.capture import Capture
from tests.wire.rig import START


def verified(capture: Capture, http: HttpRequest) -> Identity:
    return verify(parse_request(http), KeyRing([capture.key]), now=START)


def test_every_signed_capture_verifies(captures: list[Capture]) -> None:
    signed = [capture for capture in captures if capture.is_signed]
    assert len(signed) == 57
    for capture in signed:
        identity = verified(capture, capture.http)
        assert identity.account == "100000", capture.name
        assert identity.access_key_id == capture.verification["ak"], capture.name
        assert identity.nonce, capture.name


def test_parameters_are_decoded_as_recorded(captures: list[Capture]) -> None:
    for capture in captures:
        if capture.is_signed:
            request = parse_request(capture.http)
            assert request.parameters == capture.parameters, capture.name
            assert request.action == capture.name.partition("_")[2]
            assert request.version == "2020-09-30"
            assert not request.business_parameters.keys() & {"Signature", "AccessKeyId", "Action"}


def test_texts_to_sign_are_those_recorded(captures: list[Capture]) -> None:
    for capture in captures:
        if not capture.is_signed:
            continue
        request, http = parse_request(capture.http), capture.http
        if isinstance(request.credential, V3Credential):
            text = v3_string_to_sign(
                http.method,
                request.query,
                headers=http.headers,
                signed_headers=request.credential.signed_headers,
                body=http.body,
            )
        else:
            text = v1_string_to_sign(http.method, request.parameters)
        assert text == capture.verification["string_to_sign"], capture.name


def test_a_bearer_token_is_refused(captures: list[Capture]) -> None:
    (bearer,) = (capture for capture in captures if not capture.is_signed)
    with pytest.raises(InvalidSignatureMethod, match="bearer"):
        parse_request(bearer.http)


@pytest.mark.parametrize("mask", [0x01, 0x20])
def test_no_byte_of_a_signed_part_can_change(captures: list[Capture], mask: int) -> None:
    """0x20 swaps the case of letters, which in ``%2f`` for ``%2F`` leaves the meaning unchanged."""
    changed = 0
    for capture in captures:
        if not capture.is_signed:
            continue
        meaning = parse_request(capture.http).parameters
        for part, http in mutations(capture, mask):
            try:
                verified(capture, http)
            except ImmError:
                changed += 1
                continue
            same = mask == 0x20 and parse_request(http).parameters == meaning
            assert same, f"{capture.name}: {part}"
    assert changed > 20_000


def mutations(capture: Capture, mask: int) -> list[tuple[str, HttpRequest]]:
    http = capture.http
    signed = dict(http.headers).get("authorization", "")
    found = [("method", replace(http, method="GET" if http.method == "POST" else "POST"))]
    for place in range(len(http.query)):
        found.append((f"query byte {place}", replace(http, query=flip(http.query, place, mask))))
    for place in range(len(http.body)):
        found.append((f"body byte {place}", replace(http, body=flip(http.body, place, mask))))
    for index, (name, value) in enumerate(http.headers):
        if not signed or (name != "authorization" and name not in signed):
            continue
        for place in range(len(value)):
            other = flip(value.encode("latin-1"), place, mask).decode("latin-1").strip()
            if other != value:
                headers = (*http.headers[:index], (name, other), *http.headers[index + 1 :])
                found.append((f"{name} byte {place}", replace(http, headers=headers)))
    return found


def flip(content: bytes, place: int, mask: int) -> bytes:
    return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def test_fifteen_minutes_are_the_window(captures: list[Capture]) -> None:
    capture = captures[12]
    time = START.replace(second=14)
    request, keys = parse_request(capture.http), KeyRing([capture.key])
    for seconds in (-900, 900):
        verify(request, keys, now=time + timedelta(seconds=seconds))
    for seconds in (-901, 901):
        with pytest.raises(InvalidTimeStampExpired):
            verify(request, keys, now=time + timedelta(seconds=seconds))


def test_the_old_signature_needs_a_user_who_allows_it(captures: list[Capture]) -> None:
    for capture in captures:
        if capture.is_signed and capture.is_v1:
            key = replace(capture.key, v1=False)
            with pytest.raises(InvalidSignatureMethod, match="v1 = true"):
                verify(parse_request(capture.http), KeyRing([key]), now=START)
