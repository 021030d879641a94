"""Mistakes of the configuration: all of them at once, showing what was given, and none a credential."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.mistakes import ConfigError
from exporter.settings import Settings, doubts
from exporter.settings import load as load_all
from exporter.settings.table import CONFIG_FILE, SETTINGS, TARGETS

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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its configuration file."""
    return tmp_path / "file.yml"


def in_file(file: Path, text: str) -> list[str]:
    """Write the file and return the arguments that name it."""
    file.write_text(text)
    return ["--config-file", str(file)]


def test_all_mistakes_are_told_together(file: Path) -> None:
    """One run tells everything there is to mend, in whichever source it stands."""
    argv = in_file(file, f"poll: {{interval: {SECRET}, stale: 3}}\nwebb: 1\napi: {{access_token: {SECRET}}}\n")
    told = mistakes(
        [*argv, "--poll.idle-interval", "x", "--target=a/b/c"],
        {f"{PREFIX}POLL_RETENTION": "y", "PLANETSCALE_SERVICE_TOKEN": "", f"{PREFIX}SHARD_COUNT": "0"},
    )
    starts = [line if line.startswith(str(file)) else line.partition(": ")[0] for line in told]
    assert {line.split(";")[0] for line in starts} == {
        "--poll.idle-interval",
        "--target",
        "PLANETSCALE_EXPORTER_POLL_RETENTION",
        "PLANETSCALE_EXPORTER_SHARD_COUNT",
        "PLANETSCALE_SERVICE_TOKEN",
        f"{file}: api.access_token: unknown key",
        f"{file}: poll.interval: 'pscale_tkn_…' can't be used",
        f"{file}: poll.stale: unknown key",
        f"{file}: webb: unknown key",
    }


def test_unknown_flags_are_told_together_and_first() -> None:
    """What is no flag may have been meant for one, so nothing else is looked at; no value of it is shown."""
    told = mistakes(["--poll.interval=x", f"--token={SECRET}", "--log.levl", SECRET, "--secret", SECRET])
    assert [line.partition(":")[0] for line in told] == ["--token", "--log.levl", "--secret"]


UNKNOWN = "unknown key; known: targets, api, poll, web, metrics, shard, log, credentials"
NO_TAG = "a value that begins with ! needs quotes"
NO_FLAG = "unknown flag; see --help (credentials never come from flags)"
INTERVAL = SETTINGS["poll.interval"].kind.allowed
NO_MAPPING = "must be a mapping of keys to values"


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--poll.intervall=5"], "--poll.intervall: unknown flag; did you mean --poll.interval?"),
        (["--poll.stale_after", "5m"], "--poll.stale_after: unknown flag; did you mean --poll.stale-after?"),
        (["--web.config-fil=x"], "--web.config-fil: unknown flag; did you mean --web.config-file?"),
        (["--xyz"], f"--xyz: {NO_FLAG}"),
        (["--no-poll.interval"], "--no-poll.interval: unknown flag; did you mean --poll.interval?"),
        ([f"-p{SECRET}"], "a flag with one dash (not shown) is unknown; see --help"),
        ([f"--service-token={SECRET}"], f"--service-token: {NO_FLAG}"),
        (["--service-token", SECRET], f"--service-token: {NO_FLAG}"),
        (["--a\nb"], f"--a\\nb: {NO_FLAG}"),
        (["--" + "a" * 100], "--" + "a" * 78 + f"…: {NO_FLAG}"),
        (["chekc"], "an argument that is no flag (not shown) can't be used; did you mean check?"),
        (["check", "demo"], "an argument that is no flag (not shown) can't be used; did you mean demo?"),
        ([SECRET], "an argument that is no flag (not shown) can't be used; commands: check, demo, healthcheck"),
        (["--no-metrics.ddl=true"], "--no-metrics.ddl: ignored explicit argument"),
        ([f"-h{SECRET}"], "-h/--help: ignored explicit argument"),
        (["--version=x"], "--version: ignored explicit argument"),
        (["--log.level", "--log.format=json"], "--log.level: expected one argument"),
        (["--log.format"], "--log.format: expected one argument"),
        (["--config-file="], "--config-file: the file  can't be read: no such file or directory"),
    ],
)  # fmt: skip
def test_mistakes_of_the_command_line(argv: list[str], told: str) -> None:
    """Unknown, doubled and unfinished flags are named up to their `=`, and close names are suggested."""
    assert mistakes([TARGET, *argv]) == [told]


