"""What a backfill finds to do in the rows of a watched field."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from django.db.models import Q

from ..choices import Status
from ..models import ModerationRecord
from .intake import Target, confirm, open_record
from .retries import failed, retry
from .walk import Row, Walk


class Need(Enum):
    """What is to be done about a row."""

    NOTHING = auto()
    """Its image has its record."""

    OPEN = auto()
    """It has no record yet."""

    WORK = auto()
    """It has one that nobody has judged yet."""

    RETRY = auto()
    """It has one that failed, and is to be tried again."""

    RECONCILE = auto()
    """Its record is of another file: written past the signals, and none of an old picture's business."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row, and what is to be done about it."""

    row: Row
    need: Need
    public_id: uuid.UUID | None = None
    failure: ModerationRecord | None = None

    @property
    def has_work(self) -> bool:
        return self.need in (Need.OPEN, Need.WORK, Need.RETRY)


def backlog(walk: Walk, condition: Q, *, is_retrying: bool = False) -> Iterator[list[Found]]:
    """
    Go through the rows that have a file and fulfil ``condition``, and say what is to be done about each.

    Two statements a batch, three with ``is_retrying``, which counts what failed among what is to be done.
    """
    for rows in walk.rows(condition & has_file(walk)):
        recorded = walk.current_by_key(rows, "file_name", "status", "public_id")
        failures = _failures(walk, rows) if is_retrying else {}
        yield [_found(row, recorded.get(row.key), failures.get(row.key)) for row in rows]


def has_file(walk: Walk) -> Q:
    """Return the condition that a row has a file."""
    name = walk.watched.name
    return ~Q(**{name: ""}) & Q(**{f"{name}__isnull": False})


def begin(walk: Walk, found: Sequence[Found], *, is_shadow: bool) -> list[uuid.UUID]:
    """
    Do what comes before the work on some rows: open what has no record, make due what failed; return what to work on.

    Wakes nobody. A row that changed since it was read is brought into line instead.
    """
    begun = [(each.row, walk.target(each.row.object_id, each.row.pk), each) for each in found]
    public_ids = [_begin(each, target, is_shadow=is_shadow) for _, target, each in begun]
    # Looked at afterwards: whoever changes a row from now on meets the record.
    stored = walk.stored_names([row.pk for row, _, _ in begun])
    ready = []
    for (row, target, _), public_id in zip(begun, public_ids, strict=True):
        if stored.get(row.pk) != row.file_name:
            confirm(target)
        elif public_id is not None:
            ready.append(public_id)
    return ready


def _begin(found: Found, target: Target, *, is_shadow: bool) -> uuid.UUID | None:
    if found.need == Need.OPEN:
        return open_record(target, found.row.file_name, is_shadow=is_shadow)
    return found.public_id if found.failure is None else retry(found.failure, target)


def _failures(walk: Walk, rows: Collection[Row]) -> dict[str | None, ModerationRecord]:
    records = walk.records().filter(current_key__in=[row.key for row in rows])
    return {record.current_key: record for record in failed(records).defer("raw", "evaluated")}


def _found(row: Row, recorded: tuple[Any, ...] | None, failure: ModerationRecord | None) -> Found:
    if recorded is None:
        return Found(row, Need.OPEN)
    file_name, status, public_id = recorded
    if file_name != row.file_name:
        return Found(row, Need.RECONCILE)
    if failure is not None:
        return Found(row, Need.RETRY, public_id, failure)
    return Found(row, Need.WORK if status == Status.PENDING else Need.NOTHING, public_id)
