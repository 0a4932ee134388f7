"""What a card tells, what is on it with it, and that it costs the same whatever hangs on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, DetectedLabel, ModerationRecord
from django_imgmod.perceptual import is_hash
from django_imgmod.services.decisions import decide
from django_imgmod.services.review import cards
from django_imgmod.services.review.cards import Card, card_of, claim_card, claim_named
from django_imgmod.services.review.claims import claimed_by, release
from django_imgmod.services.review.queue import Position, QueueFilter
from tests.backdated import make_judged, make_record
from tests.hostapp.models import Photo
from tests.review.moderating import ESCALATED, FIRST, make_moderator, make_waiting, now
from tests.review.pictures import drawing, some_hash, upload

pytestmark = pytest.mark.django_db

BYTES = "a" * 64


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def bob() -> User:
    return make_moderator("bob")


def claim(user: User, **options: Any) -> Card:
    card = claim_card(user, QueueFilter(**options), using="default")
    assert card is not None
    return card


def add_label(record: ModerationRecord, label: str, level: str, confidence: str | None = None, **columns: Any) -> None:
    DetectedLabel.objects.create(
        record=record, label=label, risk_level=level, confidence=confidence and Decimal(confidence), **columns
    )


def test_no_card_where_nothing_waits(anna):
    make_judged()
    assert claim_card(anna, QueueFilter(), using="default") is None


def test_bare_card(anna):
    record = make_waiting()
    card = claim(anna)
    assert (card.record, card.members, card.labels) == (record, (record,), ())
    assert (card.uploader, card.appeal, card.last_decision, card.resembling) == (None, None, None, ())
    assert (card.uploader_count, card.object_text) == (0, "")
    assert card.position == Position.of(record)


def test_same_picture_is_one_card(anna, bob):
    records = [make_waiting(sha256=BYTES, uploaded_by_id=1000 + number % 7) for number in range(40)]
    make_waiting(sha256="b" * 64)
    card = claim(anna)
    assert card.members == tuple(records)
    assert card.uploader_count == 7
    assert {record.pk for record in claimed_by(anna, using="default")} == {record.pk for record in records}
    assert len(claim(bob).members) == 1


def test_similar_pictures_are_found_in_the_files(anna):
    for number, quality in ((1, 90), (2, 90), (1, 30)):
        photo = Photo.objects.create(image=upload(drawing(number), image_format="JPEG", quality=quality))
        ModerationRecord.objects.filter(object_id=photo.pk).update(status=Status.IN_REVIEW, byte_count=10_000)
    first, other, similar = ModerationRecord.objects.order_by("pk")
    card = claim(anna)
    assert [record.pk for record in card.members] == [first.pk, similar.pk]
    assert is_hash(now(other).perceptual_hash)


@pytest.mark.parametrize("lane", [Lane.ESCALATED, Lane.APPEALED])
def test_what_people_said_something_about_is_a_card_each(bob, lane):
    """The words of one are not those of another."""
    senior = make_moderator("senior", FIRST, ESCALATED)
    records = [make_waiting(sha256=BYTES, perceptual_hash=some_hash(1), lane=lane) for _ in range(2)]
    for record in records:
        Appeal.objects.create(record=record, text=f"I am {record.pk}", appealed_by=bob)
    first = claim(senior, lane=lane)
    second = claim_card(senior, QueueFilter(lane=lane), after=first.position, using="default")
    assert second is not None
    assert [card.members for card in (first, second)] == [(record,) for record in records]
    assert [card.appeal.record for card in (first, second) if card.appeal] == records
    again = claim_named(senior, records[0].public_id, using="default")
    assert again is not None
    assert again.members == (records[0],)


def test_card_that_is_loaded_ahead_takes_nothing_from_the_one_before(anna):
    first, bridge, second = (make_waiting(perceptual_hash=some_hash(1, flipped=flipped)) for flipped in (0, 20, 40))
    assert [record.pk for record in claim(anna).members] == [first.pk, bridge.pk]
    assert [record.pk for record in claim(anna).members] == [second.pk]


def test_picture_that_was_skipped_does_not_come_again_as_another_upload(anna):
    skipped = [make_waiting(sha256=BYTES) for _ in range(3)]
    other = make_waiting()
    card = claim(anna)
    release(anna, None, using="default")
    following = claim_card(anna, QueueFilter(), after=card.position, using="default")
    assert following is not None
    assert following.record == other
    assert claim_card(anna, QueueFilter(), after=card.position, using="default") is None
    decide(now(skipped[0]), Outcome.PASS, decided_by=anna)
    assert claim_card(anna, QueueFilter(), after=card.position, using="default") is not None


def test_some_are_passed_over_and_what_is_graver_comes_first(anna):
    first, second, third = make_waiting(), make_waiting(), make_waiting()
    left_out = [first.pk, second.pk]

    def following() -> ModerationRecord | None:
        card = claim_card(anna, QueueFilter(), but=left_out, using="default")
        return card and card.record

    assert following() == third
    graver = make_waiting(risk_level=RiskLevel.HIGH)
    assert following() == graver
    assert following() is None
    assert claim(anna).record == first


def test_card_of_what_is_held_is_the_card_that_was_claimed(anna):
    for _ in range(3):
        make_waiting(sha256=BYTES)
    make_waiting(sha256="b" * 64)
    card = claim(anna)
    claim(anna)
    again = card_of(claimed_by(anna, using="default")[0], user=anna)
    assert again.members == card.members


def test_gravest_label_first_and_of_these_the_surest(anna):
    record = make_waiting()
    add_label(record, "calm", RiskLevel.NONE, "99")
    add_label(record, "unsure", RiskLevel.HIGH, "61.5", frame_index=3)
    add_label(record, "sure", RiskLevel.HIGH, "97.25", description="as clear as can be")
    add_label(record, "doubtful", RiskLevel.MEDIUM)
    add_label(record, "stern", RiskLevel.MEDIUM, "12")
    assert [label.label for label in claim(anna).labels] == ["sure", "unsure", "doubtful", "stern", "calm"]


def test_what_became_of_the_uploader_s_other_pictures(anna, bob):
    make_waiting(uploaded_by=bob)
    for status in (Status.PASSED, Status.PASSED, Status.BLOCKED, Status.SUPERSEDED, Status.SUBMITTED):
        make_record(status=status, uploaded_by=bob)
    make_waiting(uploaded_by=bob, risk_level=RiskLevel.LOW)
    uploader = claim(anna).uploader
    assert uploader is not None
    assert (uploader.user_id, uploader.name) == (bob.pk, "bob")
    assert (uploader.passed_count, uploader.blocked_count, uploader.waiting_count) == (2, 1, 2)
    assert not uploader.is_new


def test_uploader_without_a_settled_picture_is_new(anna, bob):
    make_waiting(uploaded_by=bob)
    make_record(status=Status.PENDING, uploaded_by=bob)
    uploader = claim(anna).uploader
    assert uploader is not None
    assert uploader.is_new


def test_uploader_s_pictures_are_counted_up_to_a_bound(anna, bob, monkeypatch):
    monkeypatch.setattr(cards, "MAX_COUNT", 2)
    make_waiting(uploaded_by=bob)
    for _ in range(3):
        make_judged(uploaded_by=bob)
    uploader = claim(anna).uploader
    assert uploader is not None
    assert uploader.passed_count == 2


def test_uploader_who_is_gone_has_no_name(anna):
    make_waiting(uploaded_by_id=4711)
    uploader = claim(anna).uploader
    assert uploader is not None
    assert (uploader.user_id, uploader.name) == (4711, "")


def test_object_and_what_was_decided_and_said_before(anna, bob):
    photo = Photo.objects.create(image=upload(drawing(1)))
    record = ModerationRecord.objects.get(object_id=photo.pk)
    ModerationRecord.objects.filter(pk=record.pk).update(status=Status.IN_REVIEW)
    first = decide(now(record), Outcome.BLOCK, decided_by=bob)
    appeal = Appeal.objects.create(record=record, decision=first, text="It is art.", appealed_by=bob)
    ModerationRecord.objects.filter(pk=record.pk).update(status=Status.IN_REVIEW, lane=Lane.APPEALED)
    card = claim(anna, lane=Lane.APPEALED)
    assert card.object_text == str(photo)
    assert (card.appeal, card.last_decision) == (appeal, first)
    assert card.appeal is not None


def test_object_that_cannot_say_what_it_is(anna, monkeypatch, caplog):
    photo = Photo.objects.create(image=upload(drawing(1)))
    ModerationRecord.objects.filter(object_id=photo.pk).update(status=Status.IN_REVIEW)

    def fail(self: Photo) -> str:
        raise AttributeError("no owner")

    monkeypatch.setattr(Photo, "__str__", fail)
    assert claim(anna).object_text == ""
    assert "no owner" in caplog.text


def test_card_by_name(anna, bob):
    first, second, third = (make_waiting(sha256=digest * 64) for digest in "aba")
    card = claim_named(anna, third.public_id, using="default")
    assert card is not None
    assert card.members == (third, first)
    assert claim_named(bob, first.public_id, using="default") is None
    again = claim_named(anna, third.public_id, using="default")
    assert again is not None
    assert again.members == (third, first)
    assert claim(bob).record == second


def make_full_card(count: int, bob: User) -> None:
    """Let a card wait with so many members, labels, uploaders, earlier pictures and lookalikes."""
    for number in range(count):
        columns = {"sha256": BYTES, "perceptual_hash": some_hash(1), "object_id": str(number)}
        record = make_waiting(uploaded_by=bob, **columns)
        make_waiting(perceptual_hash=some_hash(1, flipped=3), uploaded_by_id=1000 + number)
        for place in range(count):
            add_label(record, f"label {place}", RiskLevel.MEDIUM)
        make_judged(uploaded_by=bob)


def test_statements_of_a_card_are_the_same_whatever_hangs_on_it(anna, bob):
    counts = []
    for count in (1, 6):
        ModerationRecord.objects.all().delete()
        for _ in range(count):
            decide(make_waiting(sha256=BYTES), Outcome.BLOCK, decided_by=anna)
        make_full_card(count, bob)
        with CaptureQueriesContext(connection) as queries:
            card = claim(anna)
        assert (len(card.members), len(card.labels)) == (2 * count, count)
        assert len(card.resembling) == min(count, 3)
        counts.append(len(queries))
    # PostgreSQL adds the begin and the end of two savepoints.
    assert counts == [24 if connection.vendor == "postgresql" else 20] * 2


def test_answers_of_providers_are_not_read(anna, bob):
    make_full_card(2, bob)
    decide(make_waiting(sha256=BYTES), Outcome.BLOCK, decided_by=anna)
    with CaptureQueriesContext(connection) as queries:
        claim(anna)
    assert not [query["sql"] for query in queries if connection.ops.quote_name("raw") in query["sql"]]
