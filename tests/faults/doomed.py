"""
A process that kills itself with ``kill -9`` at a chosen moment.

Its moments lie between what others can see of it: a statement, a commit, a call of the provider, an access to the
storage. The first is before all of them, the last one after; wherever else it dies, it leaves behind the same.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from django.core.files.storage import Storage
from django.db import connection, connections

from .provider import LoopbackProvider

CALLS = ((LoopbackProvider, ("submit", "fetch", "send_feedback")), (Storage, ("open", "save")))


class Fate(NamedTuple):
    is_killed: bool
    count: int
    """How many moments it had, the last one included."""
    moment: str
    """The last one, in words."""
    at: float
    """When it was, by the clock that ``time.time`` reads."""


class DoomedProcess:
    """
    A process that is forked at once, does ``act`` and dies at its moment ``number``, from 1, unless it ends before.

    The connections of this process are closed, so that the two share none. What ``act`` raises is printed, and makes
    ``join`` raise.
    """

    def __init__(self, act: Callable[[], object], number: int) -> None:
        connections.close_all()
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            self._killed_at = 0.0
            self._reader = reader
            return
        try:
            os.close(reader)
            _Moments(writer, number).run(act)
        except BaseException:  # noqa: BLE001 - nothing of the parent's may run on in here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    def kill(self) -> None:
        """Kill it now, whatever it is doing, in the midst of a statement as well."""
        os.kill(self.pid, signal.SIGKILL)
        self._killed_at = time.time()

    def join(self) -> Fate:
        """Wait for its end, and return how it was. Raises ``RuntimeError`` where it failed."""
        with os.fdopen(self._reader) as report:
            line = report.read() or f"0 {self._killed_at} some time"
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code not in (0, -signal.SIGKILL):
            raise RuntimeError(f"The process that was to be killed ended by itself, with {code}.")
        count, at, moment = line.split(" ", 2)
        return Fate(code != 0, int(count), moment.strip(), float(at))


class _Moments:
    """Counts the moments of this process."""

    def __init__(self, writer: int, number: int) -> None:
        self.writer = writer
        self.number = number
        self.count = 0
        self.last = "the beginning"

    def run(self, act: Callable[[], object]) -> None:
        for owner, names in CALLS:
            for name in names:
                setattr(owner, name, self._around(getattr(owner, name), f"{owner.__name__}.{name}()"))
        connection._commit = self._around(connection._commit, "COMMIT")  # type: ignore[attr-defined]
        with connection.execute_wrapper(self._execute):
            act()
        self._pass("the end")
        connections.close_all()
        self._report("survived")

    def _around(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def surrounded(*args: Any, **kwargs: Any) -> Any:
            self._pass(name)
            try:
                return call(*args, **kwargs)
            finally:
                self.last = name

        return surrounded

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        words = " ".join(sql.split())
        return self._around(execute, words[:60])(sql, params, many, context)

    def _pass(self, following: str) -> None:
        self.count += 1
        if self.count == self.number:
            self._report(f"between {self.last} and {following}")
            os.kill(os.getpid(), signal.SIGKILL)

    def _report(self, moment: str) -> None:
        os.write(self.writer, f"{self.count} {time.time()} {moment}\n".encode())
