"""The grammar of a policy: what an operator writes becomes statements, or an error that names one.

``{"Version": "1", "Statement": [{"Effect": "Allow" | "Deny", "Action" | "NotAction": …, "Resource":
…, "Condition"?: …}]}``; Action and Resource are a text or a list of texts. A member that is not of
this grammar is an error, never ignored: an Allow whose ``NotResource`` nobody reads would allow
everything.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from imm_ray.api.policy.condition import Condition, Context, read_conditions
from imm_ray.api.policy.glob import Glob

_ACTION = re.compile(r"\*|[a-z0-9*?-]+:[A-Za-z0-9*?]+")
_MEMBERS = frozenset({"Effect", "Action", "NotAction", "Resource", "Condition"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What somebody wants to do."""

    action: str
    """``imm:GetTask``."""
    resource: str
    """``acs:imm:REGION:ACCOUNT:project/…``."""
    context: Context


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement."""

    effect: Literal["Allow", "Deny"]
    actions: tuple[Glob, ...]
    inverted: bool
    """The actions are those of ``NotAction``."""
    resources: tuple[Glob, ...]
    conditions: tuple[Condition, ...]

    def applies(self, ask: Ask) -> bool:
        """Return whether the statement speaks about ``ask``."""
        named = any(action.matches(ask.action) for action in self.actions)
        # What a condition cannot tell counts against the caller.
        unknown = self.effect == "Deny"
        return (
            named is not self.inverted
            and any(resource.matches(ask.resource) for resource in self.resources)
            and all(condition.holds(ask.context, unknown=unknown) for condition in self.conditions)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """The statements of one document; their order means nothing."""

    statements: tuple[Statement, ...]

    def says(self, effect: Literal["Allow", "Deny"], ask: Ask) -> bool:
        """Return whether a statement with this effect applies."""
        return any(s.effect == effect and s.applies(ask) for s in self.statements)


def read_policy(document: Any) -> Policy:
    """Return ``document`` as a policy.

    Actions are compared without regard to case, resources with it; a field of a resource that is
    empty matches nothing but an empty one. A list without members matches nothing (under NotAction:
    leaves nothing out).

    Raises
    ------
    ValueError
        The document is not of the grammar; the message names the statement, counted from 1.
    """
    if not isinstance(document, dict) or document.keys() - {"Version", "Statement"}:
        raise ValueError("a policy is an object with the members Version and Statement")
    if document.get("Version") != "1":
        raise ValueError(f'Version is {document.get("Version")!r}, but must be "1"')
    given = document.get("Statement")
    statements = given if isinstance(given, list | tuple) else [given]
    if not statements:
        raise ValueError("Statement is empty")
    return Policy(tuple(_numbered(number, item) for number, item in enumerate(statements, 1)))


def _numbered(number: int, given: Any) -> Statement:
    try:
        return _statement(given)
    except ValueError as error:
        raise ValueError(f"statement {number}: {error}") from error


def _statement(given: Any) -> Statement:
    if not isinstance(given, dict):
        raise ValueError("it is not an object")
    if unknown := sorted(map(str, given.keys() - _MEMBERS)):
        raise ValueError(f"unknown member {unknown[0]!r}")
    if given.get("Effect") not in ("Allow", "Deny"):
        raise ValueError(f"Effect is {given.get('Effect')!r}, but must be Allow or Deny")
    if ("Action" in given) == ("NotAction" in given):
        raise ValueError("it must have exactly one of Action and NotAction")
    if "Resource" not in given:
        raise ValueError("Resource is missing")
    named = "NotAction" if "NotAction" in given else "Action"
    return Statement(
        effect=cast(Literal["Allow", "Deny"], given["Effect"]),
        actions=tuple(_action(text) for text in _texts(given, named)),
        inverted=named == "NotAction",
        resources=tuple(_resource(text) for text in _texts(given, "Resource")),
        conditions=read_conditions(given["Condition"]) if "Condition" in given else (),
    )


def _texts(given: Mapping[str, Any], name: str) -> list[str]:
    texts = given[name] if isinstance(given[name], list) else [given[name]]
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f"{name} is neither a text nor a list of texts")
    return cast(list[str], texts)


def _action(text: str) -> Glob:
    if not _ACTION.fullmatch(text):
        raise ValueError(f"the action {text!r} is neither * nor of the form service:Action")
    return Glob(text, fold=True)


def _resource(text: str) -> Glob:
    if text != "*" and not text.startswith("acs:"):
        raise ValueError(f"the resource {text!r} is neither * nor begins with acs:")
    return Glob(text)
