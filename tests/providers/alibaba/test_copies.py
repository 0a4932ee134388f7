"""A picture that the provider would refuse is judged by a copy, whatever the source, and its record says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from django_imgmod.canary import canary_png, draw_canary
from django_imgmod.choices import ErrorCode, RiskLevel, Status
from django_imgmod.emulator import Emulator, Judge, serve
from django_imgmod.models import ModerationRecord
from django_imgmod.providers.alibaba import animations
from django_imgmod.services.sweep import sweep
from tests.hostapp.models import Photo
from tests.providers.pictures import encoded, exif_orientation, landscape, qr_code, with_codes
from tests.timetravel import fast_forward

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TWO = "django_imgmod.providers.alibaba.ImageModeration2Provider"
ONE = "django_imgmod.providers.alibaba.GreenProvider"


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Judge(has_engine=False)) as given:
        yield given


@contextmanager
def serving(judge: Judge) -> Iterator[dict[str, Any]]:
    emulator = Emulator({"id": "secret"}, judge=judge, processing_answers=0)
    with emulator, serve(emulator) as address:
        yield {"access_key_id": "id", "access_key_secret": "secret", "endpoint": f"http://{address}"}


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(Judge()) as given:
        yield {**given, "scenes": ["qrcode"]}


@pytest.mark.parametrize("backend", [TWO, ONE])
@pytest.mark.parametrize("is_asynchronous", [True, False])
@pytest.mark.parametrize(
    ("place", "is_taken", "judged_as"),
    [
        ({}, True, ""),
        ({}, False, "a JPEG copy of 512 x 512 pixels"),
        # Nobody answers there: only what is uploaded can be judged.
        ({"source": "url", "base_url": "https://nowhere.invalid"}, False, "a JPEG copy of 512 x 512 pixels"),
    ],
)
def test_record_says_what_was_judged(settings, options, backend, is_asynchronous, place, is_taken, judged_as):
    entry = {"BACKEND": backend, "OPTIONS": {**options, **place, "is_asynchronous": is_asynchronous}}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": entry}}
    content = canary_png("high") if is_taken else encoded(draw_canary("high").convert("CMYK"), "JPEG")
    Photo.objects.create(image=ContentFile(content, name="a.jpg"))
    list(sweep())
    fast_forward(60)
    list(sweep())
    record = ModerationRecord.objects.get()
    assert (record.risk_level, record.judged_as) == (RiskLevel.HIGH, judged_as), record.error_message


def with_code() -> Image.Image:
    """A picture of 640 x 480 whose code, quiet zone included, begins at 320, 240 and has a side of 160."""
    return with_codes(landscape(), (qr_code("https://example.com", 160), (320, 240)))


@pytest.mark.parametrize("is_asynchronous", [True, False])
@pytest.mark.parametrize("is_taken", [True, False])
def test_place_of_what_was_seen_is_a_part_of_the_picture(settings, seeing, is_asynchronous, is_taken):
    content = encoded(with_code()) if is_taken else encoded(with_code().convert("CMYK"), "JPEG", quality=95)
    record = judged(settings, ONE, {**seeing, "is_asynchronous": is_asynchronous}, content)
    [label] = record.detected_labels.all()
    assert (label.label, bool(record.judged_as)) == ("qrcode_qrcode", not is_taken)
    [(left, top, width, height)] = label.regions
    assert 0.5 < left < left + width < 0.75
    assert 0.5 < top < top + height < 0.5 + 160 / 480
    assert width * 640 == pytest.approx(height * 480, rel=0.05)


@pytest.mark.parametrize("is_asynchronous", [True, False])
def test_place_in_a_turned_picture_is_not_guessed(settings, seeing, is_asynchronous):
    content = encoded(with_code(), exif=exif_orientation(6))
    record = judged(settings, ONE, {**seeing, "is_asynchronous": is_asynchronous}, content)
    assert [label.regions for label in record.detected_labels.all()] == [None]


# Larger than each of them takes it as a GIF.
TOO_LARGE = {TWO: (16_400, 128), ONE: (2100, 2100)}
FRAMES = {"interval": 3, "max_frames": 2}


def hiding_animation(size: tuple[int, int], *, before: int = 3, image_format: str = "GIF") -> bytes:
    """An animation whose last frame is the canary."""
    first, *others = [Image.new("L", size, 250 - number) for number in range(before)]
    canary = draw_canary("high").resize(size)
    lossless = {"lossless": True} if image_format == "WEBP" else {}
    return encoded(first, image_format, save_all=True, append_images=[*others, canary], duration=100, **lossless)


def judged(settings: Any, backend: str, options: dict[str, Any], content: bytes) -> ModerationRecord:
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    Photo.objects.create(image=ContentFile(content, name="a.gif"))
    list(sweep())
    fast_forward(60)
    list(sweep())
    return ModerationRecord.objects.get()


@pytest.mark.parametrize("backend", [TWO, ONE])
@pytest.mark.parametrize("is_asynchronous", [True, False])
@pytest.mark.parametrize("is_taken", [True, False])
def test_frame_that_is_asked_for_is_judged_in_a_copy_too(settings, options, backend, is_asynchronous, is_taken):
    content = hiding_animation((512, 512) if is_taken else TOO_LARGE[backend])
    record = judged(settings, backend, {**options, **FRAMES, "is_asynchronous": is_asynchronous}, content)
    assert (record.status, record.risk_level) == (Status.BLOCKED, RiskLevel.HIGH), record.error_message
    assert record.judged_as.startswith("" if is_taken else "a GIF copy of 2 frames, ")
    assert bool(record.judged_as) is not is_taken


@pytest.mark.parametrize("backend", [TWO, ONE])
@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
def test_frame_that_is_asked_for_is_judged_of_what_is_no_gif(settings, options, backend, image_format):
    content = hiding_animation((512, 512), image_format=image_format)
    record = judged(settings, backend, {**options, **FRAMES, "is_asynchronous": False}, content)
    assert (record.status, record.risk_level) == (Status.BLOCKED, RiskLevel.HIGH), record.error_message
    assert record.judged_as == "a GIF copy of 2 frames, 512 x 512 pixels"


@pytest.mark.parametrize("backend", [TWO, ONE])
def test_animation_that_cannot_be_copied_is_for_a_person(settings, options, backend, monkeypatch):
    monkeypatch.setattr(animations, "MAX_FRAMES", 3)
    content = hiding_animation(TOO_LARGE[backend])
    record = judged(settings, backend, {**options, "interval": 1, "max_frames": 100}, content)
    assert (record.status, record.error_code) == (Status.IN_REVIEW, ErrorCode.TOO_LARGE)
    assert "4 frames, of which the provider could be shown the first only" in record.error_message
