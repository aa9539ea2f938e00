"""The old core SDK, which signs with HMAC-SHA1."""

import json
from typing import Any

import pytest
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from tests.wire.server import Server


def call(
    server: Server,
    action: str,
    *,
    key: tuple[str, str] = ("oldak", "oldsecret"),
    method: str = "POST",
    form: dict[str, str] | None = None,
    **query: str,
) -> Any:
    client = AcsClient(*key, "cn-hangzhou")
    request = CommonRequest(domain=server.endpoint, version="2020-09-30", action_name=action)
    request.set_method(method)
    request.set_protocol_type("http")
    for name, value in query.items():
        request.add_query_param(name, value)
    for name, value in (form or {}).items():
        request.add_body_params(name, value)
    return json.loads(client.do_action_with_exception(request))


def test_query_form_and_get(server: Server) -> None:
    call(server, "CreateProject", ProjectName="old", Description="a b+c~*é")
    call(server, "CreateDataset", ProjectName="old", form={"DatasetName": "d e".replace(" ", "-")})
    project = call(server, "GetProject", method="GET", ProjectName="old")["Project"]
    assert (project["Description"], project["DatasetCount"]) == ("a b+c~*é", 1)


def test_a_batch_in_a_form_body(server: Server) -> None:
    call(server, "CreateProject", ProjectName="form")
    call(server, "CreateDataset", ProjectName="form", DatasetName="d")
    files = [{"URI": f"oss://bucket/{'x' * 2000}/{number}.jpg"} for number in range(100)]
    body = {"Files": json.dumps(files)}
    call(server, "BatchIndexFileMeta", ProjectName="form", DatasetName="d", form=body)
    dataset = call(server, "GetDataset", ProjectName="form", DatasetName="d")["Dataset"]
    assert dataset["FileCount"] == 100


def test_a_user_without_v1_is_refused(server: Server) -> None:
    with pytest.raises(ServerException) as caught:
        call(server, "ListProjects", key=("testak", "testsecret"))
    assert caught.value.error_code == "InvalidSignatureMethod"
    assert caught.value.http_status == 400


def test_errors_carry_code_and_request_id(server: Server) -> None:
    with pytest.raises(ServerException) as caught:
        call(server, "GetProject", method="GET", ProjectName="none")
    assert caught.value.error_code == "ResourceNotFound"
    assert caught.value.request_id == caught.value.request_id.upper()
    with pytest.raises(ServerException) as caught:
        call(server, "DeleteDataset", method="GET", ProjectName="old", DatasetName="d")
    assert caught.value.error_code == "UnsupportedHTTPMethod"
