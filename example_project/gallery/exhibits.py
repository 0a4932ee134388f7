"""Pictures together with what is known of them, as the gallery shows them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from django_imgmod.shortcuts import image_records, is_record_visible

from . import wording
from .models import Picture


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture and its current record."""

    picture: Picture
    record: ModerationRecord | None

    @property
    def is_visible(self) -> bool:
        return is_record_visible(self.record)

    @property
    def status(self) -> str:
        return Status.PENDING if self.record is None else self.record.status

    @property
    def headline(self) -> str:
        return wording.headline(self.record)

    @property
    def explanation(self) -> str:
        return wording.explanation(self.record)


def exhibits(pictures: Iterable[Picture]) -> list[Exhibit]:
    """Return pictures of one model with their records: one query for the pictures, one for all their records."""
    pictures = list(pictures)
    records = image_records(pictures, "image")
    return [Exhibit(picture, records.get(picture.pk)) for picture in pictures]
