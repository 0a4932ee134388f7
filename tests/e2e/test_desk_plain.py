"""The review desk without JavaScript: plain forms."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from django_imgmod.choices import FeedbackStatus, Lane, Outcome, Status
from django_imgmod.models import Decision, Feedback, ModerationRecord
from django_imgmod.services.review.exposure import revealed_today
from tests.review.moderating import now

from .browsing import PHONE, Browsing, Look, assert_fits
from .moderating import DESK, FIRST, GRID, card, heading, name_of, uploaded

pytestmark = pytest.mark.usefixtures("everything_waits")

PLAIN: Look = {"java_script_enabled": False}


def shows(page: Page, record: ModerationRecord) -> None:
    expect(card(page)).to_have_attribute("data-file", name_of(record))


def push(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def told(page: Page) -> str:
    return " ".join(page.locator(".messagelist").inner_text().split())


class TestDesk:
    def test_everything_can_be_done(self, browsing: Browsing, reviewer: User) -> None:
        passed, blocked, escalated, skipped, last = [uploaded(number) for number in range(5)]
        page = browsing.open(DESK, PLAIN, user=reviewer)
        push(page, "Start")

        shows(page, passed)
        expect(heading(page)).to_have_text(re.compile("Picture 1 of 5"))
        push(page, "Pass")
        assert name_of(passed) in told(page)

        shows(page, blocked)
        page.get_by_role("radio", name=re.compile("Something else")).check()
        push(page, "Block")
        # Refused for want of a comment, and nothing of the answer is lost.
        expect(page.get_by_role("alert").get_by_role("listitem")).to_contain_text("needs a comment")
        expect(page.get_by_role("radio", name=re.compile("Something else"))).to_be_checked()
        shows(page, blocked)
        page.get_by_role("textbox", name="Comment").fill("Not here")
        push(page, "Block")

        shows(page, escalated)
        push(page, "Escalate")
        shows(page, skipped)
        push(page, "Skip")
        shows(page, last)

        # Undo brings back the escalated card; then the one before, by the list.
        push(page, "Undo")
        shows(page, escalated)
        assert now(escalated).lane == Lane.FIRST
        push(page, "Escalate")
        page.locator("#imgmod-last").get_by_role("listitem").filter(has_text="Blocked").get_by_role("button").click()
        shows(page, blocked)
        assert now(blocked).status == Status.IN_REVIEW
        assert Feedback.objects.get(decision__record=blocked).status == FeedbackStatus.WITHDRAWN
        page.get_by_role("radio", name=re.compile("Nudity")).check()
        push(page, "Block")
        assert now(blocked).status == Status.BLOCKED

        push(page, "Take a break")
        assert "You hold no pictures any more" in told(page)
        assert not ModerationRecord.objects.filter(claimed_by__isnull=False).exists()

        browsing.expect_complaint("422")
        standing = Decision.objects.filter(undoes__isnull=True, undone_by__isnull=True)
        assert sorted(standing.values_list("record", "outcome", "reason_code")) == sorted(
            [
                (passed.pk, Outcome.PASS, ""),
                (blocked.pk, Outcome.BLOCK, "sexual"),
                (escalated.pk, Outcome.REVIEW, ""),
            ]
        )
        assert [now(record).status for record in (skipped, last)] == [Status.IN_REVIEW] * 2

    def test_a_card_that_was_left_open_is_still_looked_at_and_decided(
        self, browsing: Browsing, reviewer: User, staff: Callable[..., User]
    ) -> None:
        first, second = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, PLAIN, user=reviewer)
        push(page, "Start")
        shows(page, first)
        expect(page.get_by_text("What you decide counts later, too")).to_be_visible()
        ModerationRecord.objects.update(claimed_by=None, claimed_until=None)
        push(page, "Show the picture")
        shows(page, first)
        expect(page.locator("img.imgmod-seen")).to_have_js_property("naturalWidth", 240)
        ModerationRecord.objects.update(claimed_by=None, claimed_until=None)
        push(page, "Block")
        assert told(page) == f"Blocked {name_of(first)}."
        shows(page, second)
        ModerationRecord.objects.update(claimed_by=None, claimed_until=None)
        colleague = browsing.open(DESK, PLAIN, user=staff(FIRST))
        push(colleague, "Start")
        push(colleague, "Pass")
        push(page, "Block")
        assert "Decided meanwhile by" in told(page)
        assert [now(record).status for record in (first, second)] == [Status.BLOCKED, Status.PASSED]

    def test_counts_back(self, browsing: Browsing, reviewer: User) -> None:
        for number in range(4):
            uploaded(number)
        page = browsing.open(DESK, PLAIN, user=reviewer)
        push(page, "Start")

        def answer(button: str, *numbers: int) -> None:
            for number in numbers:
                expect(heading(page)).to_have_text(re.compile(rf"Picture {number} of 4\b"))
                push(page, button)

        answer("Block", 1, 2)
        answer("Undo", 3, 2)
        answer("Block", 1, 2)
        answer("Skip", 3)
        answer("Back to the skipped", 4)
        answer("Pass", 3, 4)
        expect(heading(page)).to_have_text("Nothing waits")
        push(page, "Undo")
        answer("Undo", 4)
        answer("Pass", 3, 4)
        expect(heading(page)).to_have_text("Nothing waits")

    def test_goes_back_to_what_was_skipped(self, browsing: Browsing, reviewer: User) -> None:
        first, second = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, PLAIN, user=reviewer)
        push(page, "Start")
        shows(page, first)
        push(page, "Skip")
        shows(page, second)
        push(page, "Back to the skipped")
        shows(page, first)

    def test_picture_is_shown_when_it_is_asked_for(self, browsing: Browsing, reviewer: User) -> None:
        first, second = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, PLAIN, PHONE, user=reviewer)
        push(page, "Start")
        shows(page, first)
        assert_fits(page)
        seen = page.locator("img.imgmod-seen")
        expect(seen).to_have_count(0)
        push(page, "Show the picture")
        expect(seen).to_be_visible()
        expect(seen).to_have_css("filter", re.compile("grayscale"))
        push(page, "Show it in colour")
        expect(seen).not_to_have_css("filter", re.compile("grayscale"))
        assert revealed_today(reviewer) >= 1
        push(page, "Pass")
        shows(page, second)
        expect(seen).to_have_count(0)


class TestGrid:
    def test_is_decided_at_once(self, browsing: Browsing, reviewer: User) -> None:
        bad, *good = [uploaded(number) for number in range(3)]
        page = browsing.open(f"{GRID}?risk_level=medium", PLAIN, user=reviewer)
        page.get_by_role("checkbox", name=re.compile(re.escape(name_of(bad)))).check()
        page.get_by_role("combobox", name="Reason for blocking").select_option("hate")
        page.get_by_role("button", name=re.compile("Decide this page")).click()
        assert "3 pictures were decided" in told(page)
        assert now(bad).status == Status.BLOCKED
        assert [now(record).status for record in good] == [Status.PASSED] * 2
