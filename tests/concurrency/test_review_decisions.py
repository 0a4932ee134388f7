"""Moderators, authors and editors who act at the same moment: one wins, the others are told, nothing is overwritten."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from django_imgmod.choices import FeedbackStatus, Lane, Outcome, Status
from django_imgmod.exceptions import RecordConflict, ReviewRefused
from django_imgmod.models import Appeal, Decision, Feedback, ModerationRecord
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.batches import Batch, decide_batch, undo_batch
from django_imgmod.services.review.escalation import escalate
from tests.concurrency.test_races import ROUNDS, together
from tests.hostapp.models import Photo
from tests.review.moderating import make_moderator, make_waiting, now, seen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def bob() -> User:
    return make_moderator("bob")


def errors(results: list[Any]) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]


def standing(record: ModerationRecord) -> list[str]:
    decisions = record.decisions.filter(undoes__isnull=True, undone_by__isnull=True)
    return list(decisions.values_list("outcome", flat=True))


def test_two_who_decide_about_the_same_pictures(anna, bob):
    """In opposite order, too: neither waits for the other for ever."""
    for _ in range(ROUNDS):
        records = [make_waiting() for _ in range(6)]
        shown = seen(*records)
        results = together(
            lambda shown=shown: decide_batch(anna, shown, Outcome.BLOCK, using="default"),
            lambda shown=shown: decide_batch(bob, shown[::-1], Outcome.PASS, using="default"),
        )
        assert not errors(results)
        assert sum(batch.decided_count for batch in results) == len(records)
        assert all(receipt.problem.startswith("Decided meanwhile by") for batch in results for receipt in batch.skipped)
        for record in records:
            assert standing(record) == [Outcome.BLOCK if now(record).status == Status.BLOCKED else Outcome.PASS]


def test_decision_and_escalation(anna, bob):
    for _ in range(ROUNDS):
        record = make_waiting()
        shown = seen(record)
        results = together(
            lambda shown=shown: decide_batch(anna, shown, Outcome.PASS, using="default"),
            lambda shown=shown: escalate(bob, shown, using="default"),
        )
        assert sorted(batch.decided_count for batch in results) == [0, 1]
        after = now(record)
        assert (after.status, after.lane) in [(Status.PASSED, Lane.FIRST), (Status.IN_REVIEW, Lane.ESCALATED)]
        assert Decision.objects.filter(record=record).count() == 1


def test_decision_and_replacement_by_the_author(anna, picture):
    for number in range(ROUNDS):
        photo = Photo.objects.create(image=picture(number))
        old = ModerationRecord.objects.latest("pk")
        ModerationRecord.objects.filter(pk=old.pk).update(status=Status.IN_REVIEW)
        shown = seen(old)
        photo.image = picture(number + 100)
        results = together(photo.save, lambda shown=shown: decide_batch(anna, shown, Outcome.PASS, using="default"))
        assert not errors(results)
        assert now(old).status == Status.SUPERSEDED
        batch: Batch = results[1]
        assert batch.decided_count == Decision.objects.filter(record=old).count()
        assert [receipt.problem for receipt in batch.skipped] in (
            [],
            ["The picture was replaced or deleted meanwhile."],
        )


@pytest.mark.parametrize("is_replaced", [True, False])
def test_undo_pressed_twice(anna, is_replaced):
    for _ in range(ROUNDS):
        records = [make_waiting() for _ in range(3)]
        batch = decide_batch(anna, seen(*records), Outcome.BLOCK, using="default")
        if is_replaced:
            keys = [record.pk for record in records]
            ModerationRecord.objects.filter(pk__in=keys).update(status=Status.SUPERSEDED, current_key=None)
        results = together(*[lambda batch=batch: undo_batch(anna, batch.id, using="default")] * 3)
        assert not errors(results)
        assert sum(undone.decided_count for undone in results) == len(records)
        assert not any(standing(record) for record in records)
    assert set(Feedback.objects.values_list("status", flat=True)) == {FeedbackStatus.WITHDRAWN}


def test_undo_and_the_next_decision(anna, bob):
    for _ in range(ROUNDS):
        record = make_waiting()
        batch = decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
        shown = seen(record)
        undone, decided = together(
            lambda batch=batch: undo_batch(anna, batch.id, using="default"),
            lambda shown=shown: decide_batch(bob, shown, Outcome.PASS, using="default"),
        )
        assert sorted([undone.decided_count, decided.decided_count]) == [0, 1]
        assert now(record).status == (Status.IN_REVIEW if undone.decided_count else Status.PASSED)


def test_two_who_appeal(anna, bob):
    for _ in range(ROUNDS):
        record = make_waiting(status=Status.BLOCKED)
        results = together(*[lambda record=record: appeal(record, by=bob, text="mine")] * 3)
        assert len(errors(results)) == 2
        assert all(isinstance(error, RecordConflict | ReviewRefused) for error in errors(results))
        assert Appeal.objects.filter(record=record).count() == 1
        assert (now(record).status, now(record).lane) == (Status.IN_REVIEW, Lane.APPEALED)
