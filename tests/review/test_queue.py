"""What waits for a moderator: its order, what is left out, and pages that nothing falls between."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.utils import timezone

from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, Decision, DetectedLabel, ModerationRecord, ModerationRecordQuerySet, RiskOrder
from django_imgmod.models.ordering import place_of
from django_imgmod.services.review.claims import is_free
from django_imgmod.services.review.queue import (
    ORDERS,
    Position,
    QueueFilter,
    before,
    beyond,
    counts_waiting,
    waiting,
)
from tests.backdated import ago, make_record
from tests.hostapp.models import StringPhoto
from tests.review.moderating import make_moderator, make_waiting

pytestmark = pytest.mark.django_db

# What the plan of a page may name. MariaDB has no partial indexes, and sorts what waits.
INDEXES = {
    ("postgresql", "risk"): "imgmod_record_review ",
    ("postgresql", "oldest"): "imgmod_record_review_age ",
    ("postgresql", "newest"): "imgmod_record_review_age ",
    ("sqlite", "risk"): "imgmod_record_review ",
    ("sqlite", "oldest"): "imgmod_record_review_age ",
    ("sqlite", "newest"): "imgmod_record_review_age ",
}


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


def keys(user: User, **options: Any) -> list[int]:
    return [record.pk for record in waiting(QueueFilter(**options), user=user, using="default")]


def pages(records: ModerationRecordQuerySet, order: str, size: int) -> list[int]:
    """Return the keys of all pages, each begun beyond the last record of the one before it."""
    found = list(records[:size])
    page = found
    while page:
        page = list(beyond(records, Position.of(page[-1]), order=order)[:size])
        found += page
    return [record.pk for record in found]


def make_crowd() -> list[ModerationRecord]:
    """Insert records of all risks, several of one moment."""
    moments = [ago(minutes=number) for number in range(3)]
    crowd = product(range(2), ["", *RiskLevel.values], moments)
    return [make_waiting(risk_level=level, created_at=moment) for _, level, moment in crowd]


def by_risk(record: ModerationRecord) -> Any:
    return place_of(record.risk_level), record.created_at, record.pk


def test_gravest_first_then_the_oldest(anna):
    crowd = make_crowd()
    assert keys(anna) == [record.pk for record in sorted(crowd, key=by_risk)]
    levels = [record.risk_level for record in waiting(QueueFilter(), user=anna, using="default")]
    first, *_, third_last, second_last, last = dict.fromkeys(levels)
    assert first == RiskLevel.HIGH
    assert [third_last, second_last, last] == [RiskLevel.MEDIUM, RiskLevel.LOW, RiskLevel.NONE]


def test_by_age(anna):
    crowd = sorted(make_crowd(), key=lambda record: (record.created_at, record.pk))
    assert keys(anna, order="oldest") == [record.pk for record in crowd]
    assert keys(anna, order="newest") == [record.pk for record in reversed(crowd)]


@pytest.mark.parametrize("level", ["", "word of another release", *RiskLevel.values])
def test_place_of_a_risk_level_is_the_same_here_and_in_the_database(level):
    record = make_waiting(risk_level=level[:7])
    place = ModerationRecord.objects.values_list(RiskOrder("risk_level"), flat=True).get(pk=record.pk)
    assert place == place_of(level)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 7])
def test_nothing_falls_between_pages(anna, order, size):
    make_crowd()
    records = waiting(QueueFilter(order=order), user=anna, using="default")
    assert pages(records, order, size) == [record.pk for record in records]


@pytest.mark.parametrize("order", ORDERS)
def test_what_stands_before_comes_the_nearest_first(anna, order):
    make_crowd()
    records = list(waiting(QueueFilter(order=order), user=anna, using="default"))
    found = before(waiting(QueueFilter(order=order), user=anna, using="default"), Position.of(records[5]), order=order)
    assert list(found) == records[4::-1]


@pytest.mark.parametrize("order", ORDERS)
def test_page_is_read_from_the_index_in_its_order(anna, order):
    record = make_waiting()
    records = waiting(QueueFilter(order=order), user=anna, using="default").filter(is_free())
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                # Of a few rows it would rather read all, and put them in order.
                for way in ("seqscan", "bitmapscan", "sort"):
                    cursor.execute(f"SET LOCAL enable_{way} = off")
        plan = beyond(records, Position.of(record), order=order)[:50].explain()
    assert INDEXES.get((connection.vendor, order), "imgmod_record_queue") in plan
    if connection.vendor != "mysql":
        assert not [word for word in ("Sort", "TEMP B-TREE", "Seq Scan", "SCAN ") if word in plan]


def test_answer_of_the_provider_is_not_read(anna):
    make_waiting()
    assert waiting(QueueFilter(), user=anna, using="default").get().get_deferred_fields() == {"raw"}


def test_settled_and_open_records_do_not_wait(anna):
    for status in Status.values:
        make_record(status=status)
    [record] = waiting(QueueFilter(), user=anna, using="default")
    assert record.status == Status.IN_REVIEW


def test_each_lane_is_a_queue_of_its_own(anna, django_assert_num_queries):
    for count, lane in enumerate(Lane, start=1):
        for _ in range(count):
            make_waiting(lane=lane)
    for count, lane in enumerate(Lane, start=1):
        assert len(keys(anna, lane=lane)) == count
    with django_assert_num_queries(1):
        assert counts_waiting(using="default").by_lane == {lane: count for count, lane in enumerate(Lane, start=1)}


def test_some_of_what_waits_are_counted_with_it(anna, django_assert_num_queries):
    first, *_ = make_waiting(), make_waiting(), make_waiting(lane=Lane.ESCALATED)
    some = ModerationRecord.objects.filter(pk=first.pk)
    with django_assert_num_queries(1):
        counts = counts_waiting(some, using="default")
    assert counts.by_lane == {Lane.FIRST: 2, Lane.ESCALATED: 1, Lane.APPEALED: 0}
    assert counts.among == 1
    assert counts_waiting(some.none(), using="default").among == 0


def test_lanes_in_which_nothing_waits_are_counted_too(anna):
    make_waiting(lane=Lane.APPEALED)
    assert counts_waiting(using="default").by_lane == {Lane.FIRST: 0, Lane.ESCALATED: 0, Lane.APPEALED: 1}


def test_own_uploads_are_left_out_unless_the_site_allows_them(anna, settings):
    own, other, unknown = make_waiting(uploaded_by=anna), make_waiting(uploaded_by_id=4711), make_waiting()
    assert keys(anna) == [other.pk, unknown.pk]
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"MAY_DECIDE_OWN": True}}
    assert keys(anna) == [own.pk, other.pk, unknown.pk]


@pytest.mark.parametrize("lane", [Lane.APPEALED, Lane.ESCALATED])
def test_appeals_against_own_decisions_are_left_out(anna, lane):
    bob = make_moderator("bob")
    for number, decided_by in enumerate((anna, bob, None)):
        record = make_waiting(lane=lane, object_id=str(number))
        decision = Decision.objects.create(record=record, outcome=Outcome.BLOCK, decided_by=decided_by)
        Appeal.objects.create(record=record, decision=decision)
    judged = make_waiting(lane=lane, object_id="3")
    Appeal.objects.create(record=judged)
    found = waiting(QueueFilter(lane=lane), user=anna, using="default")
    assert [record.object_id for record in found] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "wanted",
    [
        {"model": "hostapp.StringPhoto"},
        {"model": "hostapp.stringphoto"},
        {"label": "harbour"},
        {"risk_level": "low"},
        {"provider": "second"},
        {"waiting_longer_than": timedelta(hours=1)},
        {"reason": "HARBOUR 60"},
        {"reason": "harbour", "provider": "second", "order": "newest"},
    ],
    ids=str,
)
def test_filters(anna, wanted):
    make_waiting(reason="something else")
    record = make_waiting(
        risk_level="low",
        provider="second",
        reason="medium risk: harbour 60.00",
        created_at=ago(hours=2),
    )
    ModerationRecord.objects.filter(pk=record.pk).update(content_type=ContentType.objects.get_for_model(StringPhoto))
    # In two frames: it is one record all the same.
    for frame in range(2):
        DetectedLabel.objects.create(record=record, label="harbour", frame_index=frame)
    assert keys(anna, **wanted) == [record.pk]


@pytest.mark.parametrize(
    "wanted",
    [
        {"model": "no.such"},
        {"model": "nonsense"},
        {"label": "nobody\x00"},
        {"risk_level": "nonsense"},
        {"provider": "\ud800"},
        {"reason": "100%"},
    ],
    ids=ascii,
)
def test_filter_for_what_there_is_not(anna, wanted):
    make_waiting()
    assert keys(anna, **wanted) == []


def test_filter_writes_nothing(anna):
    ContentType.objects.filter(app_label="hostapp", model="stringphoto").delete()
    ContentType.objects.clear_cache()
    assert keys(anna, model="hostapp.StringPhoto") == []
    assert not ContentType.objects.filter(model="stringphoto").exists()


def test_position_survives_an_address():
    for moment in (timezone.now(), timezone.now().replace(microsecond=0)):
        position = Position(2, moment, 10**17)
        assert Position.decode(position.encode()) == position


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "_", "1__3", "2_yesterday_1", "2_2026-01-01T00:00:00_1", "2_2026-13-01T00:00:00+00:00_1"),
        *("-1_2026-01-01T00:00:00+00:00_1", "٢_2026-01-01T00:00:00+00:00_1"),
        f"2_2026-01-01T00:00:00+00:00_{9**40}",
        # Beyond the calendar, as seen from other zones.
        *("1_0001-01-01T00:00:00+23:59_1", "1_9999-12-31T23:59:59+00:00_1", "1_9999-12-31T23:59:59-23:59_1"),
    ],
    ids=ascii,
)
def test_what_is_no_position(text):
    with pytest.raises(ValueError, match="is no position in the queue"):
        Position.decode(text)
