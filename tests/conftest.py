"""What a run tells while it goes on: each failure as it comes, with what ``make again`` needs, should it be stopped."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """In the process that collects the results alone: the others of ``-n 2`` only send theirs."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Early(config))


class _Early:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.failed:
            return
        if (terminal := self._config.pluginmanager.get_plugin("terminalreporter")) is not None:
            terminal.write_line(f"FAILED {report.nodeid}{_why(report)}", red=True)
        if (cache := getattr(self._config, "cache", None)) is not None:
            # pytest itself writes it down at the end of a run alone.
            cache.set("cache/lastfailed", {**cache.get("cache/lastfailed", {}), report.nodeid: True})


def _why(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = crash.message.splitlines() if crash is not None else ()
    return f" - {lines[0]}" if lines else ""
