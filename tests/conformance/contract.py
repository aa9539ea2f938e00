"""What IMM's responses may hold, read from the machine-readable contract, and the check of one."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import imm_ray.api

Members: TypeAlias = Mapping[str, str]

NOT_TABULATED: Mapping[str, Members] = {
    "CreateFacesSearchingTask": {"EventId": "string", "RequestId": "string", "TaskId": "string"},
    "DetectImageScore": {"ImageScore": "ImageScore", "RequestId": "string"},
    "StopBinding": {"RequestId": "string"},
    "ResumeBinding": {"RequestId": "string"},
}
"""Responses that the contract does not tabulate, from the SDKs' own models."""

EXTENSIONS = Path(imm_ray.api.__file__).with_name("extensions.json")
"""The responses of this service's own actions."""
PREFIX = "ImmRay"

_LIST = re.compile(r"array<(.+)>")
_SCALARS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "int": (int,),
    "int32": (int,),
    "int64": (int,),
    "float": (int, float),
    "double": (int, float),
    "object(map)": (dict,),
}


@dataclass(frozen=True, slots=True)
class Contract:
    """The responses of the actions, and the structures in them: member -> type."""

    responses: Mapping[str, Members]
    structs: Mapping[str, Members]

    @classmethod
    def read(cls, file: Path) -> "Contract":
        """Return what ``api.json`` says, and what `NOT_TABULATED` and `EXTENSIONS` add."""
        content, own = json.loads(file.read_text()), json.loads(EXTENSIONS.read_text())
        structs = content.pop("structs") | own.pop("structs")
        content |= own
        return cls(
            responses={action: given["response"] for action, given in content.items()}
            | dict(NOT_TABULATED),
            structs={
                name: {member: told["type"] for member, told in members.items()}
                for name, members in structs.items()
            },
        )

    def check(self, action: str, body: Any) -> "Findings":
        """Return what is wrong with a response, and which members it fills."""
        findings = Findings()
        self._check_members(action, self.responses[action], body, findings)
        if "RequestId" not in (body if isinstance(body, dict) else {}):
            findings.problems.append(f"{action}: RequestId is missing")
        return findings

    def unfilled(self, filled: set[tuple[str, str]]) -> Iterator[tuple[str, Sequence[str]]]:
        """Yield every action or structure in ``filled``, with the members that are not in it."""
        for owner in sorted({owner for owner, _ in filled}):
            members = self.responses.get(owner) or self.structs.get(owner, {})
            if left := sorted(member for member in members if (owner, member) not in filled):
                yield owner, left

    def _check_members(
        self, owner: str, members: Members, value: Any, findings: "Findings", path: str = ""
    ) -> None:
        if not isinstance(value, dict):
            findings.problems.append(f"{path or owner}: no object but {type(value).__name__}")
            return
        for name, member in value.items():
            here = f"{path or owner}.{name}"
            if name not in members:
                findings.problems.append(f"{here}: unexpected")
                continue
            findings.filled.add((owner, name))
            self._check(members[name], member, findings, here)

    def _check(self, kind: str, value: Any, findings: "Findings", path: str) -> None:
        if listed := _LIST.fullmatch(kind):
            if not isinstance(value, list):
                findings.problems.append(f"{path}: no list but {type(value).__name__}")
                return
            for place, item in enumerate(value):
                self._check(listed[1], item, findings, f"{path}[{place}]")
        elif kind in _SCALARS:
            if not isinstance(value, _SCALARS[kind]) or (
                isinstance(value, bool) and kind != "boolean"
            ):
                findings.problems.append(f"{path}: no {kind} but {type(value).__name__}")
        elif kind in self.structs:
            self._check_members(kind, self.structs[kind], value, findings, path)
        else:
            findings.problems.append(f"{path}: the contract does not describe a {kind}")


@dataclass(slots=True)
class Findings:
    """What the check of responses found."""

    problems: list[str] = field(default_factory=list)
    filled: set[tuple[str, str]] = field(default_factory=set)
    """(action or structure, member)."""


def changed(body: Any, read: Any, newer: Collection[str] = ()) -> list[str]:
    """Return the places where an SDK's model has lost or changed something of ``body``.

    The models write a list that is absent as ``[]``, so empty lists and objects do not count, nor
    do the members named in ``newer``.
    """
    return sorted(
        _differences(_without_nothing(body, newer), _without_nothing(read, newer), "body")
    )


def _differences(body: Any, read: Any, path: str) -> Iterator[str]:
    if isinstance(body, dict) and isinstance(read, dict):
        for name in body.keys() | read.keys():
            yield from _differences(body.get(name), read.get(name), f"{path}.{name}")
    elif isinstance(body, list) and isinstance(read, list) and len(body) == len(read):
        for place, (item, other) in enumerate(zip(body, read, strict=True)):
            yield from _differences(item, other, f"{path}[{place}]")
    elif type(body) is not type(read) or body != read:
        yield f"{path}: {body!r} became {read!r}"


def _without_nothing(value: Any, ignored: Collection[str]) -> Any:
    if isinstance(value, dict):
        kept = {
            name: _without_nothing(member, ignored)
            for name, member in value.items()
            if name not in ignored
        }
        return {name: member for name, member in kept.items() if member not in (None, [], {})}
    if isinstance(value, list):
        return [_without_nothing(item, ignored) for item in value]
    return value
