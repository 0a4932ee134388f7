"""The same picture once, nearly the same picture once, and what was decided about its like."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_imgmod.choices import Lane, Outcome, RiskLevel
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.perceptual import MAX_DISTANCE
from django_imgmod.services.decisions import decide, undo
from django_imgmod.services.review import likeness
from django_imgmod.services.review.claims import claim_next, is_free
from django_imgmod.services.review.likeness import resembling, similar_among, similar_keys
from django_imgmod.services.review.queue import QueueFilter, waiting
from tests.review.moderating import make_moderator, make_waiting, now
from tests.review.pictures import some_hash

pytestmark = pytest.mark.django_db

BYTES = "a" * 64


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def bob() -> User:
    return make_moderator("bob")


def similar(record: ModerationRecord, user: User, **options: Any) -> list[int]:
    free = waiting(QueueFilter(lane=Lane(record.lane)), user=user, using="default").filter(is_free())
    return similar_keys(record, free, **options)


def decided(user: User, outcome: Outcome = Outcome.BLOCK, **columns: Any) -> Decision:
    return decide(make_waiting(**columns), outcome, decided_by=user)


def test_same_bytes_first_then_the_nearest(anna):
    record = make_waiting(sha256=BYTES, perceptual_hash=some_hash(1))
    far = make_waiting(perceptual_hash=some_hash(1, flipped=MAX_DISTANCE))
    make_waiting(perceptual_hash=some_hash(1, flipped=MAX_DISTANCE + 1))
    near = make_waiting(perceptual_hash=some_hash(1, flipped=3))
    same = make_waiting(sha256=BYTES, risk_level=RiskLevel.LOW)
    make_waiting(sha256="b" * 64, perceptual_hash=some_hash(2))
    assert similar(record, anna) == [same.pk, near.pk, far.pk]
    assert similar(record, anna, limit=2) == [same.pk, near.pk]


def test_what_is_similar_to_a_record_is_looked_for_before_it_and_after_it(anna):
    before = make_waiting(perceptual_hash=some_hash(1), risk_level=RiskLevel.HIGH)
    record = make_waiting(perceptual_hash=some_hash(1))
    after = make_waiting(perceptual_hash=some_hash(1), risk_level=RiskLevel.NONE)
    assert similar(record, anna) == [before.pk, after.pk]


@pytest.mark.parametrize("text", ["", "-"])
def test_flat_and_unhashed_pictures_resemble_nothing(anna, text):
    record = make_waiting(perceptual_hash=text)
    make_waiting(perceptual_hash=text)
    assert similar(record, anna) == []


@pytest.mark.parametrize(
    "columns",
    [{"lane": Lane.ESCALATED}, {"policy": "strict"}, {"status": "passed"}],
    ids=lambda columns: next(iter(columns)),
)
def test_only_what_is_decided_alike_is_decided_together(anna, columns):
    record = make_waiting(sha256=BYTES, perceptual_hash=some_hash(1))
    other = make_waiting(sha256=BYTES, perceptual_hash=some_hash(1))
    assert similar(record, anna) == [other.pk]
    ModerationRecord.objects.filter(pk=other.pk).update(**columns)
    assert similar(record, anna) == []
    assert similar_among(record, [now(other)]) == [] or "status" in columns


def test_what_another_holds_is_left_to_them(anna, bob):
    held = make_waiting(sha256=BYTES)
    record = make_waiting(sha256=BYTES)
    assert similar(record, anna) == [held.pk]
    claim_next(bob, QueueFilter(), using="default")
    assert similar(record, anna) == []


def test_own_upload_is_not_decided_along(anna, bob):
    record, own = make_waiting(sha256=BYTES), make_waiting(sha256=BYTES, uploaded_by=anna)
    assert similar(record, anna) == []
    assert similar(record, bob) == [own.pk]


def test_comparison_is_bounded(anna, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(likeness, "MAX_COMPARED", 2)
    others = [make_waiting(perceptual_hash=some_hash(1)) for _ in range(9)]
    record = others[4]
    expected = [others[place].pk for place in (2, 3, 5, 6)]
    # Those before and those after; no bytes are known.
    with django_assert_num_queries(2):
        assert similar(record, anna) == expected


def test_same_among_what_is_in_memory():
    record = make_waiting(sha256=BYTES, perceptual_hash=some_hash(1))
    near = make_waiting(perceptual_hash=some_hash(1, flipped=1))
    same = make_waiting(sha256=BYTES)
    other = make_waiting(sha256="", perceptual_hash=some_hash(2))
    assert similar_among(record, [other, near, record, same]) == [same, near]
    assert similar_among(other, [near, record, same]) == []


def test_looks_like_what_one_decided(anna, bob):
    blocked = decided(anna, sha256=BYTES)
    passed = decided(anna, Outcome.PASS, perceptual_hash=some_hash(1, flipped=7))
    decided(anna, perceptual_hash=some_hash(2))
    decided(bob, perceptual_hash=some_hash(1))
    record = make_waiting(sha256=BYTES, perceptual_hash=some_hash(1))
    found = resembling(record, user=anna, using="default")
    assert [(one.decision, one.record, one.distance) for one in found] == [
        (blocked, blocked.record, 0),
        (passed, passed.record, 7),
    ]
    assert found[0].record.get_deferred_fields() == {"raw"}


def test_three_at_most_and_the_nearest_first(anna):
    for flipped in (9, 4, 8, 2, 31):
        decided(anna, perceptual_hash=some_hash(1, flipped=flipped))
    record = make_waiting(perceptual_hash=some_hash(1))
    assert [one.distance for one in resembling(record, user=anna, using="default")] == [2, 4, 8]


def test_what_was_taken_back_or_passed_on_is_not_told(anna):
    undo(decided(anna, sha256=BYTES), undone_by=anna)
    decided(anna, sha256=BYTES, object_id="kept")
    Decision.objects.create(record=make_waiting(sha256=BYTES), outcome=Outcome.REVIEW, decided_by=anna)
    [found] = resembling(make_waiting(sha256=BYTES), user=anna, using="default")
    assert found.record.object_id == "kept"


def test_last_decision_about_a_record_is_told_and_never_one_about_itself(anna):
    record = make_waiting(sha256=BYTES)
    for outcome in (Outcome.BLOCK, Outcome.PASS):
        decide(now(record), outcome, decided_by=anna)
    [found] = resembling(make_waiting(sha256=BYTES), user=anna, using="default")
    assert found.decision.outcome == Outcome.PASS
    assert resembling(now(record), user=anna, using="default") == []


def test_only_the_last_decisions_are_remembered(anna, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(likeness, "MAX_REMEMBERED", 2)
    for days in range(4):
        decision = decided(anna, sha256=BYTES, object_id=str(days))
        Decision.objects.filter(pk=decision.pk).update(decided_at=timezone.now() - timedelta(days=days))
    record = make_waiting(sha256=BYTES)
    with django_assert_num_queries(2):
        found = resembling(record, user=anna, using="default")
    assert {one.record.object_id for one in found} == {"0", "1"}
