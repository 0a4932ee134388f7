"""How many pictures a moderator has revealed on a day: counted exactly, told to nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.utils import timezone

from django_imgmod.models import Exposure, ReviewPreference
from django_imgmod.services.review.exposure import MAX_COUNT, note_reveals, revealed_today, should_propose_break

pytestmark = pytest.mark.django_db


@pytest.fixture
def moderator() -> User:
    return User.objects.create_user("moderator")


class TestCount:
    def test_begins_at_nothing(self, moderator):
        assert revealed_today(moderator) == 0
        assert not Exposure.objects.exists()

    def test_adds_up(self, moderator):
        assert [note_reveals(moderator, count) for count in (1, 5, 2)] == [1, 6, 8]
        assert revealed_today(moderator) == 8
        assert Exposure.objects.count() == 1

    def test_is_each_person_s_own(self, moderator):
        another = User.objects.create_user("another")
        note_reveals(another, 3)
        assert revealed_today(moderator) == 0
        assert note_reveals(moderator, 1) == 1
        assert revealed_today(another) == 3

    def test_is_of_the_day(self, moderator):
        Exposure.objects.create(user=moderator, day=timezone.localdate() - timedelta(days=1), revealed_count=50)
        assert revealed_today(moderator) == 0
        assert note_reveals(moderator, 2) == 2

    @pytest.mark.parametrize(("zone", "day"), [("Pacific/Kiritimati", 11), ("Pacific/Honolulu", 10)])
    def test_day_is_that_of_the_time_zone_in_use(self, moderator, monkeypatch, zone, day):
        monkeypatch.setattr(timezone, "now", lambda: datetime(2026, 5, 10, 12, tzinfo=UTC))
        with timezone.override(ZoneInfo(zone)):
            note_reveals(moderator, 1)
        assert Exposure.objects.get().day.day == day

    def test_works_without_time_zones(self, moderator, settings):
        settings.USE_TZ = False
        assert note_reveals(moderator, 4) == revealed_today(moderator) == 4

    @pytest.mark.parametrize("count", [0, -1, -(10**9)])
    def test_takes_nothing_away(self, moderator, count):
        note_reveals(moderator, 3)
        assert note_reveals(moderator, count) == 3

    @pytest.mark.parametrize("count", [MAX_COUNT + 1, 10**30])
    def test_believes_no_browser_more_than_a_page_can_show(self, moderator, count):
        assert note_reveals(moderator, count) == MAX_COUNT

    def test_costs_one_write(self, moderator, django_assert_num_queries):
        note_reveals(moderator, 1)
        # The savepoint of the test's transaction and its end, the write, and what is the sum now.
        with django_assert_num_queries(4):
            note_reveals(moderator, 1)


class TestBreak:
    @pytest.mark.parametrize(
        ("before", "after", "is_due"),
        [(0, 1, False), (98, 99, False), (99, 100, True), (100, 101, False), (95, 105, True), (199, 200, True)],
    )
    def test_is_proposed_after_every_hundred(self, before, after, is_due):
        assert should_propose_break(before, after) is is_due

    def test_is_proposed_as_the_site_wants_it(self, settings):
        settings.IMGMOD = {"REVIEW": {"BREAK_AFTER": 20}}
        assert should_propose_break(19, 20)
        settings.IMGMOD = {"REVIEW": {"BREAK_AFTER": None}}
        assert not should_propose_break(0, 10**6)


def test_nobody_sees_it_in_the_admin():
    assert apps.get_model("django_imgmod", "Exposure") is Exposure
    assert not {Exposure, ReviewPreference} & set(admin.site._registry)
