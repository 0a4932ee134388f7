"""What each address costs: always the same number of statements, whatever there is."""

from __future__ import annotations

import pytest

from django_imgmod.choices import Lane, Outcome, RiskLevel
from django_imgmod.models import Appeal, Decision, DetectedLabel, ModerationRecord
from django_imgmod.services.review.batches import decide_batch
from tests.backdated import ago
from tests.hostapp.models import Photo
from tests.rest.asking import Moderator, ids, read
from tests.review.moderating import make_moderator, make_waiting, seen

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.urls")]

# The session, the user, their permissions and those of their groups.
WHO = 4
FILTERS = "risk_level=medium&provider=default&label=boat&reason=harbour&older_than_hours=1&model=hostapp.Photo"
LISTS = (
    "records/?page_size=8",
    f"records/?page_size=8&status=in_review&{FILTERS}",
    "queue/?page_size=8",
    f"queue/?page_size=8&order=newest&{FILTERS}",
    "queue/?page_size=8&lane=appealed",
)


def make_some(count: int) -> list[ModerationRecord]:
    """Insert as many records in the first lane, and in that of the appeals, each with all that may hang on one."""
    uploader = make_moderator(f"uploader {ModerationRecord.objects.count()}")
    records = []
    for _ in range(count):
        for lane in (Lane.FIRST, Lane.APPEALED):
            photo = Photo.objects.create()
            record = make_waiting(
                object_id=str(photo.pk), lane=lane, uploaded_by=uploader, created_at=ago(hours=2), perceptual_hash="-"
            )
            for risk_level in RiskLevel:
                DetectedLabel.objects.create(record=record, label="boat", risk_level=risk_level)
            Decision.objects.create(record=record, decided_by=uploader, outcome=Outcome.REVIEW)
            Appeal.objects.create(record=record, appealed_by=uploader)
            records.append(record)
    return records


@pytest.mark.parametrize("address", LISTS)
def test_page_is_one_statement_of_any_number_of_records(address, django_assert_num_queries):
    anna = Moderator(make_moderator("anna"))
    make_some(2)
    # What Django keeps for as long as the process lives.
    read(anna.get(address))
    with django_assert_num_queries(WHO + 1):
        assert 2 <= len(ids(read(anna.get(address)))) <= 4
    make_some(10)
    with django_assert_num_queries(WHO + 1):
        page = read(anna.get(address))
    with django_assert_num_queries(WHO + 1):
        second = read(anna.get(page["next"]))
    with django_assert_num_queries(WHO + 1):
        assert ids(read(anna.get(second["previous"]))) == ids(page)
    assert len(ids(page)) == 8


def test_card_costs_the_same_whatever_hangs_on_it(django_assert_num_queries):
    anna = Moderator(make_moderator("anna"))
    (record, *others) = make_some(10)
    read(anna.get(f"records/{record.public_id}/"))
    # The record, its labels, the uploader and three counts, what looks like it, appeal, last decision, object, history.
    cost = WHO + 11
    with django_assert_num_queries(cost):
        read(anna.get(f"records/{record.public_id}/"))
    decide_batch(anna.user, seen(*others), Outcome.BLOCK, using="default")
    for number in range(30):
        DetectedLabel.objects.create(record=record, label=str(number))
        Decision.objects.create(record=record, decided_by=make_moderator(str(number)), outcome=Outcome.REVIEW)
    with django_assert_num_queries(cost):
        card = read(anna.get(f"records/{record.public_id}/"))
    assert (len(card["labels"]), len(card["decisions"])) == (35, 31)


def test_statistics_cost_the_same_whatever_was_decided(django_assert_num_queries):
    anna = Moderator(make_moderator("anna"))
    for more in (1, 10):
        decide_batch(anna.user, seen(*make_some(more)), Outcome.BLOCK, using="default")
        with django_assert_num_queries(WHO + 7):
            read(anna.get("statistics/"))