def test_a_switch_takes_its_value_either_way() -> None:
    """`--metrics.ddl false` is not taken silently for true, and what is no value of it is a mistake."""
    assert not load([TARGET, "--metrics.ddl", "false"], LOGIN).metrics.ddl
    assert load([TARGET, "--metrics.ddl", "--log.level=info"], LOGIN).metrics.ddl
    assert mistakes([TARGET, "--metrics.ddl", "check"]) == [
        "--metrics.ddl: 'check' can't be used; allowed: true or false"
    ]


def test_unknown_environment_variables_are_not_mistakes() -> None:
    """Kubernetes injects variables of its own under the same prefix."""
    injected = {
        f"{PREFIX}PORT": "tcp://10.0.0.1:80",
        f"{PREFIX}POLL_X": "1",
        f"{PREFIX}POLL": "{",
        f"{PREFIX}WEB_CONFIG": "x",
    }
    assert load([TARGET], {**LOGIN, **injected}) == load([TARGET], LOGIN)


def test_targets_are_required() -> None:
    """Something has to be polled: no target, and nothing but excludes, are mistakes."""
    needed = f": at least one target that does not exclude is needed (or {PREFIX}TARGETS, or targets in the file);"
    assert mistakes([])[0].startswith(f"--target{needed}")
    assert mistakes(["--target=!acme"])[0].startswith(f"--target{needed}")
    assert mistakes([], {f"{PREFIX}TARGETS": ","})[0].startswith(f"{PREFIX}TARGETS{needed}")


