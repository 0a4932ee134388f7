"""Working through what is due: the whole work with ``SweepDispatcher``, the safety net with every other dispatcher."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections

from ...models import ModerationRecord
from ...services.sweep import sweep

logger = logging.getLogger("django_imgmod")

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Command(BaseCommand):
    help = "Work on the records that are due: submit images, ask for answers, try again what failed."

    def add_arguments(self, parser: CommandParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--once", action="store_true", help="Work through everything that is due, then stop.")
        mode.add_argument(
            "--loop", action="store_true", help="Go on until SIGTERM or SIGINT, after the current record (the default)."
        )
        parser.add_argument(
            "--interval", type=_positive(float), default=5.0, help="Seconds to wait when nothing is due (default: 5)."
        )
        parser.add_argument(
            "--batch", type=_positive(int), default=100, help="Records to look for at a time (default: 100)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with _stop_on_signal() as stop:
            if options["once"]:
                while self._work(options, stop) and not stop.is_set():
                    pass
                return
            while not stop.is_set():
                if not self._work_whatever_happens(options, stop):
                    stop.wait(options["interval"])

    def _work_whatever_happens(self, options: dict[str, Any], stop: threading.Event) -> int:
        """Survive a database that goes away: the next round connects anew."""
        close_old_connections()
        try:
            return self._work(options, stop)
        except AnyDatabaseError:
            logger.exception("worker=database_error")
            close_old_connections()
            return 0

    def _work(self, options: dict[str, Any], stop: threading.Event) -> int:
        """Work on one batch; return how many records there were."""
        count = 0
        started = time.perf_counter()
        for record in sweep(limit=options["batch"]):
            count += 1
            if options["verbosity"]:
                self._report(record, time.perf_counter() - started)
            if stop.is_set():
                break
            started = time.perf_counter()
        return count

    def _report(self, record: ModerationRecord, seconds: float) -> None:
        # repr(): a file name is untrusted, and this is a terminal.
        self.stdout.write(f"{record.status:<10} {record.public_id} {record.file_name!r} {seconds * 1000:.0f} ms")


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    """Give an event that is set by the first SIGTERM or SIGINT; a second one acts as it did before."""
    stop = threading.Event()
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, previous[signal.Signals(number)])
        stop.set()

    for number in STOP_SIGNALS:
        signal.signal(number, ask_to_stop)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _positive(number_type: type[int] | type[float]) -> Any:
    def parse(text: str) -> int | float:
        number = number_type(text)
        if not 0 < number < threading.TIMEOUT_MAX:
            raise argparse.ArgumentTypeError(f"must be more than 0 and less than {threading.TIMEOUT_MAX:.0f}")
        return number

    return parse
