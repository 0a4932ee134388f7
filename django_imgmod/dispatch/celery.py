"""
Waking by Celery: a message for each record, and a sweep now and then for what no message told of.

The site's Celery settings are read and never changed. Celery's workers find the functions by
``app.autodiscover_tasks()``; what beat is to send stands in ``django_imgmod.beat``.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import closing
from typing import Any, Final

from ..beat import SWEEP_INTERVAL
from ..exceptions import ImgmodConfigurationError
from ..services.periodic import run_every_minute, run_periodic
from ..services.submission import work
from ..services.sweep import sweep
from .messages import MessageDispatcher

try:
    from celery import Task, shared_task
    from kombu import Connection
    from kombu.exceptions import OperationalError
except ImportError as error:
    raise ImgmodConfigurationError(
        f"CeleryDispatcher needs the package celery, which cannot be imported ({error}). "
        'Install it with: pip install "django-imgmod[celery]"'
    ) from error

WORK_QUEUE: Final = "imgmod"
# Of its own, so that a sweep does not stand in line behind a thousand uploads.
SWEEP_QUEUE: Final = "imgmod-sweep"
# Seconds. Long before that the sweep has found the record, and a queue that nobody reads must not grow for ever.
MESSAGE_LIFETIME: Final = 3600
# Seconds, less than those from one sweep to the next.
SWEEP_TIME: Final = SWEEP_INTERVAL - 5

# Seconds a save may wait for the broker, at each step.
PATIENCE: Final = 1.0
# Celery's own are made for a worker: it waits six seconds for a closed port, and for ever for a Redis that accepts
# and never answers. Each transport takes from these what it knows.
TIMEOUTS: Final = {
    "read_timeout": PATIENCE,
    "write_timeout": PATIENCE,
    "socket_timeout": PATIENCE,
    "socket_connect_timeout": PATIENCE,
}


class QueuedTask(Task):  # type: ignore[type-arg]
    """Goes to a queue of its own, unless ``task_routes`` names another: Celery heeds a task's ``queue`` before them."""

    abstract = True
    own_queue: str

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        if not options.keys() & {"queue", "exchange", "routing_key"} and not self._is_routed(args, kwargs, options):
            options["queue"] = self.own_queue
        return super().apply_async(args, kwargs, *more, **options)

    def _is_routed(self, args: Any, kwargs: Any, options: dict[str, Any]) -> bool:
        return bool(self.app.amqp.router.lookup_route(self.name, args, kwargs, options, self))  # type: ignore[arg-type]


@shared_task(
    name="imgmod.work",
    base=QueuedTask,
    own_queue=WORK_QUEUE,
    expires=MESSAGE_LIFETIME,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
)
def work_record(public_id: str, using: str) -> None:
    """Do a record's work. A message that comes twice, or late, finds nothing to do."""
    work(uuid.UUID(public_id), using=using)


@shared_task(
    name="imgmod.sweep",
    base=QueuedTask,
    own_queue=SWEEP_QUEUE,
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
)
def sweep_records() -> int:
    """
    Work on what is due until nothing is, or until the next sweep is near; return how many records there were.

    Does what a worker does now and then as well: feedback, the comparison of rows and records, alarms.
    """
    ends_at = time.monotonic() + SWEEP_TIME
    count = 0
    while found := _sweep_once(ends_at):
        count += found
    run_periodic()
    run_every_minute()
    return count


def _sweep_once(ends_at: float) -> int:
    count = 0
    # What was claimed and not begun is given back at the end of the time, not when the garbage is collected.
    with closing(sweep()) as records:
        while time.monotonic() < ends_at and next(records, None):
            count += 1
    return count


class Line:
    """
    This process's own connection to the broker, kept from one wake-up to the next and used by one thread at a time.

    Not the Celery app's pool, whose timeouts are those of the site.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def publish(self, public_id: uuid.UUID, *, using: str) -> None:
        """Send a wake-up; raises ``OperationalError`` after one attempt to connect to each broker that is named."""
        # Half, so that whoever waits for the thread that finds the broker silent gives up before that one does.
        if not self._lock.acquire(timeout=PATIENCE / 2):
            raise OperationalError(f"{self._address()}: another thread has been waiting for an answer")
        try:
            self._publish({"public_id": str(public_id), "using": using})
        except Exception as error:
            address = self._address()
            self.hang_up()
            raise OperationalError(f"{address}: {error}") from error
        finally:
            self._lock.release()

    def hang_up(self) -> None:
        """Close the connection without a word to the broker, which may not answer."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.collect()

    def _address(self) -> str:
        """Say where the broker is, without what is secret in its URL."""
        connection = self._connection
        if connection is None:
            return "broker"
        return f"{connection.transport_cls} at {connection.hostname}:{connection.port}".partition("?")[0]

    def _publish(self, message: dict[str, str]) -> None:
        started = time.monotonic()
        if self._connection is not None:
            try:
                self._send(message, self._connection)
            except Exception:
                # The broker has been restarted since, perhaps. One that takes its time is in trouble.
                if time.monotonic() - started >= PATIENCE:
                    raise
                self.hang_up()
            else:
                return
        self._connection = connection = work_record.app.connection_for_write(connect_timeout=PATIENCE)
        retries = max(len(connection.alt) - 1, 0)
        connection.transport_options = {**(connection.transport_options or {}), **TIMEOUTS, "max_retries": retries}
        self._send(message, connection)

    def _send(self, message: dict[str, str], connection: Connection) -> None:
        work_record.apply_async(kwargs=message, connection=connection, retry=False)


line = Line()


def _take_a_new_line() -> None:
    """A child process must not talk on its parent's connection, nor wait for a thread that it does not have."""
    global line
    line = Line()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_take_a_new_line)


class CeleryDispatcher(MessageDispatcher):
    """Leave the work to Celery's workers, over whatever broker the site's Celery app names."""

    def send(self, public_id: uuid.UUID, *, using: str) -> None:
        line.publish(public_id, using=using)
