"""The picture at the desk: veiled at rest, seen while it is held, and each look counted."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.core.files.base import ContentFile
from PIL import Image
from playwright.sync_api import CDPSession, Locator, Page, expect

from django_imgmod.admin.review import media
from django_imgmod.models import ModerationRecord
from django_imgmod.results import Region
from django_imgmod.services.review.exposure import revealed_today
from django_imgmod.services.review.preferences import Preferences, save_preferences
from tests.review.pictures import drawing, upload

from .browsing import PHONE, Browsing
from .moderating import DESK, GRID, detected, eventually, heading, press, shows, start, uploaded

pytestmark = pytest.mark.usefixtures("everything_waits")

GREY = re.compile(r"grayscale\(1\)|grayscale\(100%\)")


def look(page: Page) -> Locator:
    return page.locator(".imgmod-look")


def is_veiled(page: Page) -> None:
    """Expect nothing on the page in which anything could be recognised."""
    picture = look(page).locator("img")
    expect(picture).to_have_count(1)
    expect(picture).to_have_js_property("complete", value=True)
    longest = picture.evaluate("picture => Math.max(picture.naturalWidth, picture.naturalHeight)")
    assert 0 < longest <= 24


def is_shown(page: Page, *, in_colour: bool = False, width: int = 240) -> None:
    """Expect the picture itself to be what is seen."""
    picture = look(page).locator("img.imgmod-seen")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", width)
    filters = expect(picture)
    (filters.not_to_have_css if in_colour else filters.to_have_css)("filter", GREY)


def centre_of(locator: Locator) -> tuple[float, float]:
    locator.scroll_into_view_if_needed()
    box = locator.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def touch(session: CDPSession, kind: str, *points: tuple[float, float]) -> None:
    fingers = [{"x": x, "y": y} for x, y in points]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})


def counts(page: Page, user: User, count: int) -> None:
    eventually(page, lambda: revealed_today(user) == count)


@pytest.fixture
def record() -> ModerationRecord:
    return uploaded(1)


@pytest.fixture
def following(record: ModerationRecord) -> ModerationRecord:
    return uploaded(2)


class TestHolding:
    def test_space_shows_as_long_as_it_is_held(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord, following: ModerationRecord
    ) -> None:
        page = browsing.open(DESK, user=reviewer)
        start(page)
        shows(page, record)
        is_veiled(page)
        page.keyboard.down(" ")
        is_shown(page)
        press(page, "c")
        is_shown(page, in_colour=True)
        press(page, "c")
        is_shown(page)
        press(page, "c")
        page.keyboard.up(" ")
        is_veiled(page)

        # Colour has to be asked for anew each time.
        page.keyboard.down(" ")
        is_shown(page)
        page.evaluate("window.dispatchEvent(new Event('blur'))")
        is_veiled(page)
        page.keyboard.up(" ")

        # The next card begins hidden, whatever is still held.
        page.keyboard.down(" ")
        is_shown(page)
        press(page, "b")
        shows(page, following)
        is_veiled(page)
        page.keyboard.up(" ")
        is_veiled(page)

        # The same picture twice is one, and what was not looked at is none.
        page.goto("/admin/")
        counts(page, reviewer, 1)

    def test_space_on_a_button_presses_that_button(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord
    ) -> None:
        page = browsing.open(DESK, user=reviewer)
        start(page)
        page.get_by_role("button", name="Keys").focus()
        press(page, " ")
        expect(page.get_by_role("dialog")).to_be_visible()
        is_veiled(page)

    def test_pointer_shows_as_long_as_it_is_held(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord
    ) -> None:
        page = browsing.open(DESK, user=reviewer)
        start(page)
        is_veiled(page)
        for held in (look(page), page.get_by_role("button", name="Hold to look")):
            page.mouse.move(*centre_of(held))
            is_veiled(page)
            page.mouse.down()
            is_shown(page)
            # Wherever it is let go.
            page.mouse.move(5, 5)
            page.mouse.up()
            is_veiled(page)
        page.goto("/admin/")
        counts(page, reviewer, 1)

    def test_finger_shows_as_long_as_it_is_held(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord
    ) -> None:
        page = browsing.open(DESK, PHONE, user=reviewer)
        page.get_by_role("button", name="Start").tap()
        is_veiled(page)
        session = page.context.new_cdp_session(page)
        for held in (look(page), page.get_by_role("button", name="Hold to look")):
            touch(session, "touchStart", centre_of(held))
            is_shown(page)
            touch(session, "touchEnd")
            is_veiled(page)
        page.goto("/admin/")
        counts(page, reviewer, 1)

    def test_a_tool_that_cannot_hold_presses_twice(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord
    ) -> None:
        page = browsing.open(DESK, user=reviewer)
        start(page)
        button = page.get_by_role("button", name="Hold to look")
        button.focus()
        press(page, "Enter")
        is_shown(page)
        expect(button).to_have_attribute("aria-pressed", "true")
        press(page, "Enter")
        is_veiled(page)
        expect(button).to_have_attribute("aria-pressed", "false")

    @pytest.mark.parametrize("size", [(640, 360), (375, 667)])
    def test_space_shows_it_where_one_is(self, browsing: Browsing, reviewer: User, size: tuple[int, int]) -> None:
        uploaded(1)
        page = browsing.open(DESK, {"viewport": {"width": size[0], "height": size[1]}}, user=reviewer)
        start(page)
        expect(heading(page)).to_be_in_viewport()
        page.keyboard.down(" ")
        is_shown(page)
        seen = look(page).bounding_box()
        bar = page.locator(".imgmod-buttons").bounding_box()
        assert seen
        assert bar
        assert 0 <= seen["y"] <= seen["y"] + seen["height"] <= bar["y"]
        page.keyboard.up(" ")

    def test_large_is_larger(self, browsing: Browsing, reviewer: User) -> None:
        uploaded(1, file=upload(drawing(1).resize((1000, 750))))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        page.keyboard.down(" ")
        is_shown(page, width=320)
        press(page, "x")
        is_shown(page, width=1000)
        page.keyboard.up(" ")
        is_veiled(page)


@pytest.mark.parametrize("label", ["sexual_nudity", "qrcode"])
def test_picture_that_has_not_arrived_is_not_waited_for_once_the_card_is_answered(
    browsing: Browsing, reviewer: User, label: str
) -> None:
    records = [uploaded(number, detected(label)) for number in range(3)]
    page = browsing.open(DESK, user=reviewer)
    start(page)
    shows(page, records[0])
    page.wait_for_load_state("networkidle")
    given_up: list[str] = []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    # What is loaded from now on, which is the last card, arrives without its picture.
    page.route("**/review/media/**", lambda route: None)
    press(page, "a")
    shows(page, records[1])
    press(page, "a")
    shows(page, records[2])
    small = str(look(page).get_attribute("data-small"))
    press(page, "b")
    expect(heading(page)).to_have_text("Nothing waits")
    eventually(page, lambda: any(url.endswith(small) for url in given_up))

    page.unroute_all()
    press(page, "z")
    shows(page, records[2])
    page.keyboard.down(" ")
    is_shown(page, in_colour=label == "qrcode")
    page.keyboard.up(" ")


class TestComingBack:
    """The links of a page have ended meanwhile."""

    def test_to_the_grid_shows_what_is_asked_for(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord, after_coffee: Callable[[Page], None]
    ) -> None:
        page = browsing.open(f"{GRID}?risk_level=medium", user=reviewer)
        is_veiled(page)
        after_coffee(page)
        page.get_by_role("checkbox").focus()
        page.keyboard.down("v")
        is_shown_whole(page)
        page.keyboard.up("v")
        is_veiled(page)

    def test_to_the_grid_shows_what_comes_into_view(
        self, browsing: Browsing, reviewer: User, after_coffee: Callable[[Page], None]
    ) -> None:
        save_preferences(reviewer, Preferences(blur=False))
        for number in range(24):
            uploaded(number)
        # So far below that the browser does not load it ahead.
        page = browsing.open(f"{GRID}?risk_level=medium", PHONE, user=reviewer)
        last = page.locator("img.imgmod-seen").last
        expect(last).to_have_js_property("naturalWidth", 0)
        after_coffee(page)
        # The finger that is about to scroll asks for addresses; by the old ones nothing may be loaded any more.
        ended = str(last.get_attribute("src"))
        page.locator(".breadcrumbs").tap(position={"x": 2, "y": 2})
        expect(last).not_to_have_attribute("src", ended)
        last.scroll_into_view_if_needed()
        expect(last).to_have_js_property("naturalWidth", 240)

    def test_to_a_card_that_nobody_took_shows_it_large(
        self, browsing: Browsing, reviewer: User, after_coffee: Callable[[Page], None]
    ) -> None:
        uploaded(1, file=upload(drawing(1).resize((1000, 750))))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        is_veiled(page)
        ModerationRecord.objects.update(claimed_by=None, claimed_until=None)
        after_coffee(page)
        press(page, "x")
        page.keyboard.down(" ")
        is_shown(page, width=1000)
        page.keyboard.up(" ")

    def test_logged_out_is_told_what_to_do(
        self, browsing: Browsing, reviewer: User, record: ModerationRecord, after_coffee: Callable[[Page], None]
    ) -> None:
        page = browsing.open(f"{GRID}?risk_level=medium", user=reviewer)
        is_veiled(page)
        after_coffee(page)
        page.context.clear_cookies(name="sessionid")
        page.get_by_role("checkbox").focus()
        page.keyboard.down("v")
        problem = page.get_by_role("alert").get_by_role("listitem")
        expect(problem).to_contain_text("too old to be shown")
        page.keyboard.up("v")
        problem.get_by_role("link", name="Reload the page").click()
        expect(page).to_have_url(re.compile("/login/"))


def test_looks_of_whom_the_site_did_not_know_are_told_with_the_next(
    browsing: Browsing, reviewer: User, record: ModerationRecord, following: ModerationRecord
) -> None:
    page = browsing.open(f"{GRID}?risk_level=medium", user=reviewer)
    page.get_by_role("checkbox").first.focus()
    cookies = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    with page.expect_response("**/revealed/") as told:
        page.keyboard.press("v")
    assert told.value.status == 302
    page.context.add_cookies([dict(cookie) for cookie in cookies])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("v")
    counts(page, reviewer, 2)


def test_break_is_proposed_in_the_grid_and_taken(
    browsing: Browsing, reviewer: User, record: ModerationRecord, following: ModerationRecord, settings: Any
) -> None:
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"BREAK_AFTER": 1}}
    page = browsing.open(f"{GRID}?risk_level=medium", user=reviewer)
    notice = page.get_by_role("status").filter(has_text="Is it time for a break?")
    page.get_by_role("checkbox").first.focus()
    page.keyboard.press("v")
    notice.get_by_role("button", name="Later").click()
    expect(notice).to_have_count(0)
    expect(page.get_by_role("checkbox").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("v")
    notice.get_by_role("button", name="Take a break").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()


@pytest.fixture
def after_coffee(monkeypatch: pytest.MonkeyPatch) -> Callable[[Page], None]:
    """Return a function that lets the links of a page be too old, in the eyes of its site and in its own."""

    def pass_time(page: Page) -> None:
        page.wait_for_load_state("networkidle")
        later = signing.time.time() + media.MAX_AGE.total_seconds() + 5
        monkeypatch.setattr(signing.time, "time", lambda: later)
        page.clock.set_fixed_time(later * 1000)

    return pass_time


def is_shown_whole(page: Page) -> None:
    """Expect a picture of the grid, and no drawing in its place."""
    expect(look(page).locator("img.imgmod-seen")).to_have_js_property("naturalWidth", 240)


@pytest.mark.parametrize("label", ["sexual_nudity", "qrcode"])
def test_parts_are_marked_as_long_as_the_picture_is_shown(browsing: Browsing, reviewer: User, label: str) -> None:
    uploaded(1, detected(label, regions=(Region(0.5, 0.25, 0.25, 0.5),)))
    page = browsing.open(DESK, user=reviewer)
    start(page)
    mark = look(page).locator(".imgmod-mark rect").first
    if label == "sexual_nudity":
        is_veiled(page)
        expect(mark).to_be_hidden()
        page.keyboard.down(" ")
    for is_large in (False, True):
        if is_large:
            press(page, "x")
            page.keyboard.down(" ")
        is_shown(page, in_colour=label == "qrcode")
        expect(mark).to_be_visible()
        left, top, width, height = mark.evaluate(WHERE_IN_THE_PICTURE)
        assert (left, top, width, height) == pytest.approx((0.5, 0.25, 0.25, 0.5), abs=0.02)
    page.keyboard.up(" ")
    if label == "sexual_nudity":
        expect(mark).to_be_hidden()


# Of the picture as it is drawn in its frame, as large as fits.
WHERE_IN_THE_PICTURE = """mark => {
    const picture = mark.closest(".imgmod-look").querySelector(".imgmod-seen");
    const frame = picture.getBoundingClientRect();
    const scale = Math.min(frame.width / picture.naturalWidth, frame.height / picture.naturalHeight);
    const [width, height] = [picture.naturalWidth * scale, picture.naturalHeight * scale];
    const {x, y, width: across, height: down} = mark.getBoundingClientRect();
    const left = x - frame.x - (frame.width - width) / 2;
    const top = y - frame.y - (frame.height - height) / 2;
    return [left / width, top / height, across / width, down / height];
}"""


class TestAtRest:
    def test_what_is_harmless_is_not_veiled(self, browsing: Browsing, reviewer: User) -> None:
        uploaded(1, detected("qrcode"))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        is_shown(page, in_colour=True)

    def test_what_lies_open_is_large_until_one_has_had_enough(self, browsing: Browsing, reviewer: User) -> None:
        uploaded(1, detected("qrcode"), file=upload(drawing(1).resize((1000, 750))))
        page = browsing.open(DESK, user=reviewer)
        start(page)
        button = page.get_by_role("button", name="Large")
        for leave in (
            lambda: press(page, "x"),
            lambda: press(page, "Escape"),
            lambda: look(page).click(),
            lambda: page.evaluate("window.dispatchEvent(new Event('blur'))"),
        ):
            is_shown(page, width=320, in_colour=True)
            expect(button).to_have_attribute("aria-pressed", "false")
            press(page, "x")
            is_shown(page, width=1000, in_colour=True)
            expect(button).to_have_attribute("aria-pressed", "true")
            assert look(page).bounding_box() == {"x": 0, "y": 0, **page.viewport_size}
            leave()
        is_shown(page, width=320, in_colour=True)
        press(page, "x")
        # Keys decide as ever, and the next card lies where it did.
        press(page, "a")
        expect(heading(page)).to_have_text("Nothing waits")

    def test_an_animation_stands_still_and_marks_its_frames(
        self, browsing: Browsing, reviewer: User, animation: Callable[..., ContentFile[bytes]]
    ) -> None:
        part = Region(0.5, 0.5, 0.5, 0.5)
        uploaded(1, detected("sexual_nudity", 91, frame_index=2, regions=(part,)), file=animation())
        page = browsing.open(DESK, user=reviewer)
        start(page)
        is_veiled(page)
        mark = look(page).locator(".imgmod-mark rect").first
        page.keyboard.down(" ")
        is_shown(page)
        expect(mark).to_be_hidden()
        page.keyboard.up(" ")
        expect(page.locator(".imgmod-words")).to_contain_text("frame 3")
        page.get_by_role("button", name="Frame 3").click()
        is_veiled(page)
        heading(page).focus()
        page.keyboard.down(" ")
        is_shown(page)
        assert shown_colour(page) == "blue"
        expect(mark).to_be_visible()
        page.keyboard.up(" ")
        is_veiled(page)


@pytest.fixture
def animation() -> Callable[..., ContentFile[bytes]]:
    """Return a function that draws an animation of a red, a green and a blue frame."""

    def draw() -> ContentFile[bytes]:
        frames = [Image.new("RGB", (240, 180), colour) for colour in ("red", "green", "blue")]
        output = BytesIO()
        frames[0].save(output, "GIF", save_all=True, append_images=frames[1:], duration=50, loop=0)
        return ContentFile(output.getvalue(), name="moving.gif")

    return draw


def shown_colour(page: Page) -> str:
    """Return which of red, green and blue the picture that is shown has most of."""
    return str(
        look(page)
        .locator("img.imgmod-seen")
        .evaluate(
            """async picture => {
                await picture.decode();
                const canvas = document.createElement("canvas");
                canvas.width = canvas.height = 1;
                const context = canvas.getContext("2d");
                context.drawImage(picture, 0, 0, 1, 1);
                const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
                return red > green && red > blue ? "red" : green > blue ? "green" : "blue";
            }"""
        )
    )
