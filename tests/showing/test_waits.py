"""How long it usually takes: from what, from how much, and at what price."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from django_imgmod.choices import Lane, Outcome, Status
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.services.showing.progress import progress_of
from django_imgmod.services.showing.waits import MIN_SAMPLE, WINDOW, expected_wait
from tests.backdated import ago, make_history, make_judged, make_record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


def history(*minutes: float, **columns: Any) -> None:
    """Let images have been judged a moment ago that waited for so long."""
    for number, wait in enumerate(minutes):
        verdict_at = ago(seconds=number)
        make_judged(verdict_at=verdict_at, created_at=verdict_at - timedelta(minutes=wait), **columns)


def decided(*minutes: float, **columns: Any) -> None:
    """Let people have decided a moment ago about images that waited for so long."""
    for wait in minutes:
        Decision.objects.create(
            record=make_judged(created_at=ago(minutes=wait)),
            **{"outcome": Outcome.PASS, "status_before": Status.IN_REVIEW, "decided_at": timezone.now(), **columns},
        )


def waiting_for_people(**columns: Any) -> ModerationRecord:
    return make_record(status=Status.IN_REVIEW, **columns)


class TestProvider:
    def test_median_of_those_that_it_judged(self):
        history(1, 1, 2, 2, 3, 3, 4, 4, 500, 500)
        history(*[90] * 20, provider="slow")
        for status in (Status.PENDING, Status.SUBMITTED):
            assert expected_wait(make_record(status=status)) == timedelta(minutes=3)
        assert expected_wait(make_record(provider="slow")) == timedelta(minutes=90)

    def test_too_few_say_nothing(self):
        history(*[5] * (MIN_SAMPLE - 1))
        assert expected_wait(make_record()) is None
        cache.clear()
        history(5)
        assert expected_wait(make_record()) == timedelta(minutes=5)

    def test_what_is_long_ago_says_nothing(self):
        minute = timedelta(minutes=1)
        make_history(MIN_SAMPLE, pause=minute, wait=minute, until=timezone.now() - WINDOW - minute)
        assert expected_wait(make_record()) is None

    def test_last_ones_say_how_it_goes_now(self):
        hour, second = timedelta(hours=1), timedelta(seconds=1)
        make_history(100, pause=second, wait=2 * hour, until=timezone.now())
        make_history(101, pause=second, wait=9 * hour, until=timezone.now() - hour)
        assert expected_wait(make_record()) == 2 * hour

    def test_clocks_that_disagree(self):
        history(*[-5] * MIN_SAMPLE)
        assert expected_wait(make_record()) == timedelta(0)

    def test_alias_that_no_cache_would_take(self):
        """pytest makes errors of the warnings that a cache gives of such keys."""
        alias = "our \n provider \N{SNOWMAN}" + "x" * 30
        history(*[7] * MIN_SAMPLE, provider=alias)
        assert expected_wait(make_record(provider=alias)) == timedelta(minutes=7)


class TestPeople:
    def test_median_from_the_upload_on(self):
        decided(*[10] * 6, 600, 600, 600, outcome=Outcome.BLOCK)
        decided(30)
        wait = expected_wait(waiting_for_people())
        assert wait is not None
        assert round(wait.total_seconds() / 60) == 10

    @pytest.mark.parametrize(
        "columns",
        [
            {"status_before": Status.PASSED},
            {"outcome": Outcome.REVIEW},
            {"lane_before": Lane.ESCALATED},
            {"decided_at": timezone.now() - WINDOW - timedelta(hours=1)},
        ],
    )
    def test_what_says_nothing_of_the_first_lane(self, columns):
        decided(*[10] * MIN_SAMPLE, **columns)
        assert expected_wait(waiting_for_people()) is None

    @pytest.mark.parametrize("lane", [Lane.ESCALATED, Lane.APPEALED])
    def test_other_lanes(self, lane, django_assert_num_queries):
        decided(*[10] * MIN_SAMPLE)
        record = waiting_for_people(lane=lane)
        with django_assert_num_queries(0):
            assert expected_wait(record) is None


class TestPrice:
    @pytest.mark.parametrize("count", [0, MIN_SAMPLE])
    def test_one_query_a_minute(self, count, django_assert_num_queries):
        """Also where nothing is known."""
        history(*[5] * count)
        record, other = make_record(), make_record()
        with django_assert_num_queries(1):
            answers = [expected_wait(record), expected_wait(other), expected_wait(record, may_ask=False)]
        assert answers == [timedelta(minutes=5) if count else None] * 3

    def test_nothing_is_asked_where_it_may_not_be(self, django_assert_num_queries):
        history(*[5] * MIN_SAMPLE)
        records = [make_record(), waiting_for_people()]
        with django_assert_num_queries(0):
            assert [expected_wait(record, may_ask=False) for record in records] == [None, None]
        # That it was not asked is not what it knows.
        assert expected_wait(records[0]) == timedelta(minutes=5)

    @pytest.mark.parametrize("status", [Status.PASSED, Status.BLOCKED, Status.SUPERSEDED])
    def test_what_waits_for_nothing(self, status, django_assert_num_queries):
        history(*[5] * MIN_SAMPLE)
        record = make_record(status=status)
        with django_assert_num_queries(0):
            assert expected_wait(record) is None


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0.3, "That usually takes less than a minute."),
        (1, "That usually takes 1 minute."),
        (59.9, "That usually takes 59 minutes."),
        (130, "That usually takes 2 hours."),
        (3000, "That usually takes 2 days."),
    ],
)
def test_words(minutes, words):
    history(*[minutes] * MIN_SAMPLE)
    assert progress_of(make_record()).expected.replace("\N{NO-BREAK SPACE}", " ") == words
    # What is public meanwhile waits for nothing that its editor would notice.
    assert progress_of(make_record(is_shadow=True)).expected == ""
