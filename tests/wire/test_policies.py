"""RAM policies as the official SDKs meet them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from alibabacloud_imm20200930 import models as imm
from alibabacloud_imm20200930.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException, ThrottlingException
from alibabacloud_tea_openapi.utils_models import Config
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest

from imm_ray.api.signature import sign
from tests.wire.rig import Rig
from tests.wire.server import Server


def statement(action: str, resource: str = "*", effect: str = "Allow", **condition: Any) -> Any:
    base = {"Effect": effect, "Action": action, "Resource": resource}
    return base | ({"Condition": condition} if condition else {})


def user(name: str, *statements: Any, **more: Any) -> dict[str, Any]:
    policy = {"Version": "1", "Statement": list(statements)}
    key = {"access_key_id": name, "access_key_secret": "secret", "name": name, "v1": True}
    return key | {"policies": [policy] if statements else []} | more


HOUR = timedelta(hours=1)
USERS = (
    {"access_key_id": "root", "access_key_secret": "secret"},
    user("reader", policies=["AliyunIMMReadOnlyAccess"]),
    user("team", statement("imm:*", "acs:imm:*:100000:project/team*")),
    user("gentle", statement("imm:*"), statement("imm:Delete*", effect="Deny")),
    user("here", statement("imm:*", IpAddress={"acs:SourceIp": "127.0.0.0/8"})),
    user("there", statement("imm:*", IpAddress={"acs:SourceIp": "10.0.0.0/8"})),
    user("secure", statement("imm:*", Bool={"acs:SecureTransport": "true"})),
    user(
        "late",
        statement(
            "imm:*", DateLessThan={"acs:CurrentTime": (datetime.now(UTC) - HOUR).isoformat()}
        ),
    ),
    user(
        "leased",
        security_token="token",
        policies=["AliyunIMMFullAccess"],
        session_policy={"Version": "1", "Statement": statement("imm:ListProjects")},
    ),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("policies")
    with Rig(folder, auth={"users": USERS}) as rig, Server(rig) as server:
        client = client_of(server, "root")
        for name in ("team-a", "other"):
            client.create_project(imm.CreateProjectRequest(project_name=name))
        yield server


def client_of(server: Server, name: str, **more: Any) -> Client:
    return Client(
        Config(
            endpoint=server.endpoint,
            protocol="http",
            access_key_id=name,
            access_key_secret="secret",
            **more,
        )
    )


def get(server: Server, name: str, project: str = "team-a", **more: Any) -> Any:
    request = imm.GetProjectRequest(project_name=project)
    return client_of(server, name, **more).get_project(request).body.project


def refused(server: Server, name: str, project: str = "team-a") -> ClientException:
    with pytest.raises(ClientException) as caught:
        get(server, name, project)
    assert (caught.value.code, caught.value.status_code) == ("NoPermission", 403)
    return caught.value


def test_the_sdk_shows_the_detail(server: Server) -> None:
    error = refused(server, "team", "other")
    assert error.access_denied_detail == {
        "AuthAction": "imm:GetProject",
        "AuthPrincipalType": "SubUser",
        "AuthPrincipalOwnerId": "100000",
        "AuthPrincipalDisplayName": "team",
        "NoPermissionType": "ImplicitDeny",
        "PolicyType": "AccountLevelIdentityBasedPolicy",
    }
    assert "imm:GetProject on acs:imm:local:100000:project/other" in str(error.message)
    assert get(server, "team").project_name == "team-a"


def test_the_old_sdk_shows_the_code(server: Server) -> None:
    client = AcsClient("team", "secret", "cn-hangzhou")
    request = CommonRequest(domain=server.endpoint, version="2020-09-30", action_name="GetProject")
    request.set_method("POST")
    request.set_protocol_type("http")
    request.add_query_param("ProjectName", "other")
    with pytest.raises(ServerException) as caught:
        client.do_action_with_exception(request)
    assert (caught.value.error_code, caught.value.http_status) == ("NoPermission", 403)


def test_system_policies(server: Server) -> None:
    assert get(server, "reader").project_name == "team-a"
    client = client_of(server, "reader")
    assert len(client.list_projects(imm.ListProjectsRequest()).body.projects) == 2
    with pytest.raises(ClientException) as caught:
        client.create_project(imm.CreateProjectRequest(project_name="new"))
    assert caught.value.access_denied_detail["AuthAction"] == "imm:CreateProject"


def test_a_deny_wins(server: Server) -> None:
    request = imm.DeleteProjectRequest(project_name="other")
    with pytest.raises(ClientException) as caught:
        client_of(server, "gentle").delete_project(request)
    assert caught.value.access_denied_detail["NoPermissionType"] == "ExplicitDeny"
    assert get(server, "root", "other").project_name == "other"


def test_conditions_look_at_the_connection_and_the_clock(server: Server) -> None:
    assert get(server, "here").project_name == "team-a"
    for name in ("there", "secure", "late"):
        refused(server, name)


def test_a_session_policy(server: Server) -> None:
    client = client_of(server, "leased", security_token="token")
    assert len(client.list_projects(imm.ListProjectsRequest()).body.projects) == 2
    with pytest.raises(ClientException) as caught:
        client.get_project(imm.GetProjectRequest(project_name="team-a"))
    assert caught.value.access_denied_detail["PolicyType"] == "SessionPolicy"
    assert caught.value.access_denied_detail["AuthPrincipalType"] == "AssumedRoleUser"


@pytest.mark.parametrize(
    ("headers", "name", "status"),
    [
        ({"x-forwarded-for": "10.0.0.1"}, "there", 403),
        ({"x-forwarded-for": "127.0.0.1"}, "here", 403),
        ({"x-forwarded-proto": "https"}, "secure", 403),
        ({}, "here", 200),
    ],
)
def test_a_client_can_not_say_where_it_is(
    server: Server, headers: dict[str, str], name: str, status: int
) -> None:
    assert send(server, headers, name) == status


def send(server: Server, headers: dict[str, str], name: str) -> int:
    signed = sign(
        {"ProjectName": "team-a"},
        action="GetProject",
        host=server.endpoint,
        access_key_id=name,
        secret="secret",
        now=datetime.now(UTC),
    )
    url = f"http://{server.endpoint}/?ProjectName=team-a"
    return httpx.post(url, headers=signed | headers).status_code


@pytest.mark.parametrize(
    ("headers", "name", "status"),
    [
        ({"x-forwarded-for": "1.2.3.4, 10.0.0.1"}, "there", 200),
        ({"x-forwarded-for": "10.0.0.1, 1.2.3.4"}, "there", 403),
        ({"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https"}, "secure", 200),
        ({"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "http"}, "secure", 403),
    ],
)
def test_a_proxy_can(tmp_path: Path, headers: dict[str, str], name: str, status: int) -> None:
    behind = {"behind_tls_proxy": True}
    with Rig(tmp_path, auth={"users": USERS}, server=behind) as rig, Server(rig) as server:
        client_of(server, "root").create_project(imm.CreateProjectRequest(project_name="team-a"))
        assert send(server, headers, name) == status


def test_too_many_requests_of_a_key(tmp_path: Path) -> None:
    limits = {"requests_per_second": 0.001, "burst": 2}
    with Rig(tmp_path, auth={"users": USERS}, limits=limits) as rig, Server(rig) as server:
        clients = [client_of(server, name) for name in ("root", "reader")]
        for client in clients:
            for _ in range(2):
                client.list_projects(imm.ListProjectsRequest())
        with pytest.raises(ThrottlingException) as caught:
            clients[0].list_projects(imm.ListProjectsRequest())
        assert (caught.value.code, caught.value.status_code) == ("Throttling.User", 429)
        assert 990_000 < caught.value.retry_after <= 1_000_000


def test_too_many_requests_to_a_project(tmp_path: Path) -> None:
    limits = {"project_requests_per_second": 0.001}
    with Rig(tmp_path, auth={"users": USERS}, limits=limits) as rig, Server(rig) as server:
        client = client_of(server, "root")
        for name in ("team-a", "team-b"):
            client.create_project(imm.CreateProjectRequest(project_name=name))
        with pytest.raises(ThrottlingException) as caught:
            get(server, "root")
        assert "the clients of a project may make 0.001" in str(caught.value.message)
        assert client.list_projects(imm.ListProjectsRequest()).body.projects


def test_who_is_refused_takes_nothing_of_the_project(tmp_path: Path) -> None:
    limits = {"project_requests_per_second": 0.001}
    with Rig(tmp_path, auth={"users": USERS}, limits=limits) as rig, Server(rig) as server:
        for _ in range(3):
            refused(server, "team", "other")
        made = client_of(server, "root").create_project(
            imm.CreateProjectRequest(project_name="other")
        )
        assert made.body.project.project_name == "other"


def test_a_refusal_uses_up_its_nonce(server: Server) -> None:
    server_headers = sign(
        {"ProjectName": "other"},
        action="GetProject",
        host=server.endpoint,
        access_key_id="team",
        secret="secret",
        now=datetime.now(UTC),
    )
    url = f"http://{server.endpoint}/?ProjectName=other"
    codes = [json.loads(httpx.post(url, headers=server_headers).text)["Code"] for _ in range(2)]
    assert codes == ["NoPermission", "SignatureNonceUsed"]
