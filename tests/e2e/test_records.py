from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from playwright.sync_api import Locator, expect

from django_imgmod.choices import Outcome, RiskLevel
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict
from tests.hostapp.models import Photo

from .browsing import DARK, PHONE, REDUCED_MOTION, ZOOMED, Browsing, Look, assert_accessible, assert_fits

LIST = "/admin/django_imgmod/moderationrecord/"
LOOKS = {
    "light": (),
    "dark": (DARK,),
    "phone": (PHONE,),
    "dark-phone": (PHONE, DARK),
    "zoomed": (ZOOMED,),
}

in_every_look = pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS)


def verdict(risk_level: RiskLevel, label: str) -> Verdict:
    detection = Detection(label=label, confidence=97.5, description="Seen beyond doubt", risk_level=risk_level)
    return Verdict(risk_level=risk_level, detections=(detection,))


@pytest.fixture
def record(browsing: Browsing, picture: Callable[..., ContentFile[bytes]], viewer: User) -> ModerationRecord:
    """Fill the list with records of each kind, and return one that has something to tell on every part of its page."""
    DummyProvider("default").script(
        verdict(RiskLevel.HIGH, "sexual_nudity"),
        verdict(RiskLevel.MEDIUM, "violence_weapon"),
        verdict(RiskLevel.LOW, "advertisement_text"),
        RuntimeError("An answer that makes no sense"),
    )
    photos = [Photo.objects.create(image=picture(number)) for number in range(4)]
    first = ModerationRecord.objects.get(object_id=photos[0].pk)
    Decision.objects.create(record=first, outcome=Outcome.BLOCK, comment="Against the rules", decided_by=viewer)
    photos[0].image = picture(5)
    photos[0].save()
    return first


def is_blurred(picture: Locator) -> None:
    expect(picture).to_have_css("filter", re.compile("blur"))


def is_sharp(picture: Locator) -> None:
    expect(picture).not_to_have_css("filter", re.compile("blur"))


class TestList:
    @in_every_look
    def test_is_accessible(
        self, browsing: Browsing, record: ModerationRecord, viewer: User, looks: tuple[Look, ...]
    ) -> None:
        page = browsing.open(f"{LIST}?pictures=blurred&q=photo", *looks, user=viewer)
        expect(page.locator("#result_list tbody tr")).to_have_count(5)
        assert_accessible(page)
        assert_fits(page)

    def test_fits_from_right_to_left(
        self, browsing: Browsing, record: ModerationRecord, reviewer: User, right_to_left: None
    ) -> None:
        page = browsing.open(f"{LIST}?pictures=blurred", PHONE, user=reviewer)
        assert_accessible(page)
        assert_fits(page)

    def test_shows_pictures_to_who_asks_for_them(
        self, browsing: Browsing, record: ModerationRecord, reviewer: User
    ) -> None:
        page = browsing.open(LIST, user=reviewer)
        pictures = page.locator("#result_list img.imgmod-picture")
        expect(pictures).to_have_count(0)
        page.get_by_role("link", name="Blurred and grey").click()
        expect(pictures).to_have_count(5)
        is_blurred(pictures.first)
        page.get_by_role("link", name="Shown").click()
        is_sharp(pictures.first)
        expect(pictures.first).to_have_js_property("complete", value=True)
        assert pictures.first.evaluate("picture => picture.naturalWidth") == 48

    def test_says_in_place_of_a_picture_that_its_file_is_gone(
        self, browsing: Browsing, record: ModerationRecord, viewer: User, media_root: Path
    ) -> None:
        ModerationRecord.objects.exclude(pk=record.pk).delete()
        (media_root / record.file_name).unlink()
        page = browsing.open(f"{LIST}?pictures=shown", user=viewer)
        picture = page.locator("#result_list img.imgmod-picture")
        expect(picture).to_have_js_property("naturalWidth", 320)
        browsing.expect_complaint(r"404 .*/preview/")


class TestPage:
    @in_every_look
    def test_is_accessible(
        self, browsing: Browsing, record: ModerationRecord, viewer: User, looks: tuple[Look, ...]
    ) -> None:
        page = browsing.open(f"{LIST}{record.pk}/change/?pictures=shown", *looks, user=viewer)
        page.evaluate("document.querySelectorAll('#content details').forEach(part => { part.open = true; })")
        assert_accessible(page)
        assert_fits(page)

    @pytest.mark.parametrize("looks", [(), (REDUCED_MOTION,)], ids=["moving", "still"])
    def test_keyboard_reveals_a_blurred_picture(
        self, browsing: Browsing, record: ModerationRecord, viewer: User, looks: tuple[Look, ...]
    ) -> None:
        page = browsing.open(f"{LIST}{record.pk}/change/?pictures=blurred", *looks, user=viewer)
        picture = page.locator("img.imgmod-picture")
        is_blurred(picture)
        expect(picture).to_have_css("transition-duration", "0s" if looks else "0.15s")
        picture.focus()
        is_sharp(picture)
        page.keyboard.press("Tab")
        is_blurred(picture)
