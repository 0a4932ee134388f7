"""
Trying again what failed, once the cause is mended.

What ended in its policy's ``on_error`` is opened anew: another record takes its place, and the failed one stays as
evidence. What still waits for its next attempt becomes due now, with all its attempts before it. What a person has
decided about is never touched.
"""

from __future__ import annotations

import logging
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from ..choices import UNDECIDED, Lane, RiskLevel, Status
from ..clock import DatabaseNow
from ..exceptions import RecordConflict
from ..models import Decision, ModerationRecord, ModerationRecordQuerySet
from ..registry import WatchedField
from ..signals import work_due
from .intake import Target, confirm, open_record
from .transitions import change_status
from .walk import BATCH, Walk, batches_along

logger = logging.getLogger("django_imgmod")

_ENDED: Final = (Status.IN_REVIEW, Status.BLOCKED)
# What is read of a failed record: its answer, up to 64 KB, is not.
_COLUMNS: Final = (
    "public_id",
    "content_type",
    "object_id",
    "field_name",
    "file_name",
    "status",
    "error_code",
    "is_shadow",
    "version",
    "provider",
    "created_at",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which failed records are meant: those for which all of this is true."""

    fields: Sequence[WatchedField]
    public_ids: Collection[uuid.UUID] | None = None
    provider: str | None = None
    since: datetime | None = None
    """Recorded then or later."""

    def has(self, record: ModerationRecord) -> bool:
        """
        Whether a failed record is one of these, leaving out in which field it is.

        Not asked in SQL, where an index that fits could tempt away from the keys that were found.
        """
        is_recent = self.since is None or record.created_at >= self.since
        return is_recent and self.provider in (None, record.provider)


def failed(records: ModerationRecordQuerySet) -> ModerationRecordQuerySet:
    """
    Narrow records down to those that a failure holds up or has ended, and that are no person's yet: nobody has decided
    about them, handed them on or asked for a second look.
    """
    decisions = Decision.objects.filter(record=OuterRef("pk"))
    has_ended = Q(status__in=_ENDED, reused_from__isnull=True, lane=Lane.FIRST) & ~Exists(decisions)
    return records.exclude(error_code="").filter(Q(status__in=UNDECIDED) | has_ended)


def has_failed(record: ModerationRecord) -> bool:
    """Return the same for one record on which no person can have decided yet."""
    return bool(record.error_code) and (record.is_open or (record.status in _ENDED and record.reused_from_id is None))


def retry(record: ModerationRecord, target: Target) -> uuid.UUID | None:
    """
    Have a failed record tried again; return the public id of the one to work on, None where it has changed meanwhile.

    ``target`` must still name the record's file. Wakes nobody.
    """
    if record.is_open:
        waiting = ModerationRecord.objects.using(record._state.db).filter(pk=record.pk, version=record.version)
        is_free = Q(lease_until__isnull=True) | Q(lease_until__lte=DatabaseNow())
        is_due = waiting.exclude(error_code="").filter(is_free).update(due_at=DatabaseNow(), attempt_count=0)
        return record.public_id if is_due else None
    try:
        with transaction.atomic(using=record._state.db):
            change_status(record, Status.SUPERSEDED)
            public_id = open_record(
                target,
                record.file_name,
                is_shadow=record.is_shadow,
                last_accepted_name=record.last_accepted_name,
            )
    except RecordConflict as conflict:
        logger.info("retry=overtaken record=%s %s", record.public_id, conflict)
        return None
    logger.info("retry=%s record=%s error=%s", public_id, record.public_id, record.error_code)
    return public_id


def retry_failed(selection: Selection, *, using: str, is_dry: bool = False) -> Iterator[ModerationRecord]:
    """
    Try again the failed records of watched fields, as the dispatcher sees fit; yield each that was.

    ``using`` is the database of the objects. With ``is_dry`` they are only found. A record whose object names another
    file by now, or is gone, is not tried again but brought into line. What fails again is left for another time.
    """
    by_database: defaultdict[str, list[Walk]] = defaultdict(list)
    for watched in selection.fields:
        walk = Walk.through(watched, using=using)
        by_database[walk.record_db].append(walk)
    for record_db, walks in by_database.items():
        walk_of = {_field_of_walk(walk): walk for walk in walks}
        for records in _found(selection, record_db):
            ours = [record for record in records if _field_of(record) in walk_of and selection.has(record)]
            yield from ours if is_dry else _retried(ours, walk_of)


def _retried(
    records: Sequence[ModerationRecord], walk_of: Mapping[tuple[int, str], Walk]
) -> Iterator[ModerationRecord]:
    by_walk: defaultdict[Walk, list[ModerationRecord]] = defaultdict(list)
    for record in records:
        by_walk[walk_of[_field_of(record)]].append(record)
    for walk, of_field in by_walk.items():
        pks = {record.pk: walk.pk_of(record.object_id) for record in of_field}
        stored = walk.stored_names([pk for pk in pks.values() if pk is not None])
        for record in of_field:
            target = walk.target(record.object_id, pks[record.pk])
            if stored.get(target.pk) != record.file_name:
                confirm(target)
            elif public_id := retry(record, target):
                work_due.send(ModerationRecord, public_id=public_id, using=walk.record_db)
                yield record


def _field_of(record: ModerationRecord) -> tuple[int, str]:
    return record.content_type_id, record.field_name


def _field_of_walk(walk: Walk) -> tuple[int, str]:
    content_type = ContentType.objects.db_manager(walk.record_db).get_for_model(walk.watched.model)
    return content_type.pk, walk.watched.name


def _found(selection: Selection, using: str) -> Iterator[Sequence[ModerationRecord]]:
    records = ModerationRecord.objects.using(using).only(*_COLUMNS)
    if selection.public_ids is not None:
        yield list(failed(records.filter(public_id__in=selection.public_ids)))
        return
    for pks in _candidates(ModerationRecord.objects.using(using), selection.since):
        yield list(failed(records.filter(pk__in=pks)).order_by("pk"))


def _candidates(records: ModerationRecordQuerySet, since: datetime | None) -> Iterator[list[Any]]:
    """
    Yield the keys of the records that may have failed, along an index: reading every record would take minutes.

    What is tried again comes to be pending: so the pending ones are the last, and none that begins to be from now on.
    """
    began_at = timezone.now()
    for status in (*_ENDED, *UNDECIDED):
        # Without a risk level, unless the provider's verdict came too late.
        for risk_level in ("", *RiskLevel.values):
            alike = records.filter(status=status, risk_level=risk_level, created_at__lt=began_at)
            if since is not None:
                alike = alike.filter(created_at__gte=since)
            yield from batches_along(alike, "created_at", BATCH)
