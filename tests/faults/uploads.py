"""What the processes of a site do while it is ill-treated: upload, note what was acknowledged, look at the end."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any

from django.core.files.base import ContentFile
from django.db import Error as AnyDatabaseError
from django.db import close_old_connections, connection, transaction

from django_imgmod.choices import Status
from django_imgmod.clock import DatabaseNow
from django_imgmod.models import ModerationRecord
from tests.faults.digesting import is_verdict_on, new_picture
from tests.faults.sites import read_notes
from tests.hostapp.models import Photo

# In seconds, after an upload that failed.
PAUSE = 0.02
WAITING = (Status.PENDING, Status.SUBMITTED)


def save_new(way: str, picture: ContentFile[bytes]) -> int:
    return Photo.objects.create(title=way, image=picture).pk


def save_after_reading(way: str, picture: ContentFile[bytes]) -> int:
    """As views do: look something up, then save."""
    Photo.objects.filter(title="no such title").exists()
    return save_new(way, picture)


def save_over(way: str, picture: ContentFile[bytes]) -> int:
    """Save a photo, then another picture into it."""
    photo = Photo.objects.create(title=way, image=ContentFile(new_picture(), name="picture.png"))
    photo.image = picture
    photo.save()
    return photo.pk


# How an upload is saved, and whether in a transaction.
WAYS: Mapping[str, tuple[Callable[[str, ContentFile[bytes]], int], bool]] = {
    "atomic": (save_new, True),
    "atomic, reading first": (save_after_reading, True),
    "atomic, replacing": (save_over, True),
    "autocommit": (save_new, False),
    "autocommit, replacing": (save_over, False),
}


def upload(ways: tuple[str, ...], notes: str, stop: str) -> None:
    """
    Upload in each of these ways in turn, by default in all, until there is a file ``stop``.

    Writes a line of JSON into ``notes`` for each upload: either it was acknowledged, or its user saw an error of the
    database. Any other error ends it.
    """
    with Path(notes).open("a") as file:
        for way in cycle(ways or WAYS):
            print(json.dumps(_upload(way)), file=file, flush=True)
            if Path(stop).exists():
                return


def _upload(way: str) -> dict[str, Any]:
    save, is_atomic = WAYS[way]
    content = new_picture()
    close_old_connections()
    started = time.perf_counter()
    try:
        with transaction.atomic() if is_atomic else nullcontext():
            pk = save(way, ContentFile(content, name="picture.png"))
    except AnyDatabaseError as error:
        time.sleep(PAUSE)
        seconds = time.perf_counter() - started - PAUSE
        return {"way": way, "error": f"{type(error).__name__}: {str(error).splitlines()[0]}", "seconds": seconds}
    seconds = time.perf_counter() - started
    return {"way": way, "pk": pk, "sha256": hashlib.sha256(content).hexdigest(), "seconds": seconds}


def _be_patient() -> None:
    """Wait for who is writing, however impatient the site under test was made: this is no part of it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 30000")


def let_time_pass() -> None:
    """Make leases run out, and what waits for a later attempt come due; print how many records have no outcome."""
    _be_patient()
    waiting = ModerationRecord.objects.filter(status__in=WAITING)
    if not ModerationRecord.objects.due().exists():
        waiting.update(lease_until=None, due_at=DatabaseNow())
    print(waiting.count())


def examine(folder: str) -> None:
    """Print, as JSON, how often each thing is wrong with what was acknowledged, and the statuses of all records."""
    _be_patient()
    faults: Counter[str] = Counter()
    for note in read_notes(Path(folder)):
        if "pk" in note:
            faults.update(_faults(note))
    unrecorded = Counter(
        photo.title
        for photo in Photo.objects.exclude(image="")
        if not ModerationRecord.objects.for_field(Photo, [str(photo.pk)], "image").exists()
    )
    statuses = Counter(ModerationRecord.objects.values_list("status", flat=True))
    print(json.dumps({"faults": faults, "unrecorded": unrecorded, "statuses": statuses}))


def _faults(note: Mapping[str, Any]) -> list[str]:
    records = list(ModerationRecord.objects.filter(object_id=str(note["pk"])).exclude(status=Status.SUPERSEDED))
    if len(records) != 1 or records[0].current_key is None:
        return [f"{note['way']}: {len(records)} current records"]
    photo = Photo.objects.filter(pk=note["pk"]).first()
    if photo is None:
        return [f"{note['way']}: the photo itself is lost"]
    [record] = records
    if record.is_open:
        return [f"{note['way']}: no outcome"]
    with photo.image.open() as file:
        content = file.read()
    if hashlib.sha256(content).hexdigest() != note["sha256"] or record.file_name != photo.image.name:
        return [f"{note['way']}: another picture"]
    if not is_verdict_on(content, record):
        return [f"{note['way']}: {record.status} without the verdict on its bytes: {record.error_code}"]
    return []
