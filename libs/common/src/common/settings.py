"""What an operator sets. Read once, from the environment, by a service's composition root.

A service subclasses `CommonSettings` with its own prefix (`REGISTRY_DATABASE_URL`). Secrets have no
default outside the development profile: a service that is not told whom to trust does not start.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings

from common.points import strikes


class Profile(StrEnum):
    """`development` trusts a local issuer's key file; anything else needs a real issuer."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"


class CommonSettings(BaseSettings):
    """Settings that every service has. Times are in seconds unless the name says otherwise."""

    profile: Profile = Profile.PRODUCTION
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = Field("", description="where clients reach us; event schemas resolve here")

    database_url: SecretStr = Field(description="postgresql+asyncpg://…, as the process's role")
    database_pool_size: int = Field(10, ge=1, le=100, description="connections of one process")
    worker_database_url: SecretStr | None = Field(
        None, description="the worker's, where it is not the same; for API and worker in one"
    )
    worker_pool_size: int = Field(5, ge=3, le=100, description="beside an API in one process")
    database_pool_timeout_seconds: float = Field(
        5.0, gt=0, description="wait for a connection; then 503, as for the next two"
    )
    lock_timeout_seconds: float = Field(4.0, gt=0, description="wait for a row that others hold")
    statement_timeout_seconds: float = Field(15.0, gt=0, description="how long a statement may run")
    idle_in_transaction_timeout_seconds: float = Field(
        20.0, gt=0, description="after this the server cuts off a process that froze"
    )

    kafka_bootstrap_servers: str = Field(
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS"),
        description="host:port,host:port",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_username: str = Field("", description="SCRAM-SHA-512")
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ca_file: Path | None = Field(
        None, description="whom to trust instead of the system's authorities"
    )
    kafka_create_topics: bool = Field(
        False, description="create missing topics (development); otherwise only verify them"
    )
    kafka_replication_factor: int = Field(
        3, ge=1, description="replicas that a topic must have at least, where we only verify it"
    )

    issuer: str = Field("", description="the token issuer (iss); empty only in development")
    audience: str = Field("", description="our name in a token's aud; the service's name if empty")
    jwks_url: str = Field("", description="where the issuer publishes its keys (https)")
    dev_issuer_key_file: Path | None = Field(
        None, description="development only: the local issuer's key, made when missing"
    )

    journal_key: SecretStr = Field(
        SecretStr(""),
        description="32 bytes, base64: wraps the keys of the journal's private parts",
    )
    watermark_seconds: float = Field(
        2.0, gt=0, description="how often watermarks are published: what keeps mirrors fresh"
    )
    mirror_max_age_seconds: float = Field(60.0, gt=0, description="older mirrors close decisions")
    clock_skew_seconds: float = Field(5.0, ge=0, description="how far clocks may disagree")
    drain_seconds: float = Field(20.0, gt=0, description="how long a stop may take")
    log_format: Literal["json", "console"] = Field("json", description="console is for people")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    kill_at: str = Field("", description="development only: `name[:n]`, see common.points")
    pause_at: str = Field("", description="development only: `name[:n]`, see common.points")

    @property
    def base_url(self) -> str:
        """Where clients reach this service: `public_url`, or the address it listens on."""
        return self.public_url or f"http://{self.host}:{self.port}"

    @property
    def development(self) -> bool:
        """Whether the explicit development profile is on."""
        return self.profile is Profile.DEVELOPMENT

    @model_validator(mode="after")
    def _secure_by_default(self) -> "CommonSettings":
        if strikes(kill_at=self.kill_at, pause_at=self.pause_at) and not self.development:
            raise ValueError("faults are made in the development profile only")
        if self.development:
            return self
        missing = [
            name
            for name, value in (
                ("ISSUER", self.issuer),
                ("JWKS_URL", self.jwks_url),
                ("JOURNAL_KEY", self.journal_key.get_secret_value()),
            )
            if not value
        ]
        if missing:
            prefix = self.model_config.get("env_prefix", "")
            names = ", ".join(prefix + name for name in missing)
            raise ValueError(f"set {names}; only {prefix}PROFILE=development starts without them")
        if not self.jwks_url.startswith("https://"):
            prefix = self.model_config.get("env_prefix", "")
            raise ValueError(
                f"{prefix}JWKS_URL must begin with https://: who can change the keys "
                "on their way can be anyone"
            )
        if self.dev_issuer_key_file is not None:
            raise ValueError("a development issuer is refused outside the development profile")
        return self
