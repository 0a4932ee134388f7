"""
How many due records several processes can lease in a second, on a database server.

A claim is crash-safe: it is a lease in the database, which runs out by itself if its process dies. All processes are
connected before a clock runs. Claims of 1, 10 and 100 records, with two figures each:

claimed
    Calls of ``claim_due`` and nothing else, each a transaction of its own that returns whole records. In rounds, which
    all processes begin together and in which each makes a fixed number of claims. The time of a round is that from the
    first process that begins to the last that ends; between rounds, with no clock running, what is leased is marked as
    done, as it would otherwise stand at the head of the index, in the way of all that follows. Twice as many records
    are due as are claimed: the last claim is not made in an empty table.
claimed and done
    Each claim is followed by the one ``UPDATE`` that marks its records as done, until nothing is due any more. The time
    is that from the first process that begins to the last that finds nothing, all that lies between included.

Before them stands what the machine can do at all, the floor: the same processes, each of which changes a column without
an index in one row after the other, by its key, and commits. Its commits wait for the disk; those of claims need not,
see ``claim_due``.

CPU is that of the processes and, where it runs on this machine, of the server's for them. Other load falsifies it less
than the rates: two idle processors reach at most 2 s divided by it.

Exits with 1 where less is claimed than 3,000 a second one by one, or 25,000 in hundreds.

    DATABASE_URL=postgres://… python benchmarks/claims.py
    DATABASE_URL=postgres://… python benchmarks/claims.py --processes 4 --records 40000
    DATABASE_URL=postgres://… python benchmarks/claims.py --prepared      # with the OPTIONS of docs/databases.md
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.synchronize
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connection, connections
from django.db.models import Model
from django.test.utils import setup_databases, setup_test_environment, teardown_databases
from django.utils import timezone

from benchmarks.postgresql import PREPARED
from django_imgmod.models import ModerationRecord, current_key
from django_imgmod.services.claims import claim_due
from tests.hostapp.models import Photo

PROVIDER = "default"
LIMITS = (1, 10, 100)
MIN_A_SECOND = {1: 3_000, 100: 25_000}
# What a process holds at the end of a round: enough that its begin and its end weigh little, and few enough that
# leased records are hardly in the way.
HELD = 50
MIN_CLAIMS = 3
DEADLINE = 600.0
SIGNALS = {signal.SIGINT, signal.SIGTERM}

Result = TypeVar("Result")
# When a round began, when it ended, and the CPU that it took, all in seconds.
Turn = tuple[float, float, float]

_barrier: multiprocessing.synchronize.Barrier


def empty(model: type[Model]) -> None:
    """Empty a table and what refers to it, so that no run finds the dead rows of another."""
    operations = connection.ops
    operations.execute_sql_flush(operations.sql_flush(no_style(), [model._meta.db_table], allow_cascade=True))


def analyse(model: type[Model]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE ' if connection.vendor == 'mysql' else ''}{model._meta.db_table}")


def fill(count: int) -> None:
    """Make ``count`` records that are due, as many uploads leave them behind."""
    empty(ModerationRecord)
    content_type = ContentType.objects.get_for_model(Photo)
    first_due_at = timezone.now() - timedelta(milliseconds=count)
    for start in range(0, count, 5000):
        ModerationRecord.objects.bulk_create(
            ModerationRecord(
                content_type=content_type,
                object_id=str(number),
                field_name="image",
                current_key=current_key(Photo, str(number), "image"),
                file_name=f"photos/{number}.jpg",
                provider=PROVIDER,
                policy="default",
                due_at=first_due_at + timedelta(milliseconds=number),
            )
            for number in range(start, min(start + 5000, count))
        )
    analyse(ModerationRecord)


COMMIT: Final = f"UPDATE {ModerationRecord._meta.db_table} SET lease_owner = 'somebody' WHERE id = %s"  # noqa: S608 - a name of our own


def finish(records: list[ModerationRecord]) -> None:
    ModerationRecord.objects.filter(pk__in=[record.pk for record in records]).update(due_at=None)


def cpu_seconds() -> float:
    """Return what this process has taken and, where it runs on this machine, the server's for it."""
    seconds = time.process_time()
    if connection.vendor == "postgresql":
        backend = Path(f"/proc/{connection.connection.info.backend_pid}")
        if backend.exists() and "postgres" in (backend / "comm").read_text():
            seconds += int((backend / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def claim_in_rounds(limit: int, claims: int, rounds: int) -> list[Turn]:
    """In one of the processes: return what each round took."""
    connection.ensure_connection()
    turns = []
    for _ in range(rounds):
        _barrier.wait(DEADLINE)
        cpu, began = cpu_seconds(), time.perf_counter()
        claimed = [claim_due(PROVIDER, using="default", limit=limit) for _ in range(claims)]
        turns.append((began, time.perf_counter(), cpu_seconds() - cpu))
        _barrier.wait(DEADLINE)
        assert all(len(records) == limit for records in claimed), "a claim brought less than there was"
        finish([record for records in claimed for record in records])
    return turns


def commit_in_rounds(keys: list[list[int]], rounds: int) -> list[Turn]:
    """In one of the processes: change and commit, one by one, the rows of a list that is no other's."""
    connection.ensure_connection()
    keys = keys[_barrier.wait(DEADLINE) :: _barrier.parties]
    turns = []
    for mine in keys[:rounds]:
        _barrier.wait(DEADLINE)
        cpu, began = cpu_seconds(), time.perf_counter()
        for key in mine:
            with connection.cursor() as cursor:
                cursor.execute(COMMIT, [key])
        turns.append((began, time.perf_counter(), cpu_seconds() - cpu))
    return turns


def claim_and_finish(limit: int) -> tuple[int, float, float]:
    """In one of the processes: return how many records it got, when it began and when it ended."""
    connection.ensure_connection()
    _barrier.wait(DEADLINE)
    count, began = 0, time.perf_counter()
    while claimed := claim_due(PROVIDER, using="default", limit=limit):
        finish(claimed)
        count += len(claimed)
    return count, began, time.perf_counter()


def enter(barrier: multiprocessing.synchronize.Barrier) -> None:
    global _barrier
    _barrier = barrier
    # At Ctrl-C all get the signal, and the process that started these ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def call(function: Callable[..., Result], *arguments: Any) -> Result:
    try:
        return function(*arguments)
    except BaseException:
        # Or else all others would wait for this one.
        _barrier.abort()
        raise


def in_processes(count: int, function: Callable[..., Result], *arguments: Any) -> list[Result]:
    """Call a function in so many processes: they wait for each other, so each gets one call."""
    context = multiprocessing.get_context("fork")
    connections.close_all()
    with context.Pool(count, initializer=enter, initargs=(context.Barrier(count),)) as pool:
        results: list[Result] = pool.starmap_async(call, [(function, *arguments)] * count, chunksize=1).get(DEADLINE)
        return results


@dataclass(frozen=True, slots=True)
class Pace:
    records: int
    seconds: float
    cpu: float

    @classmethod
    def of(cls, turns: list[list[Turn]], records: int) -> Pace:
        """Add up rounds: each takes from the first process that begins to the last that ends."""
        seconds = cpu = 0.0
        for turn in zip(*turns, strict=True):
            seconds += max(end for _, end, _ in turn) - min(began for began, _, _ in turn)
            cpu += sum(spent for *_, spent in turn)
        return cls(records, seconds, cpu)

    @property
    def rate(self) -> float:
        return self.records / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:>8,.0f} a second at {self.cpu / self.records * 1e6:>4,.0f} µs of CPU"


def floor(processes: int, records: int) -> Pace:
    """Return at what pace rows are changed and committed one by one, about so many."""
    rounds = max(records // (processes * HELD), 1)
    count = rounds * processes * HELD
    fill(count)
    keys = list(ModerationRecord.objects.order_by("pk").values_list("pk", flat=True))
    lists = [keys[start : start + HELD] for start in range(0, count, HELD)]
    return Pace.of(in_processes(processes, commit_in_rounds, lists, rounds), count)


def claimed(processes: int, limit: int, records: int) -> Pace:
    """Return at what pace records are claimed, about so many."""
    claims = max(HELD // limit, MIN_CLAIMS)
    in_a_round = processes * claims * limit
    rounds = max(records // in_a_round, 1)
    fill(2 * rounds * in_a_round)
    turns = in_processes(processes, claim_in_rounds, limit, claims, rounds)
    assert ModerationRecord.objects.exclude(lease_owner="").count() == rounds * in_a_round, "a record was claimed twice"
    return Pace.of(turns, rounds * in_a_round)


def claimed_and_done(processes: int, limit: int, records: int) -> float:
    """Return how many records a second are claimed and marked as done."""
    fill(records)
    results = in_processes(processes, claim_and_finish, limit)
    assert sum(count for count, *_ in results) == records, "a record was claimed twice, or never"
    return records / (max(end for *_, end in results) - min(began for _, began, _ in results))


def paces(processes: int, limit: int, records: int) -> tuple[Pace, float]:
    """Return that of claims, and how many are claimed and done a second; five times as many where in batches."""
    if limit > 1:
        records *= 5
    return claimed(processes, limit, records), claimed_and_done(processes, limit, records)


def figures(processes: int, limit: int, records: int) -> tuple[float, float]:
    """Return both rates."""
    pace, done_rate = paces(processes, limit, records)
    return pace.rate, done_rate


def give_up(number: int, frame: FrameType | None) -> None:
    # What is cleared away now must not be disturbed by a second one.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


@contextmanager
def scratch_database() -> Iterator[None]:
    """Make the test database; drop it at the end, also where the end is Ctrl-C or SIGTERM."""
    setup_test_environment()
    for each in SIGNALS:
        signal.signal(each, give_up)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    old = setup_databases(verbosity=0, interactive=False, aliases={"default"})
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        yield
    finally:
        connections.close_all()
        teardown_databases(old, verbosity=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--records", type=int, default=10_000, help="one by one, and five times as many in batches")
    parser.add_argument("--prepared", action="store_true", help="with prepared statements (PostgreSQL)")
    options = parser.parse_args()
    if connection.vendor == "sqlite":
        parser.error("name a database server in DATABASE_URL: SQLite has one writer at a time")
    if options.prepared:
        if connection.vendor != "postgresql":
            parser.error("--prepared is for PostgreSQL")
        connection.settings_dict["OPTIONS"] = {**connection.settings_dict["OPTIONS"], **PREPARED}
    is_enough = True
    with scratch_database():
        print(f"floor:          {floor(options.processes, options.records)}", flush=True)
        for limit in LIMITS:
            pace, done_rate = paces(options.processes, limit, options.records)
            is_enough &= pace.rate >= MIN_A_SECOND.get(limit, 0)
            print(f"claims of {limit:>4}: {pace} a record, {done_rate:>8,.0f} claimed and done", flush=True)
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
