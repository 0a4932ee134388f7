"""The panels of editors in an admin that has a theme: Unfold, Jazzmin. Neither keeps to a strict policy."""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import Locator, Page, expect

from .browsing import DARK, PHONE, REDUCED_MOTION, Browsing, assert_accessible, take_screenshot
from .themed.fixtures import browsing, theme

__all__ = ["browsing", "theme"]

ALBUM: Final = "/admin/hostapp/album/1/change/"
PAIRS: Final = "/admin/hostapp/pairofphotos/"
PAIR: Final = f"{PAIRS}1/change/"
SECOND_LOOK: Final = f"{PAIRS}1/second_look/front/"

# How far the page, and what is scrolled sideways on it, reach beyond what is seen of them.
REACH: Final = """() => [...document.querySelectorAll("*")]
    .filter((one) => one === document.documentElement || /auto|scroll/.test(getComputedStyle(one).overflowX))
    .reduce((widest, one) => Math.max(widest, one.scrollWidth - one.clientWidth), 0)"""

BRIGHTNESS: Final = """(element) => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = getComputedStyle(element).backgroundColor;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, one) => sum + one) / 3;
}"""


def panel(page: Page, field: str) -> Locator:
    return page.get_by_role("group", name=f"Moderation of {field}")


def look(page: Page, name: str, within: str = "[data-imgmod-panel]") -> None:
    """Expect that everybody can read what is ours on a page."""
    take_screenshot(page, name)
    assert_accessible(page, within)


def test_everything_can_be_read(browsing: Browsing, theme: str) -> None:
    for kind, looks in {"light": (), "dark": (DARK,), "phone": (PHONE,)}.items():
        # What is still fading in cannot be read yet.
        page = browsing.open(PAIR, REDUCED_MOTION, *looks)
        # An input, and a field that is only shown.
        for field in ("front", "back"):
            expect(panel(page, field).get_by_role("status")).to_be_visible()
            assert (page.evaluate(BRIGHTNESS, panel(page, field).element_handle()) < 128) == (kind == "dark")
        look(page, f"{theme}-pair-{kind}")
        page.goto(SECOND_LOOK)
        look(page, f"{theme}-second-look-{kind}", ".imgmod-second-look")
        page.goto(PAIRS)
        look(page, f"{theme}-list-{kind}", ".imgmod-mark")
        page.goto(ALBUM)
        for rows in ("Owned photos", "Attached photos"):
            if theme == "jazzmin":
                page.get_by_role("tab", name=rows).click()
            shown = page.locator("[data-imgmod-panel]:visible")
            expect(shown).to_have_count(1 if theme == "jazzmin" else 2)
            look(page, f"{theme}-{rows}-{kind}")
            with_panels = page.evaluate(REACH)
            hidden = page.add_style_tag(content="[data-imgmod-panel] { display: none !important; }")
            assert with_panels <= page.evaluate(REACH), kind
            hidden.evaluate("(style) => style.remove()")


def test_second_look_is_asked_for(browsing: Browsing, theme: str) -> None:
    page = browsing.open(PAIR)
    expect(panel(page, "front").get_by_role("status")).to_contain_text("Blocked.")
    expect(panel(page, "back").get_by_role("status")).to_contain_text("Being checked, and not public yet.")
    # By pointer: nothing of the theme lies over it.
    panel(page, "front").get_by_role("link", name="Replace the picture").click()
    expect(page.locator("#id_front")).to_be_focused()
    panel(page, "front").get_by_role("link", name="Ask for a second look").click()
    words = page.get_by_role("textbox", name="Why should somebody look again?")
    button = page.get_by_role("button", name="Ask for a second look")
    for control in (words, button):
        expect(control).to_have_css("border-top-width", re.compile("1px"))
    words.fill("It is the light of a lighthouse.")
    button.click()
    expect(page).to_have_url(re.compile(f"{PAIR}$"))
    expect(panel(page, "front").get_by_role("status")).to_contain_text("A second look was asked for.")
    expect(page.get_by_text("somebody else will look at it again")).to_be_visible()
    take_screenshot(page, f"{theme}-asked")
