"""What a page shows in the place of an image: the image, the one that was accepted before it, or a placeholder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.templatetags.static import static

from ...choices import Status
from ...conf import imgmod_settings
from ...models import ModerationRecord
from .records import Image, is_record_visible, record_of

# What says that a setting is an address, and no name of a static file.
_OF_ADDRESSES: Final = ("/", "http://", "https://", "data:")


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
    Return what a page may show of an image; None where the object names no file.

    The queries are those of ``record_of``. Raises what the storage raises that is asked for the address.
    """
    if not image.file_name:
        return None
    record = record_of(image)
    status = None if record is None else Status(record.status)
    storage = image.watched.field.storage
    if is_record_visible(record):
        width, height = (record.width, record.height) if record else (None, None)
        return Picture(url=storage.url(image.file_name), width=width, height=height, status=status)
    if name := live_name(image, record):
        return Picture(url=storage.url(name), is_last_accepted=True, status=status)
    return Picture(url=placeholder_url(), is_placeholder=True, status=status)


def live_name(image: Image, record: ModerationRecord | None) -> str:
    """Return the file that stays live while a record's may not be shown, by the field's option; empty for none."""
    if record is None or not record.is_current or not image.watched.keep_last_accepted:
        return ""
    return record.last_accepted_name or ""


def placeholder_url() -> str:
    """Return the address of what is shown in the place of an image that may not be shown."""
    placeholder = imgmod_settings.placeholder
    return placeholder if placeholder.startswith(_OF_ADDRESSES) else static(placeholder)
