"""Every setting of the program: name, default, help. The only module that reads the environment."""

from __future__ import annotations

import ipaddress
import os
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from hub.errors import BadSetting

SHORTEST_TOKEN = 16
POINTER_SCHEMES = frozenset({"redis", "rediss", "amqp", "amqps"})


class Settings(BaseSettings):
    """Environment variables ``HUB_*``, also read from ``.env`` in the working directory."""

    model_config = SettingsConfigDict(
        env_prefix="HUB_", env_file=".env", extra="ignore", frozen=True
    )

    profile: Literal["demo", "production"] = Field(
        "demo", description="demo allows loopback vendors and GraphiQL; production refuses them"
    )
    data_dir: Path = Field(Path("data"), description="where SQLite, keys and the lock file lie")
    database_url: str = Field(
        "", description="sqlite:///path or postgresql://…; default: SQLite under HUB_DATA_DIR"
    )
    migration_database_url: str = Field(
        "",
        description="the same PostgreSQL database as the role that owns its tables, for migrate; "
        "default: HUB_DATABASE_URL",
    )
    secrets_dir: Path | None = Field(
        None, description="folder with settings as files, each named like its variable"
    )
    broker_url: str = Field(
        "table://",
        description="what carries jobs to workers: table:// (the job table itself), or by pointer"
        " redis://, rediss://, amqp:// or amqps:// with user, password, host and port",
    )
    broker_namespace: str = Field(
        "mso-hub",
        pattern=r"^[a-z][a-z0-9-]*$",
        description="begins the names of the hub's queues in Redis or RabbitMQ; one per hub",
    )
    http_host: str = Field(
        "127.0.0.1", min_length=1, description="address the HTTP server listens on"
    )
    http_port: int = Field(8000, ge=0, le=65535, description="port of the HTTP server; 0 picks one")
    graphql_get: bool = Field(
        False, description="also take GraphQL queries by GET; addresses end up in logs"
    )
    graphql_status: Literal["audit", "draft"] = Field(
        "audit",
        description="status codes of GraphQL answers: those the audits of GraphQL over HTTP expect,"
        " or its draft's (422 for an invalid document, 294 for data with errors)",
    )
    graphql_federation: bool = Field(
        False, description="answer a gateway as an Apollo Federation 2 subgraph"
    )
    purchasing_seconds: float = Field(
        60.0, gt=0, le=2_400, description="time a purchasing round or a scenario may be solved for"
    )
    purchasing_megabytes: int = Field(
        8_192, ge=512, description="memory the process that solves it may use, in MiB"
    )
    graphql_cost_maximum: int = Field(
        20_000, ge=5_000, description="points of query cost a credential may spend at once"
    )
    graphql_restore_rate: int = Field(
        300, ge=1, description="points of query cost a credential gets back per second"
    )
    graphql_seconds: float = Field(
        10.0, gt=0, le=300, description="how long one GraphQL operation may take"
    )
    mllp_host: str = Field(
        "127.0.0.1", min_length=1, description="address the MLLP listener listens on"
    )
    mllp_port: int = Field(
        2575, ge=0, le=65535, description="port of the MLLP listener; 0 picks one"
    )
    mllp_share_port: bool = Field(
        False,
        description="several listeners may share the port, so that a new one takes connections"
        " before the old one ends; a port in use by another listener is then no error",
    )
    mllp_tls_certificate: Path | None = Field(
        None, description="PEM file with the MLLP listener's certificate chain; turns TLS on"
    )
    mllp_tls_key: Path | None = Field(None, description="PEM file with the key of that certificate")
    mllp_tls_client_ca: Path | None = Field(
        None, description="PEM file with the authorities of client certificates; requires one"
    )
    mllp_proxies: str = Field(
        "", description="networks (CIDR, by commas) of TCP proxies that send a PROXY header"
    )
    files_dir: Path | None = Field(
        None,
        description="folder with the folders HL7 files are taken from; default: files under"
        " HUB_DATA_DIR",
    )
    public_url: str = Field("", description="address vendors reach the hub's webhooks at")
    key_file: Path | None = Field(
        None, description="file with the key-encryption key; default: key.hex under HUB_DATA_DIR"
    )
    key: SecretStr | None = Field(
        None,
        description="the key-encryption keys themselves instead of a file: 64 hexadecimal digits"
        " each, by commas, the last one wraps",
    )
    metrics_token: SecretStr | None = Field(
        None,
        description="bearer token /metrics wants, of 16 characters or more; without one production"
        " does not answer it",
    )
    metrics_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="port for the metrics of a process without the role web; of `serve"
        " --processes`, the first of so many ports",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="address HUB_METRICS_PORT listens on; beyond this machine /metrics wants the"
        " token",
    )
    audit_anchors: Path | None = Field(
        None,
        description="folder outside of the database for signed heads of the audit trail; default:"
        " HUB_DATA_DIR",
    )
    worker_threads: int = Field(4, ge=1, le=64, description="Dramatiq worker threads per process")
    sender_threads: int = Field(
        4, ge=1, le=64, description="threads per process that send messages to other systems"
    )
    job_lease_seconds: float = Field(
        60.0, gt=0, le=86_400, description="how long a worker may hold a job unseen"
    )
    keep_jobs_days: int = Field(
        14, ge=1, description="after how many days jobs that are done or cancelled are deleted"
    )
    keep_messages_days: int | None = Field(
        None,
        ge=30,
        description="after how many days the bytes of messages that were read or sent are deleted,"
        " 30 or more; without it they are kept",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="least severe log line written to stderr"
    )

    @field_validator("broker_url")
    @classmethod
    def _known_broker(cls, value: str) -> str:
        if value == "table://":
            return value
        try:
            parts = urlsplit(value)
            usable = parts.scheme in POINTER_SCHEMES and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "must be table://, or begin with redis://, rediss://, amqp:// or amqps:// and name"
                " a host"
            )
        return value

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must begin with sqlite:/// or postgresql://")
        try:
            _ = urlsplit(value).port
        except ValueError as error:
            raise ValueError("must name its port as a number") from error
        return value

    @field_validator("metrics_token")
    @classmethod
    def _not_guessed(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().strip()) < SHORTEST_TOKEN:
            raise ValueError(f"must have at least {SHORTEST_TOKEN} characters")
        return value

    @field_validator("public_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if value and not usable:
            raise ValueError("must begin with https:// or http:// and name a host")
        return value

    @field_validator("mllp_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        try:
            for network in _listed(value):
                ipaddress.ip_network(network)
        except ValueError as error:
            raise ValueError("must be networks like 10.1.0.0/16, separated by commas") from error
        return value

    def mllp_proxy_networks(self) -> tuple[str, ...]:
        """The networks whose PROXY headers the MLLP listener believes."""
        return _listed(self.mllp_proxies)

    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL, with the embedded default and the psycopg 3 driver filled in."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir.absolute() / 'hub.db'}"
        return _with_driver(self.database_url)

    def resolved_migration_url(self) -> str:
        """The SQLAlchemy URL that migrates: of the owner of the tables where it is another role."""
        return _with_driver(self.migration_database_url) or self.resolved_database_url()

    def resolved_files_dir(self) -> Path:
        return self.files_dir or self.data_dir / "files"

    def resolved_audit_anchors(self) -> Path:
        return self.audit_anchors or self.data_dir

    def resolved_key_file(self) -> Path:
        return self.key_file or self.data_dir / "key.hex"


def load(**overrides: object) -> Settings:
    """Settings from the environment with `overrides` on top.

    Raises BadSetting with one sentence naming the first bad setting and what it must be.
    """
    folder = environment("HUB_SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise BadSetting("The setting HUB_SECRETS_DIR is not usable: must name a folder.")
    try:
        given = {k: v for k, v in overrides.items() if v is not None}
        return Settings(_secrets_dir=folder or None, **given)  # type: ignore[arg-type, call-arg]
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise BadSetting(
            "The settings in .env or HUB_SECRETS_DIR cannot be read; they must be files in UTF-8."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        name = "HUB_" + "_".join(str(part) for part in first["loc"]).upper()
        rule = first["msg"].removeprefix("Value error, ")
        raise BadSetting(f"The setting {name} is not usable: {rule}.") from error


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def refuse_unsafe(settings: Settings) -> None:
    """Refuse a production profile that is not safe; raises BadSetting naming the first setting.

    The profile `demo` may do anything on this machine; only what contradicts itself is refused.
    """
    if (settings.mllp_tls_certificate is None) != (settings.mllp_tls_key is None):
        raise BadSetting("HUB_MLLP_TLS_CERTIFICATE and HUB_MLLP_TLS_KEY are set together or not.")
    if settings.mllp_tls_client_ca is not None and settings.mllp_tls_certificate is None:
        raise BadSetting("HUB_MLLP_TLS_CLIENT_CA needs HUB_MLLP_TLS_CERTIFICATE beside it.")
    if not is_loopback(settings.metrics_host) and settings.metrics_token is None:
        raise BadSetting(
            "HUB_METRICS_HOST listens beyond this machine; set HUB_METRICS_TOKEN, or "
            "HUB_METRICS_HOST to 127.0.0.1."
        )
    if settings.migration_database_url.startswith("sqlite") or (
        settings.migration_database_url and not settings.database_url.startswith("postgresql")
    ):
        raise BadSetting("HUB_MIGRATION_DATABASE_URL is for PostgreSQL; unset it for SQLite.")
    if settings.profile != "production":
        return
    if settings.key_file is None and settings.key is None:
        raise BadSetting(
            "HUB_KEY_FILE must be set in production; name a file with 64 hexadecimal digits that "
            "lies apart from the database."
        )
    public = urlsplit(settings.public_url)
    if public.scheme == "http" and not is_loopback(public.hostname or ""):
        raise BadSetting("HUB_PUBLIC_URL must begin with https:// in production.")
    if not is_loopback(settings.http_host) and public.scheme != "https":
        raise BadSetting(
            "HUB_HTTP_HOST listens beyond this machine; set HUB_PUBLIC_URL to the https:// address "
            "of the proxy in front, or HUB_HTTP_HOST to 127.0.0.1."
        )
    if not is_loopback(settings.mllp_host) and settings.mllp_tls_certificate is None:
        raise BadSetting(
            "HUB_MLLP_HOST listens beyond this machine without TLS; set HUB_MLLP_TLS_CERTIFICATE "
            "and HUB_MLLP_TLS_KEY, or set it to 127.0.0.1 and put a TLS proxy in front."
        )


def doubts(settings: Settings) -> list[str]:
    """What is allowed and an operator should know, one sentence each."""
    found = _misspelt()
    if settings.profile == "production" and settings.resolved_database_url().startswith("sqlite"):
        found.append(
            "HUB_DATABASE_URL is SQLite: one machine only, no replica; PostgreSQL is advised."
        )
    broker = urlsplit(settings.broker_url)
    if (
        settings.profile == "production"
        and broker.scheme in {"redis", "amqp"}
        and not is_loopback(broker.hostname or "")
    ):
        found.append(
            f"HUB_BROKER_URL sends its password unencrypted; use {broker.scheme}s:// unless the "
            "network between is private."
        )
    by_network = settings.mllp_tls_certificate is not None and settings.mllp_tls_client_ca is None
    if settings.profile == "production" and by_network:
        found.append(
            "HUB_MLLP_TLS_CLIENT_CA is not set: senders of HL7 are told apart by network only."
        )
    return found


def _misspelt() -> list[str]:
    """Variables nothing reads that are named almost like a setting."""
    known = [f"HUB_{name}".upper() for name in Settings.model_fields]
    given = [name for name in os.environ if name.startswith("HUB_") and name not in known]
    near = {name: get_close_matches(name, known, n=1, cutoff=0.85) for name in given}
    return [f"{name} is no setting; {found[0]} is." for name, found in near.items() if found]


def is_loopback(host: str) -> bool:
    """True for localhost and loopback addresses; not for a name or for every address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def environment(name: str) -> str | None:
    """One variable of the environment, for secrets referred to as ``env:NAME``."""
    return os.environ.get(name)


@lru_cache(maxsize=1)
def current() -> Settings:
    """The process's settings, read once."""
    return load()


def opentelemetry() -> dict[str, str]:
    """The variables that OpenTelemetry itself defines, which say whether and where traces go."""
    return {name: value for name, value in os.environ.items() if name.startswith("OTEL_")}
