"""The record of the file that an object names: one query for a page, whatever models its images are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.contenttypes.models import ContentType
from django.db import models, router
from django.db.models import Exists, OuterRef, Q, Subquery

from ...choices import Outcome, Status
from ...conf import imgmod_settings
from ...models import Appeal, Decision, ModerationRecord, ModerationRecordQuerySet, current_key
from ...registry import WatchedField, get_watched_field

# Where prefetched records are kept on an object: by field, with the name of the file that was asked about.
_PREFETCHED: Final = "_imgmod_prefetched"


# What is read of decisions and appeals beside a record.
_HISTORY: Final = ("_imgmod_reason_code", "_imgmod_is_appealed")


@dataclass(frozen=True, slots=True)
class History:
    """What people did about a record, as far as its editor may know."""

    reason_code: str | None
    """Of the decision that blocked it: empty where none was named, None where no person blocked it."""

    is_appealed: bool
    """Whether a second look was asked for, whatever came of it."""


@dataclass(frozen=True, slots=True)
class Image:
    """One watched field of an object in memory."""

    obj: models.Model
    watched: WatchedField

    @property
    def file_name(self) -> str:
        return self.watched.file_name(self.obj)

    @property
    def key(self) -> str:
        return current_key(self.watched.model, self.watched.object_id(self.obj), self.watched.name)


def record_of(image: Image) -> ModerationRecord | None:
    """
    Return the record of the file that an object names: the current one, or None where there is none.

    Under ``UNRECORDED = "show"`` it may be a superseded one, of a file that was replaced or has gone: such a file is
    not unrecorded. No query where ``prefetch_records`` was asked about this file, else those of ``find_records``.
    """
    name, record = image.obj.__dict__.get(_PREFETCHED, {}).get(image.watched.name, (None, None))
    return record if name == image.file_name else find_records([image])[0]


def prefetch_records(images: Sequence[Image]) -> None:
    """Leave the record of each image with its object, for ``record_of``. The queries are those of ``find_records``."""
    for image, record in zip(images, find_records(images), strict=True):
        image.obj.__dict__.setdefault(_PREFETCHED, {})[image.watched.name] = (image.file_name, record)


def find_records(images: Sequence[Image]) -> list[ModerationRecord | None]:
    """
    Return the records of many images, in their order.

    One query for each database that keeps records; under ``UNRECORDED = "show"`` one more for each field of which some
    have no current record; one more for the labels where editors see them. The provider's raw answers are left in the
    database.
    """
    found: list[ModerationRecord | None] = [None] * len(images)
    by_database: defaultdict[str, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        if image.file_name and image.obj.pk is not None:
            by_database[router.db_for_read(ModerationRecord, instance=image.obj)].append(number)
    for using, numbers in by_database.items():
        keys = {number: images[number].key for number in numbers}
        rows = _for_pages(ModerationRecord.objects.using(using).filter(current_key__in=set(keys.values())))
        by_key = {record.current_key: record for record in rows}
        for number in numbers:
            found[number] = _if_of_its_file(images[number], by_key.get(keys[number]))
        if imgmod_settings.shows_unrecorded:
            _find_superseded(images, [number for number in numbers if found[number] is None], found, using)
    return found


def is_record_visible(record: ModerationRecord | None) -> bool:
    """
    Return whether the file of a record may be shown; None stands for "no record".

    It may if the record is ``passed``, or was judged without consequence: because the field's policy only watches
    (``shadow``), or because the record is a shadow itself. What has no record is as ``IMGMOD["UNRECORDED"]`` says.
    """
    if record is None:
        return imgmod_settings.shows_unrecorded
    if record.status == Status.PASSED:
        return True
    return record.is_current and (record.is_shadow or _is_shown_in_shadow(record))


def history_of(record: ModerationRecord) -> History:
    """Return what people did about a record. No query for a record of ``find_records``, else one."""
    if not hasattr(record, "_imgmod_is_appealed"):
        records = ModerationRecord.objects.using(record._state.db).filter(pk=record.pk)
        return History(*(_with_history(records).values_list(*_HISTORY).first() or (None, False)))
    return History(*(getattr(record, name) for name in _HISTORY))


def _for_pages(records: ModerationRecordQuerySet) -> ModerationRecordQuerySet:
    records = _with_history(records).defer("raw", "evaluated")
    return records.prefetch_related("detected_labels") if imgmod_settings.editors.see_labels else records


def _with_history(records: Any) -> Any:
    about = Q(record=OuterRef("pk")) | Q(record=OuterRef("reused_from"))
    blocks = Decision.objects.filter(about, outcome=Outcome.BLOCK, undoes=None, undone_by=None).order_by("-pk")
    return records.annotate(
        _imgmod_reason_code=Subquery(blocks.values("reason_code")[:1]),
        _imgmod_is_appealed=Exists(Appeal.objects.filter(record=OuterRef("pk"))),
    )


def _find_superseded(
    images: Sequence[Image], numbers: Iterable[int], found: list[ModerationRecord | None], using: str
) -> None:
    """What was recorded once is not unrecorded: an earlier record of that very file still counts."""
    by_field: defaultdict[WatchedField, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number in numbers:
        watched = images[number].watched
        by_field[watched][watched.object_id(images[number].obj)].append(number)
    for watched, by_object_id in by_field.items():
        records = ModerationRecord.objects.using(using).for_images(watched.model, by_object_id, watched.name)
        for record in _for_pages(records):
            for number in by_object_id[record.object_id]:
                found[number] = _if_of_its_file(images[number], record) or found[number]


def _if_of_its_file(image: Image, record: ModerationRecord | None) -> ModerationRecord | None:
    """A record of another file says nothing about the one that the object names."""
    return record if record is not None and record.file_name == image.file_name else None


def _is_shown_in_shadow(record: ModerationRecord) -> bool:
    """Whether the policy that the image's field has today, not the one it was judged by, only watches."""
    content_type = ContentType.objects.db_manager(record._state.db).get_for_id(record.content_type_id)
    model = content_type.model_class()
    watched = get_watched_field(model, record.field_name) if model else None
    return watched is not None and watched.policy in imgmod_settings.shadow_policies
