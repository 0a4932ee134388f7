"""What a page shows in the place of an image: the image, the one that was accepted before it, or a placeholder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.templatetags.static import static

from ...choices import Status
from ...conf import SETTINGS, imgmod_settings
from ...models import ModerationRecord
from .glances import glance_of
from .records import Image

# What says that a setting is an address, and no name of a static file.
_OF_ADDRESSES: Final = ("/", "http://", "https://", "data:")
# Of our own placeholder, in pixels.
_OWN_SIZE: Final = (320, 240)


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """What a page may show of an image."""

    url: str
    is_placeholder: bool = False
    is_last_accepted: bool = False
    """Whether it is the picture that was accepted before the one that the object names."""

    width: int | None = None
    """In pixels, upright; None where it is not known."""

    height: int | None = None
    status: Status | None = None
    """That of the image which the object names; None where nothing is recorded of it."""


def picture_of(image: Image) -> Picture | None:
    """
    Return what a page may show of an image; None where the object names no file that was saved.

    The queries are those of ``glance_of``. Raises what the storage raises that is asked for the address.
    """
    if not image.file_name:
        return None
    glance = glance_of(image)
    storage = image.watched.field.storage
    if glance.is_visible:
        url = storage.url(image.file_name)
        return Picture(url=url, width=glance.width, height=glance.height, status=glance.status)
    if image.watched.keep_last_accepted and glance.last_accepted_name:
        return Picture(url=storage.url(glance.last_accepted_name), is_last_accepted=True, status=glance.status)
    return placeholder(glance.status)


def live_name(image: Image, record: ModerationRecord | None) -> str:
    """Return the file that stays live while a record's may not be shown, by the field's option; empty for none."""
    if record is None or not record.is_current or not image.watched.keep_last_accepted:
        return ""
    return record.last_accepted_name or ""


def placeholder(status: Status | None = None) -> Picture:
    """Return what is shown in the place of an image that may not be shown."""
    given = imgmod_settings.placeholder
    width, height = _OWN_SIZE if given == SETTINGS["PLACEHOLDER"].default else (None, None)
    url = given if given.startswith(_OF_ADDRESSES) else static(given)
    return Picture(url=url, is_placeholder=True, width=width, height=height, status=status)
