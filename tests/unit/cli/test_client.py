from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imm_ray.api.canonical import canonical_query
from imm_ray.api.keyring import AccessKey, KeyRing
from imm_ray.api.rpc import HttpRequest, parse_request
from imm_ray.api.signature import verify
from imm_ray.cli.client import (
    MAX_ITEMS,
    MAX_QUERY_BYTES,
    ImmCallFailed,
    ImmClient,
    batches,
    encode,
)
from tests.cli.fake_imm import FakeImm, figure_cluster

HERE = {"ProjectName": "p", "DatasetName": "d" * 128}


def client_of(fake: FakeImm, **options: Any) -> ImmClient:
    return ImmClient("http://imm.test:8000", "id", "secret", transport=fake.transport(), **options)


def answering(response: httpx.Response) -> ImmClient:
    transport = httpx.MockTransport(lambda request: response)
    return ImmClient("http://imm.test", "id", "secret", transport=transport)


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
names |= st.text('界 /%"\\\x01', min_size=200, max_size=900)


@example([{"URI": "界" * 900}] * 20)
@example([{"URI": "a"}] * 201)
@given(st.lists(names.map(lambda name: {"URI": f"oss://demo/{name}"}), max_size=250))
def test_batches_keep_every_item_and_both_limits(items: list[dict[str, str]]) -> None:
    split = list(batches(items, "Files", **HERE))

    assert [item for batch in split for item in batch] == items
    for batch in split:
        assert 0 < len(batch) <= MAX_ITEMS
        assert query_bytes(batch) <= MAX_QUERY_BYTES


@example(["界" * 900] * 20)
@example(["a"] * 201)
@given(st.lists(names, max_size=250))
def test_batches_are_as_large_as_the_limits_allow(items: list[str]) -> None:
    split = list(batches(items, "Files", **HERE))

    for batch, after in pairwise(split):
        has_room = len(batch) < MAX_ITEMS
        assert not (has_room and query_bytes([*batch, after[0]]) + 3 <= MAX_QUERY_BYTES)


def query_bytes(batch: list[Any]) -> int:
    return len(canonical_query(encode({**HERE, "Files": batch})))


def test_an_item_that_fits_in_no_request_is_refused() -> None:
    with pytest.raises(ValueError, match="one item of URIs takes 60"):
        list(batches(["x" * 60_000], "URIs", **HERE))


def test_a_request_is_signed_so_that_the_server_accepts_it() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"RequestId": "R"})

    key = AccessKey(account="1", user_name="root", access_key_id="id", secret="secret")
    transport = httpx.MockTransport(handle)
    with ImmClient("http://imm.test:8000", "id", "secret", transport=transport) as client:
        client.call("GetTask", Tags={"k": "ü*~ /"}, RequestDefinition=True, NextToken=None)

    (request,) = seen
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    http = HttpRequest(method="POST", query=request.url.query, headers=headers)
    parsed = parse_request(http)
    verify(parsed, KeyRing([key]), now=datetime.now(UTC))
    assert parsed.action == "GetTask"
    assert parsed.query == {"Tags": '{"k":"ü*~ /"}', "RequestDefinition": "true"}
    assert request.headers["host"] == "imm.test:8000"
    assert request.content == b""


def test_an_error_carries_what_the_server_said() -> None:
    with client_of(FakeImm()) as client, pytest.raises(ImmCallFailed) as failure:
        client.call("NoSuchAction")

    error = failure.value
    assert (error.code, error.message) == ("InvalidApi.NotFound", "NoSuchAction")
    assert (error.status, error.request_id, error.retry_after_s) == (404, "R", None)


@pytest.mark.parametrize("status", [200, 502])
def test_an_answer_that_is_not_json_is_an_error(status: int) -> None:
    with (
        answering(httpx.Response(status, text="<html>")) as client,
        pytest.raises(ImmCallFailed, match=r"UnexpectedResponse.*<html>") as failure,
    ):
        client.call("GetTask")
    assert failure.value.status == status


def test_a_throttled_request_is_repeated_until_it_passes() -> None:
    fake = FakeImm(throttled=2)
    with client_of(fake) as client:
        assert client.call("CreateProject", ProjectName="p") == {"RequestId": "R"}
    assert fake.count("CreateProject") == 3


def test_patience_with_a_throttling_server_ends() -> None:
    with (
        client_of(FakeImm(throttled=1000), patience_s=0.2) as client,
        pytest.raises(ImmCallFailed, match=r"Throttling\.User") as failure,
    ):
        client.call("CreateProject", ProjectName="p")
    assert failure.value.retry_after_s == 0.001


def test_pages_yields_the_objects_of_every_page() -> None:
    clusters = [figure_cluster(f"Cluster-{n}", faces=3, images=3) for n in range(3)]
    fake = FakeImm(figure_clusters=clusters)
    with client_of(fake) as client:
        assert list(client.pages("QueryFigureClusters", "FigureClusters", **HERE)) == clusters
    assert fake.count("QueryFigureClusters") == 3


@given(st.dictionaries(st.from_regex(r"[A-Za-z]{1,9}", fullmatch=True), names, max_size=5))
def test_what_is_encoded_can_be_read_back(params: dict[str, str]) -> None:
    query = canonical_query(encode(params))
    assert dict(parse_qsl(query, keep_blank_values=True)) == params
