"""What a host project's own code asks and does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, router
from django.db.models import Exists, Expression, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat, Substr

from .choices import Status
from .conf import MAX_KEY_LENGTH, imgmod_settings
from .exceptions import ImgmodConfigurationError
from .models import ModerationRecord
from .registry import WatchedField, get_watched_field, key_field_of
from .services import intake

M = TypeVar("M", bound=models.Model)


def image_record(obj: models.Model, field_name: str) -> ModerationRecord | None:
    """
    Return the record of the file that an object names: the current one, or None where there is none.

    Under ``UNRECORDED = "show"`` it may be a superseded one, of a file that was replaced or has gone: such a file is
    not unrecorded.

    One query. Raises ``ImgmodConfigurationError`` for a field that is not watched, as all functions here do.
    """
    return image_records([obj], field_name).get(obj.pk)


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
    by_object_id = {watched.object_id(obj): obj for obj in objects}
    using = router.db_for_read(ModerationRecord, instance=objects[0])
    records = ModerationRecord.objects.using(using)
    found = _of_their_files(watched, by_object_id, records.for_field(watched.model, by_object_id, field_name))
    if imgmod_settings.shows_unrecorded and len(found) < len(by_object_id):
        # What was recorded once is not unrecorded: an earlier record of that very file still counts.
        missing = [object_id for object_id, obj in by_object_id.items() if obj.pk not in found]
        found = _of_their_files(watched, by_object_id, records.for_images(watched.model, missing, field_name)) | found
    return found


def _of_their_files(
    watched: WatchedField, by_object_id: Mapping[str, models.Model], records: Iterable[ModerationRecord]
) -> dict[object, ModerationRecord]:
    """By primary key, leaving out records of other files: they say nothing about the one that the object names."""
    return {
        by_object_id[record.object_id].pk: record
        for record in records
        if record.file_name == watched.file_name(by_object_id[record.object_id])
    }


def image_status(obj: models.Model, field_name: str) -> Status | None:
    """Return the status of an object's image, or None where nothing is recorded of it. One query."""
    record = image_record(obj, field_name)
    return None if record is None else Status(record.status)


def is_image_visible(obj: models.Model, field_name: str) -> bool:
    """
    Return whether an object's image may be shown. One query.

    It may if its current record is ``passed``, or was judged without consequence: because the field's policy only
    watches (``shadow``), or because the record is a shadow itself. An image without a record is what
    ``IMGMOD["UNRECORDED"]`` says; a field without a file has nothing to show.
    """
    return bool(_watched(type(obj), field_name).file_name(obj)) and is_record_visible(image_record(obj, field_name))


def is_record_visible(record: ModerationRecord | None) -> bool:
    """Return the same for a record that is at hand already; None stands for "no record"."""
    if record is None:
        return imgmod_settings.shows_unrecorded
    if record.status == Status.PASSED:
        return True
    return record.is_current and (record.is_shadow or _is_shown_in_shadow(record))


def _is_shown_in_shadow(record: ModerationRecord) -> bool:
    """Whether the policy that the image's field has today, not the one it was judged by, only watches."""
    content_type = ContentType.objects.db_manager(record._state.db).get_for_id(record.content_type_id)
    model = content_type.model_class()
    watched = get_watched_field(model, record.field_name) if model else None
    return watched is not None and watched.policy in imgmod_settings.shadow_policies


def filter_visible(queryset: models.QuerySet[M], field_name: str) -> models.QuerySet[M]:
    """
    Return the objects of ``queryset`` whose image may be shown, as ``is_image_visible`` says. One query.

    Raises ``ImgmodConfigurationError`` where records are kept in another database than the objects: SQL cannot look
    into both. ``image_records`` can.
    """
    watched = _watched(queryset.model, field_name)
    # Asked once: a router may choose another replica each time.
    using = queryset.db
    _require_one_database(watched, using)
    recorded = ModerationRecord.objects.filter(
        content_type=ContentType.objects.db_manager(using).get_for_model(watched.model),
        object_id=OuterRef("_imgmod_object_id"),
        field_name=field_name,
        file_name=OuterRef(field_name),
    )
    showing = recorded.current()
    if watched.policy not in imgmod_settings.shadow_policies:
        showing = showing.filter(Q(status=Status.PASSED) | Q(is_shadow=True))
    may_show = Q(Exists(showing))
    if imgmod_settings.shows_unrecorded:
        may_show |= ~Q(Exists(recorded))
    with_key = queryset.using(using).alias(_imgmod_object_id=_object_id_expression(watched.model, using))
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
    key = Cast(model._meta.pk.attname, models.CharField(max_length=MAX_KEY_LENGTH))
    is_uuid = isinstance(key_field_of(model), models.UUIDField)
    if not is_uuid or connections[using].features.has_native_uuid_field:
        return key
    groups = [Substr(key, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    hyphenated = [part for group in groups for part in (Value("-"), group)][1:]
    return Concat(*hyphenated, output_field=models.CharField(max_length=MAX_KEY_LENGTH))


def _require_one_database(watched: WatchedField, using: str) -> None:
    """By where both are written: what is read may come from a replica."""
    instance = watched.model()
    instance._state.db = using
    object_db = router.db_for_write(watched.model, instance=instance)
    record_db = intake.record_database(instance, using)
    if object_db != record_db:
        raise ImgmodConfigurationError(
            f'Records of {watched.label} are kept in the database "{record_db}", the objects in "{object_db}". '
            "Use image_records() and is_record_visible() instead."
        )


def _watched(model: type[models.Model], field_name: str) -> WatchedField:
    watched = get_watched_field(model, field_name)
    if watched is None:
        raise ImgmodConfigurationError(
            f'{model._meta.label}.{field_name} is not watched. Name it in IMGMOD["FIELDS"] or with @moderate.'
        )
    return watched
