"""What a host project's own code asks and does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, router
from django.db.models import Exists, Expression, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat, Substr

from .choices import Status
from .conf import imgmod_settings
from .exceptions import ImgmodConfigurationError
from .models import ModerationRecord
from .registry import WatchedField, get_watched_field
from .services import intake

M = TypeVar("M", bound=models.Model)


def image_record(obj: models.Model, field_name: str) -> ModerationRecord | None:
    """
    Return the current record of an object's image, or None where there is none for the file that the object names.

    One query. Raises ``ImgmodConfigurationError`` for a field that is not watched, as all functions here do.
    """
    return image_records([obj], field_name).get(obj.pk)


def image_records(objects: Iterable[M], field_name: str) -> dict[object, ModerationRecord]:
    """Return the current records of one image field of many objects of one model, by primary key; one query."""
    objects = list(objects)
    if not objects:
        return {}
    watched = _watched(type(objects[0]), field_name)
    by_object_id = {watched.object_id(obj): obj for obj in objects}
    using = router.db_for_read(ModerationRecord, instance=objects[0])
    records = ModerationRecord.objects.using(using).for_field(watched.model, by_object_id, field_name)
    return {
        by_object_id[record.object_id].pk: record
        for record in records
        # A record of another file says nothing about this one.
        if record.file_name == watched.file_name(by_object_id[record.object_id])
    }


def image_status(obj: models.Model, field_name: str) -> Status | None:
    """Return the status of an object's image, or None where nothing is recorded of it. One query."""
    record = image_record(obj, field_name)
    return None if record is None else Status(record.status)


def is_image_visible(obj: models.Model, field_name: str) -> bool:
    """
    Return whether an object's image may be shown. One query.

    It may if its current record is ``passed`` or its policy only watches (``shadow``). An image without a record is
    what ``IMGMOD["UNRECORDED"]`` says; a field without a file has nothing to show.
    """
    return bool(_watched(type(obj), field_name).file_name(obj)) and is_record_visible(image_record(obj, field_name))


def is_record_visible(record: ModerationRecord | None) -> bool:
    """Return the same for a record that is at hand already; None stands for "no record"."""
    if record is None:
        return imgmod_settings.shows_unrecorded
    return record.status == Status.PASSED or record.policy in imgmod_settings.shadow_policies


def filter_visible(queryset: models.QuerySet[M], field_name: str) -> models.QuerySet[M]:
    """
    Return the objects of ``queryset`` whose image may be shown, as ``is_image_visible`` says. One query.

    Raises ``ImgmodConfigurationError`` where records are kept in another database than the objects: SQL cannot look
    into both. ``image_records`` can.
    """
    watched = _watched(queryset.model, field_name)
    record_db = router.db_for_read(ModerationRecord, instance=_instance_in(queryset))
    if record_db != queryset.db:
        raise ImgmodConfigurationError(
            f'Records of {watched.label} are kept in the database "{record_db}", the objects in "{queryset.db}". '
            "Use image_records() and is_record_visible() instead."
        )
    content_type = ContentType.objects.db_manager(record_db).get_for_model(watched.model)
    current = ModerationRecord.objects.current().filter(
        content_type=content_type,
        object_id=OuterRef("_imgmod_object_id"),
        field_name=field_name,
        file_name=OuterRef(field_name),
    )
    may_show = Q(Exists(current.filter(Q(status=Status.PASSED) | Q(policy__in=imgmod_settings.shadow_policies))))
    if imgmod_settings.shows_unrecorded:
        may_show |= ~Q(Exists(current))
    with_key = queryset.alias(_imgmod_object_id=_object_id_expression(watched.model, record_db))
    has_no_file = Q(**{field_name: ""}) | Q(**{f"{field_name}__isnull": True})
    return cast("models.QuerySet[M]", with_key.filter(may_show).exclude(has_no_file))


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
    return ModerationRecord.objects.using(target.record_db).filter(current_key=target.key).first()


def _object_id_expression(model: type[models.Model], using: str) -> Expression:
    """
    Return the SQL of ``registry.object_id_of``: a row's key as the text that its record names.

    A UUID needs help where the database keeps it as 32 digits.
    """
    key = Cast("pk", models.CharField(max_length=255))
    if not isinstance(model._meta.pk, models.UUIDField) or connections[using].features.has_native_uuid_field:
        return key
    groups = [Substr(key, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    hyphenated = [part for group in groups for part in (Value("-"), group)][1:]
    return Concat(*hyphenated, output_field=models.CharField(max_length=255))


def _instance_in(queryset: models.QuerySet[M]) -> M:
    """Return an instance that the database router takes for one of the queryset's."""
    instance = queryset.model()
    instance._state.db = queryset.db
    return instance


def _watched(model: type[models.Model], field_name: str) -> WatchedField:
    watched = get_watched_field(model, field_name)
    if watched is None:
        raise ImgmodConfigurationError(
            f'{model._meta.label}.{field_name} is not watched. Name it in IMGMOD["FIELDS"] or with @moderate.'
        )
    return watched
