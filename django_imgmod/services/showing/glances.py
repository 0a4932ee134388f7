"""As much of the records of a page as its pictures need, which is far less to read than whole records."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Final, NamedTuple

from django.db import connections

from ...choices import Status
from ...conf import imgmod_settings
from ...models import ModerationRecord, ModerationRecordQuerySet
from .records import Image, Row, find_rows, is_record_visible, leave, may_be_shown, prefetched

# As many images as a statement is built for beforehand. No page has more.
_MAX_LENGTH: Final = 1024


class Glance(NamedTuple):
    """What a page has to know of the record of an image."""

    status: Status | None
    """None where there is no record."""

    is_visible: bool
    last_accepted_name: str = ""
    """The file that was accepted before this one; empty where there is none, or the record is not current."""

    width: int | None = None
    height: int | None = None


class _Columns(NamedTuple):
    object_id: str
    current_key: str | None
    file_name: str
    status: str
    is_shadow: bool
    last_accepted_name: str | None
    width: int | None
    height: int | None


def glance_of(image: Image) -> Glance:
    """Return what a page has to know of an image. No query after ``prefetch_glances`` or ``prefetch_records``."""
    is_known, found = prefetched(image)
    if not is_known:
        return find_glances([image])[0]
    if found is None or isinstance(found, ModerationRecord):
        return _glance(found, is_visible=is_record_visible(found))
    glance: Glance = found
    return glance


def prefetch_glances(images: Sequence[Image]) -> None:
    """
    Leave with each object what ``glance_of`` answers of its image. What ``prefetch_records`` left there may stay.

    One query for each database that keeps records; under ``UNRECORDED = "show"`` one more for each field of which some
    have no current record.
    """
    unknown = [image for image in images if not prefetched(image)[0]]
    leave(unknown, find_glances(unknown))


def find_glances(images: Sequence[Image]) -> list[Glance]:
    """Return what a page has to know of many images, in their order. The queries are those of ``prefetch_glances``."""

    @cache
    def only_watching() -> frozenset[str]:
        return imgmod_settings.shadow_policies

    def is_visible(image: Image, row: Row | None) -> bool:
        if row is None:
            return is_record_visible(None)
        return may_be_shown(row, lambda: image.watched.policy in only_watching())

    rows = find_rows(images, _read_current, _read)
    return [_glance(row, is_visible=is_visible(image, row)) for image, row in zip(images, rows, strict=True)]


def _read(records: ModerationRecordQuerySet) -> Iterator[_Columns]:
    return map(_Columns._make, records.values_list(*_Columns._fields))


def _read_current(using: str, keys: Collection[str]) -> Iterator[_Columns]:
    """To build the statement would take longer than all the rest, so it is built once for each of a few lengths."""
    length = 2 ** (len(keys) - 1).bit_length()
    if length > _MAX_LENGTH:
        return _read(ModerationRecord.objects.using(using).filter(current_key__in=keys))
    parameters = [*keys, *repeat(next(iter(keys)), length - len(keys))]
    with connections[using].cursor() as cursor:
        cursor.execute(_statement(using, length), parameters)
        return map(_Columns._make, cursor.fetchall())


@cache
def _statement(using: str, length: int) -> str:
    records = ModerationRecord.objects.using(using).filter(current_key__in=[str(number) for number in range(length)])
    sql: str = records.values_list(*_Columns._fields).query.get_compiler(using).as_sql()[0]
    return sql


def _glance(row: _Columns | ModerationRecord | None, *, is_visible: bool) -> Glance:
    if row is None:
        return Glance(status=None, is_visible=is_visible)
    last_accepted_name = "" if row.current_key is None else row.last_accepted_name or ""
    return Glance(Status(row.status), is_visible, last_accepted_name, row.width, row.height)
