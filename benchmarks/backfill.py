"""
What planning a backfill takes: seconds, and memory at its peak.

Fills a test database with rows of which some are recorded, then runs ``imgmod_backfill … --dry-run`` in a process of
its own. Exits with 1 where that takes longer than 60 seconds a million rows, or more than 150 MB.

    DATABASE_URL=postgres://… python benchmarks/backfill.py
    DATABASE_URL=postgres://… python benchmarks/backfill.py --rows 20000 --recorded 0
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from django.test.utils import setup_test_environment
from django.utils import timezone

from django_imgmod.choices import RiskLevel, Status
from django_imgmod.models import ModerationRecord, current_key
from tests.hostapp.models import Photo

FIELD = "hostapp.Photo.image"
BATCH = 5000
MAX_SECONDS_A_MILLION = 60
MAX_MEGABYTES = 150


def plan() -> None:
    """In the process that is measured: plan, and print seconds, megabytes and what the command says."""
    output = io.StringIO()
    started = time.perf_counter()
    call_command("imgmod_backfill", FIELD, "--dry-run", stdout=output)
    print(time.perf_counter() - started, peak_megabytes())
    print(output.getvalue())


def peak_megabytes() -> float:
    # Not getrusage(): that counts what the parent held before it became this process.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return int(status["VmHWM"].split()[0]) / 1024


def name_of(number: int) -> str:
    return f"photos/{number // 1000:06}/{number:010}.jpg"


def photos(count: int) -> Iterator[list[Photo]]:
    for begin in range(1, count + 1, BATCH):
        yield [Photo(pk=number, image=name_of(number)) for number in range(begin, min(begin + BATCH, count + 1))]


def record_of(photo: Photo, content_type: ContentType) -> ModerationRecord:
    now = timezone.now()
    return ModerationRecord(
        content_type=content_type,
        object_id=str(photo.pk),
        field_name="image",
        current_key=current_key(Photo, str(photo.pk), "image"),
        file_name=photo.image.name,
        sha256=f"{photo.pk:064x}",
        provider="default",
        service="dummy/none",
        policy="default",
        status=Status.PASSED,
        risk_level=RiskLevel.NONE,
        created_at=now,
        submitted_at=now,
        verdict_at=now,
        settled_at=now,
    )


def fill(rows: int, recorded: float) -> None:
    content_type = ContentType.objects.get_for_model(Photo)
    for batch in photos(rows):
        Photo.objects.bulk_create(batch)
        first = batch[: round(len(batch) * recorded)]
        ModerationRecord.objects.bulk_create([record_of(photo, content_type) for photo in first], batch_size=500)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--recorded", type=float, default=0.5, help="the share of them that has a record already")
    options = parser.parse_args()
    if connection.vendor == "sqlite":
        parser.error("name a database server in DATABASE_URL: two processes look at the same test database")

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        fill(options.rows, options.recorded)
        address = os.environ["DATABASE_URL"].rpartition("/")[0] + "/" + connection.settings_dict["NAME"]
        measured = subprocess.run(
            [sys.executable, __file__, "--plan"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "DATABASE_URL": address},
        )
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)

    figures, _, said = measured.stdout.partition("\n")
    seconds, megabytes = map(float, figures.split())
    print(f"{connection.vendor}, {options.rows:,} rows, {options.recorded:.0%} of them recorded")
    print(said.strip())
    limit = max(MAX_SECONDS_A_MILLION * options.rows / 1_000_000, 1)
    print(f"planned in {seconds:.1f} s (at most {limit:.0f}), {megabytes:.0f} MB at the peak (at most {MAX_MEGABYTES})")
    return int(seconds > limit or megabytes > MAX_MEGABYTES)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plan"]:
        plan()
    else:
        sys.exit(main())
