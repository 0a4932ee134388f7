"""
Provider calls that can be held: a worker stops inside its call until the test says how the call ends.

Workers are threads, but of all threads one runs at a time: whoever starts or ends a call waits until it is held or
done. So each interleaving is played exactly as it is written, on one shared connection.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from django_imgmod.dispatch import BaseDispatcher
from django_imgmod.providers.base import BaseProvider
from django_imgmod.results import FeedbackMessage, ImageSource, Submission, Verdict

PATIENCE: Final = 60.0
_here = threading.local()


class Died(BaseException):
    """The worker's process ends here: no ``except`` and no ``else`` of ours is run."""


class Call:
    """A piece of a worker's work, which stops inside the provider."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.place = ""
        """Where it is held: ``submit``, ``fetch``, ``feedback``; empty once it is done."""
        self.subject: Any = None
        """What the provider was handed there."""
        self._answer: Any = None
        self._error: BaseException | None = None
        self._resumed = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)

    def start(self) -> Call:
        """Run until the provider is called, or to the end."""
        shared = connections[DEFAULT_DB_ALIAS]
        threading.Thread(target=self._run, args=(shared,), daemon=True).start()
        self._wait()
        return self

    def end(self, answer: Any) -> None:
        """Let the provider return ``answer``, or raise it, and run on."""
        self._answer = answer
        self._resumed.release()
        self._wait()

    def hold(self, place: str, subject: Any) -> Any:
        """Stop the calling thread until ``end``."""
        self.place, self.subject = place, subject
        self._stopped.release()
        self._resumed.acquire()
        self.place = ""
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def _wait(self) -> None:
        if not self._stopped.acquire(timeout=PATIENCE):
            raise AssertionError(f"A worker neither came to its provider nor to its end in {PATIENCE:.0f} seconds.")
        if self._error is not None:
            raise self._error

    def _run(self, shared: Any) -> None:
        connections[DEFAULT_DB_ALIAS] = shared
        _here.call = self
        try:
            self._function()
        except Died:
            pass
        except BaseException as error:  # noqa: BLE001 - raised anew where somebody waits
            self._error = error
        finally:
            del connections[DEFAULT_DB_ALIAS]
            self._stopped.release()


class HeldProvider(BaseProvider):
    """An asynchronous provider whose every call is held."""

    @property
    def service(self) -> str:
        return "held"

    def submit(self, source: ImageSource) -> Submission:
        return _here.call.hold("submit", source)

    def fetch(self, reference: str) -> Verdict | None:
        return _here.call.hold("fetch", reference)

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        _here.call.hold("feedback", message)


class HeldDispatcher(BaseDispatcher):
    """Hand each wake-up to ``heard``; by default it is lost."""

    heard: Callable[[uuid.UUID], None] | None = None

    def wake(self, public_id: uuid.UUID, *, using: str) -> None:
        if HeldDispatcher.heard is not None:
            HeldDispatcher.heard(public_id)
