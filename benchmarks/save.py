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
import json
import os
import random
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from django.db.models import Field, JSONField
from django.test.utils import override_settings, setup_test_environment
from django.utils import timezone
from PIL import Image

from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

EXCLUDED = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo"]}
OWN = ("public_id", "object_id", "current_key", "file_name", "created_at", "due_at")
"""The columns of which each record has its own value."""


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


def hand_written() -> Callable[[], None]:
    """Return what saves a photo and inserts its record; all that the records have in common is prepared here."""
    given = {"content_type": ContentType.objects.get_for_model(Photo), "field_name": "image"}
    blank = ModerationRecord(**given, provider="default", policy="default")
    fields = [field for field in ModerationRecord._meta.concrete_fields if not field.primary_key]
    common = {field.column: prepared(field, blank) for field in fields if field.column not in OWN}
    quote = connection.ops.quote_name
    names = ", ".join(map(quote, [*common, *OWN]))
    places = ", ".join(["%s"] * (len(common) + len(OWN)))
    insert = f"INSERT INTO {quote(ModerationRecord._meta.db_table)} ({names}) VALUES ({places})"  # noqa: S608 - names of our own
    values = tuple(common.values())
    has_types = connection.vendor == "postgresql"

    def save_and_insert() -> None:
        photo = save()
        key = hashlib.sha256(f"hostapp.photo\n{photo.pk}\nimage".encode()).hexdigest()
        public_id, now = uuid.uuid4(), timezone.now()
        own: tuple[object, object] = (public_id, now) if has_types else (public_id.hex, str(now.replace(tzinfo=None)))
        with connection.cursor() as cursor:
            cursor.execute(insert, (*values, own[0], str(photo.pk), key, photo.image.name, own[1], own[1]))

    return save_and_insert


def prepared(field: Field[Any, Any], record: ModerationRecord) -> Any:
    """Return the value of a column as the driver needs least time for it."""
    value = getattr(record, field.attname)
    # As text: what Django makes of it would be encoded anew for each row.
    return json.dumps(value) if isinstance(field, JSONField) else field.get_db_prep_save(value, connection)


def check_likeness(insert: Callable[[], None]) -> None:
    """Make sure that both ways write the same record, but for what each has of its own."""
    with transaction.atomic():
        save()
        with override_settings(IMGMOD=EXCLUDED):
            insert()
        records = ModerationRecord.objects.order_by("pk").values()
        ours, theirs = ({name: value for name, value in row.items() if name not in ("id", *OWN)} for row in records)
        assert ours == theirs, f"{ours} is not {theirs}"
        transaction.set_rollback(True)


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
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--saves", type=int, default=40, help="saves a round")
    options = parser.parse_args()

    setup_test_environment()
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        save_and_insert = hand_written()
        check_likeness(save_and_insert)
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
