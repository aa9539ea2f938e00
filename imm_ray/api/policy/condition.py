"""``Condition`` of a statement: operators, keys, and what of a request they look at.

The values of one key are alternatives, keys and operators must all hold; a negated operator holds
when none of its values does. A key that the request has no value for, or one that the operator
cannot read (a number is asked of an address), fails closed: such a condition holds in a Deny and
does not hold in an Allow.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from imm_ray.api.policy.glob import Glob

KEYS = ("acs:CurrentTime", "acs:MFAPresent", "acs:SecureTransport", "acs:SourceIp")
"""Condition keys; IMM has none of its own."""

Context: TypeAlias = Mapping[str, str]
"""The values of a request by condition key; one that is not known is absent."""

Test: TypeAlias = Callable[[str], bool]
"""Compares a request's value with one value of the policy; raises ValueError if it cannot."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One key under one operator."""

    key: str
    tests: tuple[Test, ...]
    negated: bool

    def holds(self, context: Context, *, unknown: bool) -> bool:
        """Return whether it holds; ``unknown`` where the request does not tell."""
        value = context.get(self.key)
        if value is None:
            return unknown
        try:
            found = any(test(value) for test in self.tests)
        except ValueError:
            return unknown
        return found is not self.negated


def read_conditions(given: Any) -> tuple[Condition, ...]:
    """Return the conditions of ``{operator: {key: value or values}}``.

    Raises
    ------
    ValueError
        It has another form, an unknown operator or key, or a value that the operator cannot read.
    """
    conditions = []
    for operator, keys in _members(given, "Condition").items():
        if operator not in _OPERATORS:
            raise ValueError(
                f"unknown operator {operator!r}; there are {', '.join(sorted(_OPERATORS))}"
            )
        for key, values in _members(keys, operator).items():
            if key not in KEYS:
                raise ValueError(f"unknown key {key!r}; there are {', '.join(KEYS)}")
            make, negated = _OPERATORS[operator]
            tests = tuple(_test(make, value, operator) for value in _values(values, operator))
            conditions.append(Condition(key, tests, negated))
    return tuple(conditions)


def _members(given: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(given, dict) or not given:
        raise ValueError(f"{name} is not an object with members")
    return given


def _values(given: Any, operator: str) -> Sequence[str]:
    values = given if isinstance(given, list) else [given]
    if not values:
        raise ValueError(f"{operator} has no value to compare with")
    return [_text(value, operator) for value in values]


def _text(value: Any, operator: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError(f"{operator} has a value that is no text, number or boolean")


def _test(make: Callable[[str], Test], value: str, operator: str) -> Test:
    try:
        return make(value)
    except ValueError as error:
        raise ValueError(f"{operator} can not compare with {value!r}") from error


def _equals(expected: str) -> Test:
    return lambda value: value == expected


def _equals_ignoring_case(expected: str) -> Test:
    return lambda value: value.casefold() == expected.casefold()


def _like(pattern: str) -> Test:
    return Glob(pattern).matches


def _bool(expected: str) -> Test:
    wanted = _read_bool(expected)
    return lambda value: _read_bool(value) is wanted


def _read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text.lower() == "true"


def _in_network(expected: str) -> Test:
    network = ip_network(expected, strict=False)
    return lambda value: _is_in(ip_address(value), network)


def _is_in(address: IPv4Address | IPv6Address, network: IPv4Network | IPv6Network) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address in network or (mapped is not None and mapped in network)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    if not number.is_finite():
        raise ValueError("not a finite number")
    return number


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time.astimezone(UTC)


def _ordered(
    read: Callable[[str], Any], compare: Callable[[Any, Any], bool]
) -> Callable[[str], Test]:
    def make(expected: str) -> Test:
        limit = read(expected)
        return lambda value: compare(read(value), limit)

    return make


def _orders(
    prefix: str, read: Callable[[str], Any]
) -> dict[str, tuple[Callable[[str], Test], bool]]:
    return {
        f"{prefix}Equals": (_ordered(read, lambda a, b: a == b), False),
        f"{prefix}NotEquals": (_ordered(read, lambda a, b: a == b), True),
        f"{prefix}LessThan": (_ordered(read, lambda a, b: a < b), False),
        f"{prefix}LessThanEquals": (_ordered(read, lambda a, b: a <= b), False),
        f"{prefix}GreaterThan": (_ordered(read, lambda a, b: a > b), False),
        f"{prefix}GreaterThanEquals": (_ordered(read, lambda a, b: a >= b), False),
    }


_OPERATORS: Mapping[str, tuple[Callable[[str], Test], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringEqualsIgnoreCase": (_equals_ignoring_case, False),
    "StringNotEqualsIgnoreCase": (_equals_ignoring_case, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    **_orders("Numeric", _number),
    **_orders("Date", _time),
    "Bool": (_bool, False),
    "IpAddress": (_in_network, False),
    "NotIpAddress": (_in_network, True),
}
"""Operator -> what makes a test of one value, and whether the operator is negated."""
