"""Signals, whenever they come: from the first moment that a handler can be set to the last of the interpreter."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress

import pytest
from processes import LOGIN, exporting, planetscale, surroundings

# Stops where an import or a step of the start begins, says so, and goes on when the tester has sent its signals.
STEPS = """
import sys
def wait(step):
    if step == {0!r}:
        sys.stderr.write("step\\n"); sys.stderr.flush()
        sys.stdin.readline()
class Finder:
    def find_spec(self, name, *rest):
        wait(name)
sys.meta_path.insert(0, Finder())
sys.argv[0] = "exporter"
from exporter.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("step", ["exporter.cli", "pydantic", "aiohttp", "exporter.app", "exporter.web"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_end_during_the_start_is_a_good_one(step: str, number: int) -> None:
    """Whatever is being imported: exit code 0, at once, and not a word."""
    command = [sys.executable, "-c", STEPS.format(step), "--target=acme", "--web.listen-address=127.0.0.1:0"]
    process = await asyncio.create_subprocess_exec(
        *command, env=surroundings(LOGIN), stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    assert await process.stderr.readline() == b"step\n"
    process.send_signal(number)
    async with asyncio.timeout(5):
        assert await process.wait() == 0
    assert await process.stderr.read() == b""


@pytest.mark.parametrize("step", ["exporter.cli", "exporter.app"])
async def test_a_hang_up_during_the_start_is_a_reload_after_it(step: str) -> None:
    """It never ends the process, and what was changed before it is read."""
    async with planetscale() as api:
        argv = ("--target=acme", f"--api.url={api.url}")
        async with exporting(*argv, run=("-c", HANG_UP.format(step)), **LOGIN) as exporter:
            await exporter.says("event=reloaded")


HANG_UP = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *rest):
        if name == {0!r}:
            os.kill(os.getpid(), signal.SIGHUP)
sys.meta_path.insert(0, Finder())
sys.argv[0] = "exporter"
from exporter.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_until_the_last_moment_change_nothing(number: int) -> None:
    """A supervisor that is impatient, or a person who holds Ctrl-C, sees the same good end."""
    async with planetscale() as api:
        api.held.add("operations")
        async with exporting("--target=acme/shop/1", f"--api.url={api.url}", **LOGIN) as exporter:
            exporter.process.send_signal(signal.SIGTERM)
            with suppress(ProcessLookupError):
                while exporter.process.returncode is None:
                    os.kill(exporter.process.pid, number)  # send_signal would take the exit code from asyncio
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(5):
                assert await exporter.process.wait() == 0
        assert not any(re.search("Traceback|Exception", line) for line in exporter.log)
