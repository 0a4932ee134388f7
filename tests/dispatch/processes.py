"""Processes as an administrator starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
DEADLINE = 60.0


class Processes:
    """Starts processes that share a database and a media folder; what they say is in ``log``."""

    def __init__(self, log: Path, **variables: str) -> None:
        self.log = log
        self._running: list[subprocess.Popen[bytes]] = []
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self._variables = {**inherited, "DJANGO_SETTINGS_MODULE": "tests.dispatch.settings", **variables}

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, "-m", *arguments],
                cwd=CHECKOUT,
                env=self._variables,
                stdout=log,
                stderr=log,
                # With a group of its own it can be killed with all its children.
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def run(self, *arguments: str) -> None:
        assert self.start(*arguments).wait(DEADLINE) == 0, self.log.read_text()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill it and all its children, as a power cut does."""
        self._running.remove(process)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(DEADLINE)

    def kill_all(self) -> None:
        for process in list(self._running):
            with suppress(ProcessLookupError):
                self.kill(process)

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        ends_at = time.monotonic() + DEADLINE
        while not is_so():
            said = self.log.read_text() if self.log.exists() else ""
            assert time.monotonic() < ends_at, f"Waited in vain: {what}.\n{said}"
            time.sleep(0.05)
