from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imm_ray.api.paging import PageScope, PageTokens
from imm_ray.errors import InvalidArgument

TOKENS = PageTokens(b"secret")
SCOPE = PageScope(
    account="1", action="ListTasks", resource="p", query={"ProjectName": "p", "Sort": "TaskId"}
)
positions = st.lists(st.text(max_size=40) | st.integers(-(2**63), 2**63), min_size=1, max_size=3)


@given(positions)
def test_a_token_gives_its_position_back(position: list[str | int]) -> None:
    assert TOKENS.read(SCOPE, TOKENS.issue(SCOPE, position)) == position


def test_no_token_is_the_first_page() -> None:
    assert TOKENS.read(SCOPE, "") is None


@pytest.mark.parametrize("position", [["2026", "task-1"], ["a"], ["ab"], ["abc"]])
def test_no_byte_of_a_token_can_change(position: list[str]) -> None:
    token = TOKENS.issue(SCOPE, position)
    for place, character in enumerate(token):
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/":
            changed = token[:place] + other + token[place + 1 :]
            if other != character:
                with pytest.raises(InvalidArgument, match="NextToken"):
                    TOKENS.read(SCOPE, changed)


@given(st.text(max_size=80))
def test_no_text_is_a_token(text: str) -> None:
    if text:
        with pytest.raises(InvalidArgument):
            TOKENS.read(SCOPE, text)


@pytest.mark.parametrize(
    "other",
    [
        replace(SCOPE, account="2"),
        replace(SCOPE, action="ListDatasets"),
        replace(SCOPE, resource="q"),
        replace(SCOPE, query={"ProjectName": "p", "Sort": "EndTime"}),
        replace(SCOPE, query={"ProjectName": "p"}),
    ],
)
def test_a_token_is_for_one_scope(other: PageScope) -> None:
    token = TOKENS.issue(SCOPE, ["x"])
    with pytest.raises(InvalidArgument):
        TOKENS.read(other, token)


def test_a_token_of_another_server_is_refused() -> None:
    with pytest.raises(InvalidArgument):
        TOKENS.read(SCOPE, PageTokens(b"other").issue(SCOPE, ["x"]))


def test_the_page_size_may_change() -> None:
    token = TOKENS.issue(SCOPE, ["x"])
    query = {**SCOPE.query, "MaxResults": "7", "NextToken": token}
    assert TOKENS.read(replace(SCOPE, query=query), token) == ["x"]
