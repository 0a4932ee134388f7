"""Pictures that take each other's place, and what a page shows meanwhile."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord, current_key
from django_imgmod.shortcuts import image_picture, image_record
from tests.hostapp.models import Photo


def keep(settings: Any, *, is_on: bool = True) -> None:
    """Let the picture that was accepted last stay live, in every field."""
    settings.IMGMOD = {**settings.IMGMOD, "FIELDS": {"__all__": {"keep_last_accepted": is_on}}}


def put(obj: models.Model, image: Any, status: Status | None = None, **columns: Any) -> str:
    """Save a picture, as it is after its verdict; return the name of its file."""
    obj.image = image
    obj.save()
    if status or columns:
        turn(obj, status or Status.PENDING, **columns)
    return obj.image.name


def turn(obj: models.Model, status: Status, **columns: Any) -> ModerationRecord:
    """Bring the current record of a picture into a status, as a verdict does."""
    record = current(obj)
    ModerationRecord.objects.filter(pk=record.pk).update(status=status, **columns)
    return current(obj)


def put_many(*statuses: Status, **columns: Any) -> list[Photo]:
    """Insert photos with records of these statuses, without a file, a signal or many statements."""
    photos = Photo.objects.bulk_create(
        Photo(title=status, image=f"photos/{n}.png") for n, status in enumerate(statuses)
    )
    content_type = ContentType.objects.get_for_model(Photo)
    ModerationRecord.objects.bulk_create(
        ModerationRecord(
            content_type=content_type,
            object_id=str(photo.pk),
            field_name="image",
            current_key=current_key(Photo, str(photo.pk), "image"),
            file_name=photo.image.name,
            provider="default",
            policy="default",
            status=photo.title,
            **columns,
        )
        for photo in photos
    )
    return photos


def current(obj: models.Model) -> ModerationRecord:
    record = image_record(type(obj)._default_manager.get(pk=obj.pk), "image")
    assert record is not None
    return record


def shown(obj: models.Model) -> str | None:
    """Return the name of the file that a page shows now, asked by somebody who has just come; None for none."""
    fresh = type(obj)._default_manager.get(pk=obj.pk)
    picture = image_picture(fresh, "image")
    if picture is None or picture.is_placeholder:
        return None
    assert picture.is_last_accepted == (picture.url != fresh.image.url)
    return picture.url.removeprefix(fresh.image.storage.base_url)
