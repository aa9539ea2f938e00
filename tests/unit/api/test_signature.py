import contextlib
import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.canonical import canonical_query, percent_encode, v3_string_to_sign
from imm_ray.api.keyring import AccessKey, KeyRing
from imm_ray.api.rpc import HttpRequest, parse_request
from imm_ray.api.signature import sign, verify
from imm_ray.errors import (
    ExpiredSecurityToken,
    ImmError,
    IncompleteSignature,
    InvalidAccessKey,
    InvalidSecurityToken,
    InvalidTimeStampExpired,
    InvalidTimeStampFormat,
    MissingSecurityToken,
    SignatureDoesNotMatch,
)
from imm_ray.settings import User
from tests.wire.rig import HOST, START

KEY = AccessKey(account="1", user_name="u", access_key_id="ak", secret="secret")
STS = replace(
    KEY, access_key_id="STS.ak", security_token="a+/=b", expires=START + timedelta(hours=1)
)
KEYS = KeyRing([KEY, STS])


def signed(
    parameters: dict[str, str] | None = None,
    *,
    body: bytes = b"",
    key: AccessKey = KEY,
    token: str = "",
    method: str = "POST",
) -> HttpRequest:
    headers = sign(
        parameters or {},
        action="GetTask",
        host=HOST,
        access_key_id=key.access_key_id,
        secret=key.secret,
        security_token=token,
        method=method,
        form=body,
        now=START,
        nonce="n1",
    )
    query = urlencode(parameters or {}, quote_via=quote).encode()
    return HttpRequest(method=method, query=query, headers=tuple(headers.items()), body=body)


def with_header(http: HttpRequest, name: str, value: str | None) -> HttpRequest:
    headers = dict(http.headers)
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    return replace(http, headers=tuple(headers.items()))


def check(http: HttpRequest, *, keys: KeyRing = KEYS) -> str:
    return verify(parse_request(http), keys, now=START).access_key_id


def test_our_own_client_signs_what_we_verify() -> None:
    identity = verify(parse_request(signed({"ProjectName": "图 +~*/"})), KEYS, now=START)
    assert (identity.account, identity.user_name, identity.nonce) == ("1", "u", "n1")
    assert check(signed({"a": "1"}, body=b"B=2&C=%2B")) == "ak"
    assert check(signed(method="GET")) == "ak"


safe = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
keys_of_parameters = st.text("abcXYZ09_.é", min_size=1, max_size=12)


@given(st.dictionaries(keys_of_parameters, safe, max_size=4), st.data())
def test_any_request_verifies_and_no_other_does(
    parameters: dict[str, str], data: st.DataObject
) -> None:
    http = signed(parameters)
    assert check(http) == "ak"
    if parameters:
        name = data.draw(st.sampled_from(sorted(parameters)))
        other = {**parameters, name: parameters[name] + "x"}
        query = urlencode(other, quote_via=quote).encode()
        with pytest.raises(SignatureDoesNotMatch):
            check(replace(http, query=query))


@given(st.binary(max_size=60), st.binary(max_size=60), st.lists(st.binary(max_size=40), max_size=4))
def test_no_forgery_makes_another_error(query: bytes, body: bytes, values: list[bytes]) -> None:
    http = signed()
    headers = list(http.headers)
    for place, value in enumerate(values):
        headers[place] = (headers[place][0], value.decode("latin-1"))
    forged = HttpRequest(method="POST", query=query, headers=tuple(headers), body=body)
    with contextlib.suppress(ImmError):
        check(forged)
        assert not parse_request(forged).parameters
        assert not values


def test_names_sort_by_their_bytes() -> None:
    assert canonical_query({"a": "1", "B": "2", "é": "3"}) == "B=2&a=1&%C3%A9=3"
    assert percent_encode("~-._ *+") == "~-._%20%2A%2B"


REQUIRED = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)


@pytest.mark.parametrize("name", REQUIRED)
def test_every_required_header_must_be_signed(name: str) -> None:
    http = signed()
    authorization = dict(http.headers)["authorization"]
    start, _, rest = authorization.partition("SignedHeaders=")
    names, _, signature = rest.partition(",")
    fewer = ";".join(part for part in names.split(";") if part != name)
    with pytest.raises(IncompleteSignature, match=f"{name} must be signed"):
        check(with_header(http, "authorization", f"{start}SignedHeaders={fewer},{signature}"))


