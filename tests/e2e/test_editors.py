"""The host's own admin, as its editors see it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from playwright.sync_api import Locator, Page, Route, expect

from django_imgmod.choices import Lane, Status
from django_imgmod.models import Appeal, ModerationRecord
from tests.hostapp.models import Album, OwnedPhoto, PairOfPhotos

from .browsing import DARK, PHONE, Browsing, Look, assert_accessible, assert_fits

Draw = Callable[..., "ContentFile[bytes]"]

PLAIN: Look = {"java_script_enabled": False}
LIST = "/admin/hostapp/pairofphotos/"
# What stands around them on a form is Django's: some of its fields have no label, and its links to files are small.
PANELS = "[data-imgmod-panel]"

# Keeps what a screen reader would read out.
LISTEN = """
window.heard = [];
for (const region of document.querySelectorAll("[data-imgmod-panel] [role=status]")) {
    new MutationObserver(() => window.heard.push(region.textContent.replace(/\\s+/g, " ").trim())).observe(
        region, {childList: true, characterData: true, subtree: true},
    );
}
"""


@pytest.fixture(autouse=True)
def editors_admin(site: str, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.admin.editors.urls"
    settings.MEDIA_URL = "/media/"
    fields = {"__all__": {}, "hostapp.PairOfPhotos.front": {"keep_last_accepted": True}}
    settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": True}, "FIELDS": fields}


@pytest.fixture
def root(site: str) -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def pair(site: str, picture: Draw) -> PairOfPhotos:
    """Two pictures that took the place of others; one of them is held, one blocked."""
    pair = PairOfPhotos.objects.create(front=picture(1, name="harbour.png"), back=picture(2, name="tower.png"))
    put(pair, "front", Status.PASSED)
    put(pair, "back", Status.PASSED)
    pair.front, pair.back = picture(3, name="harbour-at-night.png"), picture(4, name="tower-at-night.png")
    pair.save()
    put(pair, "front", Status.IN_REVIEW)
    put(pair, "back", Status.BLOCKED).detected_labels.create(label="violence_weapon", confidence="91.50")
    return pair


def put(obj: Any, field_name: str, status: Status) -> ModerationRecord:
    """Let an image be in a status, as if that had become of it."""
    records = ModerationRecord.objects.for_field(type(obj), [str(obj.pk)], field_name)
    records.update(status=status)
    return records.get()


def page_of(obj: Any) -> str:
    return f"/admin/hostapp/{obj._meta.model_name}/{obj.pk}/change/"


def panel(page: Page, field: str) -> Locator:
    return page.get_by_role("group", name=f"Moderation of {field}")


def open_with_clock(browsing: Browsing, path: str, user: User) -> Page:
    """Open a page whose time the test lets pass."""
    page = browsing.open(path, user=user)
    page.clock.install()
    page.reload()
    return page


def pass_time(page: Page, holds: Callable[[], bool]) -> None:
    """Let time pass until something holds. No page has to be quicker than this machine is."""
    for _try in range(200):
        page.clock.run_for(10_000)
        page.wait_for_timeout(50)
        if holds():
            return
    raise AssertionError("It does not come to hold.")


def test_panels_follow_what_happens_until_nothing_more_will(browsing: Browsing, root: User, picture: Draw) -> None:
    album = Album.objects.create()
    rows = [OwnedPhoto.objects.create(album=album, image=picture(number)) for number in range(2)]
    for row in rows:
        put(row, "image", Status.PENDING)
    page = open_with_clock(browsing, page_of(album), root)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(LISTEN)
    first, second = panel(page, "image").all()
    page.locator("#id_ownedphoto_set-0-title").fill("Not saved yet")

    # Nothing new is nothing to read out.
    pass_time(page, lambda: len(asked) > 4)
    expect(first.get_by_role("status")).to_contain_text("Being checked")
    assert page.evaluate("window.heard") == []

    put(rows[0], "image", Status.PASSED)
    pass_time(page, lambda: "Checked, and public." in first.inner_text())
    expect(first).to_have_class(re.compile("imgmod-is-public"))
    expect(second.get_by_role("status")).to_contain_text("Being checked")

    put(rows[1], "image", Status.BLOCKED)
    second.get_by_role("link", name="Replace the picture").focus()
    pass_time(page, lambda: "Ask for a second look" in second.inner_text())
    expect(second.get_by_role("link", name="Replace the picture")).to_be_focused()

    heard = [re.sub(r"_\w+", "", words) for words in page.evaluate("window.heard")]
    assert heard == [
        "Image picture.png: Checked, and public.",
        "Image picture.png: Blocked. It is not shown to anybody. The check found something that may not be shown.",
    ]
    expect(page.locator("#id_ownedphoto_set-0-title")).to_have_value("Not saved yet")
    expect(page.locator("[data-imgmod-panel]:not([data-imgmod-settled])")).to_have_count(0)
    count = len(asked)
    page.clock.run_for(120_000)
    page.wait_for_timeout(200)
    assert len(asked) == count


def test_panels_go_on_asking_through_errors_but_not_for_ever(
    browsing: Browsing, root: User, pair: PairOfPhotos
) -> None:
    page = open_with_clock(browsing, page_of(pair), root)
    front = panel(page, "front").get_by_role("status")
    page.route("**/moderation/front/", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        page.clock.run_for(2_000)
    page.route("**/moderation/front/", lambda route: route.fulfill(body="<p>Log in</p>"), times=1)
    with page.expect_response("**/moderation/front/"):
        page.clock.run_for(3_000)
    expect(front).to_contain_text("Held until somebody has looked at it")
    put(pair, "front", Status.PASSED)
    page.clock.run_for(4_500)
    expect(front).to_contain_text("Checked, and public.")
    browsing.expect_complaint("ERR_FAILED")

    put(pair, "front", Status.PENDING)
    page.reload()
    asked: list[str] = []

    def ask_to_log_in(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body="<p>Log in</p>")

    page.route("**/moderation/front/", ask_to_log_in)
    quiet = 0
    while quiet < 5:
        count = len(asked)
        page.clock.run_for(30_000)
        page.wait_for_timeout(200 if quiet else 20)
        quiet = quiet + 1 if len(asked) == count else 0
    # Half an hour of every 30 seconds, and a few more at the beginning. An answer that is slow costs a turn: that clock
    # does not wait for it.
    assert 50 < len(asked) < 70


@pytest.mark.parametrize("looks", [(), (PLAIN,)], ids=["script", "plain"])
def test_second_look_is_asked_for(browsing: Browsing, root: User, pair: PairOfPhotos, looks: tuple[Look, ...]) -> None:
    page = browsing.open(page_of(pair), *looks, user=root)
    expect(panel(page, "front")).to_contain_text("Meanwhile the site goes on showing")
    expect(panel(page, "back")).to_contain_text("is not shown meanwhile")
    panel(page, "back").get_by_role("link", name="Replace the picture").press("Enter")
    expect(page.locator("#id_back")).to_be_focused()
    panel(page, "back").get_by_role("link", name="Ask for a second look").press("Enter")
    expect(page.get_by_role("heading", name="Back tower-at-night.png")).to_be_visible()
    page.get_by_role("textbox", name="Why should somebody look again?").fill("It is the light of a lighthouse.")
    page.get_by_role("button", name="Ask for a second look").click()
    expect(page.get_by_role("list").filter(has_text="somebody else will look at it again")).to_be_visible()
    expect(panel(page, "back").get_by_role("status")).to_contain_text("A second look was asked for.")
    made = Appeal.objects.get()
    assert (made.text, made.record.lane) == ("It is the light of a lighthouse.", Lane.APPEALED)


def test_everything_is_accessible(
    browsing: Browsing, root: User, pair: PairOfPhotos, settings: Any, picture: Draw
) -> None:
    album = Album.objects.create()
    put(OwnedPhoto.objects.create(album=album, image=picture(5)), "image", Status.BLOCKED)
    for looks in ((), (DARK,), (PHONE,)):
        page = browsing.open(page_of(pair), *looks, user=root)
        assert_accessible(page, PANELS)
        assert_fits(page)
        page.goto(LIST)
        assert_accessible(page)
        assert_fits(page)
    page.goto(page_of(pair).replace("change/", "second_look/back/"))
    assert_accessible(page)
    assert_fits(page)
    page.goto(page_of(album))
    assert_accessible(page, PANELS)
    assert_fits(page)
    settings.LANGUAGE_CODE = "ar"
    page = browsing.open(page_of(pair), PHONE, user=root)
    assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
    assert_accessible(page, PANELS)
    assert_fits(page)
