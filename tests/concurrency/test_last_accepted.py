"""A picture is replaced while it is decided about: it stays live only if nobody had blocked it."""

from __future__ import annotations

import pytest

from django_imgmod.choices import Outcome, Status
from django_imgmod.models import ModerationRecord
from django_imgmod.services.review.batches import decide_batch
from django_imgmod.services.showing.withdrawal import withdraw_accepted
from tests.concurrency.test_races import together
from tests.hostapp.models import Photo
from tests.review.moderating import make_moderator, seen
from tests.showing.replacing import current, keep, put, shown

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 8


@pytest.fixture(autouse=True)
def keeping(settings):
    keep(settings)
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}


def test_blocked_and_replaced(picture):
    anna = make_moderator("anna")
    for number in range(ROUNDS):
        photo = Photo()
        name = put(photo, picture(number), Status.PASSED)
        shown_record = current(photo)
        photo.image = picture(number + 100)
        blocked = seen(shown_record)
        results = together(
            photo.save, lambda blocked=blocked: decide_batch(anna, blocked, Outcome.BLOCK, using="default")
        )
        assert not [result for result in results if isinstance(result, Exception)]
        record = ModerationRecord.objects.get(pk=shown_record.pk)
        assert shown(photo) == (None if record.decisions.exists() else name)


def test_withdrawn_and_replaced(picture):
    for number in range(ROUNDS):
        photo = Photo()
        name = put(photo, picture(number), Status.PASSED)
        put(photo, picture(number + 100), Status.IN_REVIEW)
        held = current(photo)
        photo.image = picture(number + 200)
        results = together(photo.save, lambda held=held, name=name: withdraw_accepted(held, name))
        assert not [result for result in results if isinstance(result, Exception)]
        assert shown(photo) is None


def test_replaced_twice_at_once(picture):
    for number in range(ROUNDS):
        photo = Photo()
        name = put(photo, picture(number), Status.PASSED)
        one, two = Photo.objects.get(pk=photo.pk), Photo.objects.get(pk=photo.pk)
        one.image, two.image = picture(number + 100), picture(number + 200)
        results = together(one.save, two.save)
        assert not [result for result in results if isinstance(result, Exception)]
        assert shown(photo) == name
