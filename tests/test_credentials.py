"""Credentials: which header an organisation gets, and what happens when its files change."""

import os
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from exporter import files
from exporter.credentials import Credentials, Login, Source, Sources
from exporter.mistakes import ConfigError

SECRET = "pscale_tkn_s3cr3t"


def login(identity: Source | None = None, token: Source | None = None, access: Source | None = None) -> Login:
    """A login whose halves are unset unless given."""
    return Login(identity or Source("ID"), token or Source("TOKEN"), access or Source("ACCESS"))


def value(name: str, text: str = SECRET) -> Source:
    """A source with a value."""
    return Source(name, value=SecretStr(text))


def file(path: Path, text: str | bytes | None = SECRET) -> Source:
    """A source that is a file of this text."""
    if text is not None:
        replace(path, text)
    return Source(f"{path.name.upper()}_FILE", file=str(path))


def replace(path: Path, text: str | bytes) -> None:
    """Swap the file as tools that rotate secrets do: a new one in its place."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text if isinstance(text, bytes) else text.encode())
    fresh.rename(path)


def mistakes(sources: Sources, *organizations: str) -> str:
    """The mistakes that the sources make, one a line."""
    with pytest.raises(ConfigError) as error:
        Credentials(sources, organizations)
    assert SECRET not in str(error.value)
    assert SECRET not in repr(error.value)
    return str(error.value)


def test_service_token_is_sent_as_both_halves() -> None:
    """A service token's header is ID:TOKEN."""
    sources = Sources(login(value("ID", " abc\n"), value("TOKEN", SECRET)))
    assert Credentials(sources, ["acme"]).authorization("acme") == f"abc:{SECRET}"


def test_access_token_is_sent_as_bearer(tmp_path: Path) -> None:
    """An OAuth token's header is Bearer TOKEN, and white space around it in its file does not count."""
    sources = Sources(login(access=file(tmp_path / "access", f"\n {SECRET}\r\n")))
    assert Credentials(sources, ["acme"]).authorization("acme") == f"Bearer {SECRET}"


def test_an_organization_with_its_own_login_does_not_use_the_default() -> None:
    """The default serves all others."""
    sources = Sources(login(access=value("ACCESS", "all")), {"acme": login(access=value("OWN", "own"))})
    credentials = Credentials(sources, ["acme", "other"])
    assert credentials.authorization("acme") == "Bearer own"
    assert credentials.authorization("other") == "Bearer all"


def test_an_organization_without_credentials_is_named() -> None:
    """Every organisation that nothing serves is a mistake of its own."""
    told = mistakes(Sources(None, {"acme": login(access=value("OWN"))}), "acme", "b", "c").splitlines()
    assert [line.partition(":")[0] for line in told] == ["organization b", "organization c"]


def test_halves_and_kinds(tmp_path: Path) -> None:
    """A lone half names the missing one, two kinds exclude each other, and an empty file is unset."""
    both = "needs both halves"
    assert mistakes(Sources(login(value("ID")))) == f"TOKEN: is not set; a service token {both}"
    assert mistakes(Sources(login(None, value("TOKEN")))) == f"ID: is not set; a service token {both}"
    empty = file(tmp_path / "token", " \n")
    assert mistakes(Sources(login(value("ID"), empty))) == f"TOKEN_FILE: the file is empty; a service token {both}"
    assert "ACCESS: excludes ID;" in mistakes(Sources(login(value("ID"), value("TOKEN"), value("ACCESS"))))
    assert "ACCESS: excludes TOKEN;" in mistakes(Sources(login(None, value("TOKEN"), value("ACCESS"))))
    assert mistakes(Sources(login(empty))) == "TOKEN_FILE: the file is empty"
    assert Credentials(Sources(login(empty, None, value("ACCESS"))), ["a"]).authorization("a") == f"Bearer {SECRET}"


@pytest.mark.parametrize("text", [f"{SECRET}\nx", f"a {SECRET}", f"{SECRET}\x00", f"{SECRET}\x7f", f"{SECRET}é"])
def test_what_cannot_be_a_header_is_a_mistake(text: str, tmp_path: Path) -> None:
    """A value that can't be sent is named, not shown, wherever it comes from."""
    assert mistakes(Sources(login(access=value("ACCESS", text)))).startswith("ACCESS: holds characters")
    assert mistakes(Sources(login(access=file(tmp_path / "access", text)))).startswith("ACCESS_FILE: holds characters")


