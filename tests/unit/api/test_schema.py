import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imm_ray.api.actions.datasets import CreateDataset
from imm_ray.api.actions.figures import QueryFigureClusters
from imm_ray.api.actions.files import BatchGetFileMeta, BatchIndexFileMeta, IndexFileMeta
from imm_ray.api.actions.label import read_labels
from imm_ray.api.actions.projects import CreateProject, ListProjects
from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.actions.tasks import CreateTask, ListTasks
from imm_ray.api.json_text import MAX_DEPTH, read_json
from imm_ray.api.schema import Parameters, parse_parameters
from imm_ray.errors import ImmError, InvalidArgument, LimitExceeded

ALBUM = {"ProjectName": "p", "DatasetName": "d"}
URI = "oss://b/k.jpg"


def refusal(schema: type[Parameters], **given: str) -> str:
    with pytest.raises(InvalidArgument) as caught:
        parse_parameters(schema, {**ALBUM, **given})
    return caught.value.message


def file_json(**members: Any) -> str:
    return json.dumps({"URI": URI, **members})


def attributes(**members: Any) -> dict[str, Any]:
    params = parse_parameters(IndexFileMeta, {**ALBUM, "File": file_json(**members)})
    return dict(params.file.attributes)


@pytest.mark.parametrize("name", ["a", "_", "A-b_9", "x" * 128])
def test_names(name: str) -> None:
    assert parse_parameters(CreateProject, {"ProjectName": name}).project_name == name


@pytest.mark.parametrize(
    "name", ["1a", "-a", "a b", "a/b", "a\n", "*", "é", "x" * 129, "a ", "\uff41"]
)
def test_wrong_names(name: str) -> None:
    assert "The parameter ProjectName is not valid" in refusal(CreateProject, ProjectName=name)


@pytest.mark.parametrize(
    "schema",
    sorted({action.schema for action in ACTIONS.values()}, key=str),
)
def test_a_missing_parameter_is_named_in_imms_words(schema: type[Parameters]) -> None:
    required = [
        field.validation_alias or field.alias
        for field in schema.model_fields.values()
        if field.is_required()
    ]
    if not required:
        parse_parameters(schema, {})
        return
    with pytest.raises(InvalidArgument) as caught:
        parse_parameters(schema, {})
    assert caught.value.message == f"The parameter {required[0]} is required but not provided."


def test_an_empty_text_is_an_absent_parameter() -> None:
    assert "ProjectName is required" in refusal(CreateProject, ProjectName="")
    assert parse_parameters(ListProjects, {"MaxResults": "", "Prefix": ""}).max_results == 100


@pytest.mark.parametrize(("sent", "meant"), [("0", 100), ("1", 1), ("200", 200)])
def test_page_sizes(sent: str, meant: int) -> None:
    assert parse_parameters(ListProjects, {"MaxResults": sent}).max_results == meant


@pytest.mark.parametrize(
    "sent", ["-1", "201", "1e2", "0x1", " 1", "1_0", "\uff19", "9" * 5000, "true"]
)
def test_wrong_page_sizes(sent: str) -> None:
    assert "MaxResults" in refusal(ListProjects, MaxResults=sent)


def test_page_sizes_differ_by_action() -> None:
    assert "between 0 and 100" in refusal(ListTasks, MaxResults="101")
    assert "between 0 and 100" in refusal(QueryFigureClusters, MaxResults="101")


@pytest.mark.parametrize(
    ("name", "largest"),
    [
        ("DatasetMaxBindCount", 10),
        ("DatasetMaxFileCount", 100_000_000),
        ("DatasetMaxTotalFileSize", 2**63 - 1),
    ],
)
def test_quotas_have_limits(name: str, largest: int) -> None:
    parse_parameters(CreateDataset, {**ALBUM, name: str(largest)})
    assert name in refusal(CreateDataset, **{name: "0"})
    with pytest.raises(LimitExceeded, match=f"{name} is {largest + 1}"):
        parse_parameters(CreateDataset, {**ALBUM, name: str(largest + 1)})


