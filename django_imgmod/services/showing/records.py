"""The record of the file that an object names: one query for a page, whatever models its images are of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.db import models, router
from django.db.models import Exists, OuterRef, Subquery
from django.db.models.functions import Coalesce

from ...choices import Outcome, Status
from ...conf import imgmod_settings
from ...models import Appeal, Decision, ModerationRecord, ModerationRecordQuerySet, current_key
from ...registry import WatchedField, get_watched_field

# Where what was prefetched is kept on an object, with what was asked about: where Django keeps its own, which
# refresh_from_db() forgets.
_PREFETCHED: Final = "_prefetched_objects_cache"

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
    """One watched field of an object, as it is in memory right now."""

    obj: models.Model
    watched: WatchedField
    file_name: str = field(init=False)
    """The name in the storage; empty where there is no file, or one that was not saved yet."""

    def __post_init__(self) -> None:
        file = getattr(self.obj, self.watched.field.attname)
        is_saved = self.obj.pk is not None and getattr(file, "_committed", True)
        object.__setattr__(self, "file_name", file.name or "" if is_saved else "")

    @property
    def key(self) -> str:
        return current_key(self.watched.model, self.watched.object_id(self.obj), self.watched.name)


class Row(Protocol):
    """A record, or some of its columns."""

    @property
    def object_id(self) -> str: ...

    @property
    def current_key(self) -> str | None: ...

    @property
    def file_name(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def is_shadow(self) -> bool: ...


R = TypeVar("R", bound=Row)
# What is read of records, and of the current ones with these keys in this database.
Read = Callable[[ModerationRecordQuerySet], Iterable[R]]
ReadCurrent = Callable[[str, set[str]], Iterable[R]]


def record_of(image: Image) -> ModerationRecord | None:
    """
    Return the record of the file that an object names: the current one, or None where there is none.

    Under ``UNRECORDED = "show"`` it may be a superseded one, of a file that was replaced or has gone: such a file is
    not unrecorded. No query where ``prefetch_records`` was asked about this file, else those of ``find_records``.
    """
    is_known, record = prefetched(image)
    is_whole = record is None or isinstance(record, ModerationRecord)
    return record if is_known and is_whole else find_records([image])[0]


def prefetch_records(images: Sequence[Image]) -> None:
    """Leave the record of each image with its object, for ``record_of``. The queries are those of ``find_records``."""
    leave(images, find_records(images))


def prefetched(image: Image) -> tuple[bool, Any]:
    """Return whether something was left about the very file that an object names, and what."""
    left = image.obj.__dict__.get(_PREFETCHED, {}).get(_place(image))
    return (True, left[1]) if left and left[0] == _about(image) else (False, None)


def leave(images: Iterable[Image], found: Iterable[Any]) -> None:
    """Leave something about each image with its object, for ``prefetched``."""
    for image, of_image in zip(images, found, strict=True):
        image.obj.__dict__.setdefault(_PREFETCHED, {})[_place(image)] = (_about(image), of_image)


def forget(image: Image) -> None:
    """Take away what was left about an image, which may be otherwise by now."""
    image.obj.__dict__.get(_PREFETCHED, {}).pop(_place(image), None)


def _place(image: Image) -> str:
    return f"django_imgmod.{image.watched.name}"


def _about(image: Image) -> tuple[object, ...]:
    """A copy of an object takes along what was left with it, and is another one."""
    return image.obj._state.db, image.obj.pk, image.file_name


def find_records(images: Sequence[Image]) -> list[ModerationRecord | None]:
    """
    Return the records of many images, in their order.

    One query for each database that keeps records; under ``UNRECORDED = "show"`` one more for each field of which some
    have no current record; one more for the labels where editors see them. The provider's raw answers are left in the
    database.
    """

    def read_current(using: str, keys: set[str]) -> Iterable[ModerationRecord]:
        return _whole(ModerationRecord.objects.using(using).filter(current_key__in=keys))

    return find_rows(images, read_current, _whole)


def find_rows(images: Sequence[Image], read_current: ReadCurrent[R], read: Read[R]) -> list[R | None]:
    """Return what is read of the records of many images, in their order; see ``find_records``."""
    found: list[R | None] = [None] * len(images)
    by_database: defaultdict[str, list[int]] = defaultdict(list)
    for number, image in enumerate(images):
        if image.file_name:
            by_database[router.db_for_read(ModerationRecord, instance=image.obj)].append(number)
    for using, numbers in by_database.items():
        keys = {number: images[number].key for number in numbers}
        by_key = {row.current_key: row for row in read_current(using, set(keys.values()))}
        for number in numbers:
            found[number] = _if_of(images[number], by_key.get(keys[number]))
        if imgmod_settings.shows_unrecorded:
            missing = [(number, images[number]) for number in numbers if found[number] is None]
            for number, row in _superseded(missing, read, using):
                found[number] = _if_of(images[number], row) or found[number]
    return found


def is_record_visible(record: ModerationRecord | None) -> bool:
    """
    Return whether the file of a record may be shown; None stands for "no record".

    It may if the record is ``passed``, or was judged without consequence: because the field's policy only watches
    (``shadow``), or because the record is a shadow itself. What has no record is as ``IMGMOD["UNRECORDED"]`` says.
    """
    if record is None:
        return imgmod_settings.shows_unrecorded
    return may_be_shown(record, lambda: _is_only_watched(record))


def may_be_shown(row: Row, is_only_watched: Callable[[], bool]) -> bool:
    """Return the same for what was read of a record, whose field's policy may only watch."""
    if row.status == Status.PASSED:
        return True
    return row.current_key is not None and (row.is_shadow or is_only_watched())


