"""System policies by name: those of IMM that users can be given without writing a document."""

from collections.abc import Mapping

from imm_ray.api.policy.document import Policy, read_policy

SYSTEM_POLICIES: Mapping[str, Policy] = {
    "AliyunIMMFullAccess": read_policy(
        {
            "Version": "1",
            "Statement": [{"Effect": "Allow", "Action": "imm:*", "Resource": "*"}],
        }
    ),
    "AliyunIMMReadOnlyAccess": read_policy(
        {
            "Version": "1",
            "Statement": [
                {"Effect": "Allow", "Action": ["imm:Get*", "imm:List*"], "Resource": "*"}
            ],
        }
    ),
}
"""As IMM defines them: read-only covers neither Query…, BatchGet… nor SimpleQuery, and no extension
of this service."""


def system_policy(name: str) -> Policy:
    """Return the system policy ``name``.

    Raises
    ------
    ValueError
        There is none.
    """
    try:
        return SYSTEM_POLICIES[name]
    except KeyError as error:
        known = ", ".join(sorted(SYSTEM_POLICIES))
        raise ValueError(f"no system policy is named {name!r}; there are {known}") from error