@pytest.mark.parametrize(("sent", "meant"), [("True", True), ("false", False), ("TRUE", True)])
def test_booleans(sent: str, meant: bool) -> None:
    params = parse_parameters(QueryFigureClusters, {**ALBUM, "WithTotalCount": sent})
    assert params.with_total_count is meant
    assert "WithTotalCount" in refusal(QueryFigureClusters, WithTotalCount="1")


def test_sort_and_order() -> None:
    params = parse_parameters(QueryFigureClusters, ALBUM)
    assert (params.sort, params.order) == (None, "asc")
    assert parse_parameters(ListTasks, {**ALBUM, "Order": "DES"}).order == "desc"
    assert parse_parameters(ListTasks, {**ALBUM, "Order": "ASC"}).order == "asc"
    assert "Sort" in refusal(ListTasks, Sort="Status")
    assert "Order" in refusal(ListTasks, Order="up")


def test_user_data_is_counted_in_bytes() -> None:
    parse_parameters(CreateTask, {**ALBUM, "UserData": "é" * 1024})
    assert "2048 bytes" in refusal(CreateTask, UserData="é" * 1024 + "x")


def test_templates() -> None:
    for template in ("Official:DefaultEmptyId", "Official:FaceManagement"):
        parse_parameters(CreateDataset, {**ALBUM, "TemplateId": template})
    assert "TemplateId" in refusal(CreateDataset, TemplateId="Official:Nothing")


@pytest.mark.parametrize("uri", [URI, "s3://b/a/b", "oss://b/图 1.jpg", "file:///x", "oss://b/?#"])
def test_uris(uri: str) -> None:
    parse_parameters(BatchGetFileMeta, {**ALBUM, "URIs": json.dumps([uri])})


@pytest.mark.parametrize(
    "uri",
    [
        "http://b/k",
        "https://b/k",
        "oss://b",
        "oss://b/",
        "oss:///k",
        "oss://b c/k",
        "file://host/x",
        "file:///",
        "file:////x",
        "OSS://b/k",
        "pds://x/y",
        "/etc/passwd",
        "",
        "oss://b/a\nb",
        "oss://b/" + "x" * 4096,
    ],
)
def test_wrong_uris(uri: str) -> None:
    message = refusal(BatchGetFileMeta, URIs=json.dumps([URI, uri]))
    assert message.startswith("The parameter URIs[1] is not valid")


def test_batches_have_a_size() -> None:
    parse_parameters(BatchGetFileMeta, {**ALBUM, "URIs": json.dumps([URI] * 100)})
    assert "URIs" in refusal(BatchGetFileMeta, URIs=json.dumps([URI] * 101))
    assert "URIs" in refusal(BatchGetFileMeta, URIs="[]")
    assert "Files" in refusal(BatchIndexFileMeta, Files=json.dumps([{"URI": URI}] * 101))


def test_the_place_of_a_wrong_member_is_named() -> None:
    files = json.dumps([{"URI": URI}, {"URI": URI, "Labels": [{"LabelLevel": 4}]}])
    assert "Files[1].Labels[0].LabelLevel" in refusal(BatchIndexFileMeta, Files=files)
    missing = refusal(BatchIndexFileMeta, Files='[{"CustomId":"x"}]')
    assert missing == "The parameter Files[0].URI is required but not provided."


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "not JSON"),
        ("{", "not JSON"),
        ('{"URI":"oss://b/k","URI":"oss://b/l"}', "more than once"),
        ('{"URI":"oss://b/k","Title":NaN}', "NaN"),
        ('{"URI":"oss://b/k","Title":"\\u0000"}', "NUL"),
        ('{"URI":"oss://b/k","Title":"\\ud800"}', "surrogate"),
        ('{"URI":"oss://b/k","Title":1e999}', "too large"),
        ('{"URI":"oss://b/k","Title":' + "9" * 5000 + "}", "Exceeds the limit"),
        ("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2), "nested deeper"),
        ("[" * 200_000, "nested deeper"),
        ('{"a":' * 200_000, "nested deeper"),
        ("[]", "File"),
        ('"x"', "File"),
        ("null", "File"),
    ],
)
def test_wrong_json(text: str, why: str) -> None:
    assert why in refusal(IndexFileMeta, File=text)


