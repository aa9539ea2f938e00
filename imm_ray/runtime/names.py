"""Names under which the parts find each other in the Ray cluster.

The names of actors end in the generation of the application that made them: a new version of it
runs beside the old one until that has handed its datasets over, and finds no actor of old code.
"""

import uuid
from collections.abc import Sequence

NAMESPACE = "imm_ray"
APP = "imm"
EMBEDDER = "Embedder"
INGRESS = "Ingress"
_STEWARD = "steward"
_OWNER = "owner"


def steward(generation: int) -> str:
    """Return the name of the steward."""
    return f"{_STEWARD}-{generation}"


def owner_hosts(count: int, generation: int) -> list[str]:
    """Return the names of the actors that share the datasets that are not large.

    >>> owner_hosts(2, 7)
    ['owner-7-0', 'owner-7-1']
    """
    return [f"{_OWNER}-{generation}-{number}" for number in range(count)]


def new_owner(generation: int) -> str:
    """Return a new name, for an actor that owns one large dataset."""
    return f"{_OWNER}-{generation}-{uuid.uuid4().hex}"


def is_owner(name: str) -> bool:
    """Return whether a name is that of an owner actor of any generation."""
    return name.startswith(f"{_OWNER}-")


def is_owner_of(generation: int, name: str) -> bool:
    """Return whether a name is that of an owner actor of this generation.

    >>> is_owner_of(7, "owner-7-0"), is_owner_of(7, "owner-71-0"), is_owner_of(7, "steward-7")
    (True, False, False)
    """
    return name.startswith(f"{_OWNER}-{generation}-")


def older(names: Sequence[str], generation: int) -> list[str]:
    """Return those names of owners and stewards that are of an earlier generation.

    >>> older(["owner-7-0", "owner-8-0", "steward-6", "other"], 8)
    ['owner-7-0', 'steward-6']
    """
    return [name for name in names if 0 < _generation(name) < generation]


def _generation(name: str) -> int:
    """Return the generation in a name of ours, 0 in any other."""
    kind, _, rest = name.partition("-")
    number = rest.partition("-")[0]
    return int(number) if kind in (_OWNER, _STEWARD) and number.isdecimal() else 0
