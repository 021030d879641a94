"""Settings: four sources, their precedence, and every mistake at once under the name its user wrote."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from exporter.mistakes import ConfigError
from exporter.settings import ListenAddress, Settings
from exporter.settings import load as load_all
from exporter.settings.table import SETTINGS, TARGETS, Setting
from exporter.settings.tree import DEFAULT_PORT, Api, Poll
from exporter.targets import parse

SECRET = "pscale_tkn_s3cr3t"
LOGIN = {"PLANETSCALE_SERVICE_TOKEN_ID": "abc", "PLANETSCALE_SERVICE_TOKEN": SECRET}
TARGET = "--target=acme/shop"
PREFIX = "PLANETSCALE_EXPORTER_"


def load(argv: list[str], environ: dict[str, str]) -> Settings:
    """The settings alone."""
    return load_all(argv, environ)[0]


def mistakes(argv: list[str], environ: dict[str, str] | None = None) -> list[str]:
    """The mistakes in a configuration that is otherwise well; none ever shows the secret."""
    with pytest.raises(ConfigError) as error:
        load(argv, {**LOGIN, **(environ or {})})
    assert SECRET not in str(error.value)
    assert all(line.isprintable() for line in error.value.mistakes)
    return list(error.value.mistakes)


def value(settings: Settings, path: str) -> Any:
    """The value at a path in the tree."""
    found: Any = settings
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its configuration file."""
    return tmp_path / "file.yml"


def in_file(file: Path, text: str) -> list[str]:
    """Write the file and return the arguments that name it."""
    file.write_text(text)
    return ["--config-file", str(file)]


# --- values and their sources


def test_defaults_are_those_of_the_contract() -> None:
    """With a target and credentials alone, everything else is as published."""
    settings = load([TARGET], LOGIN)
    assert settings.targets == (parse("acme/shop"),)
    assert settings.api == Api(
        url="https://api.planetscale.com/v1", requests_per_minute=300, timeout=10, max_response_bytes=16 * 2**20
    )
    assert settings.poll == Poll(interval=30, idle_interval=300, discovery_interval=60, stale_after=300, retention=3600)
    assert settings.web.listen_address == ListenAddress("", DEFAULT_PORT)
    assert (settings.web.telemetry_path, settings.web.enable_lifecycle) == ("/metrics", False)
    assert (settings.web.config_file, settings.web.grafana_url, settings.web.webhook_secrets_file) == (None,) * 3
    assert (settings.metrics.ddl, settings.metrics.max_operations) == (True, 50_000)
    assert (settings.shard.index, settings.shard.count) == (0, 1)
    assert (settings.log.level, settings.log.format) == ("info", "logfmt")
    assert settings.organizations == ("acme",)


EXAMPLES = {
    "targets": ("acme/shop", "other", "third/x/7"),
    "api.url": ("http://a/v1", "http://b", "https://c"),
    "api.requests_per_minute": ("1", "2", "3"),
    "api.timeout": ("1s", "2s", "3s"),
    "api.max_response_bytes": ("2KiB", "3000", "2MB"),
    "poll.interval": ("1m", "2", "3s"),
    "poll.idle_interval": ("1m", "2", "3s"),
    "poll.discovery_interval": ("1m", "2", "3s"),
    "poll.stale_after": ("1m", "2", "3s"),
    "poll.retention": ("1m", "2", "3s"),
    "web.listen_address": (":1", "[::1]:2", "localhost:3"),
    "web.telemetry_path": ("/a", "/b/c", "/d"),
    "web.enable_lifecycle": ("true", "false", "true"),
    "web.config_file": ("/a.yml", "b.yml", "/c.yml"),
    "web.grafana_url": ("http://a", "https://b/grafana", "http://c"),
    "web.webhook_secrets_file": ("/a", "b", "/c"),
    "metrics.ddl": ("false", "true", "false"),
    "metrics.max_operations": ("1", "2", "3"),
    "shard.index": ("1", "2", "3"),
    "shard.count": ("6", "7", "8"),
    "log.level": ("debug", "warning", "error"),
    "log.format": ("json", "logfmt", "json"),
}


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.path)
def test_precedence_of_each_setting(setting: Setting, file: Path) -> None:
    """For each setting alone: flag over environment over file over default."""
    flag, env, yaml = EXAMPLES[setting.path]
    argv = in_file(file, "".join(f"{part}:\n " for part in setting.path.split("."))[:-2] + f" '{yaml}'\n")
    if setting.path == "shard.index":
        argv += ["--shard.count=8"]
    if setting.path != "targets":
        argv += [TARGET]
    read = {text: value(Settings(**nested(setting.path, text)), setting.path) for text in (flag, env, yaml)}
    if setting.path == "shard.index":
        read = {text: int(text) for text in read}
    assert value(load(argv, LOGIN), setting.path) == read[yaml]
    environ = {**LOGIN, setting.env: env}
    assert value(load(argv, environ), setting.path) == read[env]
    assert value(load([*argv, f"{setting.flag}={flag}"], environ), setting.path) == read[flag]
    assert value(load(argv, {**LOGIN, setting.env: " "}), setting.path) == read[yaml]


