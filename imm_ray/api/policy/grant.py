"""What one user may do: the evaluation of all policies that concern a request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from imm_ray.api.policy.document import Ask, Policy, read_policy
from imm_ray.api.policy.system import system_policy

Given: TypeAlias = str | Mapping[str, Any]
"""A policy in the settings: the name of a system policy, or a document."""


class Denial(Enum):
    """Why a request is denied: ``NoPermissionType`` and ``PolicyType`` of AccessDeniedDetail."""

    SESSION_EXPLICIT = ("ExplicitDeny", "SessionPolicy")
    EXPLICIT = ("ExplicitDeny", "AccountLevelIdentityBasedPolicy")
    SESSION_IMPLICIT = ("ImplicitDeny", "SessionPolicy")
    IMPLICIT = ("ImplicitDeny", "AccountLevelIdentityBasedPolicy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The policies of a user, and of the session if the credential is a temporary one.

    The root of an account needs no policy and is limited by none but that of its session.
    """

    root: bool = False
    policies: tuple[Policy, ...] = ()
    session: Policy | None = None

    def denial(self, ask: Ask) -> Denial | None:
        """Return why ``ask`` is denied, None if it is allowed.

        A Deny that applies anywhere wins over every Allow. What nothing allows is denied; a session
        policy and the user's own must both allow.
        """
        own = () if self.root else self.policies
        session = () if self.session is None else (self.session,)
        for policies, denial in ((session, Denial.SESSION_EXPLICIT), (own, Denial.EXPLICIT)):
            if any(policy.says("Deny", ask) for policy in policies):
                return denial
        if self.session is not None and not self.session.says("Allow", ask):
            return Denial.SESSION_IMPLICIT
        if not self.root and not any(policy.says("Allow", ask) for policy in own):
            return Denial.IMPLICIT
        return None


ROOT = Grant(root=True)
"""May do everything in its account."""
NOTHING = Grant()
"""May do nothing."""


def read_grant(*, root: bool, policies: Sequence[Given], session: Given | None) -> Grant:
    """Return what these settings of a user grant.

    Raises
    ------
    ValueError
        A policy is unknown or malformed; the message says which, counted from 1.
    """
    read = []
    for number, given in enumerate(policies, 1):
        try:
            read.append(_policy(given))
        except ValueError as error:
            raise ValueError(f"policy {number}: {error}") from error
    try:
        narrowed = None if session is None else _policy(session)
    except ValueError as error:
        raise ValueError(f"session_policy: {error}") from error
    return Grant(root=root, policies=tuple(read), session=narrowed)


def _policy(given: Given) -> Policy:
    return system_policy(given) if isinstance(given, str) else read_policy(given)
