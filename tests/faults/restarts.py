"""
PostgreSQL is stopped with ``-m immediate``, as in a crash, and started again, under load: no upload is lost.

Processes upload and note outside the database what was acknowledged; ``imgmod_worker`` runs in two processes all the
time. In the end each acknowledged upload has one current record with the verdict on its bytes. Prints the figures;
exits with 1 where something is wrong. The server is one of its own, which waits for the disk (``fsync``).

    python -m tests.faults.restarts --restarts 100
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.postgresql import PostgreSQL
from tests.faults.sites import Site, eventually, read_notes

DATABASE = """{
    "ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": %d, "USER": "postgres", "NAME": "postgres"
}"""
WAYS = ("atomic", "autocommit")
UPLOADERS = 3
WORKERS = 2
# In seconds, at the most, from the first upload after a start to the next stop.
LOAD = 0.5


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of it."""

    restarts: int
    seconds: float
    acknowledged: Counter[str]
    """By the way of saving."""
    failed: Counter[str]
    """Uploads whose user saw an error, by its first line."""
    found: dict[str, Any]
    """What ``examine`` says."""
    mended: str
    """What ``imgmod_reconcile`` says in the end."""
    interruptions: int
    """How often a worker process lost the database."""
    are_workers_unharmed: bool

    @property
    def is_well(self) -> bool:
        """Nothing that was acknowledged is without a record and an outcome, and nobody died."""
        is_atomic = not self.found["unrecorded"].get("atomic")
        return self.are_workers_unharmed and is_atomic and not self.found["faults"]


def restart_under_load(restarts: int, folder: Path) -> Report:
    """Stop and start a server so many times while a site in ``folder`` uploads and judges."""
    started = time.perf_counter()
    with PostgreSQL("fsync = on") as server:
        site = Site(folder, DATABASE % server.port)
        with site.workers(WORKERS) as workers:
            with site.uploading(UPLOADERS, *WAYS) as notes:
                for _ in range(restarts):
                    wait_for_upload(notes)
                    time.sleep(random.uniform(0, LOAD))  # noqa: S311 - no secret
                    server.stop()
                    server.start()
                wait_for_upload(notes)
            site.settle()
            are_unharmed = workers.are_unharmed
        found = site.examine()
        mended = site.run("imgmod_reconcile", "--verbosity=0").strip()
    noted = read_notes(folder)
    return Report(
        restarts=restarts,
        seconds=time.perf_counter() - started,
        acknowledged=Counter(note["way"] for note in noted if "pk" in note),
        failed=Counter(note["error"] for note in noted if "error" in note),
        found=found,
        mended=mended,
        interruptions=workers.count_lines("worker=database_error"),
        are_workers_unharmed=are_unharmed,
    )


def wait_for_upload(notes: list[Path]) -> None:
    """Return when each of the processes has had an upload acknowledged from now on."""
    before = [path.stat().st_size for path in notes]
    eventually(lambda: all('"pk"' in path.read_text()[size:] for path, size in zip(notes, before, strict=True)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--restarts", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgmod-site-") as folder:
        report = restart_under_load(options.restarts, Path(folder))
    print(f"{report.restarts} restarts in {report.seconds:.0f} s, {UPLOADERS} processes uploading, {WORKERS} judging")
    print("acknowledged:", ", ".join(f"{count:,} {way}" for way, count in sorted(report.acknowledged.items())))
    print(f"failed with an error of the database: {report.failed.total():,}")
    print("wrong with what was acknowledged:", report.found["faults"] or 0)
    print("rows of failed uploads without a record:", report.found["unrecorded"] or 0, "- reconciled:", report.mended)
    print("records:", report.found["statuses"])
    fate = "none died" if report.are_workers_unharmed else "NOT ALL SURVIVED"
    print(f"workers: lost the database {report.interruptions} times, {fate}")
    return int(not report.is_well)


if __name__ == "__main__":
    sys.exit(main())
