"""The settings tree: every setting with its default as it is written, its meaning and what it may be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ByteSize, ConfigDict, Field, InstanceOf, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.settings import values
from exporter.settings.values import Kind, ListenAddress
from exporter.targets import Target, parse

DEFAULT_PORT = 10048  # 9100-9999 of the Prometheus port list are taken

_YEAR = 365 * 86400.0
_WRITTEN = "written as 15s, 5m, 1h30m, 500ms or a number of seconds"
_TARGETS = "org, org/database or org/database/number; * and ? in the database, not with a number; a leading ! excludes"
_PATH = r"^(?!/-/)(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+\Z"
_PATHS = "a path such as /metrics, of letters, digits and '-._~', not /, not under /-/, without a trailing slash"
_ORDINALS = "a whole number from 0 and below shard.count, or a pod's name that ends in one, as in exporter-3"


def _setting(default: str | None, meaning: str) -> Any:
    return Field(default, validate_default=True, description=meaning)


Interval = Annotated[float, Field(ge=1, le=_YEAR), Kind("DURATION", f"1s to 365d, {_WRITTEN}", values.read_duration)]
Span = Annotated[float, Field(ge=0, le=_YEAR), Kind("DURATION", f"up to 365d, {_WRITTEN}", values.read_duration)]
Timeout = Annotated[float, Field(ge=0.001, le=3600), Kind("DURATION", f"1ms to 1h, {_WRITTEN}", values.read_duration)]
Size = Annotated[ByteSize, Field(ge=2**10, le=2**30), Kind("SIZE", "1KiB to 1GiB, in bytes or as in 16MiB and 16MB")]
Count = Annotated[int, Field(ge=1, le=10_000_000), Kind("NUMBER", "a whole number from 1 to 10000000")]
Replicas = Annotated[int, Field(ge=1, le=10_000), Kind("NUMBER", "a whole number from 1 to 10000")]
Ordinal = Annotated[int, Field(ge=0, le=9_999), Kind("NUMBER", _ORDINALS, values.read_ordinal)]
Switch = Annotated[bool, Kind("BOOLEAN", "true or false")]
URL = Kind("URL", "an http or https URL without user, query and fragment", values.read_base_url)
FileName = Annotated[str | None, Field(min_length=1), Kind("FILE", "the path of a file")]
Address = Annotated[InstanceOf[ListenAddress], Kind("ADDRESS", "host:port, :port or [::1]:port", ListenAddress.read)]
WebPath = Annotated[str, Field(pattern=_PATH), Kind("PATH", _PATHS)]
Level = Annotated[
    Literal["debug", "info", "warning", "error"],
    Kind("debug|info|warning|error", "debug, info, warning or error", values.read_level),
]
Format = Annotated[Literal["logfmt", "json"], Kind("logfmt|json", "logfmt or json", str.lower)]


class Section(BaseModel):
    """One part of the tree."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, regex_engine="python-re", defer_build=True
    )  # the tree builds its parts once more


class Files(Section):
    """The files of an organization's credentials, which have neither flags nor variables of their own here."""

    service_token_id_file: str | None = None
    service_token_file: str | None = None
    access_token_file: str | None = None


class Api(Files):
    """How PlanetScale is asked."""

    url: Annotated[str, URL] = _setting("https://api.planetscale.com/v1", "base URL of the PlanetScale API")
    requests_per_minute: Count = _setting(
        "300", "the whole request budget of this process; PlanetScale's published limit is 600 for all"
    )
    timeout: Timeout = _setting("10s", "the longest one request may take, from connecting to the last byte")
    max_response_bytes: Size = _setting("16MiB", "a larger answer is refused")


class Poll(Section):
    """How often PlanetScale is asked, and how long values are kept."""

    interval: Interval = _setting("30s", "how often to poll a deploy request that moves, or has no operations yet")
    idle_interval: Interval = _setting(
        "5m", "how often to poll a deploy request in which nothing moves any more; also the longest back-off"
    )
    discovery_interval: Interval = _setting(
        "1m", "how often to look for deploy requests in org and org/database targets"
    )
    stale_after: Span = _setting("5m", "how long values are kept once polls fail, counted from the first failed one")
    retention: Span = _setting(
        "1h",
        "how long a finished deploy request that was discovered stays exported,"
        " from its finished_at, else from when it was first seen finished",
    )


class Web(Section):
    """The exporter's own HTTP server."""

    listen_address: Address = _setting(f":{DEFAULT_PORT}", "where to listen; without a host, on all addresses")
    telemetry_path: WebPath = _setting("/metrics", "where the metrics are")
    config_file: FileName = _setting(
        None, "TLS, client certificates and basic auth, in the exporter-toolkit's web-config.yml format"
    )
    grafana_url: Annotated[str | None, URL] = _setting(None, "base URL of Grafana, for links on the status page")
    enable_lifecycle: Switch = _setting("false", "allows POST /-/reload")
    webhook_secrets_file: FileName = _setting(
        None,
        "one secret of a PlanetScale webhook on each line (blank lines and # comments left out);"
        " turns POST /-/webhook on",
    )


class Metrics(Section):
    """What is exported."""

    ddl: Switch = _setting(
        "true",
        "DDL and error text as labels of planetscale_deploy_operation_info, each cut at 256 characters;"
        " false leaves them empty",
    )
    max_operations: Count = _setting("50000", "operations exported at most; what is beyond is skipped")


class Shard(Section):
    """Sharding: which share of the targets' databases this replica polls."""

    count: Replicas = _setting("1", "how many replicas share the databases")
    index: Ordinal = _setting("0", "this replica's number from 0, or the name of its pod, which ends in it")

    @field_validator("index")
    @classmethod
    def _below_count(cls, index: int, info: Any) -> int:
        if index >= info.data.get("count", index + 1):  # a count that is wrong itself is no bound
            raise ValueError
        return index


class Log(Section):
    """The log on standard error."""

    level: Level = _setting("info", "the least important messages that are shown")
    format: Format = _setting("logfmt", "how a message is written")


class Settings(BaseSettings, Section):
    """Everything that can be configured, checked and frozen; `load` puts its sources together."""

    model_config = SettingsConfigDict(
        env_prefix="PLANETSCALE_EXPORTER_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        enable_decoding=False,
        cli_use_class_docs_for_groups=True,
        cli_parse_none_str="\0",  # no text of an argument means None
        defer_build=False,
    )

    targets: Annotated[
        tuple[Annotated[InstanceOf[Target], Kind("TARGET", _TARGETS, parse)], ...],
        Kind("TARGET", _TARGETS, values.read_list),
        AfterValidator(lambda found: tuple(dict.fromkeys(found))),
    ] = Field((), description="what to poll: org, org/database or org/database/number")
    api: Api = Api()
    poll: Poll = Poll()
    web: Web = Web()
    metrics: Metrics = Metrics()
    shard: Shard = Shard()
    log: Log = Log()
    credentials: dict[str, Files] = {}

    @property
    def organizations(self) -> tuple[str, ...]:
        """The organisations that are polled, in the order of their first targets."""
        return tuple(dict.fromkeys(target.organization for target in self.targets if not target.exclude))
