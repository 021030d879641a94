"""The settings tree: every setting with its default, its meaning and what it may be."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.credentials import Sources
from exporter.settings import addresses, values
from exporter.settings.addresses import ListenAddress
from exporter.targets import Target, parse

# the one place of the default port: 9100-9999 of the Prometheus port list are taken
DEFAULT_PORT = 10048

LAYERS = "layers"

Interval = Annotated[float, values.duration(least=1)]
Span = Annotated[float, values.duration(least=0)]


class Section(BaseModel):
    """One part of the tree."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Api(Section):
    """How PlanetScale is asked."""

    url: Annotated[str, addresses.base_url()] = Field(
        "https://api.planetscale.com/v1", description="base URL of the PlanetScale API"
    )
    requests_per_minute: Annotated[int, values.whole(1, 100_000)] = Field(
        300, description="the whole request budget of this process; PlanetScale's published limit is 600 for all"
    )
    timeout: Annotated[float, values.duration(least=0.001, most=3600)] = Field(
        10.0, description="the longest one request may take, from connecting to the last byte"
    )
    max_response_bytes: Annotated[int, values.size(1024, 2**30)] = Field(
        16 * 2**20, description="a larger answer is refused"
    )


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

    listen_address: Annotated[InstanceOf[ListenAddress], addresses.listen_address()] = Field(
        ListenAddress("", DEFAULT_PORT), description="where to listen; without a host, on all addresses"
    )
    telemetry_path: Annotated[str, addresses.telemetry_path()] = Field("/metrics", description="where the metrics are")
    config_file: Annotated[str | None, values.path()] = Field(
        None, description="TLS, client certificates and basic auth, in the exporter-toolkit's web-config.yml format"
    )
    grafana_url: Annotated[str | None, addresses.base_url()] = Field(
        None, description="base URL of Grafana, for links on the status page"
    )
    enable_lifecycle: Annotated[bool, values.switch()] = Field(False, description="allows POST /-/reload")
    webhook_secrets_file: Annotated[str | None, values.path()] = Field(
        None,
        description="one secret of a PlanetScale webhook on each line (blank lines and # comments left out);"
        " turns POST /-/webhook on",
    )


class Metrics(Section):
    """What is exported."""

    ddl: Annotated[bool, values.switch()] = Field(
        True,
        description="DDL and error text as labels of planetscale_deploy_operation_info, each cut at 256 characters;"
        " false leaves them empty",
    )
    max_operations: Annotated[int, values.whole(1, 10_000_000)] = Field(
        50_000, description="operations exported at most; what is beyond is skipped"
    )


class Shard(Section):
    """Sharding: which share of the targets' databases this replica polls."""

    count: Annotated[int, values.whole(1, 10_000)] = Field(1, description="how many replicas share the databases")
    index: Annotated[int, values.ordinal(9_999)] = Field(
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

    level: Annotated[str, values.choice("debug", "info", "warning", "error", warn="warning")] = Field(
        "info", description="the least important messages that are shown"
    )
    format: Annotated[str, values.choice("logfmt", "json")] = Field("logfmt", description="how a message is written")


def _target(given: object) -> object:
    return parse(given) if isinstance(given, str) else given


class Settings(BaseSettings):
    """Everything that can be configured, checked and frozen.

    Built from keyword arguments, or from several layers of them, the most important first. Never reads the
    environment or files by itself: `load` does.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    targets: tuple[Annotated[InstanceOf[Target], BeforeValidator(_target)], ...] = Field(
        (), description="what to poll: org, org/database or org/database/number"
    )
    api: Api = Api()
    poll: Poll = Poll()
    web: Web = Web()
    metrics: Metrics = Metrics()
    shard: Shard = Shard()
    log: Log = Log()
    credentials: InstanceOf[Sources] = Sources()

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
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - likewise
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers that `load` collected, which know how their users wrote each name."""
        given = dict(init_settings.init_kwargs) if isinstance(init_settings, InitSettingsSource) else {}
        layers = given.pop(LAYERS, ())
        return tuple(InitSettingsSource(settings_cls, init_kwargs=layer) for layer in (given, *layers))
