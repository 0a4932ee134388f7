"""Which rows have an image that may be shown, or is in a status, as the database can tell of all of them at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar, cast

from django.contrib.contenttypes.models import ContentType
from django.db import connections, models, router
from django.db.models import Exists, Expression, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat, Substr

from ...choices import Status
from ...conf import MAX_KEY_LENGTH, imgmod_settings
from ...exceptions import ImgmodConfigurationError
from ...models import ModerationRecord, ModerationRecordQuerySet
from ...registry import WatchedField, key_field_of
from ..intake import record_database

M = TypeVar("M", bound=models.Model)


def filter_visible(queryset: models.QuerySet[M], watched: WatchedField) -> models.QuerySet[M]:
    """
    Return the objects of ``queryset`` whose image may be shown, as ``is_record_visible`` says. One query.

    Raises ``ImgmodConfigurationError`` where records are kept in another database than the objects.
    """
    queryset, recorded = _with_records(queryset, watched)
    showing = recorded.current()
    if watched.policy not in imgmod_settings.shadow_policies:
        showing = showing.filter(Q(status=Status.PASSED) | Q(is_shadow=True))
    may_show = Q(Exists(showing))
    if imgmod_settings.shows_unrecorded:
        may_show |= ~Q(Exists(recorded))
    return queryset.filter(may_show).exclude(_has_no_file(watched))


def filter_status(
    queryset: models.QuerySet[M], watched: WatchedField, statuses: Collection[Status]
) -> models.QuerySet[M]:
    """Return the objects whose image is in one of the statuses. One query. Raises as ``filter_visible``."""
    queryset, recorded = _with_records(queryset, watched)
    return queryset.filter(Exists(recorded.current().filter(status__in=statuses))).exclude(_has_no_file(watched))


def filter_unrecorded(queryset: models.QuerySet[M], watched: WatchedField) -> models.QuerySet[M]:
    """Return the objects whose image has no current record. One query. Raises as ``filter_visible``."""
    queryset, recorded = _with_records(queryset, watched)
    return queryset.filter(~Exists(recorded.current())).exclude(_has_no_file(watched))


def _with_records(
    queryset: models.QuerySet[M], watched: WatchedField
) -> tuple[models.QuerySet[M], ModerationRecordQuerySet]:
    """Return the objects, and the records of the file that each of them names."""
    # Asked once: a router may choose another replica each time.
    using = queryset.db
    _require_one_database(watched, using)
    recorded = ModerationRecord.objects.filter(
        content_type=ContentType.objects.db_manager(using).get_for_model(watched.model),
        object_id=OuterRef("_imgmod_object_id"),
        field_name=watched.name,
        file_name=OuterRef(watched.name),
    )
    with_key = queryset.using(using).alias(_imgmod_object_id=_object_id_expression(watched.model, using))
    return cast("models.QuerySet[M]", with_key), recorded


def _has_no_file(watched: WatchedField) -> Q:
    return Q(**{watched.name: ""}) | Q(**{f"{watched.name}__isnull": True})


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
    record_db = record_database(instance, using)
    if object_db != record_db:
        raise ImgmodConfigurationError(
            f'Records of {watched.label} are kept in the database "{record_db}", the objects in "{object_db}". '
            "Use image_records() and is_record_visible() instead."
        )
