"""Users: who may call, with which key, and what they may do.

A part of the settings; `imm_ray.settings` gives these names out again.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    field_validator,
    model_validator,
)

DEFAULT_ACCOUNT = "100000"


class Section(BaseModel):
    """A part of the settings: frozen, without unknown keys."""

    # An error must not show what was given: it may be a secret in the wrong place.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class User(Section):
    """One holder of an access key.

    A user without ``policies`` is the root of its account unless ``root`` says no; one with
    ``policies`` may do what they allow.
    """

    account: str = DEFAULT_ACCOUNT
    name: str = "root"
    root: bool | None = Field(
        None, description="no policy limits it; by default so without policies"
    )
    policies: tuple[str | dict[str, Any], ...] | None = Field(
        None, description="RAM policies: names of system policies, or documents"
    )
    session_policy: str | dict[str, Any] | None = Field(
        None, description="narrows what a static STS credential may do, the root's too"
    )
    access_key_id: str = Field(min_length=1)
    access_key_secret: SecretStr | None = None
    access_key_secret_file: Path | None = None
    security_token: SecretStr | None = Field(
        None, description="makes this a static STS credential: requests must carry the token"
    )
    expires: str = Field("", description="RFC 3339 end of an STS credential; '' = never")
    v1: bool = Field(False, description="accept the old HMAC-SHA1 signature from this key")

    @field_validator("access_key_secret_file", mode="after")
    @classmethod
    def _absolute_file(cls, file: Path | None) -> Path | None:
        return None if file is None else file.expanduser().absolute()

    @model_validator(mode="after")
    def _one_secret(self) -> "User":
        if (self.access_key_secret is None) == (self.access_key_secret_file is None):
            raise ValueError(
                f"user {self.access_key_id}: give exactly one of access_key_secret and "
                "access_key_secret_file"
            )
        return self

    @model_validator(mode="after")
    def _one_kind(self) -> "User":
        if self.root and self.policies is not None:
            raise ValueError(f"user {self.access_key_id}: a root has no policies")
        if self.session_policy is not None and self.security_token is None:
            raise ValueError(
                f"user {self.access_key_id}: session_policy is for credentials with security_token"
            )
        return self

    @property
    def is_root(self) -> bool:
        """Whether it is the root of its account."""
        return self.policies is None if self.root is None else self.root

    @property
    def secret(self) -> str:
        """The access key secret, read from its file if it is in one."""
        if self.access_key_secret is not None:
            return self.access_key_secret.get_secret_value()
        assert self.access_key_secret_file is not None
        return self.access_key_secret_file.read_text().strip()


def read_users(file: Path) -> tuple[User, ...]:
    """Return the users in ``file``: its ``auth.users`` or, if it has no ``auth``, its ``users``.

    Raises
    ------
    OSError
        The file can not be read.
    ValueError
        It has no users, or is not what it should be. The message shows none of its content.
    """
    try:
        text = file.read_text()
        given = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        # The parsers' own messages quote the line that they stumbled over.
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f", line {mark.line + 1}"
        raise ValueError(f"it is not well formed ({type(error).__name__}{line})") from None
    section = given.get("auth", given) if isinstance(given, Mapping) else {}
    found = section.get("users") if isinstance(section, Mapping) else None
    if not found:
        raise ValueError("it has no users")
    return TypeAdapter(
        tuple[User, ...], config=ConfigDict(hide_input_in_errors=True)
    ).validate_python(found)
