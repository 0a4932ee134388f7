"""
How many due records several processes can claim in a second, on a database server.

A claim is crash-safe: it is a lease in the database, which runs out by itself if its process dies. Measured with claims
of one record and of a batch. What is claimed is marked as done, fifty at a time, and that time counts as well.

    DATABASE_URL=postgres://… python benchmarks/claims.py
    DATABASE_URL=postgres://… python benchmarks/claims.py --processes 4 --records 200000
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections
from django.test.utils import setup_databases, setup_test_environment, teardown_databases
from django.utils import timezone

from django_imgmod.models import ModerationRecord, current_key
from django_imgmod.services.claims import claim_due
from tests.hostapp.models import Photo

PROVIDER = "default"
DONE_AT_ONCE = 50


def fill(count: int) -> None:
    """Make ``count`` records that are due, as many uploads leave them behind."""
    content_type = ContentType.objects.get_for_model(Photo)
    now = timezone.now()
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
                due_at=now,
            )
            for number in range(start, min(start + 5000, count))
        )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {ModerationRecord._meta.db_table}")


def done(keys: list[int]) -> None:
    ModerationRecord.objects.filter(pk__in=keys).update(due_at=None)


def claim_all(
    limit: int, database: str, start: multiprocessing.synchronize.Barrier, results: multiprocessing.Queue
) -> None:
    connections["default"].settings_dict["NAME"] = database
    connection.ensure_connection()
    start.wait()
    count, began, held = 0, time.perf_counter(), []
    while claimed := claim_due(PROVIDER, using="default", limit=limit):
        count += len(claimed)
        # What is leased and never done would stand at the head of the index, in the way of all that follows.
        held += [record.pk for record in claimed]
        if len(held) >= DONE_AT_ONCE:
            done(held)
            held = []
    done(held)
    results.put((count, began, time.perf_counter()))


def claims_per_second(processes: int, limit: int, records: int) -> float:
    ModerationRecord.objects.all().delete()
    fill(records)
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(processes), context.Queue()
    database = connection.settings_dict["NAME"]
    connections.close_all()
    workers = [context.Process(target=claim_all, args=(limit, database, start, results)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    done = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(count for count, _, _ in done) == records, "a record was claimed twice, or never"
    return records / (max(end for *_, end in done) - min(began for _, began, _ in done))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--records", type=int, default=50_000)
    options = parser.parse_args()
    setup_test_environment()
    old = setup_databases(verbosity=0, interactive=False, aliases={"default"})
    try:
        for limit in (1, 10, 100):
            rate = claims_per_second(options.processes, limit, options.records if limit > 1 else options.records // 5)
            print(f"claims of {limit:>4}: {rate:>8,.0f} records a second")
    finally:
        connections.close_all()
        teardown_databases(old, verbosity=0)


if __name__ == "__main__":
    main()
