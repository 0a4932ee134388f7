"""
Processes write to one SQLite file at the same time: does "database is locked" reach a user?

They upload in every way in which views save, ``imgmod_worker`` runs in two processes beside them. Prints for each
configuration and way how many uploads were acknowledged, how many users saw that error, and the longest upload; exits
with 1 where the recommended configuration let one through, or a worker did not survive. ``--unwatched`` is the
comparison: the same uploads, moderated by nobody.

    python -m tests.faults.sqlite_writers --seconds 60
    python -m tests.faults.sqlite_writers --seconds 60 --unwatched
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.faults.sites import Site, read_notes

WRITERS = 4
WORKERS = 2
LOCKED = "OperationalError: database is locked"

DEFAULT: Final = "{}"
# As docs/databases.md has it.
RECOMMENDED: Final = """{
    "transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"
}"""
CONFIGURATIONS = {"default": DEFAULT, "recommended": RECOMMENDED}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of it, by the way of saving."""

    acknowledged: Counter[str]
    locked: Counter[str]
    """Uploads whose user saw "database is locked"."""
    other_errors: list[str]
    longest: dict[str, float]
    """The longest upload, in seconds."""
    found: dict[str, Any]
    """What ``examine`` says."""
    interruptions: int
    """How often a worker process met an error of the database."""
    are_workers_unharmed: bool


def write_together(folder: Path, options: str, *ways: str, seconds: float) -> Report:
    """Have the processes of a site in ``folder`` write for so long, with ``options`` as those of the database."""
    site = site_on_sqlite(folder, options)
    with site.workers(WORKERS) as workers:
        with site.uploading(WRITERS, *ways):
            time.sleep(seconds)
        site.settle()
        are_unharmed = workers.are_unharmed
    interruptions = workers.count_lines("worker=database_error")
    return report_on(site, found=site.examine(), interruptions=interruptions, are_workers_unharmed=are_unharmed)


def write_unwatched(folder: Path, options: str, *ways: str, seconds: float) -> Report:
    """The same without any moderation, and without its workers."""
    site = site_on_sqlite(folder, options, EXCLUDE=["hostapp.Photo"])
    with site.uploading(WRITERS, *ways):
        time.sleep(seconds)
    return report_on(site, found={"faults": {}}, interruptions=0, are_workers_unharmed=True)


def site_on_sqlite(folder: Path, options: str, **imgmod: Any) -> Site:
    name = str(folder / "site.sqlite3")
    database = f'{{"ENGINE": "django.db.backends.sqlite3", "NAME": {name!r}, "OPTIONS": {options}}}'
    return Site(folder, database, **imgmod)


def report_on(site: Site, **others: Any) -> Report:
    notes = read_notes(site.folder)
    longest: dict[str, float] = {}
    for note in notes:
        longest[note["way"]] = max(longest.get(note["way"], 0), note["seconds"])
    return Report(
        acknowledged=Counter(note["way"] for note in notes if "pk" in note),
        locked=Counter(note["way"] for note in notes if note.get("error") == LOCKED),
        other_errors=[note["error"] for note in notes if note.get("error", LOCKED) != LOCKED],
        longest=longest,
        **others,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--unwatched", action="store_true", help="moderate nothing: the comparison")
    arguments = parser.parse_args()
    write: Callable[..., Report] = write_unwatched if arguments.unwatched else write_together
    is_well = True
    for name, options in CONFIGURATIONS.items():
        with tempfile.TemporaryDirectory(prefix="imgmod-site-") as folder:
            report = write(Path(folder), options, seconds=arguments.seconds)
        print(f"{name}: {WRITERS} processes writing for {arguments.seconds:.0f} s")
        for way, count in sorted(report.acknowledged.items()):
            print(f"  {way:<22} {count:>6} saved {report.locked[way]:>4} locked, {report.longest[way]:.1f} s at most")
        print(f"  workers: {report.interruptions} errors, {'none died' if report.are_workers_unharmed else 'DIED'}")
        print(f"  other errors: {report.other_errors or 0}; wrong in the end: {report.found['faults'] or 0}")
        is_clean = not (report.other_errors or report.found["faults"]) and report.are_workers_unharmed
        is_well = is_well and is_clean and (options != RECOMMENDED or not report.locked)
    return int(not is_well)


if __name__ == "__main__":
    sys.exit(main())
