"""S20: the port of the metrics serves ``/metrics``, to this machine, and nothing else."""

from collections.abc import Iterable, Iterator

import httpx
import pytest

from imm_ray.measure import MEASURES
from imm_ray.runtime.metrics_page import MetricsPage, own_metrics

TAGS = 'Component="core_worker",NodeAddress="10.0.0.1",SessionName="s",Version="2",WorkerId="w{n}"'
OTEL = 'otel_scope_name="o",otel_scope_version=""'
PAGE = """\
# HELP ray_node_mem memory
# TYPE ray_node_mem gauge
ray_node_mem{{Version="2"}} 5.0
# HELP ray_imm_ray_files_total Files
# TYPE ray_imm_ray_files_total counter
ray_imm_ray_files_total{{{tags},{otel},outcome="indexed"}} 3.0
# HELP ray_imm_ray_run_seconds Runs
# TYPE ray_imm_ray_run_seconds histogram
ray_imm_ray_run_seconds_bucket{{{tags},le="0.1",kind="figure"}} 0.0
ray_imm_ray_run_seconds_bucket{{{tags},le="+Inf",kind="figure"}} 1.0
ray_imm_ray_run_seconds_count{{{tags},kind="figure"}} 1.0
ray_imm_ray_run_seconds_sum{{{tags},kind="figure"}} 0.5
"""


def page(n: int) -> str:
    return PAGE.format(tags=TAGS.format(n=n), otel=OTEL)


@pytest.fixture
def served() -> Iterator[MetricsPage]:
    served = MetricsPage(0, lambda: [page(1), page(2)])
    yield served
    served.close()


def test_our_metrics_have_our_names_and_labels() -> None:
    text = own_metrics([page(1), page(2)]).decode()
    for n in (1, 2):
        labels = f'node="10.0.0.1",outcome="indexed",worker="w{n}"'
        assert f"imm_ray_files_total{{{labels}}} 3.0" in text
    assert text.count("# TYPE imm_ray_files_total counter") == 1
    assert 'imm_ray_run_seconds_bucket{kind="figure",le="+Inf",' in text
    for foreign in ("ray_node_mem", "ray_imm_ray", "otel", "SessionName"):
        assert foreign not in text


def test_the_page_is_what_prometheus_reads(served: MetricsPage) -> None:
    answer = httpx.get(served.address)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "imm_ray_files_total" in answer.text


@pytest.mark.parametrize("path", ["/", "/api/jobs", "/metrics/x", "/METRICS"])
def test_no_other_path_is_served(served: MetricsPage, path: str) -> None:
    address = served.address.removesuffix("/metrics")
    assert httpx.get(address + path).status_code == 404
    assert httpx.post(served.address).status_code == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", ""])
def test_a_page_of_a_stranger_learns_nothing(served: MetricsPage, host: str) -> None:
    answer = httpx.get(served.address, headers={"host": host})
    assert (answer.status_code, "imm_ray" in answer.text) == (404, False)


def test_an_agent_that_does_not_answer_is_no_empty_page() -> None:
    def dead() -> Iterable[str]:
        raise httpx.ConnectError("no agent")

    served = MetricsPage(0, dead)
    try:
        assert httpx.get(served.address).status_code == 503
    finally:
        served.close()


def test_the_table_of_metrics_is_sound() -> None:
    names = [measure.name for measure in MEASURES]
    assert len(set(names)) == len(names)
    for measure in MEASURES:
        assert measure.name.startswith("imm_ray_")
        assert measure.name.endswith("_total") == (measure.kind == "counter")
        assert bool(measure.bounds) == (measure.kind == "histogram")
        assert list(measure.bounds) == sorted(measure.bounds)