def test_the_bad_one_of_many_targets_is_shown() -> None:
    """Of many targets each bad one is a mistake of its own."""
    told = mistakes([], {f"{PREFIX}TARGETS": "acme,acme/..,b/c/d"})
    assert [line.split(":")[1] for line in told] == [" 'acme/..'", " 'b/c/d'"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [\n  b: 'x\n", "line 3, column 1: found unexpected end of stream"),
        (f"a: *{SECRET}", "line 1, column 4: found undefined alias '…'"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("a: 1\n---\nb: 2", "line 2, column 1: but found another document"),
        ("a: \x01", "unacceptable character #x0001: special characters are not allowed"),
        ("[" * 5000, "is nested too deeply"),
        (SECRET, "must be a mapping of keys to values"),
        ("log: {level: 'null '}", "log.level: 'null ' can't be used; allowed: debug, info, warning or error"),
        ("[a]", "must be a mapping of keys to values"),
        (f"poll: {SECRET}", f"poll: {NO_MAPPING}"),
        ("poll: [1]", f"poll: {NO_MAPPING}"),
        ("poll: {interval: [1]}", f"poll.interval: '['1']' can't be used; allowed: {INTERVAL}"),
        ("poll: {interval: {a: 1}}", f"poll.interval: '{{'a': '1'}}' can't be used; allowed: {INTERVAL}"),
        ("poll: {interval: 5s, interval: 6s}", "line 1, column 22: interval is given twice"),
        ("poll: {}\nlog: {}\npoll: {}", "line 3, column 1: poll is given twice"),
        ("? [a]\n: b", "line 1, column 3: found unhashable key"),
        ("poll: {? {a: b} : c}", "line 1, column 10: found unhashable key"),
        ("poll: {intervall: 5s}", "poll.intervall: unknown key; did you mean interval?"),
        ("log: {x: 5s}", "log.x: unknown key; known: level, format"),
        (
            "poll.interval: 5s",
            f"poll.interval: {UNKNOWN}",
        ),
        (f"logins: {SECRET}", f"logins: {UNKNOWN}"),
        (f"config_file: {SECRET}", f"config_file: {UNKNOWN}"),
        (f"~: {SECRET}", f"~: {UNKNOWN}"),
        (
            f"api: {{service_token: {SECRET}}}",
            "api.service_token: unknown key; did you mean service_token_file?",
        ),
        ("log: &a {x: *a}", "line 1, column 6: found unconstructable recursive node"),
        ("log: {level: !loud info}", f"line 1, column 14: {NO_TAG}"),
        ("credentials: [x]", f"credentials: {NO_MAPPING}"),
        (f"credentials: {{acme: {SECRET}}}", f"credentials.acme: {NO_MAPPING}"),
        (f"targets: !!int {SECRET}", f"line 1, column 10: {NO_TAG}"),
        (f"targets: !!timestamp {SECRET}", f"line 1, column 10: {NO_TAG}"),
        (
            "credentials: {acme: {token_file: x}}",
            "credentials.acme.token_file: unknown key; did you mean access_token_file?",
        ),
        (
            "credentials: {acme: {access_token_file: [x]}}",
            "credentials.acme.access_token_file: must be a single value",
        ),
        ("log: {format: .nan}", "log.format: '.nan' can't be used; allowed: logfmt or json"),
        ("log: {level: true}", "log.level: 'true' can't be used; allowed: debug, info, warning or error"),
        ("shard: {count: 1.5}", "shard.count: '1.5' can't be used; allowed: a whole number from 1 to 10000"),
    ],
)  # fmt: skip
def test_mistakes_of_the_file(text: str, told: str, file: Path) -> None:
    """What is wrong in the file is named as `file.yml: poll.interval`, or by its line and column."""
    assert mistakes([TARGET, *in_file(file, text)]) == [f"{file}: {told}"]


def test_an_exclude_without_quotes_is_explained(file: Path) -> None:
    """YAML takes a leading ! for a tag; dropping the exclude silently would poll too much."""
    argv = in_file(file, "targets:\n- acme\n- !acme/legacy\n")
    assert mistakes(argv) == [f"{file}: line 3, column 3: {NO_TAG}"]


def test_an_empty_target_is_a_mistake(file: Path) -> None:
    """An item of the list with nothing in it is not left out silently."""
    told = f"{file}: targets: '': the organization is empty; allowed: {TARGETS.kind.allowed}"
    assert mistakes(in_file(file, "targets:\n- acme\n-\n")) == [told]
    assert mistakes(in_file(file, "targets: [acme, '']")) == [told]


@pytest.mark.parametrize(
    "text",
    [
        *("", "# nothing", "poll:", "poll: null\nweb: ~", "poll: {interval: null}", "\ufeffpoll: {}"),
        *("credentials:", "api: {access_token_file: ''}"),
    ],
)
def test_empty_parts_of_the_file_are_unset(text: str, file: Path) -> None:
    """A section without anything in it is as good as none."""
    assert load([TARGET, *in_file(file, text)], LOGIN) == load([TARGET], LOGIN)


def test_yaml_scalars_are_taken_as_written(file: Path) -> None:
    """Numbers, booleans and the like mean what the same text means in a flag."""
    text = "targets: [no, 123/on/7]\npoll: {interval: 90}\nmetrics: {ddl: off}\nshard: {index: '0', count: 0}\n"
    assert mistakes(in_file(file, text))[0].startswith(f"{file}: shard.count: '0' can't be used")
    settings = load(in_file(file, text.replace("count: 0", "count: 2")), LOGIN)
    assert [target.organization for target in settings.targets] == ["no", "123"]
    assert (settings.poll.interval, settings.metrics.ddl) == (90, False)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """The file is named by the setting that names it; what could stand in it is not asked for."""
    missing = str(tmp_path / "missing.yml")
    assert mistakes(["--config-file", missing]) == [
        f"--config-file: the file {missing} can't be read: no such file or directory"
    ]
    assert mistakes([], {CONFIG_FILE.env: str(tmp_path)}) == [
        f"{CONFIG_FILE.env}: the file {tmp_path} can't be read: is a directory"
    ]
    (tmp_path / "latin.yml").write_bytes(b"# a\n#  \xff")
    assert "#x00ff: invalid start byte" in mistakes(["--config-file", str(tmp_path / "latin.yml")])[0]


def test_the_flag_that_names_the_file_comes_first(file: Path) -> None:
    """The environment's file is not read when a flag names another."""
    argv = in_file(file, "poll: {interval: 7s}")
    assert load([TARGET, *argv], {**LOGIN, CONFIG_FILE.env: "/nowhere"}).poll.interval == 7
    assert load([TARGET], {**LOGIN, CONFIG_FILE.env: str(file)}).poll.interval == 7


JUNK = st.text(max_size=20) | st.sampled_from(
    ["5m", "true", "acme", "acme/*", "!acme", "-1", "NaN", ":1", "/x", "check"]
)
FLAGS = st.sampled_from(
    [setting.flag for setting in SETTINGS.values()] + ["--config-file", "--no-metrics.ddl", "--help", "--"]
)
ARGUMENTS = st.lists(JUNK | FLAGS | st.builds("{}={}".format, FLAGS, JUNK), max_size=6)
ENVIRONMENT = st.dictionaries(
    st.sampled_from([setting.env for setting in SETTINGS.values()] + list(LOGIN) + ["PLANETSCALE_ACCESS_TOKEN_FILE"]),
    JUNK,
)
KEYS = st.sampled_from(["targets", "api", "poll", "web", "shard", "credentials", "interval", "url", "index", "acme"])
YAML = st.recursive(
    JUNK | st.none() | st.integers() | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner)
)
TEXTS = st.text() | st.text(alphabet="ab:{}[]&*!|>'\"#-?,\n \t%@") | YAML.map(str)


