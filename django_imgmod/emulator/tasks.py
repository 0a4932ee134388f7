"""Asynchronous tasks: accepted at once, worked on in the background, asked for later, forgotten in the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

logger = logging.getLogger("django_imgmod")

# Source: the retention of results in the documentation of each generation.
LIFETIME1: Final = timedelta(hours=1)
LIFETIME2: Final = timedelta(days=3)

WORKERS: Final = 2

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Task(Generic[R]):
    """What can be said of a task when it is asked for."""

    result: R | None
    """None while it is still being worked on."""

    @property
    def is_processing(self) -> bool:
        return self.result is None


@dataclass(slots=True)
class _Entry(Generic[R]):
    future: Future[R]
    forgotten_at: datetime
    processing_answers: int


class Tasks(Generic[R]):
    """
    Tasks by their id. Usable from any thread.

    Whoever asks is first told that a task is being worked on, ``processing_answers`` times, however fast it was; then
    its result, for which the question waits where need be. So a client sees the same on every machine. ``clock`` says
    when a task has been kept for its ``lifetime`` and is forgotten.
    """

    def __init__(self, clock: Callable[[], datetime], *, lifetime: timedelta, processing_answers: int = 1) -> None:
        self._clock = clock
        self._lifetime = lifetime
        self._processing_answers = processing_answers
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry[R]] = {}
        self._executor = ThreadPoolExecutor(WORKERS, "imgmod-emulator-task")

    def add(self, task_id: str, work: Callable[[], R], then: Callable[[R], object] | None = None) -> None:
        """
        Begin with a task.

        ``work`` gives its result, and is called once, in another thread; ``then`` is called with it. What either raises
        is logged; what ``work`` raises is raised again to whoever asks for the result.
        """
        now = self._clock()
        with self._lock:
            self._forget(now)
            future = self._executor.submit(work)
            self._entries[task_id] = _Entry(future, now + self._lifetime, self._processing_answers)
        future.add_done_callback(lambda done: _conclude(task_id, done, then))

    def get(self, task_id: str) -> Task[R] | None:
        """Return what can be said of a task; None where there is none of this id, or none any more."""
        now = self._clock()
        with self._lock:
            entry = self._entries.get(task_id)
            if entry is None or now >= entry.forgotten_at:
                return None
            if entry.processing_answers > 0:
                entry.processing_answers -= 1
                return Task(None)
        return Task(entry.future.result())

    def close(self) -> None:
        """Begin with nothing more, and wait for what is being worked on."""
        self._executor.shutdown(cancel_futures=True)

    def _forget(self, now: datetime) -> None:
        # All are kept equally long: the first to come is the first to go.
        while self._entries and now >= self._entries[first := next(iter(self._entries))].forgotten_at:
            del self._entries[first]


def _conclude(task_id: str, done: Future[R], then: Callable[[R], object] | None) -> None:
    try:
        result = done.result()
        if then is not None:
            then(result)
    except CancelledError:
        return
    except Exception:
        logger.exception("emulator=task_failed task=%s", task_id)
