"""
What the signals did not see: rows written past them, and records of what is gone.

Walks one watched field in the order of keys, a batch at a time, so that memory stays flat however many rows there are.
What is found is mended at once, and mending it again does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from django.db.models import Q

from ..choices import Discrepancy, Status
from ..models import ModerationRecord, ModerationRecordQuerySet
from ..registry import WatchedField
from .intake import Target, confirm, reopen
from .sources import read_digest
from .walk import BATCH, Row, Walk, batches

# Row and record agree about the name of the file: only its bytes can be wrong.
_OF_BYTES: Final = frozenset({Discrepancy.FILE_MISSING, Discrepancy.OVERWRITTEN})


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not agree, and where."""

    discrepancy: Discrepancy
    target: Target
    file_name: str


def reconcile(
    watched: WatchedField, *, using: str, is_dry: bool = False, is_rehashing: bool = False, batch: int = BATCH
) -> Iterator[Finding]:
    """
    Compare each row of a watched field with its record and each record with its row; yield what does not agree.

    ``using`` is the database of the rows. Unless ``is_dry``, what is found is mended: a file without a record gets one
    and is judged as the dispatcher sees fit, a record without an object is superseded, overwritten bytes are judged
    anew. A file that is still gone is for a person to mend. Only with ``is_rehashing`` are the files read. Raises what
    the databases and the storage raise; what was mended before stays mended.
    """
    for finding in _findings(Walk.through(watched, using=using, batch=batch), is_rehashing=is_rehashing):
        if not is_dry and finding.discrepancy != Discrepancy.GONE:
            (reopen if finding.discrepancy in _OF_BYTES else confirm)(finding.target)
        yield finding


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a field's rows and records that was compared, and where the next part begins."""

    found_count: int
    left_count: int
    """How many of them are older than the app and were left alone."""
    phase: int
    """0 among the rows, 1 among the records, 2 where everything has been compared."""
    position: str
    """The last key that was looked at, as text."""


def reconcile_slice(
    walk: Walk, *, phase: int, position: str, is_old: Callable[[Finding], bool] = lambda finding: False
) -> Slice:
    """
    Compare and mend the next ``walk.batch`` rows or records after ``position``, but for rows that ``is_old`` spares.

    Only rows that have never had a record can be. Left alone as well are rows whose file is still not there: each look
    at them would leave a record. Reads no file. Raises as ``reconcile``.
    """
    batch: Sequence[Row] | Sequence[ModerationRecord]
    if phase == 0:
        after = Q(pk__gt=walk.pk_of(position)) if position else Q()
        batch = next(walk.rows(after), [])
        findings = list(_without_their_record(walk, batch))
        earlier = _earlier_names(walk, findings)
        old = {each.target.key for each in findings if each.target.object_id not in earlier and is_old(each)}
        spared = old | _still_gone(walk, findings, earlier)
    else:
        after = Q(pk__gt=position) if position else Q()
        batch = next(batches(_records(walk).filter(after), walk.batch), [])
        findings, old, spared = list(_without_their_object(walk, batch)), set(), set()
    found = [finding for finding in findings if finding.target.key not in spared]
    for finding in found:
        confirm(finding.target)
    if len(batch) < walk.batch:
        return Slice(len(found), len(old), phase + 1, "")
    return Slice(len(found), len(old), phase, str(batch[-1].pk))


def _earlier_names(walk: Walk, findings: Sequence[Finding]) -> dict[str, set[str]]:
    """
    Return the files that the superseded records of these rows are of, by object; none for a row with a current record.

    Rows that have never had a record are not in it.
    """
    if not findings:
        return {}
    names: dict[str, set[str]] = {}
    current = set()
    object_ids = [finding.target.object_id for finding in findings]
    records = walk.records().for_images(walk.watched.model, object_ids, walk.watched.name)
    for object_id, file_name, status in records.order_by().values_list("object_id", "file_name", "status").distinct():
        names.setdefault(object_id, set()).add(file_name)
        if status != Status.SUPERSEDED:
            current.add(object_id)
    return {object_id: set() if object_id in current else names[object_id] for object_id in names}


def _still_gone(walk: Walk, findings: Sequence[Finding], earlier: Mapping[str, Collection[str]]) -> set[str]:
    """Return the keys of rows without a current record whose file had one before, and is not in the storage."""
    storage = walk.watched.field.storage
    gone = set()
    for finding in findings:
        if finding.file_name not in earlier.get(finding.target.object_id, ()):
            continue
        try:
            if not storage.exists(finding.file_name):
                gone.add(finding.target.key)
        except Exception:  # noqa: BLE001 - whatever a storage raises; the record that is opened will say it
            break
    return gone


def _findings(walk: Walk, *, is_rehashing: bool) -> Iterator[Finding]:
    for rows in walk.rows():
        findings = list(_without_their_record(walk, rows))
        gone = _still_gone(walk, findings, _earlier_names(walk, findings))
        for finding in findings:
            yield replace(finding, discrepancy=Discrepancy.GONE) if finding.target.key in gone else finding
    for records in batches(_records(walk), walk.batch):
        yield from _without_their_object(walk, records)
    if is_rehashing:
        yield from _records_of_other_bytes(walk)


def _without_their_record(walk: Walk, rows: Sequence[Row]) -> Iterator[Finding]:
    recorded = walk.current_by_key(rows, "file_name")
    for row in rows:
        if [row.file_name] != recorded.get(row.key, [""]):
            yield Finding(Discrepancy.UNRECORDED, walk.target(row.object_id, row.pk), row.file_name)


def _without_their_object(walk: Walk, records: Sequence[ModerationRecord]) -> Iterator[Finding]:
    keys = {record.object_id: walk.pk_of(record.object_id) for record in records}
    known = [key for key in keys.values() if key is not None]
    found = set(walk.objects().filter(pk__in=known).values_list("pk", flat=True))
    for record in records:
        if keys[record.object_id] not in found:
            target = walk.target(record.object_id, keys[record.object_id])
            yield Finding(Discrepancy.OBJECT_MISSING, target, record.file_name)


def _records(walk: Walk) -> ModerationRecordQuerySet:
    return walk.current().only("object_id", "file_name")


def _records_of_other_bytes(walk: Walk) -> Iterator[Finding]:
    judged = walk.current().exclude(sha256="").select_related("content_type").defer("raw")
    for records in batches(judged, walk.batch):
        for record in records:
            target = walk.target(record.object_id, walk.pk_of(record.object_id))
            try:
                has_changed = read_digest(record) != record.sha256
            except FileNotFoundError:
                yield Finding(Discrepancy.FILE_MISSING, target, record.file_name)
            else:
                if has_changed:
                    yield Finding(Discrepancy.OVERWRITTEN, target, record.file_name)
