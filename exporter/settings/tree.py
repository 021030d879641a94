"""The settings tree: every setting with its default, its meaning and what it may be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, InstanceOf, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.credentials import Sources
from exporter.settings import values
from exporter.settings.values import Kind, ListenAddress
from exporter.targets import Target, parse

# the one place of the default port: 9100-9999 of the Prometheus port list are taken
DEFAULT_PORT = 10048

ENV_PREFIX = "PLANETSCALE_EXPORTER_"
TARGETS_ALLOWED = (
    "org, org/database or org/database/number; * and ? in the database part, not with a number; a leading ! excludes"
)
_YEAR = 365 * 86400.0

Interval = Annotated[float, Field(ge=1, le=_YEAR), values.duration("1s to 365d")]
Span = Annotated[float, Field(ge=0, le=_YEAR), values.duration("up to 365d")]
Timeout = Annotated[float, Field(ge=0.001, le=3600), values.duration("1ms to 1h")]
Size = Annotated[
    ByteSize,
    Field(ge=2**10, le=2**30),
    Kind("SIZE", "1KiB to 1GiB, written as bytes or with a unit (16MiB, 16MB)", show=values.show_size),
]
Switch = Annotated[bool, Kind("BOOLEAN", "true or false", show=lambda value: str(value).lower())]
URL = Kind("URL", "an http or https URL without user, query and fragment", values.read_base_url)
FILE = Kind("FILE", "the path of a file", values.read_file_name)
Address = Annotated[
    InstanceOf[ListenAddress], Kind("ADDRESS", "host:port, :port or [::1]:port", values.read_listen_address)
]
WebPath = Annotated[
    str,
    Kind(
        "PATH",
        "a path such as /metrics, of letters, digits and '-._~', not /, not under /-/, without a trailing slash",
        values.read_path,
    ),
]
Ordinal = Annotated[
    int,
    Field(ge=0, le=9_999),
    Kind(
        "NUMBER",
        "a whole number from 0, or a pod's name that ends in one, as in planetscale-exporter-3",
        values.read_ordinal,
    ),
]
Level = Annotated[
    Literal["debug", "info", "warning", "error"],
    Kind("debug|info|warning|error", "debug, info, warning or error", values.read_word),
]
Format = Annotated[Literal["logfmt", "json"], Kind("logfmt|json", "logfmt or json", values.read_word)]


class Section(BaseModel):
    """One part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Api(Section):
    """How PlanetScale is asked."""

    url: Annotated[str, URL] = Field("https://api.planetscale.com/v1", description="base URL of the PlanetScale API")
    requests_per_minute: Annotated[int, Field(ge=1, le=100_000), Kind("NUMBER", "a whole number from 1 to 100000")] = (
        Field(300, description="the whole request budget of this process; PlanetScale's published limit is 600 for all")
    )
    timeout: Timeout = Field(10.0, description="the longest one request may take, from connecting to the last byte")
    max_response_bytes: Size = Field(ByteSize(16 * 2**20), description="a larger answer is refused")


class Poll(Section):
    """How often PlanetScale is asked, and how long values are kept."""

    interval: Interval = Field(
        30.0, description="how often to poll a deploy request that moves, or has no operations yet"
    )
    idle_interval: Interval = Field(
        300.0,
        description="how often to poll a deploy request in which nothing moves any more; also the longest back-off",
    )
    discovery_interval: Interval = Field(
        60.0, description="how often to look for deploy requests in org and org/database targets"
    )
    stale_after: Span = Field(
        300.0, description="how long values are kept once polls fail, counted from the first failed one"
    )
    retention: Span = Field(
        3600.0,
        description="how long a finished deploy request that was discovered stays exported,"
        " from its finished_at, else from when it was first seen finished",
    )


class Web(Section):
    """The exporter's own HTTP server."""

    listen_address: Address = Field(
        ListenAddress("", DEFAULT_PORT), description="where to listen; without a host, on all addresses"
    )
    telemetry_path: WebPath = Field("/metrics", description="where the metrics are")
    config_file: Annotated[str | None, FILE] = Field(
        None, description="TLS, client certificates and basic auth, in the exporter-toolkit's web-config.yml format"
    )
    grafana_url: Annotated[str | None, URL] = Field(
        None, description="base URL of Grafana, for links on the status page"
    )
    enable_lifecycle: Switch = Field(False, description="allows POST /-/reload")
    webhook_secrets_file: Annotated[str | None, FILE] = Field(
        None,
        description="one secret of a PlanetScale webhook on each line (blank lines and # comments left out);"
        " turns POST /-/webhook on",
    )


class Metrics(Section):
    """What is exported."""

    ddl: Switch = Field(
        True,
        description="DDL and error text as labels of planetscale_deploy_operation_info, each cut at 256 characters;"
        " false leaves them empty",
    )
    max_operations: Annotated[int, Field(ge=1, le=10_000_000), Kind("NUMBER", "a whole number from 1 to 10000000")] = (
        Field(50_000, description="operations exported at most; what is beyond is skipped")
    )


class Shard(Section):
    """Sharding: which share of the targets' databases this replica polls."""

    count: Annotated[int, Field(ge=1, le=10_000), Kind("NUMBER", "a whole number from 1 to 10000")] = Field(
        1, description="how many replicas share the databases"
    )
    index: Ordinal = Field(
        0, validate_default=True, description="this replica's number from 0, or the name of its pod, which ends in it"
    )

    @field_validator("index")
    @classmethod
    def _below_count(cls, index: int, info: Any) -> int:
        if index >= info.data.get("count", index + 1):  # a count that is wrong itself is no bound
            raise ValueError(f"is too large; allowed: 0 to {info.data['count'] - 1}, below shard.count")
        return index


class Log(Section):
    """The log on standard error."""

    level: Level = Field("info", description="the least important messages that are shown")
    format: Format = Field("logfmt", description="how a message is written")


def split(given: object) -> object:
    """The parts of a text with commas, without empty ones."""
    return [part for part in map(str.strip, given.split(",")) if part] if isinstance(given, str) else given


def _target(given: object) -> object:
    return parse(given) if isinstance(given, str) else given


class Settings(BaseSettings):
    """Everything that can be configured, checked and frozen.

    Built from keyword arguments alone, or from the `sources` among them, the most important first. Never reads the
    environment or files by itself: `load` does.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        enable_decoding=False,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_avoid_json=True,
        cli_use_class_docs_for_groups=True,
        cli_shortcuts={"targets": "target"},
    )

    targets: Annotated[tuple[Annotated[InstanceOf[Target], BeforeValidator(_target)], ...], BeforeValidator(split)] = (
        Field((), description="what to poll: org, org/database or org/database/number")
    )
    api: Api = Api()
    poll: Poll = Poll()
    web: Web = Web()
    metrics: Metrics = Metrics()
    shard: Shard = Shard()
    log: Log = Log()
    credentials: InstanceOf[Sources] = Sources()  # no flag, no variable, and in the file under names of its own

    @field_validator("targets")
    @classmethod
    def _once(cls, given: tuple[Target, ...]) -> tuple[Target, ...]:
        return tuple(dict.fromkeys(given))

    @property
    def organizations(self) -> tuple[str, ...]:
        """The organisations that are polled, in the order of their first targets."""
        return tuple(dict.fromkeys(target.organization for target in self.targets if not target.exclude))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The sources that `load` made; the environment is read by its own, for the names that are settings."""
        sources: tuple[PydanticBaseSettingsSource, ...] = init_settings.init_kwargs.pop("sources", ())  # type: ignore[attr-defined]
        return (init_settings, *sources)