def nested(path: str, text: str) -> dict[str, Any]:
    """Keyword arguments of the tree for one text; the shard's count leaves room for any index."""
    section, dot, name = path.partition(".")
    if not dot:
        return {section: (text,)}
    return {section: {"count": 8, name: text} if section == "shard" else {name: text}}


def test_flags_take_their_value_either_way() -> None:
    """`--flag value` and `--flag=value` are the same, and switches need none."""
    settings = load(["--target", "acme", "--poll.interval", "1h30m", "--web.enable-lifecycle"], LOGIN)
    assert settings.poll.interval == 5400
    assert settings.web.enable_lifecycle
    assert not load([TARGET, "--no-metrics.ddl"], LOGIN).metrics.ddl
    assert not load([TARGET, "--metrics.ddl=no"], LOGIN).metrics.ddl
    assert load([TARGET, "--metrics.ddl"], LOGIN).metrics.ddl


def test_targets_of_the_higher_source_replace(file: Path) -> None:
    """Lists are not mixed; doubles are dropped, the first stays."""
    argv = in_file(file, "targets: [acme, acme/shop, acme]")
    assert [target.text for target in load(argv, LOGIN).targets] == ["acme", "acme/shop"]
    environ = {**LOGIN, f"{PREFIX}TARGETS": "b/x, !b/y ,,b/x"}
    assert [target.text for target in load(argv, environ).targets] == ["b/x", "!b/y"]
    flags = [*argv, "--target", "c", "--target=d/*,!d/e"]
    settings = load(flags, environ)
    assert [target.text for target in settings.targets] == ["c", "d/*", "!d/e"]
    assert settings.organizations == ("c", "d")
    assert len(load(in_file(file, "targets: 'acme/a, acme/b'"), LOGIN).targets) == 2


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("5m", 300), ("1h30m", 5400), ("500ms", 0.5), ("1m500ms", 60.5), ("2", 2), ("0.5", 0.5),
     ("1.5h", 5400), ("1d", 86400), (" 3s ", 3), ("0", 0)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    """All forms of a duration mean seconds."""
    assert load([TARGET, f"--poll.stale-after={text}"], LOGIN).poll.stale_after == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5x", "s", "-5s", "1e3", "NaN", "nan", "inf", "-1", "5 m", "1s1m", "1m1m", "٣s", "9" * 400, "400d", "1:30"],
)  # fmt: skip
def test_what_is_no_duration(text: str) -> None:
    """What is wrong is named once, shows the value cut at 60 characters, and says what is allowed."""
    (told,) = mistakes([TARGET, f"--poll.stale-after={text}"])
    assert told.startswith(f"--poll.stale-after: '{text[:60]}{'…' if len(text) > 60 else ''}' ")
    assert "allowed: up to 365d, written as 15s, 5m, 1h30m, 500ms or a number of seconds" in told


