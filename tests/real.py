"""What tests against real programs share: leaving where one is missing, and waiting for one to answer."""

import os
import re
import ssl
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

# All that promtool may say of the metrics: the shard of how many is a setting, and its name is the interface.
LINTED = 'planetscale_exporter_shard_count non-histogram and non-summary metrics should not have "_count" suffix\n'


def unavailable(reason: str) -> NoReturn:
    """Skip a test that cannot run here; fail it where CI=true, since CI has everything."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def page_with(url: str, text: str | re.Pattern[str], *, seconds: float = 30, tell: Callable[[], str] = str) -> str:
    """GET *url* until the page holds *text* (or a match), for a server is started before it listens, and give the page.

    After *seconds* the test fails with the last answer and what *tell* says, such as the server's log.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - tests ask their own servers
                page: str = answer.read().decode()
            if text.search(page) if isinstance(text, re.Pattern) else text in page:
                return page
        except OSError as error:
            page = str(error)
        if time.monotonic() > deadline:
            pytest.fail(f"{url} has no {text}: {page[-2000:]}\n{tell()}")
        time.sleep(0.1)


def trusting(folder: Path, client: str = "") -> ssl.SSLContext:
    """A client's context that trusts the authority, with a certificate of its own where *client* names one."""
    context = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if client:
        context.load_cert_chain(folder / f"{client}.crt", folder / f"{client}.key")
    return context
