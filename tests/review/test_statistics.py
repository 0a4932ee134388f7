"""What the statistics of the review desk count, and what they leave out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, Decision, Exposure, ModerationRecord
from django_imgmod.services.review import statistics
from django_imgmod.services.review.statistics import Agreement, Statistics, read_statistics
from tests.backdated import ago, make_record

pytestmark = pytest.mark.django_db

STATUSES = {Outcome.PASS: Status.PASSED, Outcome.BLOCK: Status.BLOCKED, Outcome.REVIEW: Status.IN_REVIEW}


@pytest.fixture
def moderator() -> User:
    return User.objects.create_user("moderator")


@pytest.fixture
def read(moderator: User) -> Callable[..., Statistics]:
    """Return a function that reads the statistics as the moderator sees them."""
    return lambda user=moderator: read_statistics(user, using="default")


@pytest.fixture
def make_decision(moderator: User) -> Callable[..., Decision]:
    """Return a function that inserts a decision and, where none is given, a record that has become what it says."""

    def make(outcome: Outcome = Outcome.BLOCK, *, record: ModerationRecord | None = None, **columns: Any) -> Decision:
        decided_at = columns.setdefault("decided_at", timezone.now())
        if record is None:
            waited = columns.pop("waited", timedelta())
            record = make_record(
                status=STATUSES[outcome],
                created_at=decided_at - waited,
                verdict_at=decided_at - waited,
                top_label=columns.pop("label", "harbour"),
                lane=columns.pop("lane", Lane.FIRST),
            )
        given = {"decided_by": moderator, "status_before": Status.IN_REVIEW, **columns}
        return Decision.objects.create(record=record, outcome=outcome, **given)

    return make


def take_back(decision: Decision) -> Decision:
    return Decision.objects.create(
        record=decision.record,
        outcome=Outcome.REVIEW,
        undoes=decision,
        decided_by=decision.decided_by,
        status_before=STATUSES[Outcome(decision.outcome)],
    )


def totals(read_: Statistics) -> dict[str, int]:
    names = ("arrived", "returned", "passed", "blocked", "escalated")
    return {name: sum(getattr(day, f"{name}_count") for day in read_.days) for name in names}


def agreement_on(read_: Statistics, label: str) -> Agreement:
    return next(agreement for agreement in read_.agreements if agreement.label == label)


class TestDays:
    def test_are_the_last_thirty_today_included(self, read):
        days = [day.date for day in read().days]
        assert days == sorted(days)
        assert len(days) == 30
        assert days[-1] == timezone.localdate()

    def test_each_counts_what_happened_on_it(self, read, make_decision):
        make_decision(Outcome.PASS, decided_at=ago(days=3))
        make_decision(Outcome.BLOCK, decided_at=ago(days=3))
        make_decision(Outcome.BLOCK, decided_at=ago(days=40))
        make_record(status=Status.IN_REVIEW, risk_level=RiskLevel.MEDIUM, created_at=ago(days=3))
        make_record(status=Status.IN_REVIEW, created_at=ago(days=40))
        make_record(status=Status.PASSED, created_at=ago(days=3))
        day = read().days[-4]
        assert (day.arrived_count, day.passed_count, day.blocked_count) == (3, 1, 1)
        assert totals(read()) == {"arrived": 3, "returned": 0, "passed": 1, "blocked": 1, "escalated": 0}

    def test_begin_where_the_time_zone_of_the_site_says(self, read, make_decision, settings):
        settings.TIME_ZONE = "Pacific/Auckland"
        today = timezone.localdate()
        begin = timezone.make_aware(datetime.combine(today, datetime.min.time()))
        for moment in (begin, begin - timedelta(seconds=1)):
            make_decision(decided_at=moment)
            make_record(status=Status.IN_REVIEW, created_at=moment)
        with timezone.override("America/Los_Angeles"):
            *_, yesterday, last = read().days
        assert last.date == today
        assert (yesterday.blocked_count, yesterday.arrived_count) == (1, 2)
        assert (last.blocked_count, last.arrived_count) == (1, 2)

    def test_are_those_of_a_site_without_time_zones(self, read, make_decision, settings):
        settings.USE_TZ = False
        make_decision(decided_at=timezone.now())
        make_record(status=Status.IN_REVIEW, created_at=timezone.now())
        assert (read().days[-1].blocked_count, read().days[-1].arrived_count) == (1, 2)

    def test_tell_escalations_apart(self, read, make_decision):
        record = make_record(status=Status.IN_REVIEW, lane=Lane.ESCALATED)
        make_decision(Outcome.REVIEW, record=record)
        assert totals(read()) == {"arrived": 1, "returned": 0, "passed": 0, "blocked": 0, "escalated": 1}

    def test_do_not_count_what_was_taken_back(self, read, make_decision):
        record = make_record(status=Status.IN_REVIEW)
        take_back(make_decision(record=record))
        assert totals(read()) == {"arrived": 1, "returned": 0, "passed": 0, "blocked": 0, "escalated": 0}

    def test_count_an_appeal_as_something_that_came_back(self, read, make_decision):
        waiting = make_record(status=Status.IN_REVIEW, lane=Lane.APPEALED, created_at=ago(days=10))
        Appeal.objects.create(record=waiting, appealed_at=ago(days=2))
        upheld = make_record(status=Status.BLOCKED, created_at=ago(days=10))
        Appeal.objects.create(record=upheld, appealed_at=ago(days=2))
        make_decision(record=upheld, lane_before=Lane.APPEALED)
        assert read().days[-3].returned_count == 2
        assert totals(read())["arrived"] == 0

    def test_count_what_was_sent_back_and_waits_again_as_one_arrival(self, read, make_decision):
        record = make_record(status=Status.IN_REVIEW)
        make_decision(Outcome.PASS, record=record)
        make_decision(Outcome.REVIEW, record=record, status_before=Status.PASSED)
        assert totals(read()) == {"arrived": 1, "returned": 1, "passed": 1, "blocked": 0, "escalated": 0}

    def test_begin_later_where_there_is_more_than_is_read(self, read, make_decision, monkeypatch):
        monkeypatch.setattr(statistics, "MAX_DECISIONS", 3)
        for days in (0, 1, 1):
            make_decision(decided_at=ago(days=days))
        assert read().is_complete
        make_decision(decided_at=ago(days=2))
        assert not read().is_complete
        # Of yesterday some may have been left unread.
        assert [(day.date, day.blocked_count) for day in read().days] == [(timezone.localdate(), 1)]

    def test_include_today_even_where_a_part_of_it_is_all_that_is_read(self, read, make_decision, monkeypatch):
        monkeypatch.setattr(statistics, "MAX_DECISIONS", 1)
        make_decision()
        make_decision()
        assert [day.blocked_count for day in read().days] == [1]


class TestQueues:
    def test_tell_how_much_waits_and_since_when(self, read):
        oldest = make_record(status=Status.IN_REVIEW, created_at=ago(hours=5))
        make_record(status=Status.IN_REVIEW)
        make_record(status=Status.BLOCKED, created_at=ago(hours=9))
        first, escalated, appealed = read().queues
        assert (first.lane, first.count, first.oldest_at) == (Lane.FIRST, 2, oldest.created_at)
        assert (escalated.count, escalated.oldest_at) == (0, None)
        assert (appealed.count, appealed.oldest_at) == (0, None)

    def test_an_appeal_is_as_old_as_itself(self, read):
        record = make_record(status=Status.IN_REVIEW, lane=Lane.APPEALED, created_at=ago(days=400))
        appeal = Appeal.objects.create(record=record, appealed_at=ago(hours=1))
        assert read().queues[-1].oldest_at == appeal.appealed_at


class TestWaits:
    def test_are_the_median_from_the_verdict_to_the_decision(self, read, make_decision):
        for minutes in (1, 2, 3, 4, 600):
            make_decision(waited=timedelta(minutes=minutes))
        first, *others = read().waits
        assert (first.lane, first.median, first.sample_count) == (Lane.FIRST, timedelta(minutes=3), 5)
        assert [wait.median for wait in others] == [None, None]

    def test_are_not_told_of_a_handful(self, read, make_decision):
        for _ in range(4):
            make_decision(waited=timedelta(minutes=1))
        assert (read().waits[0].median, read().waits[0].sample_count) == (None, 4)

    def test_begin_anew_with_an_appeal(self, read, make_decision):
        for _ in range(5):
            record = make_record(status=Status.PASSED, created_at=ago(days=20), verdict_at=ago(days=20))
            Appeal.objects.create(record=record, appealed_at=ago(hours=2))
            make_decision(Outcome.PASS, record=record, lane_before=Lane.APPEALED, decided_at=ago(hours=1))
        appealed = read().waits[-1]
        assert round(appealed.median / timedelta(hours=1), 2) == 1

    def test_begin_anew_with_what_was_sent_back(self, read, make_decision):
        for _ in range(5):
            record = make_record(status=Status.BLOCKED, created_at=ago(days=20), verdict_at=ago(days=20))
            make_decision(Outcome.REVIEW, record=record, status_before=Status.PASSED, decided_at=ago(hours=2))
            make_decision(record=record, decided_at=ago(hours=1))
        assert round(read().waits[0].median / timedelta(hours=1), 2) == 1

    def test_do_not_count_what_nobody_waited_for(self, read, make_decision):
        for _ in range(5):
            make_decision(status_before=Status.PASSED, waited=timedelta(days=9))
        assert read().waits[0].sample_count == 0


class TestAgreement:
    def test_tells_how_often_people_blocked_what_was_put_before_them(self, read, make_decision):
        for number in range(8):
            make_decision(Outcome.BLOCK if number < 6 else Outcome.PASS, label="nudity")
        make_decision(label="qrcode")
        assert [agreement.label for agreement in read().agreements] == ["nudity", "qrcode"]
        agreement = agreement_on(read(), "nudity")
        assert (agreement.decided_count, agreement.blocked_count, agreement.blocked_share) == (8, 6, 0.75)

    def test_tells_no_share_of_a_handful(self, read, make_decision):
        for _ in range(4):
            make_decision(label="nudity")
        assert agreement_on(read(), "nudity").blocked_share is None
        make_decision(label="nudity")
        assert agreement_on(read(), "nudity").blocked_share == 1

    def test_tells_what_people_changed_of_the_policys_own_outcomes(self, read, make_decision):
        make_decision(Outcome.BLOCK, status_before=Status.PASSED)
        make_decision(Outcome.PASS, status_before=Status.BLOCKED)
        agreement = agreement_on(read(), "harbour")
        assert agreement.decided_count == 0
        assert (agreement.blocked_after_pass_count, agreement.passed_after_block_count) == (1, 1)

    def test_does_not_take_a_persons_decision_for_the_policys(self, read, make_decision):
        first = make_decision(Outcome.PASS)
        make_decision(Outcome.BLOCK, record=first.record, status_before=Status.PASSED)
        agreement = agreement_on(read(), "harbour")
        assert (agreement.decided_count, agreement.blocked_after_pass_count) == (1, 0)

    def test_takes_an_appeal_for_the_policys_only_where_the_policy_had_blocked(self, read, make_decision):
        by_policy = make_record(status=Status.PASSED, top_label="harbour")
        Appeal.objects.create(record=by_policy)
        make_decision(Outcome.PASS, record=by_policy, lane_before=Lane.APPEALED)
        by_person = make_decision(Outcome.BLOCK)
        Appeal.objects.create(record=by_person.record, decision=by_person)
        make_decision(Outcome.PASS, record=by_person.record, lane_before=Lane.APPEALED)
        agreement = agreement_on(read(), "harbour")
        assert (agreement.decided_count, agreement.passed_after_block_count) == (1, 1)

    def test_does_not_count_what_was_taken_back_nor_escalations(self, read, make_decision):
        take_back(make_decision())
        make_decision(Outcome.REVIEW)
        assert read().agreements == ()


class TestPeople:
    def test_own_numbers_are_ones_own(self, read, make_decision, moderator):
        other = User.objects.create_user("other")
        make_decision()
        make_decision(decided_at=ago(days=3))
        make_decision(decided_at=ago(days=40))
        make_decision(Outcome.REVIEW)
        take_back(make_decision())
        make_decision(decided_by=other)
        today = timezone.localdate()
        Exposure.objects.create(user=moderator, day=today, revealed_count=4)
        Exposure.objects.create(user=moderator, day=today - timedelta(days=2), revealed_count=3)
        Exposure.objects.create(user=moderator, day=today - timedelta(days=30), revealed_count=50)
        Exposure.objects.create(user=other, day=today, revealed_count=90)
        own = read().own
        assert (own.decided_today_count, own.decided_count, own.escalated_count) == (1, 2, 1)
        assert (own.revealed_today_count, own.revealed_count) == (4, 7)

    def test_team_has_medians_of_three_people_and_more(self, read, make_decision):
        for number, count in enumerate((1, 2)):
            person = User.objects.create_user(f"person-{number}")
            for _ in range(count):
                make_decision(decided_by=person)
        assert (read().team.people_count, read().team.median_count) == (2, None)
        for days in (0, 1, 2):
            make_decision(decided_at=ago(days=days))
        team = read().team
        assert (team.people_count, team.median_count, team.median_day_count) == (3, 2, 1)

    def test_people_who_are_gone_are_nobody(self, read, make_decision):
        make_decision(decided_by=None)
        assert read().team.people_count == 0


def test_needs_as_many_statements_for_many_as_for_none(read, make_decision):
    read()  # the first look of a process fills what is kept

    def count_statements() -> int:
        with CaptureQueriesContext(connection) as statements:
            read()
        return len(statements)

    without = count_statements()
    for number in range(20):
        make_decision(Outcome.PASS if number % 2 else Outcome.BLOCK, label=f"label-{number}")
        record = make_record(status=Status.IN_REVIEW, lane=Lane.APPEALED)
        Appeal.objects.create(record=record)
    assert count_statements() == without == 7


def test_tells_times_that_were_stored_with_a_time_zone(read):
    make_record(status=Status.IN_REVIEW, created_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert read().queues[0].oldest_at == datetime(2020, 1, 1, tzinfo=UTC)
