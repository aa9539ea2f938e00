"""The threat table, row by row: what is tested here, what elsewhere, and what is not ours to test.

S1  no, garbled or several credentials: here; unit/api/test_rpc
S2  headers that are not signed: here; unit/api/test_signature
S3  a parameter twice, or in two places: here; unit/api/test_rpc; wire/test_captures
S4  another body than the signed one: unit/api/test_signature
S5  replay: security/test_replay
S6  downgrade to the old signature: here; wire/test_captures
S7  timing, enumeration of keys: here
S8  smuggling, strange targets, foreign hosts: wire/test_http_layer; wire/test_http
S9  errors of policy evaluation: unit/api/test_policy
S10 confusion of resources by their names: unit/api/test_resource; security/test_accounts
S11 ids of other accounts, projects, datasets: here; security/test_accounts
S12 page tokens, changed or of somebody else: unit/api/test_paging; security/test_accounts
S13 injection into filters: here; security/test_fuzz
S14 requests forged through the server: here (a source is named by its bucket, never by a URL);
    addresses of notifications are the operator's alone: imm_ray.topic, unit/test_topic
S15 paths and links out of a bucket: unit/media/test_buckets; unit/media/test_remote
S16 decompression bombs, bugs of decoders: unit/media/test_decoder; hostile/test_corpus
S17 EXIF and XMP: unit/media/test_decode; hostile/test_corpus
S18 code in stored files: here; unit/embed/test_convert
S19 foreign models: unit/embed/test_cards (files by their SHA-256 only)
S20 Ray's own ports: ray/test_life (the token); the metrics' port: unit/runtime/test_metrics_page;
    a scan of all sockets is deployment's, another issue
S21 secrets where they can be read: security/test_secrets; security/test_logs;
    unit/runtime/test_logging
S22 scripts in names: there is no console yet, answers are JSON; the console's issue
S23 pages of strangers, DNS rebinding: wire/test_http (Host, Origin); cookies are the console's
S24 exhaustion: here; security/test_fuzz; unit/api/test_rate; memory: ``python -m benchmarks fuzz``;
    slow header lines and connections per address are the work of a proxy in front
S25 patterns that take long: unit/api/test_policy
S26 ranges, multipart, many form fields: wire/test_http_layer; here (S24)
S27 erasure of biometric data from files and snapshots: the issue of ``erase`` and ``fsck``
S28 forged and repeated notifications: unit/notify/test_signing; redirects: unit/notify/test_sender
S29 STS credentials: unit/api/test_signature; unit/api/test_policy; security/test_accounts
S30 default passwords: here; unit/runtime/test_exposure
S31 supply chain: continuous integration's
"""

import ast
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import imm_ray
from imm_ray.api.actions.registry import ACTIONS
from imm_ray.api.rpc import MAX_BODY_BYTES, MAX_PARAMETERS, HttpRequest
from imm_ray.settings import User, load_settings
from tests.security.examples import example
from tests.security.world import OWNER, SECRET, URIS, World, without_chance

PACKAGE = Path(imm_ray.__file__).parent
SOURCES = {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, dict[str, str]]]:
    with World(tmp_path_factory.mktemp("full")) as world:
        known = world.fill()
        neighbours(world)
        yield world, known


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("bare")) as world:
        world.ask(OWNER, "CreateProject", ProjectName="p")
        neighbours(world)
        yield world


def neighbours(world: World) -> None:
    """Make a dataset beside the full one, and one of another project."""
    world.ask(OWNER, "CreateDataset", ProjectName="p", DatasetName="e")
    world.ask(OWNER, "CreateProject", ProjectName="q")
    world.ask(OWNER, "CreateDataset", ProjectName="q", DatasetName="d")


def code_of(world: World, http: HttpRequest) -> str:
    return str(json.loads(world.send(http).body).get("Code", "done"))


def without(http: HttpRequest, *names: str) -> HttpRequest:
    return replace(http, headers=tuple(h for h in http.headers if h[0] not in names))


@pytest.mark.parametrize("action", ACTIONS)
def test_s1_every_action_wants_one_good_credential(
    action: str, full: tuple[World, dict[str, str]]
) -> None:
    world, known = full
    good = world.signed(OWNER, action, **example(action, known))
    before = world.rows(without="nothing at all")
    unsigned = without(good, "authorization")
    version = ("x-acs-bearer-token", "t")
    attempts = {
        "none": unsigned,
        "empty": replace(unsigned, headers=(*unsigned.headers, ("authorization", ""))),
        "two": replace(good, headers=(*good.headers, good.headers[-1])),
        "bearer": replace(unsigned, headers=(*unsigned.headers, version)),
        "both": replace(good, query=good.query + b"&AccessKeyId=owner&Signature=x"),
        "query only": replace(
            without(
                good, "authorization", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"
            ),
            query=good.query + b"&AccessKeyId=owner&Signature=x",
        ),
        "other query": replace(good, query=good.query + b"&Extra=1"),
    }
    expected = {"IncompleteSignature", "InvalidSignatureMethod", "SignatureDoesNotMatch"}
    assert {
        name for name, http in attempts.items() if code_of(world, http) not in expected
    } == set()
    assert world.rows(without="nothing at all") == before


