"""Settings: what two deployments may differ in. Built once in an entry point and passed down."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workers.addresses import check_secure_url

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?")
_SOURCE = re.compile(r"(https?://(\*\.)?[a-z0-9.-]+(:[0-9]{1,5})?(/[^?#\s]*)?|s3://[a-z0-9.-]+(/[^?#\s]*)?)")


class Settings(BaseSettings):
    """Read from the environment, each with the prefix CHRONOSEG_ (CHRONOSEG_DATABASE_URL, ...)."""

    model_config = SettingsConfigDict(env_prefix="CHRONOSEG_", frozen=True, extra="ignore")

    data_dir: Path = Field(
        default=Path("chronoseg-data"), description="Folder of the embedded default: database, store."
    )
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in data_dir.")
    broker_url: str = Field(default="redis://127.0.0.1:6379/0", description="Redis that carries the messages.")
    store_url: str = Field(default="", description="s3://bucket/prefix, or a folder; empty: data_dir/store.")
    s3_endpoint_url: str = Field(default="", description="S3 service other than AWS, such as http://127.0.0.1:9000.")
    scratch_dir: Path | None = Field(
        default=None, description="Fast local folder for work in progress; empty: data_dir/scratch."
    )
    models_dir: Path | None = Field(default=None, description="Folder of the user's own checkpoints.")
    device: str = Field(default="auto", description="auto, cpu or cuda.")
    threads: int = Field(default=0, ge=0, description="CPU threads of a network; 0: all cores.")
    block_px: int = Field(default=1024, ge=64, description="Edge of a block's core in pixels.")
    lease_s: float = Field(default=30.0, gt=0, description="How long a worker holds work without a sign of life.")
    sweep_s: float = Field(default=5.0, gt=0, description="How often workers look for abandoned work.")
    max_attempts: int = Field(
        default=10, ge=1, description="Times that a piece of work may be abandoned before it fails."
    )
    ingest_timeout_s: int = Field(default=600, ge=1, description="Longest time that reading one upload may take.")
    ingest_memory_mb: int = Field(
        default=4096, ge=512, description="Most address space that reading one upload may take."
    )
    keyless: Literal["loopback", "anywhere"] = Field(
        default="loopback",
        description="Where a service without keys may listen; anywhere: something else keeps strangers out.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Other sites whose pages may use the service, such as https://maps.example, with commas between.",
    )
    oidc_issuer: str = Field(default="", description="URL of the OIDC issuer whose tokens are taken; empty: none.")
    oidc_audience: str = Field(default="", description="What `aud` of a token must name: this service.")
    oidc_owner_claim: str = Field(default="sub", min_length=1, description="Claim that tells whose a request is.")
    oidc_scopes_claim: str = Field(default="", description="Claim that tells the scopes; empty: scope, else scp.")
    requests_per_minute: int = Field(default=0, ge=0, description="Most requests of one owner in a minute; 0: any.")
    jobs_at_once: int = Field(default=0, ge=0, description="Most jobs of one owner under way at once; 0: any.")
    reference_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Where scenes may be taken from by reference: URL prefixes such as https://data.example.org/, "
        "https://*.example.com/, s3://bucket/prefix/, with commas between; empty: nowhere.",
    )
    private_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Hosts of the own network that references and callbacks may reach, as name or name:port, with "
        "commas between.",
    )
    callback_targets: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("*",),
        description="Where jobs may call back to: URL prefixes, with commas between; *: any public https address; "
        "empty: nowhere.",
    )
    stored_mb: int = Field(default=0, ge=0, description="Most megabytes that one owner may have stored; 0: any.")
    max_upload_mb: int = Field(default=20_000, ge=1, description="Largest upload.")
    upload_keep_h: float = Field(
        default=168.0, gt=0, description="How long an upload that broke off may be taken up again, in hours."
    )
    max_scene_px: int = Field(default=2_500_000_000, ge=1, description="Largest scene, in pixels.")
    max_aoi_km2: float = Field(default=100_000.0, gt=0, description="Largest area of interest.")

    @field_validator("cors_origins", "reference_sources", "private_hosts", "callback_targets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    "expected origins as a browser sends them, https://maps.example or http://127.0.0.1:5173, lower "
                    f"case, without path and without *; got {origin!r}"
                )
        return value

    @field_validator("reference_sources")
    @classmethod
    def _check_sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for source in value:
            if not _SOURCE.fullmatch(source):
                raise ValueError(
                    "expected URL prefixes such as https://data.example.org/scenes/, https://*.example.com/ or "
                    f"s3://bucket/prefix/; got {source!r}"
                )
        return value

    @field_validator("callback_targets")
    @classmethod
    def _check_targets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for target in value:
            if target != "*" and not (_SOURCE.fullmatch(target) and not target.startswith("s3://")):
                raise ValueError(
                    "expected *, or URL prefixes such as https://hooks.example.org/ or https://*.example.com/; got "
                    f"{target!r}"
                )
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _issuer_can_be_trusted(cls, value: str) -> str:
        if value:
            check_secure_url(value)
        return value

    @model_validator(mode="after")
    def _issuer_and_audience_together(self) -> Self:
        if bool(self.oidc_issuer) != bool(self.oidc_audience):
            missing = "OIDC_AUDIENCE" if self.oidc_issuer else "OIDC_ISSUER"
            raise ValueError(f"expected both CHRONOSEG_OIDC_ISSUER and CHRONOSEG_OIDC_AUDIENCE; {missing} is not set")
        return self

    @property
    def database(self) -> str:
        """SQLAlchemy URL that is in force."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'chronoseg.db').resolve()}"

    @property
    def store(self) -> str:
        """Store URL or folder that is in force."""
        return self.store_url or str((self.data_dir / "store").resolve())

    @property
    def scratch(self) -> Path:
        """Folder for work in progress that is in force."""
        return self.scratch_dir or self.data_dir.resolve() / "scratch"

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Folders with the user's own checkpoints, to be searched before the shipped ones."""
        return (self.models_dir,) if self.models_dir else ()