@pytest.mark.parametrize("name", ["interval", "idle-interval", "discovery-interval"])
def test_intervals_are_a_second_at_least(name: str) -> None:
    """Nobody polls faster than once a second."""
    assert mistakes([TARGET, f"--poll.{name}=999ms"])[0].startswith(
        f"--poll.{name}: '999ms' can't be used; allowed: 1s to"
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [("16MiB", 2**24), ("16MB", 16_000_000), ("4096", 4096), ("4 kib", 4096), ("1GiB", 2**30), ("2000B", 2000)],
)
def test_sizes(text: str, count: int) -> None:
    """Sizes are bytes or have a unit."""
    assert load([TARGET, f"--api.max-response-bytes={text}"], LOGIN).api.max_response_bytes == count


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":10048", ListenAddress("", 10048)),
        ("0.0.0.0:0", ListenAddress("0.0.0.0", 0)),  # noqa: S104 - nothing is bound here
        ("[::1]:9", ListenAddress("::1", 9)),
        ("my-host.example:65535", ListenAddress("my-host.example", 65535)),
    ],
)
def test_listen_addresses(text: str, address: ListenAddress) -> None:
    """A host is optional, IPv6 is in brackets, and an address is shown as it is written."""
    assert load([TARGET, f"--web.listen-address={text}"], LOGIN).web.listen_address == address
    assert str(address) == text


@pytest.mark.parametrize("name", ["null", "None", "none", "true", "[]", "{}"])
def test_words_of_other_languages_are_texts(name: str) -> None:
    """No word on the command line or in the environment is taken for anything but the text it is."""
    assert load([TARGET, f"--web.config-file={name}"], LOGIN).web.config_file == name
    assert load([TARGET], {**LOGIN, f"{PREFIX}WEB_CONFIG_FILE": name}).web.config_file == name


def test_a_trailing_slash_of_the_api_url_does_not_count() -> None:
    """The base URL is kept without it."""
    assert load([TARGET, "--api.url=http://[::1]:8080/v1/"], LOGIN).api.url == "http://[::1]:8080/v1"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1, None, [1], "x"])
def test_values_that_are_no_text_are_checked_too(wrong: Any) -> None:
    """The tree holds what it promises, however it was built."""
    with pytest.raises(ValidationError):
        Poll(interval=wrong)
    with pytest.raises(ValidationError):
        Settings(poll={"interval": wrong})


def test_the_environment_is_read_by_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree built from arguments holds these and the defaults."""
    monkeypatch.setenv("POLL", '{"interval": 7}')
    monkeypatch.setenv("TARGETS", '["acme"]')
    assert Settings() == Settings(targets=(), poll=Poll())


def test_paths_in_the_file_start_from_its_directory(file: Path) -> None:
    """Those of flags and environment start from where the exporter was started."""
    text = "web: {config_file: tls/web.yml, webhook_secrets_file: secrets}"
    settings = load([TARGET, "--web.config-file=web.yml", *in_file(file, text)], LOGIN)
    assert settings.web.config_file == "web.yml"
    assert settings.web.webhook_secrets_file == str(file.parent / "secrets")


def test_the_name_of_a_pod_is_its_shard() -> None:
    """A StatefulSet's pods know their names only."""
    environ = {**LOGIN, f"{PREFIX}SHARD_INDEX": "planetscale-exporter-3", f"{PREFIX}SHARD_COUNT": "4"}
    assert load([TARGET], environ).shard.index == 3


