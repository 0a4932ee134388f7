"""The review desk by keyboard: one key a decision, alone and beside others, and taken back."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import APIResponse, Error, Route, expect

from django_imgmod.admin.review import desk
from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Decision, Feedback, ModerationRecord
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.services.review.preferences import Preferences, save_preferences
from tests.review.moderating import end_of_grace, now
from tests.review.pictures import drawing, upload

from .browsing import Browsing
from .moderating import (
    DESK,
    ESCALATED,
    FIRST,
    card,
    detected,
    eventually,
    heading,
    name_of,
    photo_of,
    press,
    shows,
    start,
    uploaded,
)

pytestmark = pytest.mark.usefixtures("everything_waits")

COUNT = 60
KINDS = (
    (RiskLevel.HIGH, "sexual_nudity"),
    (RiskLevel.MEDIUM, "violence_weapon"),
    (RiskLevel.LOW, "ad_text"),
    (RiskLevel.MEDIUM, "qrcode"),
)

# Closes the page for its own scripts alone, and returns what these send.
CLOSING = """() => {
    const sent = [];
    const send = navigator.sendBeacon.bind(navigator);
    navigator.sendBeacon = (url, body) => sent.push([url, String(body)]) && send(url, body);
    dispatchEvent(new PageTransitionEvent("pagehide"));
    return sent;
}"""


def mixed(number: int) -> ModerationRecord:
    risk_level, label = KINDS[number % len(KINDS)]
    return uploaded(number, detected(label, 40 + number, risk_level=risk_level), risk_level=risk_level)


def outcome_of(record: ModerationRecord) -> tuple[str, str, str]:
    decision = record.decisions.filter(undoes__isnull=True, undone_by__isnull=True).get()
    return decision.outcome, decision.reason_code, decision.comment


class TestSixtyPictures:
    def test_are_cleared_by_keyboard_alone(self, browsing: Browsing, reviewer: User) -> None:
        records = {name_of(record): record for record in map(mixed, range(COUNT))}
        page = browsing.open(DESK, user=reviewer)
        start(page)
        answers: dict[str, str] = {}
        for number in range(COUNT):
            expect(heading(page)).to_have_text(re.compile(rf"Picture {number + 1}\b"))
            expect(heading(page)).to_be_focused()
            name = card(page).get_attribute("data-file") or ""
            assert name not in answers
            answers[name] = answer = ("pass", "block", "skip", "escalate", "undo", "comment")[number % 6]
            match answer:
                case "pass":
                    press(page, "a")
                case "block":
                    press(page, "3", "b")
                case "skip":
                    press(page, "s")
                case "escalate":
                    press(page, "e")
                case "undo":
                    press(page, "b")
                    expect(card(page)).not_to_have_attribute("data-file", name)
                    press(page, "z")
                    expect(card(page)).to_have_attribute("data-file", name)
                    press(page, "a")
                case "comment":
                    press(page, "9", "b")
                    expect(page.get_by_text("This reason needs a comment")).to_be_visible()
                    page.keyboard.type("Bad as can be")
                    press(page, "Enter")
        expect(heading(page)).to_have_text("You are through")
        expect(page.get_by_text("10 pictures still wait")).to_be_visible()

        assert answers.keys() == records.keys()
        for name, answer in answers.items():
            record = now(records[name])
            match answer:
                case "pass" | "undo":
                    assert record.status == Status.PASSED
                    assert outcome_of(record) == (Outcome.PASS, "", "")
                case "block":
                    assert record.status == Status.BLOCKED
                    assert outcome_of(record) == (Outcome.BLOCK, "hate", "")
                case "comment":
                    assert record.status == Status.BLOCKED
                    assert outcome_of(record) == (Outcome.BLOCK, "other", "Bad as can be")
                case "escalate":
                    assert (record.status, record.lane) == (Status.IN_REVIEW, Lane.ESCALATED)
                case "skip":
                    assert (record.status, record.lane) == (Status.IN_REVIEW, Lane.FIRST)
                    assert not record.decisions.exists()
        undone = Decision.objects.filter(undone_by__isnull=False).count()
        assert (undone, Counter(answers.values())["undo"]) == (10, 10)

    def test_the_next_card_does_not_wait_for_the_answer(self, browsing: Browsing, reviewer: User) -> None:
        first, second, third = (uploaded(number) for number in range(3))
        page = browsing.open(DESK, user=reviewer)
        posts: list[Route] = []

        def hold(route: Route) -> None:
            posts.append(route)

        page.route("**/review/decide/", hold)
        start(page)
        shows(page, first)
        page.wait_for_load_state("networkidle")
        press(page, "b")
        shows(page, second)
        assert now(first).status == Status.IN_REVIEW
        # Nor is what is asked about the next one talked over when it comes.
        press(page, "9", "b")
        asked = page.get_by_text("This reason needs a comment")
        expect(asked).to_be_visible()
        posts.pop().continue_()
        expect(page.locator("#imgmod-last")).to_contain_text(f"Blocked {name_of(first)}")
        expect(asked).to_be_visible()
        assert now(first).status == Status.BLOCKED
        page.unroute("**/review/decide/")
        page.keyboard.type("Bad as can be")
        press(page, "Enter")
        shows(page, third)
        expect(page.locator("#imgmod-notice")).to_contain_text(f"Blocked {name_of(second)}")

    def test_what_is_skipped_does_not_come_next(self, browsing: Browsing, reviewer: User) -> None:
        first, second = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        claims: list[Route] = []

        def hold(route: Route) -> None:
            if route.request.headers.get("x-imgmod-desk") and not claims:
                claims.append(route)
            else:
                route.continue_()

        page.route("**/review/claim/", hold)
        start(page)
        shows(page, first)
        # The next one was asked for before, and is dealt after.
        eventually(page, lambda: bool(claims))
        press(page, "s")
        eventually(page, lambda: now(first).claimed_by is None)
        claims[0].continue_()
        shows(page, second)
        eventually(page, lambda: now(first).claimed_by is None)

    def test_what_is_graver_than_the_skipped_comes_although_it_came_later(
        self, browsing: Browsing, reviewer: User
    ) -> None:
        first, second, third = (uploaded(number) for number in range(3))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        shows(page, first)
        press(page, "s")
        shows(page, second)
        eventually(page, lambda: now(third).claimed_by is not None)
        graver = uploaded(4, risk_level=RiskLevel.HIGH)
        for record in (third, graver):
            press(page, "s")
            shows(page, record)
        press(page, "s")
        expect(heading(page)).to_have_text("You are through")
        expect(page.get_by_text("4 pictures still wait: you skipped them")).to_be_visible()
        page.get_by_role("button", name="Begin again").click()
        shows(page, graver)

    def test_more_skips_than_are_remembered_lead_on_behind_the_first(
        self, browsing: Browsing, reviewer: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(desk, "MAX_SKIPPED", 1)
        records = [uploaded(number) for number in range(4)]
        page = browsing.open(DESK, user=reviewer)
        start(page)
        for record in records:
            shows(page, record)
            press(page, "s")
        expect(heading(page)).to_have_text("You are through")

    def test_news_of_an_answer_ends_with_the_next(self, browsing: Browsing, reviewer: User) -> None:
        records = [uploaded(number) for number in range(4)]
        page = browsing.open(DESK, user=reviewer)
        notice = page.locator("#imgmod-notice")
        start(page)
        press(page, "b")
        expect(notice).to_contain_text(f"Blocked {name_of(records[0])}")
        press(page, "z")
        expect(notice).to_contain_text("Taken back")
        shows(page, records[0])
        press(page, "s")
        shows(page, records[1])
        expect(notice).to_be_empty()

    @pytest.mark.parametrize("end", ["Escape", "time"])
    def test_what_went_wrong_stands_there_until_it_is_read(self, browsing: Browsing, reviewer: User, end: str) -> None:
        for number in range(4):
            uploaded(number)
        page = browsing.open(DESK, user=reviewer)
        page.clock.install()
        start(page)
        press(page, "z")
        wrong = page.get_by_role("alert").get_by_text("There is nothing of yours to take back.")
        expect(wrong).to_be_visible()
        browsing.expect_complaint("409")
        press(page, "s")
        expect(heading(page)).to_contain_text("Picture 2 of 4")
        expect(wrong).to_be_visible()
        if end == "Escape":
            press(page, "Escape")
        else:
            page.clock.run_for(11_000)
            press(page, "s")
        expect(wrong).to_have_count(0)

    def test_what_is_taken_back_is_dealt_once(self, browsing: Browsing, reviewer: User) -> None:
        first, second = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        answers: list[tuple[Route, APIResponse]] = []
        page.route("**/review/undo/", lambda route: answers.append((route, route.fetch())))
        start(page)
        press(page, "b")
        shows(page, second)
        expect(page.locator("#imgmod-notice")).to_contain_text(f"Blocked {name_of(first)}")
        press(page, "z")
        eventually(page, lambda: bool(answers))
        # The undo has not been answered yet. The next card that is asked for is the one that it gave back.
        press(page, "a")
        shows(page, first)
        [(route, response)] = answers
        route.fulfill(response=response)
        expect(page.locator("#imgmod-notice")).to_contain_text(f"Passed {name_of(second)}")
        shows(page, first)
        press(page, "a")
        expect(heading(page)).to_have_text("Nothing waits")
        assert {now(first).status, now(second).status} == {Status.PASSED}


class TestTwoModerators:
    def test_never_get_the_same_card(self, browsing: Browsing, reviewer: User, staff: Callable[..., User]) -> None:
        records = [uploaded(number) for number in range(8)]
        pages = [browsing.open(DESK, user=user) for user in (reviewer, staff(FIRST))]
        for page in pages:
            start(page)
        seen: list[str] = []
        for _turn in range(4):
            for page in pages:
                expect(card(page)).to_be_visible()
                name = card(page).get_attribute("data-file") or ""
                seen.append(name)
                press(page, "a")
                expect(page.locator("#imgmod-notice")).to_contain_text(f"Passed {name}")
        # Whoever is through first is told that the other one still has a picture.
        expect(heading(pages[0])).to_have_text("All of them are in good hands")
        expect(heading(pages[1])).to_have_text("Nothing waits")
        for page in pages:
            expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(0)
        assert sorted(seen) == sorted(map(name_of, records))
        assert Decision.objects.count() == len(records)

    def test_the_second_to_decide_is_told_and_moves_on(
        self, browsing: Browsing, reviewer: User, staff: Callable[..., User]
    ) -> None:
        taken, following, *_others = [uploaded(number) for number in range(5)]
        slow = browsing.open(DESK, user=reviewer)
        start(slow)
        shows(slow, taken)
        # The browser was not heard of for too long.
        ModerationRecord.objects.update(claimed_by=None, claimed_until=None)
        colleague = staff(FIRST)
        fast = browsing.open(DESK, user=colleague)
        start(fast)
        shows(fast, taken)
        press(fast, "a")
        expect(fast.locator("#imgmod-notice")).to_contain_text(f"Passed {name_of(taken)}")
        press(slow, "3", "b")
        problem = slow.get_by_role("alert").get_by_role("listitem")
        expect(problem).to_contain_text(name_of(taken))
        shows(slow, following)
        browsing.expect_complaint("409")
        assert now(taken).status == Status.PASSED
        assert [decision.decided_by for decision in taken.decisions.all()] == [colleague]
        slow.get_by_role("button", name="Dismiss").click()
        expect(problem).to_have_count(0)

    def test_a_browser_that_is_closed_sends_its_answers_and_says_that_it_leaves(
        self, browsing: Browsing, reviewer: User
    ) -> None:
        records = [uploaded(number) for number in range(4)]
        page = browsing.open(DESK, user=reviewer)
        posts: list[Route] = []

        def hold(route: Route) -> None:
            if posts:
                route.continue_()
            else:
                posts.append(route)

        page.route("**/review/decide/", hold)
        start(page)
        for record, following in pairwise(records[:3]):
            shows(page, record)
            page.wait_for_load_state("networkidle")
            press(page, "b")
            shows(page, following)
        # A real end of the page would end what is held up here, too. This page lives on, and what it had asked for may
        # arrive after that; what becomes of claims when a page really ends is tried below.
        sent = page.evaluate(CLOSING)
        eventually(page, lambda: now(records[1]).status == Status.BLOCKED)
        assert [url.rstrip("/").rpartition("/")[2] for url, _body in sent] == ["decide", "release"]
        assert all("leaving=1" in body.split("&") for _url, body in sent)

    def test_a_picture_that_its_author_replaces_is_not_decided_about(self, browsing: Browsing, reviewer: User) -> None:
        replaced, following = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        shows(page, replaced)
        photo = photo_of(replaced)
        DummyProvider("default").script(RiskLevel.MEDIUM)
        photo.image = upload(drawing(70))
        photo.save()
        press(page, "a")
        expect(page.get_by_role("alert").get_by_role("listitem")).to_contain_text(name_of(replaced))
        shows(page, following)
        browsing.expect_complaint("409")
        assert now(replaced).status == Status.SUPERSEDED
        assert not Decision.objects.exists()

    def test_a_browser_that_is_closed_gives_its_cards_back(
        self, browsing: Browsing, reviewer: User, staff: Callable[..., User]
    ) -> None:
        only = uploaded(1)
        page = browsing.open(DESK, user=reviewer)
        start(page)
        shows(page, only)
        other = browsing.open(DESK, user=staff(FIRST))
        expect(heading(other)).to_have_text("All of them are in good hands")
        page.goto("/admin/")
        eventually(other, lambda: now(only).claimed_by is None)
        press(other, "Enter")
        shows(other, only)

    @pytest.mark.parametrize("late", ["claim", "heartbeat"])
    def test_what_a_closed_browser_had_still_to_ask_claims_nothing(
        self, browsing: Browsing, reviewer: User, late: str
    ) -> None:
        only = uploaded(1)
        page = browsing.open(DESK, user=reviewer)
        held: list[Route] = []

        def hold(route: Route) -> None:
            if route.request.headers.get("x-imgmod-desk"):
                held.append(route)
            else:
                route.continue_()

        page.context.route(f"**/review/{late}/", hold)
        start(page)
        eventually(page, lambda: bool(held))
        page.goto("/admin/")
        eventually(page, lambda: now(only).claimed_by is None)
        for route in held:
            with suppress(Error):
                route.continue_()
        page.wait_for_timeout(1000)
        assert now(only).claimed_by is None

    def test_a_queue_that_is_closed_to_somebody_leaves_their_desk(self, browsing: Browsing, reviewer: User) -> None:
        uploaded(1)
        page = browsing.open(DESK, user=reviewer)
        start(page)
        expect(card(page)).to_be_visible()
        reviewer.user_permissions.clear()
        with page.expect_navigation():
            # As often, and whenever somebody comes back to the window.
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(card(page)).to_have_count(0)
        for _answer in ("of the heartbeat", "of the page"):
            browsing.expect_complaint("403")


class TestUndo:
    def test_within_the_grace_withdraws_what_would_have_been_told(self, browsing: Browsing, reviewer: User) -> None:
        record, following = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        press(page, "1", "b")
        shows(page, following)
        expect(page.locator("#imgmod-last")).to_contain_text(f"Blocked {name_of(record)}")
        assert Feedback.objects.count() == 1
        press(page, "z")
        shows(page, record)
        expect(page.locator("#imgmod-notice")).to_contain_text(f"Taken back: {name_of(record)}")
        expect(page.locator("#imgmod-last")).to_contain_text("taken back")
        assert now(record).status == Status.IN_REVIEW
        end_of_grace()
        assert not DummyProvider("default").feedback

    def test_after_the_grace_tells_what_holds_again(self, browsing: Browsing, reviewer: User) -> None:
        record, following = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        press(page, "1", "b")
        shows(page, following)
        expect(page.locator("#imgmod-last")).to_contain_text(f"Blocked {name_of(record)}")
        end_of_grace()
        told = [message.outcome for message in DummyProvider("default").feedback]
        assert told == [Outcome.BLOCK]
        page.locator("#imgmod-last").get_by_role("button", name=f"Undo: {name_of(record)}", exact=True).click()
        shows(page, record)
        assert now(record).status == Status.IN_REVIEW
        press(page, "a")
        shows(page, following)
        expect(page.locator("#imgmod-notice")).to_contain_text(f"Passed {name_of(record)}")
        end_of_grace()
        assert [message.outcome for message in DummyProvider("default").feedback][-1] == Outcome.PASS

    def test_counts_back(self, browsing: Browsing, reviewer: User) -> None:
        records = [uploaded(number) for number in range(4)]
        page = browsing.open(DESK, user=reviewer)
        start(page)

        def answer(key: str, *numbers: int) -> None:
            for number in numbers:
                shows(page, records[number - 1])
                expect(heading(page)).to_have_text(re.compile(rf"Picture {number} of 4\b"))
                # The next card is here, and what is told of this one is told with it.
                page.wait_for_load_state("networkidle")
                press(page, key)

        answer("b", 1, 2)
        answer("z", 3, 2)
        answer("b", 1, 2)
        # What was skipped, and is gone back to, is no other picture either.
        answer("s", 3)
        answer("ArrowLeft", 4)
        answer("b", 3, 4)
        expect(heading(page)).to_have_text("Nothing waits")
        page.wait_for_load_state("networkidle")
        press(page, "z")
        answer("z", 4)
        answer("a", 3, 4)
        expect(heading(page)).to_have_text("Nothing waits")


class TestKeys:
    def test_do_nothing_while_somebody_writes_or_with_modifiers(self, browsing: Browsing, reviewer: User) -> None:
        record, _following = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        shows(page, record)
        press(page, "n")
        comment = page.get_by_role("textbox", name="Comment")
        expect(comment).to_be_focused()
        page.keyboard.type("abesz19 ?")
        expect(comment).to_have_value("abesz19 ?")
        expect(page.get_by_role("dialog")).to_have_count(0)
        press(page, "Escape")
        press(page, "Control+a", "Alt+b", "Meta+e", "Control+s", "Shift+ArrowRight")
        press(page, *(f"Shift+{key}" for key in "abesnz"))
        shows(page, record)
        press(page, "?")
        expect(page.get_by_role("dialog")).to_be_visible()
        press(page, "a", "b", "Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        shows(page, record)
        assert not Decision.objects.exists()

    @pytest.mark.parametrize("leave", ["Escape", "another reason"])
    def test_block_that_waits_for_its_comment_is_given_up(self, browsing: Browsing, reviewer: User, leave: str) -> None:
        record, following = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        shows(page, record)
        press(page, "9", "b")
        asked = page.get_by_text("This reason needs a comment")
        expect(asked).to_be_visible()
        if leave == "Escape":
            press(page, "Escape")
        else:
            page.get_by_role("radio", name="No reason").check()
        expect(asked).to_be_hidden()
        # What is written now is meant for somebody else.
        press(page, "n")
        page.keyboard.type("Is this one allowed?")
        press(page, "Enter")
        shows(page, record)
        press(page, "e")
        shows(page, following)
        expect(page.locator("#imgmod-last")).to_contain_text(name_of(record))
        assert now(record).lane == Lane.ESCALATED

    def test_reason_that_is_chosen_is_seen_and_told(self, browsing: Browsing, reviewer: User) -> None:
        uploaded(1)
        page = browsing.open(DESK, {"viewport": {"width": 1280, "height": 500}}, user=reviewer)
        start(page)
        reason = page.get_by_role("radio", name="Hate")
        above = page.locator(".imgmod-buttons")

        def is_covered() -> bool:
            box, bar = reason.locator("..").bounding_box(), above.bounding_box()
            assert box
            assert bar
            return box["y"] + box["height"] > bar["y"]

        assert is_covered()
        press(page, "3")
        expect(reason).to_be_checked()
        expect(page.locator("#imgmod-notice")).to_have_text("Reason: Hate or harassment")
        assert not is_covered()
        press(page, "3")
        expect(page.locator("#imgmod-notice")).to_have_text("Reason: No reason")

    @pytest.mark.parametrize("size", [(1280, 720), (640, 360), (375, 667)])
    def test_comment_that_is_needed_is_asked_for_at_its_field(
        self, browsing: Browsing, reviewer: User, size: tuple[int, int]
    ) -> None:
        record, _following = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, {"viewport": {"width": size[0], "height": size[1]}}, user=reviewer)
        start(page)
        press(page, "9", "b")
        comment = page.get_by_role("textbox", name="Comment")
        expect(comment).to_be_focused()
        expect(comment).to_be_in_viewport(ratio=1)
        expect(comment).to_have_attribute("aria-invalid", "true")
        expect(comment).to_have_accessible_description(re.compile("^This reason needs a comment"))
        expect(page.get_by_text("This reason needs a comment")).to_be_in_viewport(ratio=1)
        page.keyboard.type("Not here")
        press(page, "Enter")
        eventually(page, lambda: now(record).status == Status.BLOCKED)

    @pytest.mark.parametrize(("language", "onward", "back"), [("en", "→", "←"), ("ar", "←", "→")])
    def test_arrows_go_as_one_reads(
        self, browsing: Browsing, reviewer: User, settings: Any, language: str, onward: str, back: str
    ) -> None:
        settings.LANGUAGE_CODE = language
        keys = {"→": "ArrowRight", "←": "ArrowLeft"}
        first, second = (uploaded(number) for number in range(2))
        page = browsing.open(DESK, user=reviewer)
        page.locator(".imgmod-start").click()
        shows(page, first)
        press(page, keys[onward])
        shows(page, second)
        expect(page.get_by_role("button", name="Back to the skipped").locator("kbd")).to_have_text(back)
        press(page, keys[back])
        shows(page, first)
        press(page, "?")
        shown = page.get_by_role("dialog").locator("div", has=page.get_by_text("Back to what was skipped last"))
        expect(shown.last.locator("kbd")).to_have_text(back)
        expect(page.get_by_role("dialog").locator("div", has=page.get_by_text(onward)).last).to_contain_text("Skip")

    def test_can_be_switched_off(self, browsing: Browsing, reviewer: User) -> None:
        record, following = (uploaded(number) for number in range(2))
        save_preferences(reviewer, Preferences(has_single_keys=False))
        page = browsing.open(DESK, user=reviewer)
        page.get_by_role("button", name="Start").click()
        shows(page, record)
        press(page, "1", "a", "b", "e", "s", "?", "ArrowRight")
        page.keyboard.down(" ")
        expect(page.locator(".imgmod-look-shown")).to_have_count(0)
        page.keyboard.up(" ")
        shows(page, record)
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Pass").click()
        shows(page, following)
        expect(page.locator("#imgmod-last")).to_contain_text(f"Passed {name_of(record)}")
        assert now(record).status == Status.PASSED

    def test_each_card_is_announced_by_its_heading(
        self, browsing: Browsing, reviewer: User, staff: Callable[..., User]
    ) -> None:
        for number in range(3):
            uploaded(number, detected("sexual_porn", 62.4), owner=staff())
        page = browsing.open(DESK, user=reviewer)
        start(page)
        for number in (1, 2, 3):
            expect(heading(page)).to_be_focused()
            expect(heading(page)).to_have_accessible_name(f"Picture {number} of 3, sexual_porn 62, uploader new")
            press(page, "b")

    def test_keys_pass_whom_they_lead_to_another_lane(
        self, browsing: Browsing, reviewer: User, staff: Callable[..., User]
    ) -> None:
        record = uploaded(1)
        page = browsing.open(DESK, user=reviewer)
        start(page)
        press(page, "n")
        page.keyboard.type("What is this?")
        press(page, "Escape", "e")
        expect(page.locator("#imgmod-notice")).to_contain_text(f"Escalated {name_of(record)}")
        second = browsing.open(f"{DESK}?lane=escalated", user=staff(ESCALATED))
        start(second)
        shows(second, record)
        expect(card(second)).to_contain_text("What is this?")
        press(second, "a")
        expect(second.locator("#imgmod-notice")).to_contain_text(f"Passed {name_of(record)}")
        assert now(record).status == Status.PASSED
