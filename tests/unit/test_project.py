"""What a person meets first: the README's commands, and the script that runs them."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def command_of(marker: str) -> str:
    block = re.search(rf"<!-- {marker} -->\n```sh\n(.*?)\n```\n<!-- /{marker} -->", README, re.S)
    assert block is not None, f"README.md has no block {marker}"
    return block[1]


def test_the_readme_begins_with_two_complete_commands() -> None:
    demo, test = command_of("demo-command"), command_of("test-command")
    for command in (demo, test):
        assert re.match(r"python3 -m venv (\S+) && \1/bin/pip install ", command)
    assert demo.endswith(".venv/bin/imm-ray demo")
    assert test.endswith("/bin/pytest -n 2 --dist loadgroup")
    assert README.index("demo-command") < README.index("test-command") < README.index("## Your own")


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    function = re.search(r"^test_command\(\) \{.*?\n(.*?)^\}", script, re.S | re.M)
    assert function is not None
    bash = shutil.which("bash") or "/bin/bash"
    done = subprocess.run(
        [bash, "-c", function[1]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == command_of("test-command")
    assert ".venv-test/bin" in script
    assert ".venv-test" in command_of("test-command")


def test_the_readme_has_a_place_for_the_table_of_actions() -> None:
    assert re.search(r"<!-- actions -->\n.*<!-- /actions -->", README, re.S)


def test_the_readme_links_only_to_files_that_exist() -> None:
    links = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert links
    assert [target for target in links if not (ROOT / target).exists()] == []


def test_the_licences_are_complete() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text()
    weights = ROOT / "imm_ray" / "embed" / "weights"
    licences = (weights / "LICENSES.md").read_text()
    for path in weights.glob("*.n*"):
        assert path.name in licences
    assert "Permission is hereby granted, free of charge" in licences


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text()
