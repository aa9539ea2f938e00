"""Random requests, signed by the official SDKs' own code and sent in each of their encodings."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit

import pytest
from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.auth.composer import rpc_signature_composer
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.canonical import sha256_hex
from imm_ray.api.keyring import AccessKey, Identity, KeyRing
from imm_ray.api.rpc import API_VERSION, HttpRequest, parse_request
from imm_ray.api.signature import verify
from imm_ray.errors import SignatureDoesNotMatch
from tests.wire.rig import HOST, START

KEY = AccessKey(account="1", user_name="u", access_key_id="ak", secret="secret", v1=True)
KEYS = KeyRing([KEY])
FORM = "application/x-www-form-urlencoded"

ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "sync": lambda text: quote_plus(text, safe="~"),
    "async": lambda text: quote_plus(text, safe="~:/,*?"),
    "core": lambda text: quote(text, safe="~"),
    "everything": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
}
"""How the clients write a value in the URL (``imm/api.md`` 1.2); no client does the last."""

names = st.text("abcXYZ09_.-", min_size=1, max_size=12).map("P{}".format)
hard = st.text("a Z9~*+%&=?/:,;#'\"\\[]{}<>é图😀\t\n", max_size=20)
texts = hard | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9
)
requests = st.dictionaries(names, texts, max_size=6)
encodings = st.sampled_from(sorted(ENCODINGS))
methods = st.sampled_from(["GET", "POST"])
headers = st.dictionaries(
    st.text("abcxyz-", min_size=1, max_size=9).map("x-user-{}".format),
    st.text("aZ09 ;=/.", max_size=12).map(str.strip),
    max_size=4,
)


def encode(parameters: Mapping[str, str], how: str, order: st.DataObject) -> bytes:
    write = ENCODINGS[how]
    pairs = order.draw(st.permutations(sorted(parameters.items())))
    return "&".join(f"{write(name)}={write(value)}" for name, value in pairs).encode()


def check(http: HttpRequest, *, parameters: Mapping[str, str]) -> Identity:
    request = parse_request(http)
    assert {name: request.parameters[name] for name in parameters} == parameters
    return verify(request, KEYS, now=START)


def changed(query: bytes) -> bytes:
    return query + (b"&Another=1" if query else b"Another=1")


@given(requests, requests, headers, encodings, methods, st.data())
def test_v3_as_the_current_sdk_signs_it(
    query: dict[str, str],
    form: dict[str, str],
    more: dict[str, str],
    how: str,
    method: str,
    data: st.DataObject,
) -> None:
    form = {name: value for name, value in form.items() if name not in query}
    body = urlencode(form).encode()
    given_headers = {
        **more,
        "host": HOST,
        "user-agent": "AlibabaCloud (Linux; x86_64) Python/3.11.7",
        "accept": "application/json",
        "x-acs-action": "GetTask",
        "x-acs-version": API_VERSION,
        "x-acs-date": START.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": "n1",
        "x-acs-content-sha256": sha256_hex(body),
        **({"content-type": FORM} if body else {}),
    }
    asked = SimpleNamespace(method=method, pathname="/", query=query, headers=given_headers)
    signature = Utils.get_authorization(
        asked, "ACS3-HMAC-SHA256", sha256_hex(body), "ak", KEY.secret
    )
    sent = [*given_headers.items(), ("authorization", signature)]
    http = HttpRequest(
        method=method,
        query=encode(query, how, data),
        headers=tuple(data.draw(st.permutations(sent))),
        body=body,
    )
    assert check(http, parameters=query | form).nonce == "n1"
    with pytest.raises(SignatureDoesNotMatch):
        verify(parse_request(_with_query(http, changed(http.query))), KEYS, now=START)


def _with_query(http: HttpRequest, query: bytes) -> HttpRequest:
    return HttpRequest(method=http.method, query=query, headers=http.headers, body=http.body)


def v1_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    return {
        **parameters,
        "Action": "GetTask",
        "Version": API_VERSION,
        "Format": "json",
        "Timestamp": START.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "SignatureNonce": "n1",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "AccessKeyId": "ak",
    }


@given(requests, requests, encodings, methods, st.data())
def test_v1_as_the_current_sdk_signs_it(
    query: dict[str, str], form: dict[str, str], how: str, method: str, data: st.DataObject
) -> None:
    form = {name: value for name, value in form.items() if name not in query}
    signed = v1_parameters(query)
    signed["Signature"] = Utils.get_rpcsignature(signed | form, method, KEY.secret)
    http = HttpRequest(
        method=method,
        query=encode(signed, how, data),
        headers=(("host", HOST), ("content-type", FORM)),
        body=urlencode(form).encode(),
    )
    assert check(http, parameters=query | form).nonce == "n1"
    with pytest.raises(SignatureDoesNotMatch):
        verify(parse_request(_with_query(http, changed(http.query))), KEYS, now=START)


@given(requests, requests, methods)
def test_v1_as_the_core_sdk_signs_and_sends_it(
    query: dict[str, str], form: dict[str, str], method: str
) -> None:
    form = {name: value for name, value in form.items() if name not in query}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (
            ("get_iso_8061_date", START.strftime("%Y-%m-%dT%H:%M:%SZ")),
            ("get_uuid", "n1"),
        ):
            patch.setattr(rpc_signature_composer.helper, name, lambda value=value: value)
        asked: dict[str, Any] = {**query, "Action": "GetTask", "Version": API_VERSION}
        url, _ = rpc_signature_composer.get_signed_url(
            asked, "ak", KEY.secret, "JSON", method, form
        )
    http = HttpRequest(
        method=method,
        query=urlsplit(url.replace("#", "%23")).query.encode(),
        headers=(("host", HOST), ("content-type", FORM)),
        body=urlencode(form).encode(),
    )
    assert ("SignatureType", "") in parse_qsl(http.query.decode(), keep_blank_values=True)
    assert check(http, parameters=query | form).nonce == "n1"
