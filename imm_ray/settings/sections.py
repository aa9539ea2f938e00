"""The sections of the settings: what each value means, its limits and its default."""

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from imm_ray.topic import Topic
from imm_ray.user import Section as _Section
from imm_ray.user import User


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
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="of an embedded server: 127.0.0.1:PORT/metrics for Prometheus; 0 takes a free "
        "one. In a cluster Prometheus asks the metrics port of each Ray node",
    )

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

    topics: dict[str, Topic] = Field(
        default_factory=dict,
        description="topic name -> http(s) URL or path of a JSON-lines file, or that as `target` "
        "with the `accounts` that may name the topic, its `format` and what signs it",
    )

    @field_validator("topics", mode="after")
    @classmethod
    def _absolute_topics(cls, topics: dict[str, Topic]) -> dict[str, Topic]:
        """Make paths absolute: the sender runs in a folder of its own."""
        return {name: topic.absolute for name, topic in topics.items()}

    def topics_of(self, account: str) -> frozenset[str]:
        """Return the names of the topics that ``account`` may use."""
        return frozenset(name for name, topic in self.topics.items() if topic.serves(account))

    connect_timeout_s: float = Field(5.0, gt=0)
    timeout_s: float = Field(10.0, gt=0, description="of a whole attempt, however it is spent")
    first_retry_s: float = Field(1.0, gt=0)
    max_retry_s: float = Field(600.0, gt=0)
    give_up_after_s: float = Field(
        86_400.0, gt=0, description="a message that fails when it is older is a dead letter"
    )
    at_once: int = Field(4, ge=1, description="messages on their way to one endpoint together")


class Snapshots(_Section):
    """What owners keep of their memory, so that a restart does not rebuild it from the database."""

    url: str = Field(
        "",
        description="folder or fsspec URL (s3://BUCKET/PREFIX); '' = DATA/snapshots",
    )
    every_s: float = Field(600.0, gt=0, description="what has changed is written after this")
    share: float = Field(
        0.05, gt=0, le=1, description="or as soon as this share of the items has changed"
    )
    keep: int = Field(
        2, ge=1, description="snapshots kept; never one that holds what was deleted since"
    )
    least_items: int = Field(
        2_000, ge=0, description="with fewer items there is none: rebuilding is as quick"
    )


class Owners(_Section):
    """The actors that own datasets."""

    hosts: int = Field(1, ge=1, description="owner processes; datasets are spread over them")
    idle_s: float = Field(600.0, gt=0, description="a quiet dataset leaves memory after this")
    max_active: int = Field(
        500, ge=1, description="datasets in memory at once in one process; others take turns"
    )
    max_bytes: int = Field(
        4 * 2**30, ge=1, description="their memory in one process, as estimated from their sizes"
    )
    large_bytes: int = Field(
        1 * 2**30, ge=1, description="a dataset that takes more has a process of its own"
    )
    slice_s: float = Field(
        30.0, gt=0, description="how long a busy dataset stays in memory while others wait"
    )
    threads: int = Field(8, ge=1, description="datasets that compute at once in one process")
    loads_at_once: int = Field(2, ge=1, description="datasets that load at once in one process")
    give_up_attempts: int = Field(
        5, ge=1, description="failures after which a task, or all of a dataset, is given up"
    )
    give_up_after_s: float = Field(
        120.0, ge=0, description="and the least time over which they have happened"
    )
    answer_s: float = Field(
        20.0, gt=0, description="an owner process that answers nothing for so long is replaced"
    )
    drain_s: float = Field(
        10.0, gt=0, description="how long work under way may take to end when a process is to stop"
    )


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
