"""What a host project's own code asks and does."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TypeVar

from django.conf import settings
from django.db import models, router

from .choices import Status
from .exceptions import ImgmodConfigurationError
from .models import ModerationRecord
from .registry import WatchedField, get_watched_field, watched_fields
from .services import intake
from .services.showing import visibility
from .services.showing.glances import prefetch_glances
from .services.showing.pictures import Picture, picture_of, placeholder
from .services.showing.records import Image, find_records, forget, is_record_visible, prefetch_records
from .services.showing.withdrawal import withdraw_accepted

__all__ = [
    "Picture",
    "filter_visible",
    "image_picture",
    "image_record",
    "image_records",
    "image_status",
    "is_image_visible",
    "is_record_visible",
    "moderate_image",
    "prefetch_images",
    "withdraw_accepted_image",
]

logger = logging.getLogger("django_imgmod")

M = TypeVar("M", bound=models.Model)


def image_record(obj: models.Model, field_name: str) -> ModerationRecord | None:
    """
    Return the record of the file that an object names: the current one, or None where there is none.

    Under ``UNRECORDED = "show"`` it may be a superseded one, of a file that was replaced or has gone: such a file is
    not unrecorded.

    One query. Raises ``ImgmodConfigurationError`` for a field that is not watched, as all functions here do but
    ``image_picture``.
    """
    return find_records([Image(obj, _watched(type(obj), field_name))])[0]


def image_records(objects: Iterable[M], field_name: str) -> dict[object, ModerationRecord]:
    """
    Return the records of one image field of many objects of one model, by primary key; see ``image_record``.

    One query; a second one under ``UNRECORDED = "show"`` where some have no current record.
    """
    objects = list(objects)
    if not objects:
        return {}
    watched = _watched(type(objects[0]), field_name)
    if others := {type(obj).__name__ for obj in objects if _watched(type(obj), field_name) != watched}:
        raise ValueError(f"image_records() takes objects of one model, not of {watched.label} and {', '.join(others)}.")
    records = find_records([Image(obj, watched) for obj in objects])
    return {obj.pk: record for obj, record in zip(objects, records, strict=True) if record is not None}


def prefetch_images(objects: Iterable[M], *field_names: str, with_status: bool = False) -> list[M]:
    """
    Return the objects of a page as a list, knowing what the template tags will ask of their images.

    One query for all of them, whatever models they are of. Without ``field_names`` all watched fields are meant;
    ``with_status`` brings along what ``imgmod_status`` tells. What is found stays with each object in memory and is
    not asked for again, as with ``prefetch_related``: take objects of this very request.
    """
    objects = list(objects)
    of_models = {
        model: [_watched(model, name) for name in field_names] or watched_fields(model)
        for model in {*map(type, objects)}
    }
    images = [Image(obj, watched) for obj in objects for watched in of_models[type(obj)]]
    if with_status:
        prefetch_records(images)
    else:
        prefetch_glances(images)
    return objects


def image_picture(obj: models.Model, field_name: str) -> Picture | None:
    """
    Return what a page may show of an object's image: the image, or what stands in its place.

    None without a file, or with one that was not saved yet. One query, none after ``prefetch_images``. For a field that
    is not watched it raises under ``DEBUG`` alone: otherwise the page goes on with a placeholder, and the log says so.
    """
    try:
        watched = _watched(type(obj), field_name)
    except ImgmodConfigurationError as error:
        if settings.DEBUG:
            raise
        logger.warning("picture: %s", error)
        return placeholder()
    return picture_of(Image(obj, watched))


def image_status(obj: models.Model, field_name: str) -> Status | None:
    """Return the status of an object's image, or None where nothing is recorded of it. One query."""
    record = image_record(obj, field_name)
    return None if record is None else Status(record.status)


def is_image_visible(obj: models.Model, field_name: str) -> bool:
    """
    Return whether an object's image may be shown. One query.

    It may if its current record is ``passed``, or was judged without consequence: because the field's policy only
    watches (``shadow``), or because the record is a shadow itself. An image without a record is what
    ``IMGMOD["UNRECORDED"]`` says; a field without a file, or with one that was not saved yet, has nothing to show.
    """
    image = Image(obj, _watched(type(obj), field_name))
    return bool(image.file_name) and is_record_visible(find_records([image])[0])


def filter_visible(queryset: models.QuerySet[M], field_name: str) -> models.QuerySet[M]:
    """
    Return the objects of ``queryset`` whose image may be shown, as ``is_image_visible`` says. One query.

    Raises ``ImgmodConfigurationError`` where records are kept in another database than the objects: SQL cannot look
    into both. ``image_records`` can.
    """
    return visibility.filter_visible(queryset, _watched(queryset.model, field_name))


def moderate_image(obj: models.Model, field_name: str) -> ModerationRecord | None:
    """
    Open a new record for an object's image, as if it had just been uploaded; also one written past the signals.

    The stored object counts, not what ``obj`` looks like in memory. What is known of the same bytes is reused. Return
    the current record, or None where the field has no file.
    """
    watched = _watched(type(obj), field_name)
    using = obj._state.db or router.db_for_write(type(obj), instance=obj)
    target = intake.target_of(watched, obj, using)
    intake.reopen(target)
    forget(Image(obj, watched))
    return ModerationRecord.objects.using(target.record_db).filter(current_key=target.key).first()


def withdraw_accepted_image(obj: models.Model, field_name: str) -> None:
    """
    Show no longer the picture that stays live in the place of an object's image, by ``keep_last_accepted``.

    For one that should never have passed: nobody can decide about it any more, as its record is superseded.
    """
    record = image_record(obj, field_name)
    if record is not None and record.last_accepted_name:
        withdraw_accepted(record, record.last_accepted_name)
        forget(Image(obj, _watched(type(obj), field_name)))


def _watched(model: type[models.Model], field_name: str) -> WatchedField:
    watched = get_watched_field(model, field_name)
    if watched is None:
        raise ImgmodConfigurationError(
            f'{model._meta.label}.{field_name} is not watched. Name it in IMGMOD["FIELDS"] or with @moderate.'
        )
    return watched
