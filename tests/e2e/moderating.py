"""What waits at the review desk, and how a moderator's browser shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from playwright.sync_api import Locator, Page, expect

from django_imgmod.choices import RiskLevel
from django_imgmod.models import ModerationRecord
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict
from tests.hostapp.models import OwnedPhoto
from tests.review.pictures import drawing, upload

DESK: Final = "/admin/django_imgmod/moderationrecord/review/"
GRID: Final = f"{DESK}grid/"
STATISTICS: Final = f"{DESK}statistics/"
PREFERENCES: Final = f"{DESK}preferences/"

FIRST: Final = "review_moderationrecord"
ESCALATED: Final = "review_escalated_moderationrecord"

# Whatever is detected, a person looks at it; and every upload is somebody's.
EVERYTHING_WAITS: Final = {
    "POLICIES": {"desk": {"risk": {"high": "review", "low": "review"}}},
    "FIELDS": {"__all__": {}, "hostapp.OwnedPhoto.image": {"policy": "desk", "uploader": "owner"}},
}


def detected(label: str, confidence: float | None = 62, **more: Any) -> Detection:
    return Detection(**{"label": label, "confidence": confidence, "risk_level": RiskLevel.MEDIUM, **more})


def uploaded(
    number: int,
    *detections: Detection,
    owner: User | None = None,
    file: ContentFile[bytes] | None = None,
    risk_level: RiskLevel = RiskLevel.MEDIUM,
) -> ModerationRecord:
    """Upload the picture of a number, in which is detected what is named, and return its record."""
    DummyProvider("default").script(
        Verdict(risk_level=risk_level, detections=detections or (detected("sexual_nudity", risk_level=risk_level),))
    )
    photo = OwnedPhoto.objects.create(image=file or upload(drawing(number)), owner=owner)
    return record_of(photo)


def record_of(photo: OwnedPhoto) -> ModerationRecord:
    return ModerationRecord.objects.for_field(OwnedPhoto, [str(photo.pk)], "image").get()


def photo_of(record: ModerationRecord) -> OwnedPhoto:
    return OwnedPhoto.objects.get(pk=record.object_id)


def name_of(record: ModerationRecord) -> str:
    """Return the name of a picture as the desk shows it."""
    return record.file_name.rpartition("/")[2]


def heading(page: Page) -> Locator:
    return page.locator("#imgmod-heading")


def card(page: Page) -> Locator:
    return page.locator("article#imgmod-card")


def start(page: Page) -> None:
    """Go to the first card, by keyboard, and wait until the next one is loaded too."""
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(card(page)).to_be_visible()


def shows(page: Page, record: ModerationRecord) -> None:
    """Expect a picture's card on the desk, and the keyboard there."""
    expect(card(page)).to_have_attribute("data-file", name_of(record))
    expect(heading(page)).to_be_focused()


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def eventually(page: Page, holds: Callable[[], bool]) -> None:
    """Let browsers and site go on until something holds of which no page tells."""
    for _try in range(400):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("It does not come to hold.")