def test_depth_is_counted_exactly() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert read_json(deepest)
    with pytest.raises(ValueError, match="deeper"):
        read_json(f"[{deepest}]")


def test_empty_lists_and_nulls_say_nothing() -> None:
    assert attributes(Addresses=[], Figures=[], Labels=[], Title=None) == {}
    assert attributes(Labels=[{"Clips": [], "LabelName": "x"}]) == {"Labels": [{"LabelName": "x"}]}
    assert attributes(CustomLabels={}) == {"CustomLabels": {}}


def test_attributes_keep_spelling_and_types() -> None:
    said = {
        "CustomId": "c",
        "CustomLabels": {"s": "x", "n": 3, "f": 0.5, "t": True},
        "MediaType": "image",
        "Addresses": [{"City": "杭州市"}],
        "Labels": [{"LabelConfidence": 0.5, "Clips": [{"TimeRange": [0, 100]}]}],
        "LatLong": "30.1,-120.2",
        "ProduceTime": "2021-06-29T14:50:13.011643661+08:00",
        "AlbumArtist": "a",
        "OSSURI": "oss://b/o",
    }
    assert attributes(**said, Unknown=1, Figures=[{"FigureId": "x"}]) == said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MediaType", "picture"),
        ("LatLong", "91,0"),
        ("LatLong", "0,181"),
        ("LatLong", "here"),
        ("ProduceTime", "yesterday"),
        ("ProduceTime", "2021-02-30T00:00:00Z"),
        ("ProduceTime", "0001-01-01T00:00:00+14:00"),
        ("CustomLabels", {"a": [1]}),
        ("CustomLabels", {"": "x"}),
        ("CustomLabels", {'a"b': "x"}),
        ("CustomLabels", {str(n): n for n in range(101)}),
        ("CustomLabels", []),
        ("CustomId", 1),
        ("Labels", {"LabelName": "x"}),
    ],
)
def test_wrong_members_of_a_file(name: str, value: Any) -> None:
    if value == []:
        assert attributes(**{name: value}) == {}
    else:
        assert f"File.{name}" in refusal(IndexFileMeta, File=file_json(**{name: value}))


def test_time_ranges() -> None:
    text = '{"Start":"2016-12-31T00:00:00+08:00","End":""}'
    params = parse_parameters(ListTasks, {**ALBUM, "StartTimeRange": text})
    assert params.start_time_range is not None
    start, end = params.start_time_range.bounds
    assert start is not None
    assert (start.isoformat(), end) == ("2016-12-30T16:00:00+00:00", None)
    wrong = '{"Start":"2016-12-31"}'
    assert "StartTimeRange.Start" in refusal(ListTasks, StartTimeRange=wrong)


@pytest.mark.parametrize("text", ["a", "a=1,b", '{"a":1}', "[1]", '"a=1\\', 'a"=1', "a=1,a=2"])
def test_wrong_label_filters(text: str) -> None:
    with pytest.raises(ValueError, match=r"key|JSON|form"):
        read_labels(text)
    assert "TagSelector" in refusal(ListTasks, TagSelector=text)


def test_tags_of_projects() -> None:
    tags = json.dumps([{"Key": "k", "Value": "v"}] * 2)
    assert "more than once" in refusal(CreateProject, Tag=tags)
    many = json.dumps([{"Key": str(n), "Value": ""} for n in range(21)])
    assert "Tag" in refusal(CreateProject, Tag=many)


parameter_names = sorted(
    {
        str(field.alias)
        for action in ACTIONS.values()
        for field in action.schema.model_fields.values()
    }
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["URI", "Labels", "Start", "MNS", "TopicName"]), inner)
    ),
    max_leaves=8,
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first example builds the schemas
@given(
    action=st.sampled_from(sorted(ACTIONS)),
    given=st.dictionaries(
        st.sampled_from(parameter_names),
        json_values | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    ),
)
def test_no_parameters_make_another_error(action: str, given: dict[str, str]) -> None:
    refusal: ImmError | None = None
    try:
        ACTIONS[action].prepare({**ALBUM, **given})
    except ImmError as error:
        refusal = error
    assert refusal is None or refusal.code == "InvalidArgument"
    assert refusal is None or refusal.message.encode()