@pytest.mark.parametrize(
    "header", ["x-acs-security-token", "x-acs-credentials-provider", "x-acs-new"]
)
def test_s2_no_header_of_the_protocol_can_be_added(
    header: str, full: tuple[World, dict[str, str]]
) -> None:
    world, _ = full
    good = world.signed(OWNER, "ListProjects")
    added = replace(good, headers=(*good.headers, (header, "x")))
    assert code_of(world, added) == "IncompleteSignature"


@pytest.mark.parametrize(
    "query",
    [
        b"ProjectName=p&ProjectName=q",
        b"ProjectName=p&Project%4eame=q",
        b"ProjectName=p&Action=DeleteProject",
        b"ProjectName=p&Version=2017-09-06",
    ],
)
def test_s3_what_could_be_read_in_two_ways_is_refused(
    query: bytes, full: tuple[World, dict[str, str]]
) -> None:
    world, _ = full
    good = world.signed(OWNER, "GetProject", ProjectName="p")
    assert code_of(world, replace(good, query=query)) in ("InvalidArgument", "InvalidVersion")


def test_s6_the_old_signature_is_off_by_default() -> None:
    user = User.model_validate({"access_key_id": "a", "access_key_secret": "s"})
    assert user.v1 is False


def test_s7_secrets_are_compared_in_constant_time() -> None:
    words = ("signature", "secret", "token", "tag", "digest", "sha256")
    found = []
    for path, tree in SOURCES.items():
        if path.parent.name not in ("api", "policy"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Eq | ast.NotEq):
                sides = [node.left, *node.comparators]
                names = [ast.unparse(side).lower() for side in sides]
                constant = any(isinstance(side, ast.Constant) for side in sides)
                if not constant and any(word in name for name in names for word in words):
                    found.append(f"{path.name}: {ast.unparse(node)}")
    # The text of a token against its own canonical spelling; no secret is in either.
    assert found == ["paging.py: base64.urlsafe_b64encode(sealed).decode() == token"]


def test_s7_an_unknown_key_costs_the_same_work(
    full: tuple[World, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _ = full
    real, calls = hmac.new, []

    def counted(*given: Any, **more: Any) -> Any:
        calls.append(given)
        return real(*given, **more)

    requests = [world.signed(who, "ListProjects") for who in (OWNER, "nobody-at-all")]
    monkeypatch.setattr(hmac, "new", counted)
    counts = []
    for http in requests:
        calls.clear()
        world.send(http)
        counts.append(len(calls))
    assert counts == [1, 1]


@pytest.mark.parametrize("action", ACTIONS)
def test_s11_ids_of_another_dataset_are_as_if_they_were_not(
    action: str, full: tuple[World, dict[str, str]], bare: World
) -> None:
    world, known = full
    fields = ACTIONS[action].schema.model_fields.values()
    if not any(field.alias == "ProjectName" for field in fields):
        return  # it concerns the account as a whole
    given = example(action, known)
    places = [{"ProjectName": "p", "DatasetName": "e"}, {"ProjectName": "q", "DatasetName": "d"}]
    for place in places[1:] if "DatasetName" not in given else places:
        here = world.answer(OWNER, action, **{**given, **place})
        there = bare.answer(OWNER, action, **{**given, **place})
        assert shape(here) == shape(there)
    owned = world.ask(
        OWNER, "BatchGetFileMeta", ProjectName="p", DatasetName="d", URIs=json.dumps(URIS)
    )
    assert len(owned["Files"]) == len(URIS)


def shape(answer: tuple[int, Any]) -> str:
    status, body = answer
    told = {key: value for key, value in body.items() if not key.endswith("Id") or key == "HostId"}
    return f"{status} {without_chance(told)}"


@pytest.mark.parametrize("prefix", ["%", "_", "p%", "' OR 1=1 --", "*", "P", "\\"])
def test_s13_a_prefix_is_taken_as_it_is(prefix: str, full: tuple[World, dict[str, str]]) -> None:
    world, _ = full
    assert world.ask(OWNER, "ListProjects", Prefix=prefix)["Projects"] == []
    assert len(world.ask(OWNER, "ListProjects", Prefix="p")["Projects"]) == 1


def test_s13_no_sql_is_put_together_from_text() -> None:
    """What is said in SQL is constant; the names of settings of the database are our own."""
    found = []
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node) in ("text", "exec_driver_sql"):
                put_together = node.args and not isinstance(node.args[0], ast.Constant)
                if path.is_relative_to(PACKAGE / "store") and put_together:
                    found.append(f"{path.name}: {ast.unparse(node)}")
    assert set(found) == {
        "collation.py: tx.exec_driver_sql("  # quoted names of our own tables
        "f\"ALTER TABLE {quote(table)} {', '.join(changes[table])}\")",
        "sqlite.py: connection.exec_driver_sql('BEGIN IMMEDIATE' if write else 'BEGIN')",
        "postgres.py: connection.exec_driver_sql(_WRITE if write else _READ)",
    }


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


@pytest.mark.parametrize(
    "uri",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://100.100.100.200/",
        "http://127.0.0.1:8265/api/jobs/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://[::1]/",
        "http://user@evil.example/",
        "HTTP://evil.example/a.jpg",
        "ftp://evil.example/a.jpg",
        "gopher://127.0.0.1/",
        "data:image/png;base64,AAAA",
        "//evil.example/a.jpg",
        "oss:///etc/passwd",
        "oss://b",
        "oss://b/",
        "file://evil.example/share",
        "file:etc/passwd",
        "memory://b/a",
        "simplecache::http://127.0.0.1/",
        "jar:file:///a!/b",
    ],
)
def test_s14_no_source_is_a_url_of_the_network(
    uri: str, full: tuple[World, dict[str, str]]
) -> None:
    world, _ = full
    given = {"ProjectName": "p", "DatasetName": "e", "File": json.dumps({"URI": uri})}
    status, body = world.answer(OWNER, "IndexFileMeta", **given)
    assert (status, body["Code"]) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    "notification",
    [
        {"MNS": {"TopicName": "http://127.0.0.1:1/"}},
        {"MNS": {"TopicName": "../../etc/passwd"}},
        {"RocketMQ": {"InstanceId": "x", "TopicName": "http://127.0.0.1:1/"}},
    ],
)
def test_s14_no_notification_goes_where_the_client_says(
    notification: Any, full: tuple[World, dict[str, str]]
) -> None:
    world, _ = full
    given = {"ProjectName": "p", "DatasetName": "e", "Notification": json.dumps(notification)}
    status, body = world.answer(OWNER, "CreateFigureClusteringTask", **given)
    assert (status, body["Code"]) == (400, "InvalidArgument")


FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "yaml.load", "yaml.unsafe_load", "torch.load", "os.system"}


def test_s18_nothing_that_runs_code_from_data_is_used() -> None:
    found = [
        f"{path.name}: {ast.unparse(node)}"
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if runs_data(node)
    ]
    # A reader of pickles that makes nothing of them: unit/embed/test_convert.py.
    assert found == ["checkpoint.py: import pickle"]


def runs_data(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in FORBIDDEN_IMPORTS for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").partition(".")[0] in FORBIDDEN_IMPORTS
    if not isinstance(node, ast.Call):
        return False
    allowed = {word.arg for word in node.keywords if ast.unparse(word.value) == "True"}
    return ast.unparse(node.func) in FORBIDDEN_CALLS or bool(allowed & {"shell", "allow_pickle"})


@pytest.mark.parametrize(
    ("count", "code"), [(MAX_PARAMETERS - 1, "done"), (MAX_PARAMETERS, "InvalidArgument")]
)
def test_s24_parameters_have_a_number(
    count: int, code: str, full: tuple[World, dict[str, str]]
) -> None:
    world, _ = full
    given = {f"x{number}": "1" for number in range(count)}
    assert code_of(world, world.signed(OWNER, "ListProjects", Prefix="p", **given)) == code


@pytest.mark.parametrize("sent", ["101", "1" + "0" * 18, "9" * 5000, "-1", "1e9"])
def test_s24_pages_have_a_size(sent: str, full: tuple[World, dict[str, str]]) -> None:
    world, _ = full
    given = {"ProjectName": "p", "MaxResults": sent}
    assert code_of(world, world.signed(OWNER, "ListTasks", **given)) == "InvalidArgument"


@pytest.mark.parametrize(
    "text", ["[" * 1_000_000, '{"a":' * 200_000, "[" * 400_000 + "]" * 400_000]
)
def test_s24_depth_is_an_error_not_the_end(text: str, full: tuple[World, dict[str, str]]) -> None:
    world, _ = full
    given = {"ProjectName": "p", "DatasetName": "e", "Files": text}
    assert code_of(world, world.signed(OWNER, "BatchIndexFileMeta", **given)) == "InvalidArgument"


def test_s24_requests_have_a_size(full: tuple[World, dict[str, str]]) -> None:
    world, _ = full
    good = world.signed(OWNER, "ListProjects")
    for bytes_too_many in (
        replace(good, query=b"a=" + b"x" * MAX_BODY_BYTES),
        replace(good, body=b"x" * (MAX_BODY_BYTES + 1)),
        replace(good, query=b"&".join(b"a%d=1" % n for n in range(100_000))),
    ):
        assert code_of(world, bytes_too_many) == "InvalidArgument"


def test_s30_nothing_has_a_secret_by_default() -> None:
    settings = load_settings(None)
    assert settings.auth.users == ()
    assert settings.auth.mode == "signature"
    found = [
        f"{path.relative_to(PACKAGE)}: {ast.unparse(node)}"
        for path, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and any("SECRET" in ast.unparse(target).upper() for target in node.targets)
    ]
    assert found == ["testing/local.py: ACCESS_KEY_SECRET = 'testsecret'"]
    assert SECRET not in "".join(path.read_text() for path in SOURCES)