def history_of(record: ModerationRecord) -> History:
    """Return what people did about a record. No query for a record of ``find_records``, else one."""
    if not hasattr(record, "_imgmod_is_appealed"):
        records = ModerationRecord.objects.using(record._state.db).filter(pk=record.pk)
        return History(*(_with_history(records).values_list(*_HISTORY).first() or (None, False)))
    return History(*(getattr(record, name) for name in _HISTORY))


def _whole(records: ModerationRecordQuerySet) -> ModerationRecordQuerySet:
    records = _with_history(records).defer("raw", "evaluated")
    return records.prefetch_related("detected_labels") if imgmod_settings.editors.see_labels else records


def _with_history(records: Any) -> Any:
    blocks = Decision.objects.filter(outcome=Outcome.BLOCK, undoes=None, undone_by=None).order_by("-pk")
    # About the record itself, or about the one that it was settled by: each a look into an index, which an OR is not.
    reason_codes = [
        Subquery(blocks.filter(record=OuterRef(name)).values("reason_code")[:1]) for name in ("pk", "reused_from")
    ]
    return records.annotate(
        _imgmod_reason_code=Coalesce(*reason_codes),
        _imgmod_is_appealed=Exists(Appeal.objects.filter(record=OuterRef("pk"))),
    )


def _superseded(images: Iterable[tuple[int, Image]], read: Read[R], using: str) -> Iterator[tuple[int, R]]:
    """Yield the earlier records of images, the oldest first: what was recorded once is not unrecorded."""
    by_field: defaultdict[WatchedField, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, image in images:
        by_field[image.watched][image.watched.object_id(image.obj)].append(number)
    for watched, by_object_id in by_field.items():
        for row in read(ModerationRecord.objects.using(using).for_images(watched.model, by_object_id, watched.name)):
            yield from ((number, row) for number in by_object_id[row.object_id])


def _if_of(image: Image, row: R | None) -> R | None:
    """A record of another file says nothing about the one that the object names."""
    return row if row is not None and row.file_name == image.file_name else None


def _is_only_watched(record: ModerationRecord) -> bool:
    """Whether the policy that the image's field has today, not the one it was judged by, only watches."""
    content_type = ContentType.objects.db_manager(record._state.db).get_for_id(record.content_type_id)
    model = content_type.model_class()
    watched = get_watched_field(model, record.field_name) if model else None
    return watched is not None and watched.policy in imgmod_settings.shadow_policies
