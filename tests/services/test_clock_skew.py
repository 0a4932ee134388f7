"""
A worker whose clock is a day off.

Leases and due times go by the database's clock. SQLite has none of its own, so one that is ahead may take a lease away:
nothing is decided twice even so. What more holds on a server is in tests/concurrency.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_imgmod.choices import Outcome, Status
from django_imgmod.exceptions import RecordConflict
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.services import claims
from django_imgmod.services.decisions import decide
from django_imgmod.services.submission import work
from tests.hostapp.models import Photo
from tests.skewed import SHIFTS, clock_off_by

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture(autouse=True)
def workers_of_their_own(settings):
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}


@pytest.fixture(params=SHIFTS, ids=["ahead", "behind"])
def skewed(request) -> Callable[[], Any]:
    """Return a context in which this process is the one whose clock is wrong."""
    return lambda: clock_off_by(request.param)


@pytest.fixture
def record(picture) -> ModerationRecord:
    Photo.objects.create(image=picture())
    return ModerationRecord.objects.get()


@pytest.fixture
def moderator(django_user_model):
    return django_user_model.objects.create_user("moderator")


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def test_of_two_that_answer_one_settles(record, skewed):
    """On SQLite the clock that is ahead takes the lease away: then the version decides, and one result counts."""
    dummy().script("high", "none")
    slow = claims.claim(record.public_id, using="default")
    assert slow is not None
    with skewed():
        work(record.public_id, using="default")
    ModerationRecord.objects.filter(status=Status.PENDING).update(lease_until=timezone.now() - timedelta(seconds=1))
    work(record.public_id, using="default")
    settled = ModerationRecord.objects.get()
    assert (settled.status, settled.version) == (Status.BLOCKED, 2)
    claims.give_back([slow])
    assert not work(record.public_id, using="default")
    assert ModerationRecord.objects.get().version == 2
    assert len(dummy().calls) == 1


def test_of_two_moderators_one_is_told(record, moderator, skewed):
    dummy().script("medium")
    work(record.public_id, using="default")
    mine, theirs = ModerationRecord.objects.get(), ModerationRecord.objects.get()
    with skewed():
        decide(mine, Outcome.BLOCK, decided_by=moderator)
    with pytest.raises(RecordConflict):
        decide(theirs, Outcome.PASS, decided_by=moderator)
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("shift", SHIFTS, ids=["ahead", "behind"])
def test_the_later_decision_counts_for_the_next_upload(record, moderator, picture, shift):
    dummy().script("medium")
    work(record.public_id, using="default")
    record.refresh_from_db()
    earlier = decide(record, Outcome.BLOCK, decided_by=moderator)
    Decision.objects.filter(pk=earlier.pk).update(decided_at=earlier.decided_at + shift)
    decide(record, Outcome.PASS, decided_by=moderator)
    Photo.objects.create(image=picture(name="again.png"))
    again = ModerationRecord.objects.latest("pk")
    work(again.public_id, using="default")
    again.refresh_from_db()
    assert again.status == Status.PASSED
