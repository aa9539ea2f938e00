import json

import pytest

from benchmarks import fuzz


def test_what_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    fuzz.main(["--count", "20", "--actions", "ListProjects", "CreateProject"])
    one, other, both = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [one["action"], other["action"], both["action"]] == [
        "ListProjects",
        "CreateProject",
        "all",
    ]
    assert (one["requests"], both["requests"]) == (20, 40)
    assert sum(both["answers"].values()) == 40
    assert both["server_errors"] == 0