def test_files_that_cannot_be_read_are_mistakes(tmp_path: Path) -> None:
    """Missing, no file, too large or impossible: each is named and said, and none is waited for."""
    os.mkfifo(tmp_path / "pipe")
    missing = file(tmp_path / "missing", None)
    told = mistakes(Sources(login(missing, file(tmp_path / "pipe", None)), {"a": login(access=missing)}))
    assert told.splitlines() == [
        f"MISSING_FILE: the file {tmp_path / 'missing'} can't be read: no such file or directory",
        f"PIPE_FILE: the file {tmp_path / 'pipe'} is no regular file",
    ]
    assert "is larger than" in mistakes(Sources(login(access=file(tmp_path / "large", "x" * 20_000))))
    unreadable = mistakes(Sources(login(access=Source("IO_FILE", file="/proc/self/mem"))))  # as root, no mode forbids
    assert unreadable == "IO_FILE: the file /proc/self/mem can't be read: input/output error"
    assert "no such path" in mistakes(Sources(login(access=Source("NUL", file="a\0b"))))
    assert "can't be sent" in mistakes(Sources(login(access=file(tmp_path / "binary", b"\xff\xfe"))))


def test_a_token_given_as_a_path_is_not_shown() -> None:
    """Who sets the token where its file belongs does not find it in the log."""
    sources = Sources(login(access=Source("ACCESS_FILE", file=SECRET)))
    told = "ACCESS_FILE: the file pscale_tkn_… can't be read: no such file or directory"
    assert mistakes(sources) == told


def test_secrets_are_not_in_a_repr() -> None:
    """Neither sources nor credentials show what they hold."""
    sources = Sources(login(value("ID"), value("TOKEN")))
    assert SECRET not in repr(sources)
    assert SECRET not in repr(vars(Credentials(sources, ["acme"])))


def test_nothing_changes_while_files_do_not(tmp_path: Path) -> None:
    """A refresh of unchanged files affects nobody and logs nothing."""
    credentials = Credentials(Sources(login(access=file(tmp_path / "access"))), ["acme"])
    with capture_logs() as logs:
        assert credentials.refresh() == frozenset()
    assert logs == []


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """The organisations that a changed file serves are the ones that are named."""
    own, default = file(tmp_path / "own", "one"), file(tmp_path / "default", "two")
    sources = Sources(login(access=default), {"acme": login(access=own)})
    credentials = Credentials(sources, ["acme", "b", "c"])
    replace(tmp_path / "own", "three")
    assert credentials.refresh() == {"acme"}
    assert credentials.authorization("acme") == "Bearer three"
    replace(tmp_path / "default", "four")
    assert credentials.refresh() == {"b", "c"}
    assert credentials.refresh() == frozenset()


def test_a_swapped_link_is_followed(tmp_path: Path) -> None:
    """Kubernetes renews a secret by turning a link to another directory."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    (tmp_path / "data").symlink_to("one")
    (tmp_path / "token").symlink_to("data/token")
    credentials = Credentials(Sources(login(access=Source("T_FILE", file=str(tmp_path / "token")))), ["acme"])
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").rename(tmp_path / "data")
    assert credentials.refresh() == {"acme"}
    assert credentials.authorization("acme") == "Bearer two"


@pytest.mark.parametrize("bad", [None, "", "a\nb"])
def test_the_last_good_value_stays(bad: str | None, tmp_path: Path) -> None:
    """A file that goes, empties or spoils is logged once, as is its recovery; the header stays until then."""
    credentials = Credentials(Sources(login(access=file(tmp_path / "access"))), ["acme"])
    with capture_logs() as logs:
        (tmp_path / "access").unlink()
        if bad is not None:
            replace(tmp_path / "access", bad)
        assert credentials.refresh() == frozenset()
        assert credentials.refresh() == frozenset()
        assert credentials.authorization("acme") == f"Bearer {SECRET}"
        replace(tmp_path / "access", "fresh")
        assert credentials.refresh() == {"acme"}
    assert credentials.authorization("acme") == "Bearer fresh"
    assert [entry["event"] for entry in logs] == ["credentials_unusable", "credentials_usable_again"]
    assert "ACCESS_FILE" in logs[0]["problem"]
    assert SECRET not in repr(logs)


def test_an_unknown_organization_has_no_header() -> None:
    """Nobody's credentials are sent for an organisation that has none."""
    credentials = Credentials(Sources(None, {"acme": login(access=value("OWN"))}), ["acme"])
    with pytest.raises(KeyError):
        credentials.authorization("other")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is no file when it is opened is refused at once, whatever it was a moment before."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(files.UnreadableError, match="is no regular file"):
        files.read(str(tmp_path / "pipe"), 10)


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that takes a file's place after it was looked at holds nothing up; the last good value stays."""
    path = tmp_path / "access"
    credentials = Credentials(Sources(login(access=file(path))), ["acme"])
    looked = files.signature

    def swapped(name: str) -> files.Signature:
        replace(path, "other")
        found = looked(name)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr(files, "signature", swapped)
    credentials.refresh()
    assert credentials.authorization("acme") == f"Bearer {SECRET}"
