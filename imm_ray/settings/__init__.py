"""Settings: one frozen, validated value for the whole service.

They come, in this order of strength, from arguments (flags), environment variables
(``IMM_RAY_SERVER__PORT=9000``: sections joined by ``__``), and the TOML or YAML file. An unknown
key is an error: a misspelt setting must not be ignored.
"""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)

from imm_ray.settings.sections import Auth as Auth
from imm_ray.settings.sections import Clustering as Clustering
from imm_ray.settings.sections import Index as Index
from imm_ray.settings.sections import Limits as Limits
from imm_ray.settings.sections import Models as Models
from imm_ray.settings.sections import Notifications as Notifications
from imm_ray.settings.sections import Owners as Owners
from imm_ray.settings.sections import Server as Server
from imm_ray.settings.sections import Snapshots as Snapshots
from imm_ray.settings.sections import StoreSettings as StoreSettings
from imm_ray.settings.sections import Tasks as Tasks
from imm_ray.share import EVERYBODY as EVERYBODY
from imm_ray.share import NOT_ALLOWED as NOT_ALLOWED
from imm_ray.share import Share as Share
from imm_ray.share import forbidden
from imm_ray.topic import Topic as Topic
from imm_ray.user import DEFAULT_ACCOUNT as DEFAULT_ACCOUNT
from imm_ray.user import User as User
from imm_ray.user import read_users as read_users


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix="IMM_RAY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    data: Path = Path("imm-ray-data")
    server: Server = Server()
    auth: Auth = Auth()
    buckets: dict[str, Share] = Field(
        default_factory=dict,
        description="bucket name -> folder or fsspec URL, or that as `target` and the `accounts` "
        "that may use the bucket",
    )
    file_roots: tuple[Share, ...] = Field(
        (),
        description="folders below which file:// is read: paths, or each as `target` and the "
        "`accounts` that may read there",
    )
    store: StoreSettings = StoreSettings()
    models: Models = Models()
    clustering: Clustering = Clustering()
    index: Index = Index()
    notifications: Notifications = Notifications()
    snapshots: Snapshots = Snapshots()
    owners: Owners = Owners()
    tasks: Tasks = Tasks()
    limits: Limits = Limits()

    @field_validator("buckets", mode="after")
    @classmethod
    def _absolute_buckets(cls, buckets: dict[str, Share]) -> dict[str, Share]:
        """Make folders absolute: workers run in folders of their own."""
        return {name: bucket.absolute for name, bucket in buckets.items()}

    @field_validator("file_roots", mode="after")
    @classmethod
    def _absolute_roots(cls, roots: tuple[Share, ...]) -> tuple[Share, ...]:
        return tuple(root.absolute for root in roots)

    def forbids(self, uri: str, account: str) -> bool:
        """Return whether ``uri`` is in a bucket or a folder that other accounts alone may use.

        What is in none that is configured is not forbidden here: whoever reads it refuses it, with
        the same sentence.
        """
        scheme, _, rest = uri.partition("://")
        if scheme == "file":
            return forbidden((root for root in self.file_roots if root.holds(rest)), account)
        bucket = self.buckets.get(rest.partition("/")[0])
        return scheme in ("oss", "s3") and bucket is not None and not bucket.serves(account)

    @property
    def store_url(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.store.said_url or f"sqlite:///{self.data.absolute() / 'imm.db'}"


def load_settings(file: Path | None = None, **overrides: Any) -> Settings:
    """Return the settings from ``file``, the environment and ``overrides`` (the strongest).

    Parameters
    ----------
    file
        A ``.toml``, ``.yaml`` or ``.yml`` file, or None.
    overrides
        Sections or values; a section given here is merged over that of the weaker sources.

    Raises
    ------
    ValueError
        A value is refused (``pydantic.ValidationError``), ``file`` has another ending, or there
        are users of several accounts and a bucket, folder or topic does not say whose it is
        (`Share`).
    """

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, *_file_source(settings_cls, file))

    settings = Settings.model_construct(**dict(FromFile(**overrides)))
    auth = _with_users(settings.auth, file)
    return _with_accounts(settings.model_copy(update={"auth": auth}))


def _with_accounts(settings: Settings) -> Settings:
    """Return the settings in which each bucket, folder and topic says whose it is."""
    signed = settings.auth.mode == "signature"
    users = settings.auth.users if signed else ()
    accounts = {user.account for user in users} or {DEFAULT_ACCOUNT}
    buckets = {
        name: bucket.given_to(accounts, f"buckets.{name}")
        for name, bucket in settings.buckets.items()
    }
    roots = tuple(root.given_to(accounts, "file_roots") for root in settings.file_roots)
    topics = {
        name: topic.given_to(accounts, f"notifications.topics.{name}")
        for name, topic in settings.notifications.topics.items()
    }
    told = settings.notifications.model_copy(update={"topics": topics})
    return settings.model_copy(
        update={"buckets": buckets, "file_roots": roots, "notifications": told}
    )


def _with_users(auth: Auth, file: Path | None) -> Auth:
    """Return ``auth`` with the users of its file, and with the file that they come from."""
    if auth.users_file is not None:
        if auth.users:
            raise ValueError("auth.users and auth.users_file: give one of them")
        path = auth.users_file.expanduser().absolute()
        return auth.model_copy(update={"users_file": path, "users": _users_of(path)})
    if file is not None and auth.users and _from_file(auth.users, file):
        return auth.model_copy(update={"users_file": file.absolute()})
    return auth


def _users_of(file: Path) -> tuple[User, ...]:
    try:
        return read_users(file)
    except OSError as error:
        raise ValueError(f"auth.users_file {file}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"auth.users_file {file}: {error}") from error


def _from_file(users: tuple[User, ...], file: Path) -> bool:
    """Return whether it is the settings file that has these users, not a stronger source."""
    try:
        return read_users(file) == users
    except ValueError:
        return False


def _file_source(
    settings_cls: type[BaseSettings], file: Path | None
) -> tuple[PydanticBaseSettingsSource, ...]:
    if file is None:
        return ()
    if not file.is_file():
        raise ValueError(f"no configuration file at {file}")
    if file.suffix == ".toml":
        return (TomlConfigSettingsSource(settings_cls, file),)
    if file.suffix in (".yaml", ".yml"):
        return (YamlConfigSettingsSource(settings_cls, file),)
    raise ValueError(f"{file}: a configuration file ends in .toml, .yaml or .yml")
