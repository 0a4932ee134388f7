"""A browser that looks at the site of a test, in many ways, and what it complains of."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebError, expect

# A machine that has other work to do is slow, not wrong.
expect.set_options(timeout=20_000)

Look = dict[str, Any]
"""How somebody looks at a page, as options of a browser context."""

DESKTOP: Final[Look] = {"viewport": {"width": 1280, "height": 720}}
DARK: Final[Look] = {"color_scheme": "dark"}
PHONE: Final[Look] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
# What zooming to 200 % does to a page of the desktop's size.
ZOOMED: Final[Look] = {"viewport": {"width": 640, "height": 360}, "device_scale_factor": 2}
REDUCED_MOTION: Final[Look] = {"reduced_motion": "reduce"}

# What stands around it is Django's: in its 5.2 the links of the breadcrumbs show by too little contrast alone.
OURS: Final = "#content"
# What stays in sight while the rest is scrolled.
BARS: Final = ".imgmod-buttons, .imgmod-grid-decision, .imgmod-alert"
WCAG_AA: Final = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


class Browsing:
    """
    Opens pages of one site. What the console says of them, or a script raises, is kept in ``complaints``.

    Each page has a context of its own: no cookie, cache or storage is shared. ``name`` is that of the screenshots at
    the end. Where the site is in another process, ``session`` is that of whoever opens its pages.
    """

    def __init__(self, browser: Browser, url: str, name: str, *, session: str = "") -> None:
        self.complaints: list[str] = []
        self._browser = browser
        self._url = url
        self._name = name
        self._session = session
        self._contexts: list[BrowserContext] = []

    def open(self, path: str, *looks: Look, user: User | None = None) -> Page:
        """Open a page of the site, as somebody who is logged in or, without ``user``, as anybody."""
        options = {key: value for look in (DESKTOP, *looks) for key, value in look.items()}
        context = self._browser.new_context(base_url=self._url, **options)
        self._contexts.append(context)
        context.on("console", self._listen)
        context.on("weberror", self._catch)
        if user or self._session:
            self._log_in(context, user)
        page = context.new_page()
        response = page.goto(path)
        assert response
        assert response.ok, f"{path} answered {response.status}."
        return page

    def expect_complaint(self, pattern: str) -> None:
        """Take one complaint off the list, which has to be there."""
        self._settle()
        found = next((complaint for complaint in self.complaints if re.search(pattern, complaint)), None)
        assert found, f"No complaint matches {pattern!r}: {self.complaints}"
        self.complaints.remove(found)

    def close(self) -> None:
        self._settle()
        pages = [page for context in self._contexts for page in context.pages]
        for number, page in enumerate(pages):
            take_screenshot(page, f"{self._name}{f'-{number}' if number else ''}")
        for context in self._contexts:
            context.close()

    def _settle(self) -> None:
        # What a page said before it answers this has been heard.
        for context in self._contexts:
            for page in context.pages:
                page.wait_for_load_state()
                page.evaluate("0")

    def _listen(self, message: ConsoleMessage) -> None:
        place = message.location
        # Every browser looks for an icon, which no page of ours promises.
        if message.type in ("assert", "error", "warning") and not place["url"].endswith("/favicon.ico"):
            self.complaints.append(f"{message.type}: {message.text} ({place['url']}:{place['lineNumber']})")

    def _catch(self, error: WebError) -> None:
        self.complaints.append(f"raised: {error.error}")

    def _log_in(self, context: BrowserContext, user: User | None) -> None:
        name, session = settings.SESSION_COOKIE_NAME, self._session
        if user:
            client = Client()
            client.force_login(user)
            session = client.cookies[name].value
        context.add_cookies([{"name": name, "value": session, "url": self._url}])


def assert_accessible(page: Page, within: str = OURS) -> None:
    """Fail with what axe finds against WCAG 2.2, A and AA, in a part of the page."""
    options = {
        "runOnly": {"type": "tag", "values": WCAG_AA},
        "resultTypes": ["violations"],
        # Copies of the stylesheets, made inline against the policy, for rules that are not among these.
        "preload": False,
    }
    # What they lie over, one scrolls from beneath them.
    page.evaluate(f"document.querySelectorAll('{BARS}').forEach(bar => bar.style.position = 'static')")
    found = Axe().run(page, within, options)
    page.evaluate(f"document.querySelectorAll('{BARS}').forEach(bar => bar.style.removeProperty('position'))")
    assert not found.violations_count, found.generate_report()


def assert_fits(page: Page) -> None:
    """Fail if the page has to be scrolled sideways."""
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"The page is {wider} pixels wider than its window."


def take_screenshot(page: Page, name: str) -> None:
    """Keep what is to be seen in the folder that IMGMOD_SCREENSHOTS names, if it names one."""
    folder = os.environ.get("IMGMOD_SCREENSHOTS")
    if folder:
        file_name = re.sub(r"[^\w.-]+", "-", name).strip("-")
        page.screenshot(path=Path(folder) / f"{file_name}.png", full_page=True)
