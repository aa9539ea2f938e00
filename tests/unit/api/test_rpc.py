import contextlib
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.rpc import MAX_HEADERS, MAX_PARAMETERS, HttpRequest, parse_request
from imm_ray.errors import (
    ImmError,
    IncompleteSignature,
    InvalidApi,
    InvalidArgument,
    InvalidSignatureMethod,
    MissingParameter,
)

FORM = ("content-type", "application/x-www-form-urlencoded; charset=utf-8")
V3 = (("x-acs-action", "GetTask"), ("x-acs-version", "2020-09-30"))
AUTHORIZATION = (
    "authorization",
    f"ACS3-HMAC-SHA256 Credential=a,SignedHeaders=b,Signature={'0' * 64}",
)


def request(
    query: bytes = b"", *headers: tuple[str, str], body: bytes = b"", method: str = "POST"
) -> HttpRequest:
    return HttpRequest(method=method, query=query, headers=(*V3, *headers), body=body)


def test_query_and_form_are_one_set_of_parameters() -> None:
    parsed = parse_request(request(b"A=1+2&B=%E5%9B%BE", FORM, body=b"C=x%2By&D="))
    assert parsed.parameters == {"A": "1 2", "B": "图", "C": "x+y", "D": ""}
    assert dict(parsed.query) == {"A": "1 2", "B": "图"}


def test_protocol_parameters_are_no_business_parameters() -> None:
    query = b"Action=GetTask&Version=2020-09-30&Format=JSON&RegionId=r&SignatureType=&TaskId=t"
    assert parse_request(request(query)).business_parameters == {"TaskId": "t"}


@pytest.mark.parametrize(
    "query", [b"a=1&a=1", b"a=1&%61=2", b"=1", b"a=%0", b"a=%zz", b"a=%80", b"a=%00", b"\xff=1"]
)
def test_ambiguous_and_broken_parameters_are_refused(query: bytes) -> None:
    with pytest.raises(InvalidArgument):
        parse_request(request(query))


def test_a_name_in_query_and_form_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="both in the query and in the body"):
        parse_request(request(b"a=1", FORM, body=b"a=1"))


def test_case_makes_another_name() -> None:
    assert parse_request(request(b"A=1&a=2")).parameters == {"A": "1", "a": "2"}


def test_too_many_parameters_and_headers() -> None:
    many = urlencode({f"p{number}": "" for number in range(MAX_PARAMETERS + 1)}).encode()
    with pytest.raises(InvalidArgument, match="parameters"):
        parse_request(request(many))
    parse_request(request(many.rpartition(b"&")[0]))
    with pytest.raises(InvalidArgument, match="headers"):
        parse_request(request(b"", *[("h", "")] * MAX_HEADERS))


@pytest.mark.parametrize("name", ["authorization", "host", "x-acs-date", "x-acs-anything"])
def test_a_repeated_header_of_the_protocol_is_refused(name: str) -> None:
    with pytest.raises(IncompleteSignature, match="more than once"):
        parse_request(request(b"", (name, "1"), (name, "1")))


def test_action_and_version_may_not_differ_between_header_and_query() -> None:
    for query in (b"Action=ListTasks", b"Version=2017-09-06"):
        with pytest.raises(InvalidArgument, match="differs from the header"):
            parse_request(request(query))


def test_an_action_is_needed_and_is_a_name() -> None:
    with pytest.raises(MissingParameter, match="Action"):
        parse_request(HttpRequest(method="GET", headers=()))
    with pytest.raises(InvalidApi):
        parse_request(HttpRequest(method="GET", query=b"Action=a%20b", headers=()))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (b"Signature=x", (AUTHORIZATION,)),
        (b"AccessKeyId=x", (AUTHORIZATION,)),
        (b"SecurityToken=x", (AUTHORIZATION,)),
        (b"Signature=x&AccessKeyId=y", (("x-acs-date", "now"),)),
        (b"Signature=x&AccessKeyId=y", (("x-acs-security-token", "t"),)),
        (b"", (AUTHORIZATION, ("x-acs-bearer-token", "t"))),
        (b"SignatureType=BEARERTOKEN", (AUTHORIZATION,)),
        (b"Signature=x&AccessKeyId=y", ()),
        (b"", (("authorization", "Basic dTpw"),)),
        (b"", (("authorization", ""),)),
        (b"", (("authorization", AUTHORIZATION[1] + "0"),)),
        (b"", (("authorization", AUTHORIZATION[1] + "\n"),)),
    ],
)
def test_mixed_and_garbled_credentials_are_refused(
    query: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    with pytest.raises((IncompleteSignature, InvalidArgument)):
        parse_request(request(query, *headers))


@pytest.mark.parametrize(
    "headers",
    [
        (("authorization", "ACS3-HMAC-SM3 Credential=a"),),
        (("authorization", "ACS3-RSA-SHA256 Credential=a"),),
        (("x-acs-bearer-token", "t"),),
        (("x-acs-zero-trust-idtoken", "t"),),
    ],
)
def test_other_kinds_of_credentials_are_named(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(InvalidSignatureMethod):
        parse_request(request(b"", *headers))


latin = st.text(st.characters(max_codepoint=255), max_size=30)
names = st.sampled_from(
    ["authorization", "host", "content-type", "x-acs-action", "x-acs-version", "x-acs-date", "b"]
)


@given(
    query=st.binary(max_size=200) | st.text("a=&%2+Fé\0", max_size=60).map(str.encode),
    body=st.binary(max_size=200),
    headers=st.lists(st.tuples(names, latin | st.just(AUTHORIZATION[1])), max_size=6),
)
def test_no_bytes_make_another_error(
    query: bytes, body: bytes, headers: list[tuple[str, str]]
) -> None:
    with contextlib.suppress(ImmError):
        parse_request(HttpRequest(method="POST", query=query, headers=tuple(headers), body=body))


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=50), max_size=5))
def test_what_a_form_encodes_is_decoded(parameters: dict[str, str]) -> None:
    wanted = {k.replace("\0", ""): v.replace("\0", "") for k, v in parameters.items()}
    wanted = {k: v for k, v in wanted.items() if k not in ("", "Action", "Version")}
    try:
        assert parse_request(request(urlencode(wanted).encode())).parameters == wanted
    except (IncompleteSignature, InvalidSignatureMethod):
        assert wanted.keys() & {"Signature", "AccessKeyId", "BearerToken", "SecurityToken"}