def test_headers_that_carry_meaning_must_be_signed() -> None:
    with pytest.raises(IncompleteSignature, match="x-acs-security-token must be signed"):
        check(with_header(signed(), "x-acs-security-token", "t"))
    form = with_header(signed(body=b"A=1"), "content-type", "application/x-www-form-urlencoded")
    assert check(form) == "ak"
    unsigned = dict(form.headers)["authorization"].replace("content-type;", "")
    with pytest.raises(IncompleteSignature, match="content-type must be signed"):
        check(with_header(form, "authorization", unsigned))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("accept;host", "host;accept"), "sorted"),
        (("accept;host", "accept;accept;host"), "sorted"),
        (("accept;host", "accept;another;host"), "another is not in the request"),
        (("accept;host", "Accept;host"), "Accept is not in the request"),
    ],
)
def test_a_wrong_list_of_signed_headers(change: tuple[str, str], why: str) -> None:
    http = signed()
    authorization = dict(http.headers)["authorization"].replace(*change)
    with pytest.raises(IncompleteSignature, match=why):
        check(with_header(http, "authorization", authorization))


def test_the_body_is_hashed_as_received() -> None:
    http = signed(body=b"A=1")
    with pytest.raises(SignatureDoesNotMatch):
        check(replace(http, body=b"A=2"))
    with pytest.raises(SignatureDoesNotMatch):
        check(with_header(http, "x-acs-content-sha256", "UNSIGNED-PAYLOAD"))


def test_no_unsigned_payload_even_when_that_is_signed() -> None:
    http = with_header(signed(), "x-acs-content-sha256", "UNSIGNED-PAYLOAD")
    start, _, rest = dict(http.headers)["authorization"].partition("SignedHeaders=")
    names = rest.partition(",")[0]
    text = v3_string_to_sign(
        "POST", {}, headers=http.headers, signed_headers=names.split(";"), body=b""
    )
    signature = hmac.new(b"secret", text.encode(), hashlib.sha256).hexdigest()
    forged = f"{start}SignedHeaders={names},Signature={signature}"
    with pytest.raises(SignatureDoesNotMatch):
        check(with_header(http, "authorization", forged))


def test_an_unsigned_request() -> None:
    http = with_header(signed(), "authorization", None)
    with pytest.raises(IncompleteSignature, match="not signed"):
        check(http)


@pytest.mark.parametrize(
    "date", ["", "now", "2026-11-21 22:07:30", "2026-13-01T00:00:00Z", "2026-11-21T22:07:30+00:00"]
)
def test_a_malformed_date(date: str) -> None:
    with pytest.raises(InvalidTimeStampFormat):
        check(with_header(signed(), "x-acs-date", date))


def test_an_old_date() -> None:
    with pytest.raises(InvalidTimeStampExpired, match="2026-11-21T22:07:30Z"):
        check(with_header(signed(), "x-acs-date", "2026-11-21T21:52:29Z"))


def test_unknown_key_and_wrong_secret() -> None:
    with pytest.raises(InvalidAccessKey):
        check(signed(key=replace(KEY, access_key_id="nobody")))
    with pytest.raises(InvalidAccessKey):
        check(signed(key=replace(KEY, access_key_id="nobody", secret="no-such-key")))
    with pytest.raises(SignatureDoesNotMatch):
        check(signed(key=replace(KEY, secret="other")))


def test_a_nonce_has_a_length() -> None:
    for nonce in ("", "n" * 129):
        with pytest.raises(IncompleteSignature, match="nonce"):
            check(with_header(signed(), "x-acs-signature-nonce", nonce))


def test_static_sts_credentials() -> None:
    assert check(signed(key=STS, token="a+/=b")) == "STS.ak"
    with pytest.raises(MissingSecurityToken):
        check(signed(key=STS))
    with pytest.raises(InvalidSecurityToken):
        check(signed(key=STS, token="a+/=c"))
    with pytest.raises(InvalidSecurityToken):
        check(signed(key=KEY, token="a"))
    expired = KeyRing([replace(STS, expires=START)])
    with pytest.raises(ExpiredSecurityToken):
        check(signed(key=STS, token="a+/=b"), keys=expired)


def test_configured_users_become_keys() -> None:
    user = User.model_validate(
        {
            "access_key_id": "ak",
            "access_key_secret": "s",
            "security_token": "t",
            "expires": "2026-01-01T00:00:00Z",
        }
    )
    key = KeyRing.of_users([user]).find("ak")
    assert (key.secret, key.security_token, key.account, key.v1) == ("s", "t", "100000", False)
    assert key.expires is not None
    assert "'s'" not in repr(key)
    with pytest.raises(ValueError, match="ak is configured more than once"):
        KeyRing.of_users([user, user])
    with pytest.raises(ValueError, match="not an RFC 3339 time"):
        KeyRing.of_users([user.model_copy(update={"expires": "soon"})])
