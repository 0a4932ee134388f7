"""Working through what is due: the whole work with ``SweepDispatcher``, the safety net with every other dispatcher."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections

from ...models import ModerationRecord
from ...redaction import redacted
from ...services.periodic import run_every_minute, run_periodic
from ...services.sweep import sweep
from ..arguments import positive
from ..processes import is_orphan, pause, run_in_processes, stop_on_signal

logger = logging.getLogger("django_imgmod")

# In seconds. How long a call waits for its turn where the provider allows only so many a second.
PATIENCE: Final = 2.0
# In seconds. How often at most a worker that has records to work on looks for what else there is to do.
LOOK: Final = 1.0


class Command(BaseCommand):
    help = "Work on what is due: submit images, ask for answers, try again what failed, send feedback."

    next_minute = 0.0
    """When, by the monotonic clock, it is time for what is done every minute."""

    next_look = 0.0
    """And when for what is done now and then."""

    last_error = ""
    """What the database said in the round before, empty where that went well."""

    def add_arguments(self, parser: CommandParser) -> None:
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument("--once", action="store_true", help="Work through everything that is due, then stop.")
        mode.add_argument(
            "--loop", action="store_true", help="Go on until SIGTERM or SIGINT, after the current record (the default)."
        )
        parser.add_argument(
            "--interval", type=positive(float), default=1.0, help="Seconds to wait when nothing is due (default: 1)."
        )
        parser.add_argument(
            "--processes", type=positive(int), default=1, help="How many processes share the work (default: 1)."
        )
        parser.add_argument(
            "--batch", type=positive(int), default=10, help="Records that a process takes at a time (default: 10)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["processes"] > 1:
            names = ("once", "loop", "interval", "batch", "verbosity", "no_color", "force_color")
            own = {name: options[name] for name in names} | {"processes": 1, "skip_checks": True}
            if not run_in_processes(options["processes"], "imgmod_worker", own, is_restarting=not options["once"]):
                raise CommandError("A worker process failed; its own message stands above.")
            return
        with stop_on_signal() as stop:
            if options["once"]:
                while self._work(options, stop) and not stop.is_set():
                    pass
                return
            while not (stop.is_set() or is_orphan()):
                if not self._work_whatever_happens(options, stop):
                    pause(stop, options["interval"])

    def _work_whatever_happens(self, options: dict[str, Any], stop: threading.Event) -> int:
        """Survive a database that goes away: the next round connects anew."""
        try:
            count = self._work(options, stop)
            self.last_error = ""
        except AnyDatabaseError as error:
            message = redacted(error)
            # An outage repeats itself each second.
            is_new = message != self.last_error
            logger.error("worker=database_error error=%s message=%r", type(error).__name__, message, exc_info=is_new)
            self.last_error = message
            count = 0
        if not count:
            # Only now: to connect anew for each batch would cost more than what a record does in the database.
            close_old_connections()
        return count

    def _work(self, options: dict[str, Any], stop: threading.Event) -> int:
        """Work on one batch and on what is to be done now and then; return how much there was."""
        count = 0
        started = time.perf_counter()
        records = sweep(limit=options["batch"], patience=PATIENCE)
        for record in records:
            count += 1
            if options["verbosity"]:
                self._report(record, time.perf_counter() - started)
            if stop.is_set():
                # What was claimed with it is given back now, not when the garbage is collected.
                records.close()
                return count
            started = time.perf_counter()
        if time.monotonic() >= self.next_minute:
            run_every_minute()
            self.next_minute = time.monotonic() + 60
        if count and time.monotonic() < self.next_look:
            return count
        self.next_look = time.monotonic() + LOOK
        return count + run_periodic(patience=PATIENCE)

    def _report(self, record: ModerationRecord, seconds: float) -> None:
        # repr(): a file name is untrusted, and this is a terminal.
        self.stdout.write(f"{record.status:<10} {record.public_id} {record.file_name!r} {seconds * 1000:.0f} ms")
