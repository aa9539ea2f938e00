"""``python -m benchmarks conformance``: every action through every official client, as a table.

Clients that can not be used here (see `tests.conformance.clients`) are left out and named.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from imm_ray.api.actions.registry import ACTIONS
from tests.conformance.clients import ANY_ACTION, CLIENTS, NEWER_THAN_4, why_not
from tests.conformance.contract import PREFIX, Contract
from tests.conformance.player import MISSING, NOT_IN_CLIENT, Played, Result, play_with


def main(arguments: Sequence[str]) -> None:
    """Write the report and say what is not good."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks conformance")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/conformance.md"))
    parser.add_argument(
        "--contract",
        type=Path,
        default=Path("../shared/imm/api.json"),
        help="the machine-readable contract",
    )
    options = parser.parse_args(arguments)
    contract = Contract.read(options.contract)
    played = {name: play_with(name, contract) for name in CLIENTS if not why_not(name)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(_report(contract, played)) + "\n")
    bad = sum(not r.is_good for each in played.values() for r in each.results.values())
    print(f"{options.out}: {bad} results are not good")
    if bad:
        raise SystemExit(1)


def _report(contract: Contract, played: Mapping[str, Played]) -> Iterator[str]:
    yield "# Conformance"
    yield ""
    yield "Made by `python -m benchmarks conformance`. Each client plays one scenario against a"
    yield "server of its own. Every response is checked: no member that IMM's response does not"
    yield "have, every member of the right JSON type, nothing lost by the client's own model."
    yield ""
    yield from _totals(contract, played)
    yield ""
    yield f"| Action | {' | '.join(played)} |"
    yield "| --- |" + " --- |" * len(played)
    for action in _of_imm(contract):
        cells = " | ".join(_cell(each.results[action]) for each in played.values())
        yield f"| {action} | {cells} |"
    yield ""
    yield "`ok N`: N calls, nothing wrong. `refused CODE`: the answer that is documented for this"
    yield "server. `-`: the client has no such call. aliyun-python-sdk-core 2.16.1 signs with V1"
    yield "only, so it has one column."
    for name in CLIENTS:
        if why := why_not(name):
            yield f"{name} was not run: {why}."
    yield from _problems(played)
    yield from _unfilled(contract, played)
    yield from _extensions(contract, played)


def _of_imm(contract: Contract) -> list[str]:
    return [action for action in contract.responses if not action.startswith(PREFIX)]


def _totals(contract: Contract, played: Mapping[str, Played]) -> Iterator[str]:
    results = [result for each in played.values() for result in each.results.values()]
    problems = [problem for result in results for problem in result.problems]
    wanted = _of_imm(contract)
    served = sum(action in ACTIONS for action in wanted)
    yield f"- actions served: {served} of {len(wanted)}"
    own = len(contract.responses) - len(wanted)
    yield f"- actions of this service's own, checked likewise: {own}"
    yield f"- calls: {sum(result.calls for result in results)}"
    yield f"- unexpected members: {sum(p.endswith(': unexpected') for p in problems)}"
    yield f"- other problems: {sum(not p.endswith(': unexpected') for p in problems)}"


def _cell(result: Result) -> str:
    if result.absent:
        return {MISSING: "**missing**", NOT_IN_CLIENT: "-"}[result.absent]
    if result.problems:
        return f"**{len(result.problems)} wrong**"
    if not result.calls:
        return "**never called**"
    return f"refused {result.refused}" if result.refused else f"ok {result.calls}"


def _problems(played: Mapping[str, Played]) -> Iterator[str]:
    found = [
        f"- {action}, {name}: {problem}"
        for name, each in played.items()
        for action, result in each.results.items()
        for problem in result.problems
    ]
    if found:
        yield from ("", "## What is wrong", "", *found)


def _unfilled(contract: Contract, played: Mapping[str, Played]) -> Iterator[str]:
    filled = set().union(*(each.filled for each in played.values()))
    yield from ("", "## Members of IMM's responses that are left out", "")
    yield "No model of ours fills them, or the scenario gave no value; none is ever invented."
    yield ""
    yield "| Response or structure | Left out |"
    yield "| --- | --- |"
    for owner, members in contract.unfilled(filled):
        yield f"| {owner} | {', '.join(members)} |"
    yield ""
    yield f"Sent and not read by the SDK 4.0.0, which is older: {', '.join(sorted(NEWER_THAN_4))}."


def _extensions(contract: Contract, played: Mapping[str, Played]) -> Iterator[str]:
    yield from ("", "## Actions that IMM does not have", "")
    yield f"Called by {ANY_ACTION}, which needs no model of an action. Their responses are"
    yield "described by `imm_ray/api/extensions.json`, in the form of the contract; no other member"
    yield "is sent, and the scenario has each of these sent at least once."
    yield from ("", "| Action | What it does | Response | Calls |", "| --- | --- | --- | --- |")
    for action in sorted(contract.responses.keys() - _of_imm(contract)):
        members = ", ".join(f"{name}: `{kind}`" for name, kind in _members(contract, action))
        cell = _cell(played[ANY_ACTION].results[action]) if ANY_ACTION in played else "-"
        yield f"| {action} | {ACTIONS[action].summary} | {members} | {cell} |"
    yield from ("", "| Structure | Members |", "| --- | --- |")
    for name in sorted(name for name in contract.structs if name.startswith(PREFIX)):
        members = ", ".join(f"{member}: `{kind}`" for member, kind in _members(contract, name))
        yield f"| {name} | {members} |"


def _members(contract: Contract, owner: str) -> list[tuple[str, str]]:
    told = contract.responses.get(owner) or contract.structs[owner]
    return sorted((name, kind) for name, kind in told.items() if name != "RequestId")
