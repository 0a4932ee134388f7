"""A picture that the provider would refuse is judged by a copy, whatever the source, and its record says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.base import ContentFile

from django_imgmod.canary import canary_png, draw_canary
from django_imgmod.choices import RiskLevel
from django_imgmod.emulator import Emulator, Judge, serve
from django_imgmod.models import ModerationRecord
from django_imgmod.services.sweep import sweep
from tests.hostapp.models import Photo
from tests.providers.pictures import encoded
from tests.timetravel import fast_forward

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TWO = "django_imgmod.providers.alibaba.ImageModeration2Provider"
ONE = "django_imgmod.providers.alibaba.GreenProvider"


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    emulator = Emulator({"id": "secret"}, judge=Judge(has_engine=False), processing_answers=0)
    with emulator, serve(emulator) as address:
        yield {"access_key_id": "id", "access_key_secret": "secret", "endpoint": f"http://{address}"}


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
