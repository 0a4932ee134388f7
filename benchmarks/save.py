"""
What moderation costs the save of a new image.

Compares ``Photo.save()`` while the field is watched with the same save plus a hand-written INSERT of the same record,
in the same transaction, and with the bare save. The three take turns, so that a busy machine slows all of them alike.

    python benchmarks/save.py                 # SQLite in a file
    DATABASE_URL=postgres://… python benchmarks/save.py
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django
from django.conf import settings

WORK = tempfile.TemporaryDirectory()
os.environ.setdefault("DATABASE_URL", f"sqlite:///{WORK.name}/benchmark.sqlite3")
django.setup()
settings.MEDIA_ROOT = f"{WORK.name}/media"

from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.test.utils import override_settings, setup_test_environment
from django.utils import timezone
from PIL import Image

from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

EXCLUDED = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo"]}
COLUMNS = [
    field.column for field in ModerationRecord._meta.concrete_fields if not field.primary_key and field.name != "id"
]


def photograph() -> bytes:
    """A JPEG of one megapixel with some noise, as a camera makes it."""
    random.seed(1)
    image = Image.frombytes("L", (300, 200), random.randbytes(60_000)).resize((1224, 816)).convert("RGB")
    output = io.BytesIO()
    image.save(output, "JPEG", quality=88)
    return output.getvalue()


CONTENT = photograph()


def save() -> Photo:
    photo = Photo(title="benchmark")
    photo.image.save("benchmark.jpg", ContentFile(CONTENT), save=False)
    photo.save()
    return photo


def save_and_insert() -> None:
    photo = save()
    now = timezone.now()
    row = {
        "public_id": uuid.uuid4(),
        "content_type_id": CONTENT_TYPE_ID,
        "object_id": str(photo.pk),
        "field_name": "image",
        "current_key": hashlib.sha256(f"hostapp.photo\n{photo.pk}\nimage".encode()).hexdigest(),
        "file_name": photo.image.name,
        "provider": "default",
        "policy": "default",
        "status": "pending",
        "created_at": now,
        "due_at": now,
        "attempt_count": 0,
        "version": 1,
        "evaluated": "[]",
        "raw": "{}",
    }
    nullable = {field.column for field in ModerationRecord._meta.concrete_fields if field.null}
    values = [row.get(column, None if column in nullable else "") for column in COLUMNS]
    if connection.vendor == "sqlite":
        values = [
            value.hex if isinstance(value, uuid.UUID) else str(value) if value is now else value for value in values
        ]
    with connection.cursor() as cursor:
        cursor.execute(INSERT, values)


def measure(run: Callable[[], object], count: int) -> float:
    """Milliseconds for each of ``count`` saves in one transaction, which is then rolled back."""
    gc.collect()
    with transaction.atomic():
        start = time.perf_counter()
        for _ in range(count):
            run()
        elapsed = time.perf_counter() - start
        transaction.set_rollback(True)
    return elapsed / count * 1000


def main() -> None:
    global CONTENT_TYPE_ID, INSERT
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--saves", type=int, default=40, help="saves a round")
    options = parser.parse_args()

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        CONTENT_TYPE_ID = ContentType.objects.get_for_model(Photo).pk
        names = ", ".join(connection.ops.quote_name(column) for column in COLUMNS)
        INSERT = f"INSERT INTO {ModerationRecord._meta.db_table} ({names}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608 - names of our own columns
        times: dict[str, list[float]] = {"watched": [], "hand-written": [], "bare": []}
        for number in range(options.rounds + 1):
            results = {"watched": measure(save, options.saves)}
            with override_settings(IMGMOD=EXCLUDED):
                results["hand-written"] = measure(save_and_insert, options.saves)
                results["bare"] = measure(save, options.saves)
            if number:  # the first round only warms up
                for name, value in results.items():
                    times[name].append(value)
    finally:
        connection.creation.destroy_test_db(connection.settings_dict["NAME"], verbosity=0)

    def ratio(name: str, other: str) -> str:
        pairs = sorted(a / b for a, b in zip(times[name], times[other], strict=True))
        quarter = len(pairs) // 4
        return f"{statistics.median(pairs):.2f}x (middle half {pairs[quarter]:.2f} to {pairs[-quarter - 1]:.2f})"

    print(
        f"{connection.vendor}, a JPEG of {len(CONTENT) // 1024} KiB, {options.rounds} rounds of {options.saves} saves"
    )
    for name, values in times.items():
        print(f"  {name:<13} {statistics.median(values):7.3f} ms a save")
    print(f"  watched / hand-written INSERT  {ratio('watched', 'hand-written')}")
    print(f"  watched / bare save            {ratio('watched', 'bare')}")


if __name__ == "__main__":
    main()
