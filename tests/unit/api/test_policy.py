"""RAM policies: vectors, and random ones against a slow and obvious evaluator."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.policy.document import Ask, read_policy
from imm_ray.api.policy.glob import Glob
from imm_ray.api.policy.grant import ROOT, Denial, Grant, read_grant

P1 = "acs:imm:local:100000:project/p1"
D1 = f"{P1}/dataset/d1"
CONTEXT = {
    "acs:CurrentTime": "2026-11-21T22:07:30Z",
    "acs:MFAPresent": "false",
    "acs:SecureTransport": "true",
    "acs:SourceIp": "10.1.2.3",
}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def ask(action: str = "GetTask", resource: str = P1, **context: str) -> Ask:
    return Ask(action=f"imm:{action}", resource=resource, context={**CONTEXT, **context})


def verdict(*statements: Any, session: Any = None, to: Ask | None = None) -> str:
    grant = read_grant(root=False, policies=[document(*statements)], session=session)
    denial = grant.denial(to or ask())
    return "allowed" if denial is None else denial.name


@pytest.mark.parametrize(
    ("statements", "to", "expected"),
    [
        ([allow("imm:*"), deny("imm:Delete*")], ask("DeleteDataset", D1), "EXPLICIT"),
        ([deny("imm:Delete*"), allow("imm:*")], ask("DeleteDataset", D1), "EXPLICIT"),
        ([allow("imm:*"), deny("imm:Delete*")], ask("GetTask"), "allowed"),
        ([deny("imm:Delete*")], ask("GetTask"), "IMPLICIT"),
        ([allow("imm:get*")], ask("GetTask"), "allowed"),
        ([allow("IMM:GetTask".lower())], ask("GetTask"), "allowed"),
        ([allow("*")], ask("GetTask"), "allowed"),
        ([allow("oss:*")], ask("GetTask"), "IMPLICIT"),
        ([allow("imm:GetTas?")], ask("GetTask"), "allowed"),
        ([allow("imm:GetTask?")], ask("GetTask"), "IMPLICIT"),
        ([allow("imm:Get")], ask("GetTask"), "IMPLICIT"),
        ([allow(["imm:ListTasks", "imm:GetTask"])], ask("GetTask"), "allowed"),
        ([allow([])], ask("GetTask"), "IMPLICIT"),
        ([allow("*", [])], ask("GetTask"), "IMPLICIT"),
        ([allow("*", P1)], ask(), "allowed"),
        ([allow("*", P1)], ask("GetDataset", D1), "IMPLICIT"),
        ([allow("*", f"{P1}/*")], ask("GetDataset", D1), "allowed"),
        ([allow("*", f"{P1}/*")], ask(), "IMPLICIT"),
        ([allow("*", f"{P1}*")], ask(resource=P1 + "0"), "allowed"),
        ([allow("*", P1)], ask(resource=P1 + "0"), "IMPLICIT"),
        ([allow("*", "acs:imm:*:*:project/p?")], ask(), "allowed"),
        ([allow("*", "acs:imm:*:*:project/p?")], ask(resource=P1 + "0"), "IMPLICIT"),
        ([allow("*", "acs:imm:*:100000:project/p1*")], ask("GetDataset", D1), "allowed"),
        ([allow("*", "acs:imm:*:200000:project/p1")], ask(), "IMPLICIT"),
        ([allow("*", "acs:imm::100000:project/p1")], ask(), "IMPLICIT"),
        ([allow("*", "acs:imm:local:100000:project/P1")], ask(), "IMPLICIT"),
        ([allow("*", "acs:imm:*:*:*")], ask("ListRegions", "acs:imm:local:100000:*"), "allowed"),
        ([allow("*", P1)], ask("ListRegions", "acs:imm:local:100000:*"), "IMPLICIT"),
        ([allow("*", P1)], ask("ListProjects", "acs:imm:local:100000:project/*"), "IMPLICIT"),
    ],
)
def test_vectors(statements: list[Any], to: Ask, expected: str) -> None:
    assert verdict(*statements, to=to) == expected


@pytest.mark.parametrize(
    ("effect", "action", "expected"),
    [
        ("Allow", "DeleteFileMeta", "IMPLICIT"),
        ("Allow", "GetTask", "allowed"),
        ("Deny", "DeleteFileMeta", "IMPLICIT"),
        ("Deny", "GetTask", "EXPLICIT"),
    ],
)
def test_not_action_is_everything_else(effect: str, action: str, expected: str) -> None:
    statement = {"Effect": effect, "NotAction": ["imm:Delete*"], "Resource": "*"}
    assert verdict(statement, to=ask(action)) == expected
    nothing_left_out = {"Effect": "Allow", "NotAction": [], "Resource": "*"}
    assert verdict(nothing_left_out, to=ask(action)) == "allowed"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, True),
        ({"IpAddress": {"acs:SourceIp": ["192.168.0.0/16", "10.1.2.3"]}}, True),
        ({"IpAddress": {"acs:SourceIp": "10.1.2.4"}}, False),
        ({"IpAddress": {"acs:SourceIp": "::/0"}}, False),
        ({"NotIpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, False),
        ({"NotIpAddress": {"acs:SourceIp": ["11.0.0.0/8", "12.0.0.0/8"]}}, True),
        ({"NotIpAddress": {"acs:SourceIp": ["11.0.0.0/8", "10.0.0.0/8"]}}, False),
        ({"Bool": {"acs:SecureTransport": "true"}}, True),
        ({"Bool": {"acs:SecureTransport": True, "acs:MFAPresent": "False"}}, True),
        ({"Bool": {"acs:SecureTransport": True, "acs:MFAPresent": "true"}}, False),
        ({"DateLessThan": {"acs:CurrentTime": "2026-11-22T06:07:31+08:00"}}, True),
        ({"DateLessThan": {"acs:CurrentTime": "2026-11-22T06:07:30+08:00"}}, False),
        ({"DateLessThanEquals": {"acs:CurrentTime": "2026-11-22T06:07:30+08:00"}}, True),
        ({"DateGreaterThan": {"acs:CurrentTime": "2026-11-21T22:07:30Z"}}, False),
        ({"DateGreaterThanEquals": {"acs:CurrentTime": "2026-11-21T22:07:30Z"}}, True),
        ({"DateEquals": {"acs:CurrentTime": "2026-11-21T22:07:30Z"}}, True),
        ({"DateNotEquals": {"acs:CurrentTime": "2026-11-21T22:07:30Z"}}, False),
        ({"StringEquals": {"acs:SourceIp": ["a", "10.1.2.3"]}}, True),
        ({"StringNotEquals": {"acs:SourceIp": ["a", "10.1.2.3"]}}, False),
        ({"StringNotEquals": {"acs:SourceIp": ["a", "b"]}}, True),
        ({"StringEquals": {"acs:SecureTransport": "TRUE"}}, False),
        ({"StringEqualsIgnoreCase": {"acs:SecureTransport": "TRUE"}}, True),
        ({"StringNotEqualsIgnoreCase": {"acs:SecureTransport": "TRUE"}}, False),
        ({"StringLike": {"acs:SourceIp": "10.?.*"}}, True),
        ({"StringNotLike": {"acs:SourceIp": "10.?.*"}}, False),
        ({"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}, "Bool": {"acs:MFAPresent": True}}, False),
    ],
)
def test_conditions(condition: Mapping[str, Any], holds: bool) -> None:
    expected = "allowed" if holds else "IMPLICIT"
    assert verdict(allow("*", Condition=condition)) == expected
    expected = "EXPLICIT" if holds else "allowed"
    assert verdict(allow("*"), deny("*", Condition=condition)) == expected


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("NumericEquals", (False, True, False)),
        ("NumericNotEquals", (True, False, True)),
        ("NumericLessThan", (True, False, False)),
        ("NumericLessThanEquals", (True, True, False)),
        ("NumericGreaterThan", (False, False, True)),
        ("NumericGreaterThanEquals", (False, True, True)),
    ],
)
def test_numbers_are_compared_as_numbers(operator: str, holds: tuple[bool, ...]) -> None:
    condition = {operator: {"acs:SourceIp": 10}}  # IMM has no key that holds a number
    for value, expected in zip(("9.5", "10.0", "1e2"), holds, strict=True):
        found = verdict(allow("*", Condition=condition), to=ask(**{"acs:SourceIp": value}))
        assert (found == "allowed") is expected


@pytest.mark.parametrize(
    ("operator", "value"), [("IpAddress", "10.0.0.0/8"), ("NotIpAddress", "10.0.0.0/8")]
)
@pytest.mark.parametrize("address", [None, "nowhere"])
def test_what_is_not_known_counts_against_the_caller(
    operator: str, value: str, address: str | None
) -> None:
    condition = {operator: {"acs:SourceIp": value}}
    context = {**CONTEXT, "acs:SourceIp": address}
    known = {key: text for key, text in context.items() if text is not None}
    unknown = Ask(action="imm:GetTask", resource=P1, context=known)
    assert verdict(allow("*", Condition=condition), to=unknown) == "IMPLICIT"
    both = (allow("*"), deny("*", Condition=condition))
    assert verdict(*both, to=unknown) == "EXPLICIT"


def test_mapped_addresses_are_those_that_they_map() -> None:
    condition = {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}
    mapped = ask(**{"acs:SourceIp": "::ffff:10.1.2.3"})
    assert verdict(allow("*", Condition=condition), to=mapped) == "allowed"


def test_a_session_policy_only_narrows() -> None:
    session = document(allow("imm:Get*"), deny("imm:GetFigureCluster"))
    assert verdict(allow("*"), session=session) == "allowed"
    assert verdict(allow("*"), session=session, to=ask("ListTasks")) == "SESSION_IMPLICIT"
    assert verdict(allow("imm:ListTasks"), session=session) == "IMPLICIT"
    assert verdict(allow("*"), session=session, to=ask("GetFigureCluster")) == "SESSION_EXPLICIT"
    assert verdict(deny("*"), session=session, to=ask("ListTasks")) == "EXPLICIT"


def test_the_root_is_limited_by_its_session_only() -> None:
    assert ROOT.denial(ask()) is None
    session = read_grant(root=True, policies=(), session=document(allow("imm:Get*")))
    assert session.denial(ask()) is None
    assert session.denial(ask("ListTasks")) is Denial.SESSION_IMPLICIT


@pytest.mark.parametrize(
    ("name", "allowed", "denied"),
    [
        ("AliyunIMMFullAccess", ["GetTask", "DeleteDataset", "ImmRayGetTaskLedger"], []),
        (
            "AliyunIMMReadOnlyAccess",
            ["GetTask", "ListTasks"],
            ["QueryFigureClusters", "BatchGetFileMeta", "SimpleQuery", "ImmRayGetTaskLedger"],
        ),
    ],
)
def test_system_policies(name: str, allowed: list[str], denied: list[str]) -> None:
    grant = read_grant(root=False, policies=[name], session=None)
    assert [action for action in allowed if grant.denial(ask(action))] == []
    assert [action for action in denied if not grant.denial(ask(action))] == []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("text", "policy 1: no system policy is named 'text'"),
        ([], "policy 1: a policy is an object"),
        ({"Version": "1", "Statement": [], "Id": "x"}, "members Version and Statement"),
        ({"Statement": [allow("*")]}, "Version is None"),
        ({"Version": "2012-10-17", "Statement": [allow("*")]}, "Version is '2012-10-17'"),
        ({"Version": "1"}, "statement 1: it is not an object"),
        (document(), "Statement is empty"),
        (document("x"), "statement 1: it is not an object"),
        (document(allow("*"), {**allow("*"), "Effect": "allow"}), "statement 2: Effect is 'allow'"),
        (document({"Effect": "Allow", "Action": "*"}), "Resource is missing"),
        (document({**allow("*"), "NotAction": "*"}), "exactly one of Action and NotAction"),
        (document({"Effect": "Allow", "Resource": "*"}), "exactly one of Action and NotAction"),
        (document({**allow("*"), "NotResource": P1}), "unknown member 'NotResource'"),
        (document({**allow("*"), "Principal": "*"}), "unknown member 'Principal'"),
        (document(allow("GetTask")), "the action 'GetTask' is neither"),
        (document(allow("imm:Get Task")), "the action 'imm:Get Task' is neither"),
        (document(allow("imm:Get*\n")), "is neither"),
        (document(allow(7)), "Action is neither a text nor a list of texts"),
        (document(allow([["imm:*"]])), "Action is neither a text nor a list of texts"),
        (document(allow("*", "project/p")), "the resource 'project/p' is neither"),
        (document(allow("*", None)), "Resource is neither a text nor a list"),
        (document(allow("*", Condition=[])), "Condition is not an object"),
        (document(allow("*", Condition={})), "Condition is not an object"),
        (document(allow("*", Condition={"Null": {"acs:SourceIp": "true"}})), "operator 'Null'"),
        (document(allow("*", Condition={"Bool": {"acs:Other": "true"}})), "key 'acs:Other'"),
        (document(allow("*", Condition={"Bool": {"acs:MFAPresent": "x"}})), "Bool can not compare"),
        (document(allow("*", Condition={"Bool": {"acs:MFAPresent": []}})), "no value to compare"),
        (document(allow("*", Condition={"Bool": {"acs:MFAPresent": None}})), "no text, number"),
        (document(allow("*", Condition={"Bool": "true"})), "Bool is not an object"),
        (document(allow("*", Condition={"IpAddress": {"acs:SourceIp": "10.0.0.256"}})), "compare"),
        (document(allow("*", Condition={"DateEquals": {"acs:CurrentTime": "2026"}})), "compare"),
        (
            document(allow("*", Condition={"DateEquals": {"acs:CurrentTime": "2026-01-01"}})),
            "DateEquals can not compare",
        ),
        (document(allow("*", Condition={"NumericEquals": {"acs:SourceIp": "NaN"}})), "compare"),
    ],
)
def test_what_is_no_policy_is_refused_at_once(broken: Any, why: str) -> None:
    with pytest.raises(ValueError, match="policy 1: ") as caught:
        read_grant(root=False, policies=[broken], session=None)
    assert why in str(caught.value)
    with pytest.raises(ValueError, match="session_policy: "):
        read_grant(root=True, policies=(), session=broken)


def test_one_statement_needs_no_list() -> None:
    policy = read_policy({"Version": "1", "Statement": allow("imm:*")})
    assert policy.says("Allow", ask())


# A slow and obvious evaluator.


def obvious_match(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return obvious_match(pattern[1:], text) or (text != "" and obvious_match(pattern, text[1:]))
    return text != "" and pattern[0] in ("?", text[0]) and obvious_match(pattern[1:], text[1:])


def obvious_condition(
    operator: str, key: str, values: list[str], context: Mapping[str, str]
) -> bool | None:
    """None where the request does not tell."""
    if key not in context:
        return None
    value = context[key]
    if operator.startswith("String"):
        found = any(obvious_match(v, value) if "Like" in operator else v == value for v in values)
    elif operator.endswith("IpAddress"):
        if key != "acs:SourceIp":
            return None
        found = any(ip_address(value) in ip_network(v, strict=False) for v in values)
    else:
        if key != "acs:CurrentTime":
            return None
        now = datetime.fromisoformat(value)
        found = any(now < datetime.fromisoformat(v) for v in values)
    return not found if "Not" in operator else found


def obvious_applies(statement: Mapping[str, Any], to: Ask) -> bool:
    named = statement.get("Action", statement.get("NotAction"))
    match = any(obvious_match(p.lower(), to.action.lower()) for p in named)
    if "NotAction" in statement:
        match = not match
    if not match or not any(obvious_match(p, to.resource) for p in statement["Resource"]):
        return False
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            holds = obvious_condition(operator, key, values, to.context)
            if holds is None:
                holds = statement["Effect"] == "Deny"
            if not holds:
                return False
    return True


def obvious_verdict(policies: list[Any], session: Any, root: bool, to: Ask) -> bool:
    levels = [[session]] if session else []
    if not root:
        levels.append(policies)
    for level in levels:
        effects = [
            statement["Effect"]
            for policy in level
            for statement in policy["Statement"]
            if obvious_applies(statement, to)
        ]
        if "Deny" in effects or "Allow" not in effects:
            return False
    return True


few = st.text(alphabet="ab/?*", max_size=7)
actions = st.text(alphabet="aB?*", min_size=1, max_size=4).map(lambda text: f"imm:{text}")
resources = st.one_of(st.just("*"), few.map(lambda text: f"acs:{text}"))
conditions = st.dictionaries(
    st.sampled_from(
        [
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLike",
            "IpAddress",
            "NotIpAddress",
            "DateLessThan",
        ]
    ),
    st.just(None),
    max_size=2,
).flatmap(lambda operators: st.fixed_dictionaries({name: keys_under(name) for name in operators}))


def keys_under(operator: str) -> st.SearchStrategy[dict[str, list[str]]]:
    values = {
        "S": st.sampled_from(["true", "10.0.0.1", "10.*", "?rue", "*"]),
        "I": st.sampled_from(["10.0.0.0/8", "10.0.0.1", "::1", "0.0.0.0/0"]),
        "N": st.sampled_from(["10.0.0.0/8", "10.0.0.1", "::1", "0.0.0.0/0"]),
        "D": st.sampled_from(["2026-01-01T00:00:00Z", "2027-01-01T00:00:00+08:00"]),
    }[operator[0]]
    keys = st.sampled_from(["acs:SourceIp", "acs:SecureTransport", "acs:CurrentTime"])
    return st.dictionaries(keys, st.lists(values, min_size=1, max_size=2), min_size=1, max_size=2)


@st.composite
def statement_of(draw: st.DrawFn) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "NotAction"])): draw(
            st.lists(actions, max_size=2)
        ),
        "Resource": draw(st.lists(resources, max_size=2)),
    }
    if condition := draw(conditions):
        statement["Condition"] = condition
    return statement


documents = st.lists(statement_of(), min_size=1, max_size=3).map(
    lambda statements: document(*statements)
)
contexts = st.fixed_dictionaries(
    {"acs:CurrentTime": st.sampled_from(["2025-06-01T00:00:00Z", "2026-06-01T00:00:00Z"])},
    optional={
        "acs:SourceIp": st.sampled_from(["10.0.0.1", "10.0.0.2", "::1"]),
        "acs:SecureTransport": st.sampled_from(["true", "false"]),
    },
)
asks = st.builds(
    Ask,
    action=st.text(alphabet="ab", min_size=1, max_size=4).map(lambda text: f"imm:{text}"),
    resource=st.text(alphabet="ab/", max_size=6).map(lambda text: f"acs:{text}"),
    context=contexts,
)
policies = st.lists(documents, max_size=2)
sessions = st.one_of(st.none(), documents)


@given(policies, sessions, st.booleans(), asks)
def test_policies_say_what_the_obvious_evaluator_says(
    given_policies: list[Any], session: Any, root: bool, to: Ask
) -> None:
    grant = read_grant(root=root, policies=given_policies, session=session)
    allowed = grant.denial(to) is None
    assert allowed is obvious_verdict(given_policies, session, root, to)


@given(policies, sessions, statement_of(), asks)
def test_a_deny_never_widens_and_an_allow_never_narrows(
    given_policies: list[Any], session: Any, statement: dict[str, Any], to: Ask
) -> None:
    before = read_grant(root=False, policies=given_policies, session=session)
    more = [*given_policies, document(statement)]
    after = read_grant(root=False, policies=more, session=session)
    if statement["Effect"] == "Deny":
        assert not (after.denial(to) is None and before.denial(to) is not None)
    else:
        assert not (before.denial(to) is None and after.denial(to) is not None)


@given(policies, sessions, asks, st.randoms())
def test_the_order_of_statements_means_nothing(
    given_policies: list[Any], session: Any, to: Ask, random: Any
) -> None:
    statements = [s for policy in given_policies for s in policy["Statement"]]
    if not statements:
        return
    straight = read_grant(root=False, policies=[document(*statements)], session=session)
    random.shuffle(statements)
    shuffled = read_grant(root=False, policies=[document(*statements)], session=session)
    assert straight.denial(to) is shuffled.denial(to)


@given(few, st.text(alphabet="ab/", max_size=10))
def test_patterns_match_as_the_obvious_matcher(pattern: str, text: str) -> None:
    assert Glob(pattern).matches(text) is obvious_match(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(*a)" * 5 + "*b", "a" * 100_000),
        ("*a" * 50 + "b", "a" * 100_000),
        ("*?" * 50 + "b", "a" * 100_000),
        ("*" * 1000, "a" * 100_000),
        ("*[a-z]*", "a" * 100_000),
    ],
)
def test_no_pattern_takes_long(pattern: str, text: str) -> None:
    """Were the work a power of the text's length, the test's time-out would end it."""
    assert Glob(pattern).matches(text) is (set(pattern) == {"*"})


def test_nothing_is_granted_by_default() -> None:
    assert Grant().denial(ask()) is Denial.IMPLICIT
    assert Grant().denial(ask("ListTasks")) is Denial.IMPLICIT


def test_the_time_of_a_condition_is_the_clocks() -> None:
    until = {"DateLessThan": {"acs:CurrentTime": "2026-11-21T22:07:31Z"}}
    now = datetime(2026, 11, 21, 22, 7, 30, tzinfo=UTC)
    for seconds, expected in ((0, "allowed"), (1, "IMPLICIT")):
        time = (now + timedelta(seconds=seconds)).isoformat()
        at = ask(**{"acs:CurrentTime": time})
        assert verdict(allow("*", Condition=until), to=at) == expected
