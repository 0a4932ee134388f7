"""What a moderator hands on: who may decide about it then, and what does not come of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Lane, Outcome, Status
from django_imgmod.exceptions import ReviewRefused
from django_imgmod.models import Appeal, Decision, Feedback, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.registry import all_watched_fields
from django_imgmod.services.retries import Selection, retry_failed
from django_imgmod.services.review.batches import decide_batch, undo_batch
from django_imgmod.services.review.escalation import escalate
from django_imgmod.signals import decision_made, image_held
from tests.hostapp.models import Photo
from tests.review.moderating import ESCALATED, FIRST, make_moderator, make_waiting, now, seen

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def carol() -> User:
    """May decide what others were not sure about."""
    return make_moderator("carol", ESCALATED)


def test_waits_for_somebody_else(anna, carol):
    record = make_waiting(claimed_by=anna, claimed_until=timezone.now() + timedelta(minutes=1))
    batch = escalate(anna, seen(record), comment=" is that\x00 legal? ", using="default")
    after = now(record)
    assert (after.status, after.lane, after.version) == (Status.IN_REVIEW, Lane.ESCALATED, 2)
    assert (after.claimed_by, after.claimed_until) == (None, None)
    assert after.reason == record.reason
    decision = Decision.objects.get()
    assert [receipt.decision for receipt in batch.receipts] == [decision]
    assert (decision.outcome, decision.decided_by, decision.batch) == (Outcome.REVIEW, anna, batch.id)
    assert (decision.lane_before, decision.version, decision.is_escalation) == (Lane.FIRST, 1, True)
    assert decision.comment == "is that\N{REPLACEMENT CHARACTER} legal?"
    assert not Feedback.objects.exists()
    refused = decide_batch(anna, seen(record), Outcome.PASS, using="default")
    assert "no permission" in refused.receipts[0].problem
    decide_batch(carol, seen(record), Outcome.PASS, using="default")
    assert (now(record).status, now(record).lane) == (Status.PASSED, Lane.FIRST)
    assert Feedback.objects.get().decision.decided_by == carol


def test_host_is_told_that_somebody_did_but_not_of_a_status(anna, django_capture_on_commit_callbacks):
    heard: list[Any] = []

    def listen(sender: Any, *, signal: Any, **arguments: Any) -> None:
        heard.append((sender, signal))

    for signal in (decision_made, image_held):
        signal.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            batch = escalate(anna, seen(make_waiting()), using="default")
        with django_capture_on_commit_callbacks(execute=True):
            undo_batch(anna, batch.id, using="default")
    finally:
        for signal in (decision_made, image_held):
            signal.disconnect(listen)
    assert heard == [(Photo, decision_made)] * 2


def test_taken_back(anna):
    record = make_waiting()
    batch = escalate(anna, seen(record), using="default")
    undone = undo_batch(anna, batch.id, using="default")
    assert undone.decided_count == 1
    assert (now(record).status, now(record).lane, now(record).reason) == (Status.IN_REVIEW, Lane.FIRST, record.reason)
    assert not Decision.objects.latest("pk").is_escalation
    assert decide_batch(anna, seen(record), Outcome.PASS, using="default").decided_count == 1


def test_not_taken_back_once_it_was_decided(anna, carol):
    record = make_waiting()
    batch = escalate(anna, seen(record), using="default")
    decided = decide_batch(carol, seen(record), Outcome.PASS, using="default")
    undone = undo_batch(anna, batch.id, using="default")
    assert [receipt.problem for receipt in undone.receipts] == ["Decided meanwhile by carol: Passed."]
    undo_batch(carol, decided.id, using="default")
    assert now(record).lane == Lane.ESCALATED
    assert undo_batch(anna, batch.id, using="default").decided_count == 1
    assert now(record).lane == Lane.FIRST


def test_appeal_that_is_escalated_stays_open(anna, carol):
    record = make_waiting(lane=Lane.APPEALED)
    Appeal.objects.create(record=record)
    batch = escalate(anna, seen(record), using="default")
    assert now(record).lane == Lane.ESCALATED
    decided = decide_batch(carol, seen(record), Outcome.PASS, using="default")
    assert Appeal.objects.get().resolution.decided_by == carol
    undo_batch(carol, decided.id, using="default")
    assert Appeal.objects.get().resolution is None
    undo_batch(anna, batch.id, using="default")
    assert now(record).lane == Lane.APPEALED


@pytest.mark.parametrize("is_senior", [True, False])
def test_once(anna, is_senior):
    record = make_waiting(lane=Lane.ESCALATED)
    user = make_moderator("both", FIRST, ESCALATED) if is_senior else anna
    batch = escalate(user, seen(record), using="default")
    assert (batch.id, now(record).version) == (None, 1)
    assert ("escalated already" if is_senior else "no permission") in batch.receipts[0].problem


@pytest.mark.parametrize("status", [Status.PASSED, Status.BLOCKED, Status.PENDING, Status.SUPERSEDED])
def test_only_what_waits_for_a_person(anna, status):
    record = make_waiting(status=status)
    batch = escalate(anna, seen(record), using="default")
    assert (batch.decided_count, now(record).status, now(record).version) == (0, status, 1)
    assert not Decision.objects.exists()


def test_own_upload_is_for_others_to_look_at(anna):
    batch = escalate(anna, seen(make_waiting(uploaded_by=anna)), using="default")
    assert "yourself" in batch.receipts[0].problem


def test_of_several_the_others_are_escalated(anna):
    records = [make_waiting(), make_waiting(), make_waiting()]
    shown = seen(*records)
    decide_batch(anna, seen(records[1]), Outcome.BLOCK, using="default")
    batch = escalate(anna, shown, using="default")
    assert [receipt.problem for receipt in batch.receipts] == ["", "Decided meanwhile by anna: Blocked.", ""]
    assert [now(record).lane for record in records] == [Lane.ESCALATED, Lane.FIRST, Lane.ESCALATED]


def test_too_long_a_comment(anna):
    with pytest.raises(ReviewRefused, match="2001"):
        escalate(anna, seen(make_waiting()), comment="x" * 2001, using="default")


def test_cost(anna):
    shown = seen(*[make_waiting() for _ in range(12)])
    anna.has_perm(FIRST)
    with CaptureQueriesContext(connection) as captured:
        escalate(anna, shown, using="default")
    assert sum("SAVEPOINT" not in query["sql"] for query in captured) == 1 + 2 * 12


class TestOtherUploadsOfTheBytes:
    """Nothing was decided about them by that."""

    @pytest.fixture
    def upload(self, picture, django_capture_on_commit_callbacks):
        def save(level: str | None = None) -> ModerationRecord:
            provider = providers["default"]
            assert isinstance(provider, DummyProvider)
            if level:
                provider.script(level)
            with django_capture_on_commit_callbacks(execute=True):
                Photo.objects.create(image=picture())
            return ModerationRecord.objects.latest("pk")

        return save

    def test_is_not_settled_by_it(self, upload, anna):
        record = upload("medium")
        escalate(anna, seen(record), using="default")
        later = upload()
        assert (later.status, later.lane, later.reused_from) == (Status.IN_REVIEW, Lane.FIRST, record)
        assert "decided before" not in later.reason

    def test_earlier_decision_about_them_holds(self, upload, anna):
        first = upload("medium")
        second = upload()
        decide_batch(anna, seen(first), Outcome.BLOCK, using="default")
        escalate(anna, seen(second), using="default")
        assert upload().status == Status.BLOCKED

    def test_decision_that_was_taken_back_does_not(self, upload, anna):
        record = upload("medium")
        batch = decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
        undo_batch(anna, batch.id, using="default")
        assert upload().status == Status.IN_REVIEW


def test_failed_record_that_somebody_looks_at_is_not_tried_again(anna, picture):
    Photo.objects.create(image=picture())
    ModerationRecord.objects.update(status=Status.IN_REVIEW, error_code="unavailable")
    record = ModerationRecord.objects.get()
    escalate(anna, seen(record), using="default")
    assert list(retry_failed(Selection(fields=list(all_watched_fields())), using="default")) == []
    assert now(record).status == Status.IN_REVIEW