BAD_URLS = (
    *(
        "ftp://x",
        "x",
        "//x",
        "https://",
        "http://u:p@x",
        f"http://{SECRET}@x",
        "http://x/?a",
        "http://x#",
    ),
    *("http://x:y", "http://[", "http://[1:2]/", "http://a b/"),
)
BAD_ADDRESSES = (*("10048", "x", ":", ":65536", ":-1", ":٣", ":1 2", "::1:80", "[::1:80", "[x]:80", "a b:80", "-/:1"),)
BAD_PATHS = ("/", "metrics", "/-/metrics", "/-/", "/a//b", "/a/", "/../x", "/.", "/{x}", "/a?b", "/a b", "/é")


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        *[("--api.url", text) for text in BAD_URLS],
        *[("--web.listen-address", text) for text in BAD_ADDRESSES],
        *[("--web.grafana-url", text) for text in ("ftp://x", "x")],
        *[("--web.telemetry-path", text) for text in BAD_PATHS],
        *[("--shard.index", text) for text in ("-1", "x", "pod-", "-3", "0.0", "+0", "0_0", "a--0", "9" * 30, "a b-0")],
        *[("--shard.count", text) for text in ("0", "-1", "x", "1.5", "9" * 30)],
        *[("--api.requests-per-minute", text) for text in ("0", "x", "1e3", "-5", "9" * 5000, "٣")],
        *[("--api.max-response-bytes", text) for text in ("0", "16XB", "MiB", "2GiB", "-1")],
        *[("--api.timeout", text) for text in ("0", "2h", "x")],
        *[("--metrics.ddl", text) for text in ("maybe", "2", "tru")],
        *[("--log.level", text) for text in ("loud", "trace")],
        ("--log.format", "xml"),
        ("--target", "acme/*/3"),
    ],
)  # fmt: skip
def test_bad_values_of_flags_and_environment(flag: str, text: str) -> None:
    """Each bad value is one mistake under the name its user wrote, with what is allowed."""
    setting = next(setting for setting in SETTINGS.values() if setting.flag == flag)
    others = [] if setting is TARGETS else [TARGET]
    (told,) = mistakes([*others, f"{flag}={text}"])
    assert told.startswith(f"{flag}: ")
    assert "allowed: " in told
    assert mistakes(others, {setting.env: text}) == [told.replace(flag, setting.env, 1)]


def test_shard_index_is_below_shard_count(file: Path) -> None:
    """A replica that would poll nothing is a mistake, but a bad count is not two."""
    (told,) = mistakes([TARGET, "--shard.index=2", "--shard.count=2"])
    assert told.startswith("--shard.index: '2' can't be used; allowed: a whole number from 0 and below shard.count, or")
    assert len(mistakes([TARGET, "--shard.index=2", "--shard.count=x"])) == 1
    argv = in_file(file, "shard: {index: 1}")
    assert mistakes([TARGET, *argv])[0].startswith(f"{file}: shard.index: '1' can't be used")


def test_the_log_level_has_a_short_spelling() -> None:
    """Prometheus says warn."""
    assert load([TARGET, "--log.level=WARN"], LOGIN).log.level == "warning"


# --- credentials


def test_credentials_come_from_environment_over_file(file: Path, tmp_path: Path) -> None:
    """Each half is taken by itself, and a path in the file starts from the file's directory."""
    (tmp_path / "id").write_text("from-file\n")
    (tmp_path / "token").write_text("token-file\n")
    argv = [TARGET, *in_file(file, "api: {service_token_id_file: id, service_token_file: token}")]
    _, credentials = load_all(argv, {"PLANETSCALE_SERVICE_TOKEN": SECRET})
    assert credentials.authorization("acme") == f"from-file:{SECRET}"
    assert credentials.names("acme") == f"{file}: api.service_token_id_file and PLANETSCALE_SERVICE_TOKEN"
    _, credentials = load_all(argv, {"PLANETSCALE_SERVICE_TOKEN_ID_FILE": str(tmp_path / "token")})
    assert credentials.authorization("acme") == "token-file:token-file"
    assert credentials.names("acme") == f"PLANETSCALE_SERVICE_TOKEN_ID_FILE and {file}: api.service_token_file"


