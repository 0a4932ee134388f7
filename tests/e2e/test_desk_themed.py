"""The review desk in an admin that has a theme: Unfold, Jazzmin. Neither keeps to a strict policy, so there is none."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .browsing import DARK, Browsing, assert_accessible, take_screenshot
from .moderating import DESK, GRID, STATISTICS, card, heading, press, start
from .themed.fixtures import browsing, theme

__all__ = ["browsing", "theme"]


def test_works(browsing: Browsing, theme: str) -> None:
    page = browsing.open(DESK)
    start(page)
    expect(heading(page)).to_be_focused()
    expect(heading(page)).to_have_text(re.compile("Picture 1 of 6"))
    look(page, f"{theme}-card")
    name = card(page).get_attribute("data-file")
    press(page, "1", "b")
    expect(page.locator("#imgmod-last")).to_contain_text(f"Blocked {name}")
    expect(heading(page)).to_have_text(re.compile(r"Picture 2\b"))
    page.keyboard.down(" ")
    expect(page.locator("img.imgmod-seen")).to_be_visible()
    page.keyboard.up(" ")
    expect(page.locator("img.imgmod-seen")).to_have_count(0)
    # By pointer: nothing of the theme lies over it.
    page.get_by_role("button", name="Pass", exact=True).click()
    expect(heading(page)).to_have_text(re.compile(r"Picture 3\b"))
    press(page, "z")
    expect(page.locator("#imgmod-notice")).to_contain_text("Taken back")

    page = browsing.open(GRID)
    expect(page.get_by_role("checkbox", name=re.compile("Picture"))).to_have_count(3)
    look(page, f"{theme}-grid")
    page.get_by_role("checkbox", name=re.compile("Picture 1")).check()
    page.get_by_role("button", name="Decide this page").click()
    expect(page.get_by_text("1 picture blocked")).to_be_visible()
    expect(page.get_by_text("2 pictures passed")).to_be_visible()

    page = browsing.open(STATISTICS)
    expect(page.get_by_role("img", name="Arrivals and decisions by day")).to_be_visible()
    look(page, f"{theme}-statistics")

    # A dark theme is the theme's own to choose; the desk follows it.
    page = browsing.open(DESK, DARK)
    expect(card(page)).to_be_visible()
    look(page, f"{theme}-card-dark")
    look(browsing.open(f"{GRID}?risk_level=medium", DARK), f"{theme}-grid-dark")
    look(browsing.open(STATISTICS, DARK), f"{theme}-statistics-dark")


def look(page: Page, name: str) -> None:
    """Expect that everybody can read what is on the desk."""
    take_screenshot(page, name)
    assert_accessible(page, "#imgmod-desk")
