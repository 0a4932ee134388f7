"""Two at once, for real: threads that meet at a barrier, on a database server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from django_imgmod.choices import Outcome, RiskLevel, Status
from django_imgmod.exceptions import RecordConflict
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Verdict
from django_imgmod.services.decisions import decide
from django_imgmod.services.submission import work
from django_imgmod.services.verdicts import apply_verdict
from tests.hostapp.models import Photo, StringPhoto

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 15


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads that start at the same moment; return their results or exceptions."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait()
            return call()
        except Exception as error:  # noqa: BLE001 - it is the result
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_one_of_many_workers_does_the_work(picture, settings):
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
    for number in range(ROUNDS):
        Photo.objects.create(image=picture(number))
        record = ModerationRecord.objects.latest("pk")
        done = together(*[lambda record=record: work(record.public_id, using="default")] * 4)
        assert sorted(done) == [False, False, False, True]
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    assert len(provider.calls) == ROUNDS


def test_same_picture_uploaded_at_the_same_time_is_judged_once(picture):
    for number in range(ROUNDS):
        DummyProvider.clear()
        file = picture(number)
        results = together(*[lambda name=name: Photo.objects.create(image=name) for name in self_named(file, number)])
        assert not [result for result in results if isinstance(result, Exception)]
        provider = providers["default"]
        assert isinstance(provider, DummyProvider)
        assert len(provider.calls) == 1
        assert set(ModerationRecord.objects.values_list("status", flat=True)) == {Status.PASSED}


def self_named(file: Any, number: int) -> list[str]:
    """Store the same bytes under four names."""
    storage = Photo._meta.get_field("image").storage
    return [storage.save(f"photos/{number}-{copy}.png", file) for copy in range(4)]


def test_two_that_replace_the_same_picture(picture):
    for _ in range(ROUNDS):
        photo = Photo.objects.create(image=picture())

        def replace(number: int, pk: int = photo.pk) -> None:
            instance = Photo.objects.get(pk=pk)
            instance.image = picture(number)
            instance.save()

        results = together(*[lambda number=number: replace(number) for number in (2, 3, 4)])
        assert not [result for result in results if isinstance(result, Exception)]
        record = ModerationRecord.objects.current().get(object_id=str(photo.pk))
        assert record.file_name == Photo.objects.get(pk=photo.pk).image.name
        assert record.status == Status.PASSED


def test_two_that_save_an_object_without_a_record(picture):
    """Both find none, both insert one: the unique key lets one through and breaks nobody's transaction."""
    for number in range(ROUNDS):
        code = f"sku-{number}"
        StringPhoto.objects.bulk_create([StringPhoto(code=code, image=self_named(picture(number), number)[0])])
        results = together(*[lambda code=code: StringPhoto.objects.get(code=code).save()] * 3)
        assert not [result for result in results if isinstance(result, Exception)]
        assert ModerationRecord.objects.current().get(object_id=code).status == Status.PASSED


def test_two_moderators(picture, django_user_model):
    moderator = django_user_model.objects.create_user("moderator")
    for number in range(ROUNDS):
        provider = providers["default"]
        assert isinstance(provider, DummyProvider)
        provider.script("medium")
        Photo.objects.create(image=picture(number))
        mine, theirs = ModerationRecord.objects.latest("pk"), ModerationRecord.objects.latest("pk")
        results = together(
            lambda record=mine: decide(record, Outcome.BLOCK, decided_by=moderator),
            lambda record=theirs: decide(record, Outcome.PASS, decided_by=moderator),
        )
        [conflict] = [result for result in results if isinstance(result, Exception)]
        assert isinstance(conflict, RecordConflict)
        record = ModerationRecord.objects.latest("pk")
        decision = Decision.objects.get(record=record)
        assert (record.status == Status.BLOCKED) == (decision.outcome == Outcome.BLOCK)


def test_verdict_and_replacement(picture, settings):
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
    for number in range(ROUNDS):
        photo = Photo.objects.create(image=picture(number))
        old = ModerationRecord.objects.latest("pk")
        photo.image = picture(number + 100)
        results = together(photo.save, lambda record=old: apply_verdict(record, Verdict(risk_level=RiskLevel.HIGH)))
        assert not [result for result in results if isinstance(result, Exception)]
        assert ModerationRecord.objects.get(pk=old.pk).status == Status.SUPERSEDED
        new = ModerationRecord.objects.current().get(object_id=str(photo.pk))
        assert (new.status, new.risk_level) == (Status.PENDING, "")
