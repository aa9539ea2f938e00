"""SimpleQuery, FuzzyQuery and SemanticQuery through the official SDK."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.utils_models import Config

from imm_ray.api.unfilled import is_unfilled
from imm_ray.store import datasets
from tests.wire.server import Server

HERE = {"project_name": "queries", "dataset_name": "album"}
URIS = [f"oss://b/trip/{name}.jpg" for name in ("a", "b", "c", "d", "e", "f")]
CITIES = ("Paris", "paris", "Rome", "Oslo", "", "100%")


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    client = Client(
        Config(
            endpoint=server.endpoint,
            protocol="http",
            access_key_id="testak",
            access_key_secret="testsecret",
        )
    )
    client.create_project(imm.CreateProjectRequest(project_name="queries"))
    client.create_dataset(imm.CreateDatasetRequest(**HERE))
    batch = [
        imm.InputFile(
            uri=uri,
            title=f"Sommer {number}",
            lat_long=f"{number}.5,10",
            custom_labels={"City": city, "n": number},
            labels=[imm.Label(label_name="Tür", label_confidence=number / 8)],
            addresses=[imm.Address(city=city, country="x")],
        )
        for number, (uri, city) in enumerate(zip(URIS, CITIES, strict=True))
    ]
    client.batch_index_file_meta(imm.BatchIndexFileMetaRequest(**HERE, files=batch))
    with server.rig.database.read() as tx:
        dataset_id = datasets.get(tx, "100000", "queries", "album").dataset_id
    server.rig.index(dataset_id, bad=URIS[5:])
    client.create_figure_clustering_task(imm.CreateFigureClusteringTaskRequest(**HERE))
    server.rig.run(dataset_id, [URIS[:3], URIS[3:4]])
    return client


def leaf(field: str, operation: str, value: str | None = None) -> imm.SimpleQuery:
    return imm.SimpleQuery(field=field, operation=operation, value=value)


def group(operation: str, *parts: imm.SimpleQuery) -> imm.SimpleQuery:
    return imm.SimpleQuery(operation=operation, sub_queries=list(parts))


def ask(
    client: Client, query: imm.SimpleQuery | None = None, **more: Any
) -> imm.SimpleQueryResponseBody:
    return client.simple_query(imm.SimpleQueryRequest(**HERE, query=query, **more)).body


def names(body: Any) -> str:
    return "".join(file.filename[0] for file in body.files)


def refusal(run: Callable[[], object]) -> str:
    with pytest.raises(ClientException) as caught:
        run()
    assert (caught.value.code, caught.value.status_code) == ("InvalidArgument", 400)
    return str(caught.value.message)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (leaf("Figures.FigureClusterId", "eq", "Cluster-0000"), "abc"),
        (leaf("Figures.FigureClusterId", "eq", "figure-cluster-id-independent"), "e"),
        (leaf("URI", "eq", URIS[1]), "b"),
        (leaf("URI", "prefix", "oss://b/trip/"), "abcdef"),
        (leaf("ObjectStatus", "eq", "Failed"), "f"),
        (leaf("CustomLabels.CITY", "eq", "PARIS"), "ab"),
        (leaf("CustomLabels.city", "eq", "1__%"), ""),
        (leaf("CustomLabels.city", "match-phrase", "0%"), "f"),
        (leaf("CustomLabels.n", "gte", "3.5"), "ef"),
        (leaf("Title", "match-phrase", "SOMMER 2"), "c"),
        (leaf("LatLong", "geo-distance", "1.5,10;1000"), "b"),
        (leaf("LatLong", "geo-bounding-box", "3,9;1,11"), "bc"),
        (leaf("LatLong", "geo-polygon", "0,9;0,11;2,11;2,9"), "ab"),
        (leaf("ImageWidth", "eq", "640"), "abcde"),
        (leaf("ImageScore.OverallQualityScore", "gt", "0.69"), "abcde"),
        (leaf("ProduceTime", "lt", "2020-01-01T00:00:01Z"), "abcde"),
        (leaf("Labels.LabelConfidence", "gte", "0.5"), "ef"),
        (leaf("VideoStreams.CodecName", "eq", "h264"), ""),
        (leaf("OSSTagging.team", "exist"), ""),
        (group("not", leaf("CustomLabels.city", "eq", "paris")), "cdef"),
        (
            group("and", leaf("ObjectStatus", "eq", "Succeeded"), leaf("Addresses.City", "exist")),
            "abcd",
        ),
        (
            group(
                "nested",
                leaf("Figures.FigureClusterId", "eq", "Cluster-0000"),
                leaf("Figures.FaceQuality", "gt", "0.8"),
            ),
            "abc",
        ),
        (imm.SimpleQuery(), "abcdef"),
        (None, "abcdef"),
    ],
)
def test_conditions(client: Client, query: imm.SimpleQuery | None, found: str) -> None:
    body = ask(client, query)
    assert (names(body), body.total_hits) == (found, len(found))


def test_pages_sorting_and_fields(client: Client) -> None:
    given, token = [], ""
    while True:
        body = ask(
            client,
            leaf("CustomLabels.n", "exist"),
            sort="CustomLabels.city,URI",
            order="asc",
            max_results=2,
            next_token=token,
            with_fields=["Filename", "CustomLabels"],
            without_total_hits=True,
        )
        assert (body.total_hits, body.files[0].uri) == (None, None)
        given.append(names(body))
        if not (token := body.next_token):
            break
    assert given == ["ef", "db", "ac"]
    other = ask(client, leaf("CustomLabels.n", "exist"), max_results=2).next_token
    assert "NextToken" in refusal(lambda: ask(client, max_results=2, next_token=other))


def test_aggregations_come_alone(client: Client) -> None:
    wanted = [
        ("CustomLabels.city", "group"),
        ("Size", "sum"),
        ("CustomLabels.n", "max"),
        ("Figures.FigureClusterId", "distinct"),
        ("Title", "count"),
        ("Duration", "average"),
        ("UpdateTime", "min"),
    ]
    body = ask(
        client,
        aggregations=[
            imm.SimpleQueryRequestAggregations(field=field, operation=operation)
            for field, operation in wanted
        ],
        max_results=2,
    )
    assert (body.files or None, body.total_hits, body.next_token) == (None, None, None)
    group, size, top, distinct, count, duration, time = body.aggregations
    # Only the two most frequent; of equally frequent ones the first.
    assert [(g.value, g.count) for g in group.groups] == [("Paris", 2), ("", 1)]
    assert (size.value, top.value, distinct.value, count.value) == (5000, 5, 3, 6)
    assert duration.value is None
    assert time.value > 1_700_000_000_000


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (leaf("Nothing", "eq", "x"), "'Nothing' is not a field of a file"),
        (leaf("CustomLabels", "eq", "x"), "as in CustomLabels.city"),
        (leaf("Size", "eq", "big"), "'big' is not a number"),
        (leaf("Size", "prefix", "1"), "prefix is for texts"),
        (leaf("CreateTime", "gt", "yesterday"), "not an RFC 3339 time"),
        (leaf("Size", "like", "1"), "'like' is not one of eq"),
        (leaf("Size", "eq"), "has no Value"),
        (leaf("Title", "geo-distance", "1,2;3"), "is for LatLong"),
        (leaf("LatLong", "geo-distance", "91,2;3"), "in degrees"),
        (leaf("LatLong", "geo-polygon", "1,2;3,4"), "at least 3 points"),
        (leaf("LatLong", "eq", "1,2"), "geo-distance"),
        (leaf("Figures", "eq", "x"), "is an array"),
        (group("and"), "has no SubQueries"),
        (group("nested", leaf("Title", "eq", "x")), "elements of one array"),
        (
            group("nested", leaf("Labels.LabelName", "exist"), leaf("Figures.FigureId", "exist")),
            "elements of one array",
        ),
        (group("or", *[leaf("Size", "eq", "1")] * 101), "more than 100 conditions"),
        (
            leaf("LatLong", "geo-polygon", ";".join(["1,2"] * 501)),
            "more than 500 points",
        ),
    ],
)
def test_a_wrong_query_says_what_is_wrong(
    client: Client, query: imm.SimpleQuery, message: str
) -> None:
    assert message in refusal(lambda: ask(client, query))


def test_limits_of_the_other_parameters(client: Client) -> None:
    deep = leaf("Size", "eq", "1000")
    for _ in range(5):
        deep = group("and", deep)
    assert names(ask(client, deep)) == "abcde"
    assert "deeper than 5" in refusal(lambda: ask(client, group("and", deep)))
    assert "more than 5 fields" in refusal(lambda: ask(client, sort=",".join(["Size"] * 6)))
    assert "more directions" in refusal(lambda: ask(client, sort="Size", order="asc,asc"))
    assert "neither asc nor desc" in refusal(lambda: ask(client, sort="Size", order="up"))
    assert "can not be sorted" in refusal(lambda: ask(client, sort="Figures.FigureId"))
    assert "MaxResults" in refusal(lambda: ask(client, max_results=101))
    total = [imm.SimpleQueryRequestAggregations(field="Title", operation="sum")]
    assert "is for numbers" in refusal(lambda: ask(client, aggregations=total))


@pytest.mark.parametrize(
    ("query", "found"),
    [("TÜR sommer", "abcdef"), ("paris 1", "b"), ("100%", "f"), ("nowhere", ""), ("trip/c", "c")],
)
def test_fuzzy_queries(client: Client, query: str, found: str) -> None:
    body = client.fuzzy_query(imm.FuzzyQueryRequest(**HERE, query=query)).body
    assert (names(body), body.total_hits) == (found, len(found))


def test_a_fuzzy_query_is_sorted_and_paged(client: Client) -> None:
    asked = {"query": "sommer", "sort": "Title", "max_results": 4}
    first = client.fuzzy_query(imm.FuzzyQueryRequest(**HERE, **asked)).body
    asked["next_token"] = first.next_token
    second = client.fuzzy_query(imm.FuzzyQueryRequest(**HERE, **asked)).body
    assert (names(first), names(second), second.next_token) == ("fedc", "ba", None)


def test_a_fuzzy_query_of_too_many_bytes_is_refused(server: Server) -> None:
    given = {"ProjectName": "queries", "DatasetName": "album"}
    longest = "ü" * (512 * 1024)
    body = server.rig.call("FuzzyQuery", Query=longest, **given)
    assert (body["Files"], body["TotalHits"]) == ([], 0)
    code, message = server.rig.refusal("FuzzyQuery", Query=f"{longest}x", **given)
    assert (code, "more than 1048576 bytes" in message) == ("InvalidArgument", True)
    assert "no word" in server.rig.refusal("FuzzyQuery", Query=" \t", **given)[1]


def test_a_semantic_query_says_what_is_missing(client: Client) -> None:
    def ask(**given: Any) -> str:
        return refusal(lambda: client.semantic_query(imm.SemanticQueryRequest(**HERE, **given)))

    assert "image model of the dataset album is" in ask(query="a dog", media_types=["image"])
    assert "compares images only" in ask(source_uri="oss://b/a.jpg")
    assert "exactly one" in ask()
    assert "exactly one" in ask(query="x", source_uri="oss://b/a.jpg")
    assert "MaxResults" in ask(query="x", max_results=101)
    assert "MediaTypes" in ask(query="x", media_types=["picture"])


def test_every_member_of_file_is_known_to_queries(client: Client, shared: Any) -> None:
    structs = json.loads((shared / "imm" / "api.json").read_text())["structs"]
    for name in structs["File"]:
        if name in ("CustomLabels", "ImageScore", "OSSTagging", "OSSUserMeta", "Insights"):
            continue
        assert ask(client, leaf(name, "exist")).total_hits is not None, name
    for array in ("Figure", "Label", "Address"):
        path = {"Figure": "Figures", "Label": "Labels", "Address": "Addresses"}[array]
        for name, member in structs[array].items():
            if member["type"] in ("string", "float", "int64"):
                ask(client, leaf(f"{path}.{name}", "exist"))
    assert not is_unfilled("Size")
