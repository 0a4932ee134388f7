"""The site's own commands in processes beside this one: started, listened to, ended."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Self

MANAGE: Final = Path(__file__).resolve().parent.parent / "manage.py"
# In seconds.
PATIENCE: Final = 60.0
PAUSE: Final = 0.1
TIME_TO_END: Final = 10.0
_SHOWN_LINES: Final = 15
# The signals by which somebody asked for the end of whoever started processes.
_wishes_to_end: Final[list[int]] = []


class ProcessFailed(Exception):
    """A process is not there, or not ready in time; quotes the end of its log."""


class Process:
    """
    A command of ``manage.py`` in a process of its own, which writes into a log. As a context manager it ends with it.

    What is left of it after ten seconds of asking is killed.
    """

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = arguments[0]
        self.log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter
                [sys.executable, str(MANAGE), *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._popen.terminate()
        try:
            self._popen.wait(TIME_TO_END)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self._popen.kill()
            self._popen.wait()

    def check(self) -> None:
        """Raise ``ProcessFailed`` where it has ended."""
        code = self._popen.poll()
        if code is not None:
            raise self._failed(f"ended with {code}")

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in its log. Raises ``ProcessFailed``."""
        ends_at = time.monotonic() + PATIENCE
        while (match := re.search(pattern, self._said())) is None:
            self.check()
            if time.monotonic() > ends_at:
                raise self._failed(f"was not ready within {PATIENCE:.0f} seconds")
            time.sleep(PAUSE)
        return match

    def _said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _failed(self, what: str) -> ProcessFailed:
        lines = self._said().splitlines()[-_SHOWN_LINES:]
        return ProcessFailed("\n    ".join([f'"manage.py {self.name}" {what}. The end of {self.log}:', *lines]))


def wait_until(is_done: Callable[[], bool], processes: Sequence[Process], *, seconds: float = PATIENCE) -> bool:
    """
    Return whether something came about in time, looking for it ten times a second.

    Raises ``ProcessFailed`` as soon as one of the processes has ended, ``KeyboardInterrupt`` where somebody has asked
    for the end.
    """
    ends_at = time.monotonic() + seconds
    while not is_done():
        if _wishes_to_end:
            raise KeyboardInterrupt
        for process in processes:
            process.check()
        if time.monotonic() > ends_at:
            return False
        time.sleep(PAUSE)
    return True


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let every request to end raise ``KeyboardInterrupt``, so that whoever started processes ends them."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        # What is raised while an object is being destroyed is lost.
        _wishes_to_end.append(number)
        raise KeyboardInterrupt

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if previous[signal.SIGHUP] == signal.SIG_IGN:
        # That is what nohup is for.
        del previous[signal.SIGHUP]
    for number in previous:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        _wishes_to_end.clear()