def loaded(argv: list[str], environ: dict[str, str]) -> Settings | ConfigError | SystemExit:
    """What comes of these sources."""
    try:
        return load(argv, environ)
    except (ConfigError, SystemExit) as error:
        return error


@given(argv=ARGUMENTS, environ=ENVIRONMENT, text=TEXTS | TEXTS.map("targets: {}".format) | st.binary())
def test_any_input_ends_in_settings_or_mistakes(argv: list[str], environ: dict[str, str], text: str | bytes) -> None:
    """No arguments, environment or file make anything but a checked tree or lines for people."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "file.yml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode(errors="surrogatepass"))
        outcome = loaded([*argv, f"--config-file={file}"], environ)
    if isinstance(outcome, ConfigError):
        assert outcome.mistakes
        assert all(line.isprintable() for line in outcome.mistakes)
    elif isinstance(outcome, SystemExit):
        assert outcome.code == 0  # the help was asked for
    else:
        assert outcome.organizations


def test_what_was_given_is_shown_in_one_short_line(file: Path) -> None:
    """The value as it was written, cut, without what can't be printed and without a user in a URL."""
    argv = in_file(file, "poll: {interval: '5\\tmin'}\ntargets: [acme/shop, acme/shop/x]")
    told = mistakes([*argv, f"--api.url=ftp://me:{SECRET}@x", "--log.level=" + "a" * 100])
    assert [line.split("; allowed: ")[0] for line in told] == [
        f"{file}: targets: 'acme/shop/x': the deploy request's number is no whole number from 1 on",
        "--api.url: 'ftp://…@x' can't be used",
        f"{file}: poll.interval: '5\\tmin' can't be used",
        f"--log.level: '{'a' * 60}…' can't be used",
    ]
    assert all("; allowed: " in line for line in told)


def test_near_misses_of_the_environment_are_warned_of() -> None:
    """A variable that is almost one of ours is named with the one that was meant; Kubernetes' own are not."""
    environ = {
        f"{PREFIX}POLL_INTERVALL": SECRET,
        "PLANETSCALE_SERVICE_TOKN": SECRET,
        f"{PREFIX}PORT": "tcp://10.0.0.1:80",
        f"{PREFIX}PORT_10048_TCP_ADDR": "10.0.0.1",
        f"{PREFIX}SERVICE_HOST": "10.0.0.1",
        f"{PREFIX}REVISION": "abc",
        "PLANETSCALE_ORG": "acme",
        "POLL_INTERVALL": "x",
    }
    assert list(doubts([TARGET], {**LOGIN, **environ}, load([TARGET], LOGIN))) == [
        "PLANETSCALE_EXPORTER_POLL_INTERVALL: is not read; did you mean PLANETSCALE_EXPORTER_POLL_INTERVAL?",
        "PLANETSCALE_SERVICE_TOKN: is not read; did you mean PLANETSCALE_SERVICE_TOKEN?",
    ]


def test_credentials_of_nobody_are_warned_of(file: Path, tmp_path: Path) -> None:
    """Credentials of an organization that no target names are most likely misspelt."""
    (tmp_path / "token").write_text(SECRET)
    settings = load([TARGET, *in_file(file, "credentials: {acm: {access_token_file: token}}")], LOGIN)
    assert list(doubts([], LOGIN, settings)) == ["credentials.acm: is not used; no target is of this organization"]


def test_a_long_path_is_told_whole(tmp_path: Path) -> None:
    """The file is named as its user wrote it, however deep it lies."""
    folder = tmp_path / ("deep" * 20)
    folder.mkdir()
    file = folder / "file.yml"
    assert mistakes([TARGET, *in_file(file, "poll: {intervall: 5s}")])[0].startswith(f"{file}: poll.intervall: ")
