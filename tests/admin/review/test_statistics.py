"""The page of statistics: drawn by the server, and told in tables."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.admin.review import charts
from django_imgmod.choices import Outcome, Status
from django_imgmod.models import Decision, Exposure
from django_imgmod.services.review import statistics
from django_imgmod.services.review.statistics import Day
from tests.backdated import ago, make_record

PAGE = "/admin/django_imgmod/moderationrecord/review/statistics/"
REVIEW = "review_moderationrecord"
SCRIPT = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(client_of) -> Client:
    return client_of(REVIEW)


def make_decisions(count: int, outcome: Outcome = Outcome.BLOCK, *, label: str = "harbour", **columns) -> None:
    for _ in range(count):
        status = Status.PASSED if outcome == Outcome.PASS else Status.BLOCKED
        record = make_record(status=status, top_label=label, verdict_at=ago(hours=2))
        Decision.objects.create(record=record, outcome=outcome, status_before=Status.IN_REVIEW, **columns)


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


def drawings(page: str) -> list[ET.Element]:
    found = re.findall(r"<svg class=\"imgmod-chart.*?</svg>", page, re.DOTALL)
    return [ET.fromstring(svg) for svg in found]  # noqa: S314 - our own page


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


class TestAccess:
    def test_is_not_kept_by_browsers(self, reviewer):
        assert "no-store" in reviewer.get(PAGE)["Cache-Control"]

    def test_is_one_of_the_desks_tabs(self, reviewer):
        assert f'<a href="{PAGE}" aria-current="page">' in text_of(reviewer.get(PAGE))


class TestDrawings:
    def test_have_a_name_a_description_and_no_style(self, reviewer):
        make_decisions(6, label="nudity")
        page = text_of(reviewer.get(PAGE))
        by_day, by_label = drawings(page)
        for drawing in (by_day, by_label):
            assert drawing.get("role") == "img"
            ids = drawing.get("aria-labelledby").split()
            assert ids == [drawing.find("title").get("id"), drawing.find("desc").get("id")]
        assert by_day.find("title").text == "Arrivals and decisions by day"
        assert "6 arrived, 0 came back, 0 were passed, 6 blocked, 0 escalated" in by_day.find("desc").text
        assert by_label.find("desc").text == "nudity: 100 % of 6"
        assert "style=" not in page
        assert "<style" not in page

    def test_hold_whole_numbers_in_every_language(self, reviewer, settings):
        settings.LANGUAGE_CODE = "de"
        settings.USE_THOUSAND_SEPARATOR = True
        make_decisions(7)
        for drawing in drawings(text_of(reviewer.get(PAGE))):
            for shape in drawing.iter():
                for name in ("x", "y", "width", "height", "cx", "cy", "x1", "y1"):
                    assert (shape.get(name) or "0").isdigit()

    def test_have_the_same_numbers_as_the_tables(self, reviewer):
        make_decisions(3, decided_at=ago(days=1))
        make_decisions(2, Outcome.PASS)
        told = words(text_of(reviewer.get(PAGE)))
        assert re.search(
            r"Arrived Came back Passed Blocked Escalated \S+ \S+ \S+ 5 0 2 0 0 \S+ \S+ \S+ 0 0 0 3 0", told
        )

    def test_read_from_the_right_where_the_language_does(self, reviewer, settings):
        def newest_is_on_the_right() -> bool:
            by_day = drawings(text_of(reviewer.get(PAGE)))[0]
            bars = [shape for shape in by_day.iter("rect") if "chart-bar" in shape.get("class")]
            return int(bars[-1].get("x")) > charts.WIDTH / 2

        make_decisions(1)
        assert newest_is_on_the_right()
        settings.LANGUAGE_CODE = "ar"
        assert not newest_is_on_the_right()

    @pytest.mark.parametrize(
        ("largest", "scale"), [(0, (1, 1)), (3, (1, 3)), (6, (2, 6)), (51, (20, 60)), (999, (200, 1000))]
    )
    def test_are_scaled_in_round_steps(self, largest, scale):
        assert charts._scale(largest) == scale

    def test_stay_within_their_frame(self):
        days = [Day(date=timezone.localdate(), arrived_count=10**7, blocked_count=10**7) for _ in range(30)]
        chart = charts.day_chart(days, is_mirrored=False)
        for bar in chart.bars:
            assert bar.x >= 0
            assert bar.x + bar.width <= chart.width
            assert bar.y >= 0
            assert bar.y + bar.height <= chart.height


class TestWords:
    def test_tell_what_waits_and_how_long_it_takes(self, reviewer):
        make_record(status=Status.IN_REVIEW, created_at=ago(hours=5, minutes=1))
        make_decisions(5)
        told = words(text_of(reviewer.get(PAGE)))
        assert "Review 1 5\xa0hours, 1\xa0minute 2\xa0hours (of 5)".replace("\xa0", " ") in told.replace("\xa0", " ")

    def test_say_that_a_sample_is_small(self, reviewer):
        make_decisions(4, label="nudity")
        told = words(text_of(reviewer.get(PAGE)))
        assert "nudity 4 4 4 pictures: too few 0 0" in told
        assert "4 decisions: too few" in told
        assert "%" not in told

    def test_escape_labels(self, reviewer):
        make_decisions(6, label=SCRIPT)
        page = text_of(reviewer.get(PAGE))
        assert SCRIPT not in page
        assert "&lt;script&gt;" in page

    def test_show_nobodys_exposure_but_ones_own(self, reviewer):
        other = User.objects.create_user("other")
        me = User.objects.get(pk=reviewer.session["_auth_user_id"])
        Exposure.objects.create(user=other, day=timezone.localdate(), revealed_count=4321)
        Exposure.objects.create(user=me, day=timezone.localdate(), revealed_count=123)
        told = words(text_of(reviewer.get(PAGE)))
        assert "Pictures revealed today 123 Pictures revealed in 30 days 123" in told
        assert "4,321" not in told
        assert "other" not in told

    def test_name_no_colleague(self, reviewer):
        for number in range(3):
            make_decisions(number + 1, decided_by=User.objects.create_user(f"colleague-{number}"))
        told = words(text_of(reviewer.get(PAGE)))
        assert "Of 3 people: the median is 2 decisions in these days, and 2 on a day" in told
        assert "colleague" not in told

    def test_say_that_not_all_was_read(self, reviewer, monkeypatch):
        monkeypatch.setattr(statistics, "MAX_DECISIONS", 2)
        make_decisions(2)
        assert "There is more" not in text_of(reviewer.get(PAGE))
        make_decisions(1, decided_at=ago(days=2))
        assert "There is more than is counted here" in text_of(reviewer.get(PAGE))


def test_needs_as_many_statements_for_many_as_for_few(reviewer):
    def count_statements() -> int:
        with CaptureQueriesContext(connection) as statements:
            reviewer.get(PAGE)
        return len(statements)

    make_decisions(1)
    count_statements()  # the first look of a process fills what is kept
    with_one = count_statements()
    for number in range(12):
        make_decisions(2, label=f"label-{number}", decided_at=timezone.now() - timedelta(days=number))
    assert count_statements() == with_one
