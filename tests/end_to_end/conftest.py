"""What tests measured on their way is told at the end."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write a line for each `record_property` of a test that passed."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{value!s:>6} {name} ({report.nodeid.rsplit('::', 1)[-1]})")
