"""Pictures together with what may be said of them, as the gallery shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django_imgmod.choices import Status
from django_imgmod.shortcuts import image_picture, image_records, prefetch_images

from . import wording
from .models import Picture


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture, and how it stands."""

    picture: Picture
    status: Status
    is_visible: bool
    explanation: str = ""
    """Why it is not visible, for editors."""

    @property
    def headline(self) -> str:
        return wording.headline(self.status)


def exhibits(pictures: Iterable[Picture], *, is_for_editors: bool = False) -> list[Exhibit]:
    """
    Return pictures of one model: one query for the pictures, one for all that a page asks about them.

    For editors it is one more: what the moderation knows of a picture is not read for a page.
    """
    pictures = prefetch_images(pictures, "image")
    records = image_records(pictures, "image") if is_for_editors else {}
    found = []
    for picture in pictures:
        shown = image_picture(picture, "image")
        found.append(
            Exhibit(
                picture,
                status=(shown and shown.status) or Status.PENDING,
                is_visible=shown is not None and not shown.is_placeholder,
                explanation=wording.explanation(records.get(picture.pk)) if is_for_editors else "",
            )
        )
    return found
