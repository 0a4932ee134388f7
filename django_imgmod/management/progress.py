"""Telling how far a long command has come."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from django.core.management.base import OutputWrapper

from .wording import lasting

WIDTH: Final = 79
BAR_WIDTH: Final = 20
# In seconds: how often a terminal's line is drawn anew, and how often a line is written to what is none.
REDRAW: Final = 0.2
INTERVAL: Final = 10.0
# In seconds: how far back the present speed looks.
WINDOW: Final = 60.0


class Progress:
    """One line that is drawn anew, on a terminal; otherwise a line now and then."""

    def __init__(self, output: OutputWrapper, total: int, *, what: str = "images") -> None:
        self._output = output
        self._total = total
        self._what = what
        self._is_terminal = output.isatty()
        self._shown_at = time.monotonic()
        self._past = deque([(self._shown_at, 0)])
        self._drawn = ""

    def show(self, count: int, *, failed_count: int = 0) -> None:
        """Tell that ``count`` are done, unless that was told only just now."""
        now = time.monotonic()
        if now - self._shown_at < (REDRAW if self._is_terminal else INTERVAL):
            return
        self._shown_at = now
        self._past.append((now, count))
        while len(self._past) > 2 and now - self._past[1][0] > WINDOW:
            self._past.popleft()
        if self._is_terminal:
            self._draw(self._bar(count, failed_count))
        else:
            self._output.write(self._line(count, failed_count))

    def end(self) -> None:
        """Leave an empty line on a terminal, for what is written next."""
        if self._drawn:
            self._draw("")
            self._output.write("\r", ending="")

    def _draw(self, line: str) -> None:
        line = line[:WIDTH]
        self._output.write(f"\r{line.ljust(len(self._drawn))}", ending="")
        self._output.flush()
        self._drawn = line

    def _bar(self, count: int, failed_count: int) -> str:
        filled = round(BAR_WIDTH * self._share(count))
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        speed = f"{self._speed():,.1f}/s"
        return f"[{bar}] {count:,}/{self._total:,} {speed}, {self._left(count)} left{_failed(failed_count)}"

    def _line(self, count: int, failed_count: int) -> str:
        done = f"{count:,} of {self._total:,} {self._what} ({self._share(count):.0%})"
        return f"{done}, {self._speed():,.1f} a second, {self._left(count)} left{_failed(failed_count)}"

    def _share(self, count: int) -> float:
        return min(count / self._total, 1) if self._total else 1

    def _speed(self) -> float:
        (begin, at_begin), (now, count) = self._past[0], self._past[-1]
        return (count - at_begin) / max(now - begin, 1e-6)

    def _left(self, count: int) -> str:
        speed = self._speed()
        return lasting(max(self._total - count, 0) / speed) if speed else "unknown time"


def _failed(count: int) -> str:
    return f", {count:,} failed" if count else ""
