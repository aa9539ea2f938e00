"""The access keys that the service knows, and who holds them."""

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from imm_ray.api.policy.grant import NOTHING, ROOT, Grant, read_grant
from imm_ray.errors import (
    ExpiredSecurityToken,
    InvalidAccessKey,
    InvalidSecurityToken,
    MissingSecurityToken,
)
from imm_ray.settings import DEFAULT_ACCOUNT, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who makes a request, and what it may do. ``nonce`` is '' where requests are not signed."""

    account: str
    user_name: str
    access_key_id: str = ""
    nonce: str = ""
    temporary: bool = False
    """By an STS credential."""
    grant: Grant = NOTHING


NOBODY_ASKED = Identity(account=DEFAULT_ACCOUNT, user_name="root", grant=ROOT)
"""The caller where ``auth.mode`` is ``none``: the default account's root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """One access key. With a ``security_token`` it is a static STS credential."""

    account: str
    user_name: str
    access_key_id: str
    secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)
    expires: datetime | None = None
    v1: bool = False
    """Whether the old HMAC-SHA1 signature is accepted."""
    grant: Grant = NOTHING

    def check_token(self, token: str | None, *, now: datetime) -> None:
        """Refuse a request whose security token is not this key's."""
        if self.security_token and not token:
            raise MissingSecurityToken()
        given = (token or "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(given, self.security_token.encode()):
            raise InvalidSecurityToken()
        if self.expires is not None and now >= self.expires:
            raise ExpiredSecurityToken()

    def identify(self, *, nonce: str) -> Identity:
        """Return the holder of this key as the maker of the request with ``nonce``."""
        return Identity(
            account=self.account,
            user_name=self.user_name,
            access_key_id=self.access_key_id,
            nonce=nonce,
            temporary=bool(self.security_token),
            grant=self.grant,
        )


class KeyRing:
    """All access keys by id.

    Notes
    -----
    For an unknown id `find` returns a key that nobody holds, so that the same work is done for it;
    `check_known` refuses it afterwards.
    """

    def __init__(self, keys: Iterable[AccessKey]) -> None:
        self._keys = keys_by_id(keys)
        self._nobody = AccessKey(
            account="", user_name="", access_key_id="", secret="no-such-key", v1=True
        )

    @classmethod
    def of_users(cls, users: Iterable[User]) -> "KeyRing":
        """Return the ring of the configured users."""
        return cls(key_of(user) for user in users)

    def find(self, access_key_id: str) -> AccessKey:
        """Return the key of that id, or the key that nobody holds."""
        return self._current().get(access_key_id, self._nobody)

    def check_known(self, key: AccessKey) -> None:
        """Refuse the key that nobody holds."""
        if key is self._nobody:
            raise InvalidAccessKey()

    def _current(self) -> Mapping[str, AccessKey]:
        return self._keys


def keys_by_id(keys: Iterable[AccessKey]) -> dict[str, AccessKey]:
    """Return ``keys`` by their ids.

    Raises
    ------
    ValueError
        Two have the same.
    """
    found: dict[str, AccessKey] = {}
    for key in keys:
        if key.access_key_id in found:
            raise ValueError(f"the access key id {key.access_key_id} is configured more than once")
        found[key.access_key_id] = key
    return found


def key_of(user: User) -> AccessKey:
    """Return the key of a configured user.

    Raises
    ------
    ValueError
        Something of the user is not valid: a policy, a time, an empty secret or none.
    """
    token = user.security_token
    security_token = None if token is None else token.get_secret_value()
    try:
        secret = user.secret
    except OSError as error:
        raise ValueError(
            f"user {user.access_key_id}: its access_key_secret_file can not be read: "
            f"{error.strerror}"
        ) from error
    if not secret or security_token == "":
        raise ValueError(f"user {user.access_key_id}: its secret or security token is empty")
    return AccessKey(
        account=user.account,
        user_name=user.name,
        access_key_id=user.access_key_id,
        secret=secret,
        security_token=security_token or "",
        expires=_expiry(user),
        v1=user.v1,
        grant=_grant(user),
    )


def _grant(user: User) -> Grant:
    try:
        return read_grant(
            root=user.is_root, policies=user.policies or (), session=user.session_policy
        )
    except ValueError as error:
        raise ValueError(f"user {user.access_key_id}: {error}") from error


def _expiry(user: User) -> datetime | None:
    if not user.expires:
        return None
    try:
        expires = datetime.fromisoformat(user.expires)
    except ValueError as error:
        raise ValueError(
            f"user {user.access_key_id}: expires is not an RFC 3339 time: {user.expires!r}"
        ) from error
    return expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)
