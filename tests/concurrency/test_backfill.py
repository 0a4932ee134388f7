"""Several that go through the same old pictures at the same time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.registry import get_watched_field
from django_imgmod.services.backfill import Backfill, Ending, Orders
from django_imgmod.services.sweep import sweep
from django_imgmod.services.walk import Walk
from tests.concurrency.test_races import together
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])

PICTURES = 40


def test_two_backfills_and_a_worker_judge_each_picture_once(picture):
    storage = Photo._meta.get_field("image").storage
    names = [storage.save("old/photo.png", picture(number)) for number in range(PICTURES)]
    Photo.objects.bulk_create([Photo(image=name) for name in names])
    watched = get_watched_field(Photo, "image")
    assert watched is not None
    stop = threading.Event()

    def backfill() -> Any:
        run = Backfill(Walk.through(watched, using="default", batch=15), Orders(batch=5), stop)
        list(run.run())
        return run.ending

    def worker() -> int:
        return sum(len(list(sweep(limit=3))) for _ in range(PICTURES))

    first, second, worked = together(backfill, backfill, worker)
    assert (first, second) == (Ending.DONE, Ending.DONE), worked
    assert isinstance(worked, int), worked
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    assert sorted(source.file_name for source in provider.calls) == sorted(names)
    assert set(ModerationRecord.objects.values_list("status", flat=True)) == {Status.PASSED}
    assert ModerationRecord.objects.count() == PICTURES
