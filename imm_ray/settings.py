"""Settings: one frozen, validated value for the whole service.

They come, in this order of strength, from arguments (flags), environment variables
(``IMM_RAY_SERVER__PORT=9000``: sections joined by ``__``), and the TOML or YAML file. An unknown
key is an error: a misspelt setting must not be ignored.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
    YamlConfigSettingsSource,
)

from imm_ray.share import EVERYBODY as EVERYBODY
from imm_ray.share import NOT_ALLOWED as NOT_ALLOWED
from imm_ray.share import Share as Share
from imm_ray.share import forbidden
from imm_ray.user import DEFAULT_ACCOUNT as DEFAULT_ACCOUNT
from imm_ray.user import Section as _Section
from imm_ray.user import User as User
from imm_ray.user import read_users as read_users


class Server(_Section):
    """Where requests are served, and under which names."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free port")
    region: str = "local"
    public_hosts: tuple[str, ...] = Field(
        (), description="further values of the Host header to accept, besides host:port"
    )
    behind_tls_proxy: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @model_validator(mode="after")
    def _whole_pair(self) -> "Server":
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("server.tls_cert and server.tls_key: give both or neither")
        return self


class Auth(_Section):
    """Who may call."""

    mode: Literal["signature", "none"] = "signature"
    users: tuple[User, ...] = ()
    users_file: Path | None = Field(
        None,
        description="TOML or YAML file whose `users` these are, read again when it changes; the "
        "settings file itself when the users come from it",
    )


class StoreSettings(_Section):
    """Where the database is."""

    url: SecretStr = Field(
        SecretStr(""),
        description="postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///PATH; '' = a SQLite "
        "file in the data folder",
    )
    url_file: Path | None = Field(
        None, description="file with the URL, such as a mounted secret, in the place of url"
    )
    busy_timeout_s: float = Field(
        5.0, gt=0, description="so long a request waits for a lock, or for a database that is away"
    )

    @model_validator(mode="after")
    def _said_once(self) -> "StoreSettings":
        if self.url_file is not None and self.url.get_secret_value():
            raise ValueError("store.url and store.url_file: give one of them")
        return self

    @property
    def said_url(self) -> str:
        """The URL that is given, by whichever way; '' for none.

        Raises
        ------
        ValueError
            The file can not be read.
        """
        if self.url_file is None:
            return self.url.get_secret_value()
        try:
            return self.url_file.read_text().strip()
        except OSError as error:
            raise ValueError(f"store.url_file {self.url_file}: {error.strerror}") from error


class Models(_Section):
    """Which models new datasets use, and how many run at once."""

    face: str = "dlib-resnet"
    image: str = "efficientnet-lite0"
    replicas: int = Field(1, ge=1, description="Embedder replicas")
    threads: int = Field(
        0, ge=0, description="pictures analysed at once in a replica; 0 = one per core, at most 4"
    )

    @property
    def analysis_threads(self) -> int:
        """Pictures analysed at once in one replica."""
        return self.threads or min(4, os.cpu_count() or 1)


class Clustering(_Section):
    """The rules of clustering; similarity limits are not here but in the model cards."""

    auto: bool = Field(
        False,
        description="cluster figures after each batch, without a task, where no dataset or project "
        "says otherwise (AutoClustering)",
    )
    min_entity_count: int = Field(3, ge=2, description="good faces that found a figure cluster")
    min_face_px: int = Field(75, ge=0, description="a good face is wider and higher than this")
    min_face_quality: float = Field(0.8, ge=0, le=1)
    max_pose_degrees: float = Field(30.0, gt=0)
    min_core_quality: float = Field(
        0.4,
        ge=0,
        le=1,
        description="poorer faces only follow: they join, but never found or bridge",
    )
    implausible_share: float = Field(
        0.9,
        gt=0,
        le=1,
        description="a run in which one cluster takes more of the new pictures is stopped",
    )
    implausible_from: int = Field(
        500, ge=1, description="different new pictures from which implausible_share is looked at"
    )
    consolidate_idle_s: float = Field(
        30.0,
        gt=0,
        description="seconds of rest after which a dataset that may gain is consolidated",
    )


class Index(_Section):
    """The vector index."""

    backend: Literal["faiss", "exact"] = "faiss"
    ivf_from: int = Field(
        300_000,
        ge=1,
        description="with more vectors than this, search looks into nearby lists only",
    )
    recall: float = Field(
        0.95, gt=0, le=1, description="share of near pairs that such a search shall find"
    )


class Notifications(_Section):
    """Topics that a request may name, and how delivery is retried."""

    topics: dict[str, Share] = Field(
        default_factory=dict,
        description="topic name -> http(s) URL or path of a JSON-lines file, or that as `target` "
        "and the `accounts` that may name the topic",
    )

    @field_validator("topics", mode="after")
    @classmethod
    def _absolute_topics(cls, topics: dict[str, Share]) -> dict[str, Share]:
        """Make paths absolute: the sender runs in a folder of its own."""
        return {name: topic.absolute for name, topic in topics.items()}

    def topics_of(self, account: str) -> frozenset[str]:
        """Return the names of the topics that ``account`` may use."""
        return frozenset(name for name, topic in self.topics.items() if topic.serves(account))

    timeout_s: float = Field(5.0, gt=0)
    max_attempts: int = Field(12, ge=1)
    first_retry_s: float = Field(1.0, gt=0)
    max_retry_s: float = Field(600.0, gt=0)


class Owners(_Section):
    """The actors that own datasets."""

    hosts: int = Field(1, ge=1, description="owner processes; datasets are spread over them")
    idle_s: float = Field(600.0, gt=0, description="a quiet dataset leaves memory after this")


class Tasks(_Section):
    """Life of tasks."""

    retention_days: float = Field(7.0, gt=0)


class Limits(_Section):
    """Limits on input and load."""

    max_file_bytes: int = Field(100_000_000, gt=0)
    max_pixels: int = Field(100_000_000, gt=0)
    analysis_side: int = Field(1600, ge=640, description="longest side of the decoded picture, px")
    decode_memory_bytes: int = Field(1_500_000_000, gt=0)
    decode_cpu_s: int = Field(10, gt=0)
    decode_processes: int = Field(1, ge=1, description="decoder children per Embedder replica")
    fetch_timeout_s: float = Field(30.0, gt=0)
    max_pending_per_dataset: int = Field(200_000, gt=0)
    max_pending_per_account: int = Field(1_000_000, gt=0)
    requests_per_second: float = Field(
        2000.0, ge=0, description="of one user, by all keys, at one ingress replica; 0 = no limit"
    )
    burst: int = Field(
        4000, ge=1, description="requests of a user let through at once after a rest"
    )
    project_requests_per_second: float = Field(
        0.0, ge=0, description="to one project at one ingress replica; 0 = no limit"
    )
    request_timeout_s: float = Field(
        9.0, gt=0, description="an answer that takes longer is ServiceUnavailable; SDKs wait 10 s"
    )
    queries_at_once: int = Field(
        4, ge=1, description="queries of one account that run together in one ingress replica"
    )
    queries_waiting: int = Field(
        64, ge=0, description="queries of one account that wait for these; more are Throttling.User"
    )
    thumbnail_cache_bytes: int = Field(
        268_435_456, ge=0, description="disk for thumbnails in the data folder; 0 keeps none"
    )


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
