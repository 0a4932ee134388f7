"""Moderators who ask for cards at the same moment, on a database server."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from django_imgmod.models import ModerationRecord
from django_imgmod.services.review.cards import claim_card
from django_imgmod.services.review.claims import claim_next, claimed_by, release
from django_imgmod.services.review.queue import QueueFilter
from tests.concurrency.test_races import together
from tests.review.moderating import make_moderator, make_waiting
from tests.review.pictures import some_hash
from tests.skewed import SHIFTS, clock_off_by
from tests.timetravel import fast_forward

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 4
EACH = 15


@pytest.fixture
def people() -> list[User]:
    return [make_moderator(f"moderator {number}") for number in range(PEOPLE)]


def claim_all(user: User) -> list[int]:
    """Claim record after record, until there is none."""
    keys = []
    while (record := claim_next(user, QueueFilter(), using="default")) is not None:
        keys.append(record.pk)
    return keys


def test_everybody_gets_others_and_nothing_is_left(people):
    expected = sorted(make_waiting().pk for _ in range(PEOPLE * EACH))
    results = together(*[lambda user=user: claim_all(user) for user in people])
    assert sorted(key for keys in results for key in keys) == expected
    held = [record.pk for user in people for record in claimed_by(user, using="default")]
    assert sorted(held) == expected


def test_last_card_goes_to_one_of_them(people):
    for _ in range(EACH):
        record = make_waiting()
        results = together(*[lambda user=user: claim_next(user, QueueFilter(), using="default") for user in people])
        assert [found.pk for found in results if found is not None] == [record.pk]
        for user in people:
            release(user, None, using="default")
        ModerationRecord.objects.all().delete()


def cards_of(user: User) -> list[list[int]]:
    found = []
    while (card := claim_card(user, QueueFilter(), using="default")) is not None:
        found.append([member.pk for member in card.members])
    return found


def test_no_record_is_on_the_cards_of_two(people):
    expected = sorted(
        make_waiting(sha256=f"{number % 5}" * 64, perceptual_hash=some_hash(number % 3)).pk for number in range(60)
    )
    results: list[Any] = together(*[lambda user=user: cards_of(user) for user in people])
    assert sorted(key for cards in results for card in cards for key in card) == expected


@pytest.mark.parametrize("shift", SHIFTS, ids=["ahead", "behind"])
def test_claims_go_by_the_database_s_clock(people, shift):
    first, second, *_ = people
    record = make_waiting()
    with clock_off_by(shift):
        assert claim_next(first, QueueFilter(), using="default") == record
        assert claim_next(second, QueueFilter(), using="default") is None
    assert claim_next(second, QueueFilter(), using="default") is None
    fast_forward(121)
    with clock_off_by(shift):
        assert claim_next(second, QueueFilter(), using="default") == record