def test_mistakes_of_credentials(file: Path, tmp_path: Path) -> None:
    """Both forms, both kinds, a missing half and a missing file are mistakes under the user's names."""
    both = {"PLANETSCALE_SERVICE_TOKEN_FILE": str(tmp_path / "x")}
    assert mistakes([TARGET], both) == [
        "PLANETSCALE_SERVICE_TOKEN: excludes PLANETSCALE_SERVICE_TOKEN_FILE; set one of the two"
    ]
    assert mistakes([TARGET], {"PLANETSCALE_ACCESS_TOKEN": SECRET})[0].startswith(
        "PLANETSCALE_ACCESS_TOKEN: excludes PLANETSCALE_SERVICE_TOKEN_ID"
    )
    assert mistakes([TARGET], {"PLANETSCALE_SERVICE_TOKEN_ID": " "}) == [
        "PLANETSCALE_SERVICE_TOKEN_ID: is not set; a service token needs both halves"
    ]
    (tmp_path / "token").write_text(SECRET)
    argv = in_file(file, "credentials: {acme: {service_token_file: token}, b: {access_token_file: gone}}")
    assert mistakes([TARGET, *argv]) == [
        f"{file}: credentials.acme.service_token_id_file: is not set; a service token needs both halves",
        f"{file}: credentials.b.access_token_file: the file {tmp_path}/gone can't be read: no such file or directory",
    ]
    assert mistakes([TARGET], {"PLANETSCALE_SERVICE_TOKEN": f"{SECRET}\nx"})[0].startswith("PLANETSCALE_SERVICE_TOKEN:")


def test_the_missing_half_is_named_where_the_other_one_stands(file: Path, tmp_path: Path) -> None:
    """Who uses the file is told the file's key."""
    (tmp_path / "token").write_text(SECRET)
    with pytest.raises(ConfigError) as error:
        load([TARGET, *in_file(file, "api: {service_token_file: token}")], {})
    assert error.value.mistakes == (
        f"{file}: api.service_token_id_file: is not set; a service token needs both halves",
    )


def test_each_polled_organization_needs_credentials(file: Path, tmp_path: Path) -> None:
    """Excluded organisations need none, and other mistakes do not hide the missing ones."""
    (tmp_path / "token").write_text(SECRET)
    argv = in_file(file, "credentials: {acme: {access_token_file: token}}")
    assert load([TARGET, "--target=!other", *argv], {}).organizations == ("acme",)
    with pytest.raises(ConfigError) as error:
        load([TARGET, "--target=other", "--poll.interval=x", *argv], {})
    assert [line.split(":")[0] for line in error.value.mistakes] == [
        "--poll.interval",
        "organization other",
    ]


def test_settings_do_not_show_secrets() -> None:
    """The tree may be logged."""
    assert SECRET not in repr(load_all([TARGET], LOGIN))


# --- reload, demo, health check


def test_loading_again_sees_a_changed_file(file: Path) -> None:
    """A reload is the same call: only the file's contents differ."""
    argv = [TARGET, *in_file(file, "poll: {interval: 7s}")]
    first = load(argv, LOGIN)
    assert load(argv, LOGIN) == first
    file.write_text("poll: {interval: 8s}")
    second = load(argv, LOGIN)
    assert (first.poll.interval, second.poll.interval) == (7, 8)
    assert second.web == first.web


def test_the_demo_brings_its_own_targets_and_api(file: Path) -> None:
    """Environment and file may be meant for serving and are passed over; flags are meant for the demo."""
    argv = in_file(file, "targets: ['..']\napi: {url: x, timeout: 3s, access_token_file: gone}\n")
    settings = load(["demo", *argv], {f"{PREFIX}TARGETS": "..", "PLANETSCALE_ACCESS_TOKEN": "a\nb"})
    assert (settings.targets, settings.api.url, settings.api.timeout) == ((), Api().url, 3)
    with pytest.raises(ConfigError) as error:
        load(["demo", TARGET, "--api.url=http://x"], {})
    assert error.value.mistakes == ("--target: demo brings its own", "--api.url: demo brings its own")


def test_the_listen_address_is_found_whatever_else_is_wrong(file: Path) -> None:
    """A health check works for an exporter whose file has been spoilt since it started."""
    argv = in_file(file, "targets: ['..']\nweb: {listen_address: ':7'}\npoll: 5\n")
    assert load(["healthcheck", *argv], {}).web.listen_address.port == 7
    assert load(["healthcheck", *argv], {f"{PREFIX}WEB_LISTEN_ADDRESS": ":8"}).web.listen_address.port == 8
    assert load(["healthcheck", "--config-file=/nowhere"], {}).web.listen_address.port == DEFAULT_PORT
    for wrong in ("--web.listen-address=x", "--unknown"):
        with pytest.raises(ConfigError):
            load(["healthcheck", wrong], {})
