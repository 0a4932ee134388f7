"""Every page of the review desk: accessible in every look, and deaf to hostile words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Dialog, Page, expect

from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, Decision, DetectedLabel, ModerationRecord
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.batches import Seen, decide_batch
from tests.hostapp.models import OwnedPhoto
from tests.review.moderating import now
from tests.review.pictures import drawing, upload

from .browsing import DARK, PHONE, ZOOMED, Browsing, Look, assert_accessible, assert_fits, take_screenshot
from .moderating import (
    DESK,
    ESCALATED,
    FIRST,
    GRID,
    PREFERENCES,
    STATISTICS,
    card,
    detected,
    heading,
    name_of,
    press,
    shows,
    start,
    uploaded,
)

pytestmark = pytest.mark.usefixtures("everything_waits")

LOOKS: dict[str, tuple[Look, ...]] = {
    "light": (),
    "dark": (DARK,),
    "phone": (PHONE,),
    "dark-phone": (PHONE, DARK),
    "zoomed": (ZOOMED,),
}
in_every_look = pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS)


@pytest.fixture
def is_in_order(request: pytest.FixtureRequest) -> Callable[[Page], None]:
    """Return a function that fails where a page, as it is right now, is not accessible or too wide."""
    numbers = count(1)

    def check(page: Page) -> None:
        take_screenshot(page, f"{request.node.name}-{next(numbers)}")
        assert_accessible(page)
        assert_fits(page)

    return check


def decide(user: User, record: ModerationRecord, outcome: Outcome, **words: str) -> None:
    decide_batch(user, [Seen(record.public_id, now(record).version)], outcome, **words, using="default")


@pytest.fixture
def moderator(site: str, staff: Callable[..., User]) -> User:
    return staff(FIRST, ESCALATED)


@pytest.fixture
def full_desk(everything_waits: None, moderator: User, staff: Callable[..., User]) -> ModerationRecord:
    """Fill every part of every page, and return the record whose card comes first."""
    owner = staff()
    for number, outcome in enumerate((Outcome.BLOCK, Outcome.PASS)):
        decide(moderator, uploaded(number, detected("ad_text", 31)), outcome)
    labels = (
        detected("sexual_nudity", 97.5, description="Seen beyond doubt", risk_level=RiskLevel.HIGH),
        detected("violence_weapon", None),
        detected("ad_text", 12, risk_level=RiskLevel.LOW),
    )
    # Twice the same picture but for its bytes, and like one that was blocked.
    first, _second = (
        uploaded(0, *labels, risk_level=RiskLevel.HIGH, owner=owner, file=upload(drawing(0), image_format=image_format))
        for image_format in ("WEBP", "JPEG")
    )
    for number in range(2, 8):
        uploaded(number, detected("sexual_nudity", 50 + number, risk_level=RiskLevel.LOW), risk_level=RiskLevel.LOW)
    return first


class TestLooks:
    @in_every_look
    def test_desk_is_accessible(
        self,
        browsing: Browsing,
        full_desk: ModerationRecord,
        moderator: User,
        is_in_order: Callable[[Page], None],
        looks: tuple[Look, ...],
    ) -> None:
        page = browsing.open(DESK, *looks, user=moderator)
        is_in_order(page)
        start(page)
        shows(page, full_desk)
        expect(card(page)).to_contain_text("2 uploads")
        expect(card(page)).to_contain_text("that you blocked")
        is_in_order(page)
        page.keyboard.down(" ")
        press(page, "9", "b")
        is_in_order(page)
        press(page, "Escape")
        page.keyboard.up(" ")
        press(page, "0", "a")
        expect(page.locator("#imgmod-notice")).to_contain_text("Passed")
        is_in_order(page)
        press(page, "?")
        expect(page.get_by_role("dialog")).to_be_visible()
        is_in_order(page)
        press(page, "Escape")
        page.get_by_text("Filter and order").click()
        is_in_order(page)

    @in_every_look
    def test_other_pages_are_accessible(
        self,
        browsing: Browsing,
        full_desk: ModerationRecord,
        moderator: User,
        is_in_order: Callable[[Page], None],
        looks: tuple[Look, ...],
    ) -> None:
        page = browsing.open(f"{DESK}?lane=appealed", *looks, user=moderator)
        expect(heading(page)).to_have_text("Nothing waits")
        is_in_order(page)
        page.goto(f"{DESK}?label=none")
        expect(heading(page)).to_have_text("Nothing that the filter lets through")
        is_in_order(page)
        page.goto(GRID)
        expect(page.get_by_role("checkbox")).to_have_count(6)
        page.keyboard.press("v")
        is_in_order(page)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        is_in_order(page)
        page.goto(STATISTICS)
        is_in_order(page)
        page.goto(PREFERENCES)
        is_in_order(page)

    def test_fit_from_right_to_left(
        self,
        browsing: Browsing,
        full_desk: ModerationRecord,
        moderator: User,
        is_in_order: Callable[[Page], None],
        right_to_left: None,
    ) -> None:
        page = browsing.open(DESK, PHONE, user=moderator)
        page.locator(".imgmod-start").click()
        shows(page, full_desk)
        is_in_order(page)
        for path in (GRID, STATISTICS, PREFERENCES):
            page.goto(path)
            is_in_order(page)


class TestForcedColours:
    """Where the system has a few colours alone, and no shadow."""

    FORCED: Look = {"forced_colors": "active"}

    def test_current_tab_stands_out(self, browsing: Browsing, moderator: User) -> None:
        page = browsing.open(DESK, self.FORCED, user=moderator)
        tabs = page.locator(".imgmod-tabs")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        expect(tabs.locator("[aria-current]")).not_to_have_css("border-bottom-color", ground)
        for other in tabs.locator("a:not([aria-current])").all():
            expect(other).to_have_css("border-bottom-color", ground)

    def test_what_is_chosen_stands_out(
        self, browsing: Browsing, full_desk: ModerationRecord, moderator: User, is_in_order: Callable[[Page], None]
    ) -> None:
        page = browsing.open(DESK, self.FORCED, user=moderator)
        start(page)
        colour = page.get_by_role("button", name="Colour")
        reason = card(page).locator(".imgmod-reason", has_text="Hate")
        for chosen, key in ((colour, "c"), (reason, "3")):
            ground = chosen.evaluate("chosen => getComputedStyle(chosen).backgroundColor")
            page.keyboard.down(" ")
            press(page, key)
            expect(chosen).not_to_have_css("background-color", ground)
            page.keyboard.up(" ")
        is_in_order(page)

    def test_selected_picture_stands_out(
        self, browsing: Browsing, full_desk: ModerationRecord, moderator: User
    ) -> None:
        page = browsing.open(GRID, self.FORCED, user=moderator)
        first, second = page.locator(".imgmod-cell").all()[:2]
        second.get_by_role("checkbox").check()
        expect(second).to_have_css("outline-style", "solid")
        expect(first).to_have_css("outline-style", "none")


@pytest.mark.parametrize("width", [320, 390, 640])
def test_words_of_an_appeal_fit_their_buttons(
    browsing: Browsing, moderator: User, staff: Callable[..., User], width: int
) -> None:
    record = uploaded(0)
    decide(staff(FIRST), record, Outcome.BLOCK)
    appeal(now(record), by=staff(), text="Look again")
    page = browsing.open(f"{DESK}?lane=appealed", {"viewport": {"width": width, "height": 600}}, user=moderator)
    start(page)
    for button in card(page).locator(".imgmod-buttons .imgmod-button").all():
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth"), button.inner_text()


class TestListOfKeys:
    def test_names_them_where_the_buttons_do_not(self, browsing: Browsing, moderator: User) -> None:
        page = browsing.open(DESK, PHONE, user=moderator)
        button = page.get_by_role("button", name="Keys")
        expect(button.locator("kbd")).to_be_hidden()
        button.tap()
        expect(page.get_by_role("dialog").locator("kbd").first).to_be_visible()

    @pytest.mark.parametrize("path", [DESK, GRID])
    def test_is_left_by_the_next_key(self, browsing: Browsing, moderator: User, path: str) -> None:
        page = browsing.open(path, user=moderator)
        press(page, "?")
        expect(page.get_by_role("dialog")).to_be_visible()
        press(page, " ")
        expect(page.get_by_role("dialog")).to_have_count(0)
        press(page, "?")
        expect(page.get_by_role("checkbox", name="Single keys")).to_be_checked()

    @pytest.mark.parametrize("path", [DESK, GRID])
    @pytest.mark.parametrize("opened_by", ["key", "button"])
    def test_begins_at_its_beginning_in_a_low_window(
        self, browsing: Browsing, full_desk: ModerationRecord, moderator: User, path: str, opened_by: str
    ) -> None:
        page = browsing.open(path, {"viewport": {"width": 640, "height": 400}}, user=moderator)
        button = page.get_by_role("button", name="Keys")
        button.focus()
        press(page, "?" if opened_by == "key" else "Enter")
        dialog = page.get_by_role("dialog", name="Keys")
        expect(dialog.get_by_role("heading", name="Keys")).to_be_in_viewport(ratio=0.9)
        expect(dialog.locator("kbd").first).to_be_in_viewport(ratio=0.9)
        close = dialog.get_by_role("button", name="Close")
        expect(close).to_be_focused()
        expect(close).to_be_in_viewport(ratio=0.9)
        # What does not fit is scrolled to by keyboard.
        press(page, "End")
        expect(dialog.get_by_role("checkbox")).to_be_in_viewport(ratio=0.9)
        press(page, "Escape")
        expect(dialog).to_have_count(0)
        expect(button).to_be_focused()


class TestGrid:
    def test_is_decided_by_keyboard(self, browsing: Browsing, moderator: User, staff: Callable[..., User]) -> None:
        records = [uploaded(number, risk_level=RiskLevel.LOW) for number in range(5)]
        page = browsing.open(GRID, user=moderator)
        boxes = page.get_by_role("checkbox")
        boxes.first.focus()
        press(page, "ArrowRight", "x", "ArrowRight", " ")
        expect(boxes.nth(1)).to_be_checked()
        expect(boxes.nth(2)).to_be_checked()
        page.keyboard.down("v")
        expect(page.locator("img.imgmod-seen")).to_have_count(1)
        page.keyboard.up("v")
        expect(page.locator("img.imgmod-seen")).to_have_count(0)
        # A colleague was faster with the first.
        colleague = staff(FIRST)
        decide(colleague, records[0], Outcome.BLOCK, reason_code="hate")
        press(page, "d")
        press(page, "Enter")
        told = page.locator(".messagelist")
        expect(told).to_contain_text("4 pictures were decided")
        expect(told).to_contain_text(name_of(records[0]))
        assert [now(record).status for record in records] == [
            Status.BLOCKED,
            Status.BLOCKED,
            Status.BLOCKED,
            Status.PASSED,
            Status.PASSED,
        ]
        assert [decision.decided_by for decision in records[0].decisions.all()] == [colleague]
        page.get_by_role("button", name="Undo: blocked", exact=True).click()
        expect(told).to_contain_text("2 decisions were taken back")
        assert [now(record).status for record in records[1:3]] == [Status.IN_REVIEW] * 2

    @pytest.mark.parametrize("key", ["x", "ArrowDown"])
    def test_first_key_goes_to_the_pictures(self, browsing: Browsing, moderator: User, key: str) -> None:
        for number in range(3):
            uploaded(number, risk_level=RiskLevel.LOW)
        page = browsing.open(GRID, user=moderator)
        box = page.get_by_role("checkbox").first
        press(page, key)
        expect(box).to_be_focused()
        expect(box).to_be_checked(checked=key == "x")

    def test_picture_that_is_gone_to_is_seen_whole(self, browsing: Browsing, moderator: User) -> None:
        for number in range(9):
            uploaded(number, risk_level=RiskLevel.LOW)
        page = browsing.open(GRID, user=moderator)
        boxes, cells = page.get_by_role("checkbox"), page.locator(".imgmod-cell")
        boxes.first.focus()
        press(page, "ArrowDown")
        number = boxes.evaluate_all("boxes => boxes.indexOf(document.activeElement)")
        assert number > 0
        cell, bar = cells.nth(number).bounding_box(), page.locator("#imgmod-grid-decision").bounding_box()
        assert cell
        assert bar
        assert 0 <= cell["y"] <= cell["y"] + cell["height"] <= bar["y"]

    def test_what_is_refused_has_the_focus(self, browsing: Browsing, moderator: User) -> None:
        uploaded(1, risk_level=RiskLevel.LOW)
        page = browsing.open(GRID, user=moderator)
        page.get_by_role("checkbox").first.check()
        page.get_by_role("combobox", name="Reason for blocking").select_option("other")
        page.get_by_role("button", name="Decide this page").click()
        wrong = page.get_by_role("alert").get_by_role("list")
        expect(wrong).to_contain_text("needs a comment")
        expect(wrong).to_be_focused()
        browsing.expect_complaint("422|400")


class TestStatistics:
    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_chart_that_is_too_wide_begins_with_the_newest_day(
        self, browsing: Browsing, full_desk: ModerationRecord, moderator: User, settings: Any, language: str
    ) -> None:
        settings.LANGUAGE_CODE = language
        page = browsing.open(STATISTICS, PHONE, user=moderator)
        chart = page.locator("#imgmod-days ~ .imgmod-scroll").first
        chart.scroll_into_view_if_needed()
        days = chart.locator(".imgmod-chart-point")
        expect(days.last).to_be_in_viewport(ratio=1)
        expect(days.first).not_to_be_in_viewport()

    @pytest.mark.parametrize("language", ["en", "ar"])
    def test_chart_begins_where_its_heading_does(
        self, browsing: Browsing, full_desk: ModerationRecord, moderator: User, settings: Any, language: str
    ) -> None:
        settings.LANGUAGE_CODE = language
        page = browsing.open(STATISTICS, {"viewport": {"width": 1600, "height": 900}}, user=moderator)
        boxes = (page.locator(part).bounding_box() for part in ("#imgmod-days", "#imgmod-days ~ .imgmod-scroll > svg"))
        starts = [box["x"] + box["width"] * (language == "ar") for box in boxes if box]
        assert starts == [pytest.approx(starts[0], abs=1)] * 2


HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onfocus='alert(1)' autofocus='",
    "</textarea></template><script>alert(1)</script>",
    "{{ 7|add:7 }}{% debug %}",
    "javascript:alert(1)",
    "&lt;b&gt; &amp; <b>bold</b>",
    "\u202egnp.exe",
    "]]><!-- --><style>*{display:none}</style>",
    "%s %(file)s {0} ${alert(1)}",
    "\u2066isolated\u2069 \u0645\u0631\u062d\u0628\u0627 <a href='//evil.example'>here</a>",
)


@pytest.fixture
def hostile(
    everything_waits: None, staff: Callable[..., User], media_root: Path, monkeypatch: pytest.MonkeyPatch
) -> list[ModerationRecord]:
    """Let records say what no provider, storage or editor should write, and some would."""
    monkeypatch.setattr(OwnedPhoto, "__str__", lambda photo: photo.title)
    owner = staff()
    records = [uploaded(number, risk_level=RiskLevel.LOW, owner=owner) for number in range(len(HOSTILE))]
    for record, words in zip(records, HOSTILE, strict=True):
        file = media_root / words
        file.parent.mkdir(parents=True, exist_ok=True)
        (media_root / record.file_name).rename(file)
        ModerationRecord.objects.filter(pk=record.pk).update(top_label=words, reason=words, file_name=words)
        DetectedLabel.objects.filter(record=record).update(label=words, description=words, source=words)
        OwnedPhoto.objects.filter(pk=record.object_id).update(title=words)
    return records


def dialogs_of(page: Page) -> list[str]:
    """Return what the page will have asked in dialogs."""
    asked: list[str] = []

    def note(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    return asked


class TestHostileWords:
    def test_are_shown_as_they_are(self, browsing: Browsing, moderator: User, hostile: list[ModerationRecord]) -> None:
        page = browsing.open(DESK, user=moderator)
        dialogs = dialogs_of(page)
        start(page)
        for words in HOSTILE:
            shown = card(page)
            expect(shown).to_contain_text(words)
            for part in (".imgmod-labels", "#imgmod-heading", ".imgmod-facts"):
                expect(shown.locator(part)).to_contain_text(words)
            # Nothing was added to the page but what the desk's own templates have in it.
            expect(shown.locator("script, style, svg, iframe, b, [onerror], [onload], [onfocus]")).to_have_count(0)
            press(page, "9", "b")
            page.keyboard.insert_text(words)
            press(page, "Enter")
            expect(page.locator("#imgmod-last")).to_contain_text("Blocked")
        expect(heading(page)).to_have_text("Nothing waits")
        assert sorted(Decision.objects.values_list("comment", flat=True)) == sorted(HOSTILE)

        # The editor is no kinder.
        first = Decision.objects.order_by("pk").first()
        assert first
        record = first.record
        for path in (STATISTICS, f"/admin/django_imgmod/moderationrecord/{record.pk}/change/"):
            page.goto(path)
        expect(page.locator("#content")).to_contain_text(first.comment)
        assert not dialogs

    def test_are_shown_as_they_are_in_the_grid_and_in_appeals(
        self, browsing: Browsing, moderator: User, hostile: list[ModerationRecord]
    ) -> None:
        page = browsing.open(GRID, user=moderator)
        dialogs = dialogs_of(page)
        for number, words in enumerate(HOSTILE):
            expect(page.locator(".imgmod-cell").nth(number)).to_contain_text(words)
        page.goto(STATISTICS)
        ModerationRecord.objects.update(lane=Lane.APPEALED)
        for record, words in zip(hostile, HOSTILE, strict=True):
            Appeal.objects.create(record=record, text=words)
        page.goto(f"{DESK}?lane=appealed")
        start(page)
        for words in HOSTILE:
            expect(page.locator(".imgmod-appeal")).to_contain_text(words)
            press(page, "a")
        expect(heading(page)).to_have_text("Nothing waits")
        assert not dialogs
