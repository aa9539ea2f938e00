"""What the operator shares with clients, a bucket, a folder or a topic, and who may use it.

A part of the settings; `imm_ray.settings` gives these names out again.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from imm_ray.user import Section

EVERYBODY = "*"

NOT_ALLOWED = "The source is not allowed."
"""All that a client is told of a source that is not configured, or not for its account."""


class Share(Section):
    """A bucket, a folder or a topic, and the accounts that may use it.

    In the settings it is its target alone (``holiday = "/srv/photos"``), or a table with both
    (``holiday = {target = "/srv/photos", accounts = ["100000"]}``). ``accounts = ["*"]`` lets every
    account use it, also one that is added later. To an account that may not use it, it is as if it
    were not configured.

    A target alone belongs to the account of ``auth.users`` when there is just one; it stays that
    account's when a user of another is added while the service runs. With users of several
    accounts the service does not start until each share says whose it is.
    """

    target: str = Field(min_length=1, description="where it is, a path or a URL")
    accounts: tuple[str, ...] | None = Field(
        None, min_length=1, description='who may use it; "*" = every account'
    )

    @model_validator(mode="before")
    @classmethod
    def _of_its_target_alone(cls, given: Any) -> Any:
        return {"target": str(given)} if isinstance(given, str | Path) else given

    @property
    def absolute(self) -> Self:
        """The same with an absolute path: workers run in folders of their own."""
        if "://" in self.target:
            return self
        return self.model_copy(update={"target": str(Path(self.target).expanduser().absolute())})

    def serves(self, account: str) -> bool:
        """Return whether ``account`` may use it; where nobody is named, nobody may."""
        return self.accounts is not None and bool({EVERYBODY, account} & {*self.accounts})

    def holds(self, path: str) -> bool:
        """Return whether ``path`` is below this folder."""
        prefix = self.target.rstrip("/") + "/"
        return path.startswith(prefix) and len(path) > len(prefix)

    def given_to(self, accounts: Collection[str], name: str) -> Self:
        """Return it as the only account's, unless it says itself whose it is.

        Raises
        ------
        ValueError
            There are several accounts.
        """
        if self.accounts is not None:
            return self
        if len(accounts) > 1:
            raise ValueError(
                f"{name}: auth.users has the accounts {', '.join(sorted(accounts))}, so it must be "
                f'said which of them may use this. Write {{target = "{self.target}", '
                'accounts = ["ACCOUNT", ...]}, or accounts = ["*"] for all of them'
            )
        return self.model_copy(update={"accounts": tuple(accounts)})


def forbidden(shares: Iterable[Share], account: str) -> bool:
    """Return whether there are shares and ``account`` may use none of them."""
    found = list(shares)
    return bool(found) and not any(share.serves(account) for share in found)
