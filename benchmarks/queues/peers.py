"""Queues that others have made, each with its own workers: started, filled, worked off, stopped and cleared away."""

from __future__ import annotations

import copy
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import redis
from django.db import connection, transaction
from django_tasks_db.models import DBTaskResult

from benchmarks.claims import analyse, empty
from benchmarks.queues import tally
from benchmarks.queues.celeryapp import make_app
from benchmarks.queues.djangotasks import count
from tests.dispatch.processes import DEADLINE, Processes

Workers = list[subprocess.Popen[bytes]]
BATCH = 5000
# Seconds from one look at an empty table to the next: it matters before the work and not during it.
IDLE = 0.05


class Peer(Protocol):
    name: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its workers."""

    def start(self, processes: Processes, count: int) -> Workers:
        """Have so many processes wait for work."""

    def fill(self, records: int) -> None:
        """Make the work, and only when all of it is there let them see it."""

    def count_left(self) -> int:
        """Return how much is not done, once the workers have ended."""

    def clear(self) -> None:
        """Leave nothing behind."""


def rate(peer: Peer, processes: int, records: int) -> float:
    """Return how many pieces of work a second are done, from the first that begins to the last that does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "tally")
        folder.mkdir()
        started = Processes(Path(name, "log"), **{**os.environ, **peer.variables, "TALLY": str(folder)})
        try:
            workers = peer.start(started, processes)
            peer.fill(records)
            _wait_for(records, folder, started)
            _stop(workers)
            done, first, last = tally.read(folder)
            assert (done, peer.count_left()) == (records, 0), f"{peer.name} did {done} of {records}"
        finally:
            started.kill_all()
            peer.clear()
    return records / (last - first)


def _wait_for(records: int, folder: Path, started: Processes) -> None:
    done = 0

    def is_more_done() -> bool:
        return tally.read(folder)[0] > done

    # The whole takes as long as it takes, but something has to be done within each deadline.
    while done < records:
        started.wait_until(is_more_done, f"for more than {done} of {records}")
        done, _, _ = tally.read(folder)


def _stop(workers: Workers) -> None:
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait(DEADLINE)


class DjangoTasksDb:
    """``db_worker``, as many times as there are processes: each claims one row at a time, and marks it as done."""

    name = "django-tasks-db"

    @property
    def variables(self) -> dict[str, str]:
        url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
        return {"DATABASE_URL": url.geturl(), "DJANGO_SETTINGS_MODULE": "benchmarks.queues.settings"}

    def start(self, processes: Processes, count: int) -> Workers:
        options = (f"--interval={IDLE}", "--no-startup-delay", "--verbosity=0")
        workers = [processes.start("django", "db_worker", *options) for _ in range(count)]
        processes.wait_until(lambda: self._count_connections() == count, f"for {count} workers")
        return workers

    def fill(self, records: int) -> None:
        # What a commit makes visible, all workers see at once.
        with transaction.atomic():
            example = count.enqueue().db_result
            for start in range(1, records, BATCH):
                some = [copy.copy(example) for _ in range(start, min(start + BATCH, records))]
                for one in some:
                    one.pk = uuid.uuid4()
                DBTaskResult.objects.bulk_create(some)
            analyse(DBTaskResult)

    def count_left(self) -> int:
        return DBTaskResult.objects.count() - DBTaskResult.objects.successful().count()

    def clear(self) -> None:
        empty(DBTaskResult)

    @staticmethod
    def _count_connections() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            [found] = cursor.fetchone()
        return int(found)


class Celery:
    """
    Workers of Celery that acknowledge late, on RabbitMQ or Redis.

    ``prefork`` is one worker with so many children, which get their work through it, ``solo`` so many workers that
    read the broker themselves. They wait at a queue that stays empty; told of the full one, they begin.
    """

    def __init__(self, broker: str, url: str, *, pool: str, prefetch_multiplier: int) -> None:
        self.name = f"Celery, {broker}, {pool}, prefetch {prefetch_multiplier}"
        self._queue = f"imgmod-queues-{uuid.uuid4().hex}"
        self._url = url
        self._pool = pool
        self._multiplier = prefetch_multiplier
        self._app = make_app(url, self._queue, prefetch_multiplier)

    @property
    def variables(self) -> dict[str, str]:
        return {"BROKER_URL": self._url, "QUEUE": self._queue, "PREFETCH_MULTIPLIER": str(self._multiplier)}

    @property
    def _idle_queue(self) -> str:
        return f"{self._queue}-idle"

    def start(self, processes: Processes, count: int) -> Workers:
        app = ("celery", "-A", "benchmarks.queues.celeryapp", "worker", "--loglevel=ERROR")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        number, concurrency = (1, count) if self._pool == "prefork" else (count, 1)
        options = (*quiet, f"--pool={self._pool}", f"--concurrency={concurrency}", f"--queues={self._idle_queue}")
        workers = [processes.start(*app, *options, f"--hostname={self._queue}-{each}@%h") for each in range(number)]
        processes.wait_until(lambda: len(self._app.control.ping(timeout=1, limit=number)) == number, f"for {self.name}")
        return workers

    def fill(self, records: int) -> None:
        work = self._app.tasks["count_one"]
        with self._app.producer_pool.acquire(block=True) as producer:
            for _ in range(records):
                work.apply_async(queue=self._queue, producer=producer)
        self._app.control.add_consumer(self._queue)

    def count_left(self) -> int:
        with self._app.connection_for_read() as broker:
            # As it was declared before: Redis forgets an empty queue, and would not find it passively.
            found = broker.default_channel.queue_declare(self._queue, durable=True, auto_delete=False)
            return int(found.message_count)

    def clear(self) -> None:
        names = [self._queue, self._idle_queue]
        control = self._app.conf.control_exchange
        exchanges = [*names, f"{control}.pidbox", f"reply.{control}.pidbox", self._app.conf.event_exchange]
        with self._app.connection_for_write() as broker:
            for name in names:
                broker.default_channel.queue_delete(name)
            for name in exchanges:
                broker.default_channel.exchange_delete(name)
        self._app.close()
        if self._url.startswith("redis"):
            with redis.from_url(self._url) as client:
                for key in client.scan_iter(f"{self._queue}:*"):
                    client.delete(key)
