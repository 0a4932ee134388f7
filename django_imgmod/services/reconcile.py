"""
What the signals did not see: rows written past them, and records of what is gone.

Walks one watched field in the order of keys, a batch at a time, so that memory stays flat however many rows there are.
What is found is mended at once, and mending it again does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models

from ..choices import Discrepancy
from ..models import ModerationRecord, ModerationRecordQuerySet
from ..registry import WatchedField, key_field_of
from .intake import Target, confirm, record_database, reopen
from .sources import read_digest

BATCH: Final = 1000

# Row and record agree about the name of the file: only its bytes can be wrong.
_OF_BYTES: Final = frozenset({Discrepancy.FILE_MISSING, Discrepancy.OVERWRITTEN})

M = TypeVar("M", bound=models.Model)


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
    anew. Only with ``is_rehashing`` are the files read. Raises what the databases and the storage raise; what was
    mended before stays mended.
    """
    walk = _Walk(watched, using, record_database(watched.model(), using), batch)
    for finding in walk.findings(is_rehashing=is_rehashing):
        if not is_dry:
            (reopen if finding.discrepancy in _OF_BYTES else confirm)(finding.target)
        yield finding


@dataclass(frozen=True, slots=True)
class _Walk:
    watched: WatchedField
    object_db: str
    record_db: str
    batch: int

    def findings(self, *, is_rehashing: bool) -> Iterator[Finding]:
        yield from self._rows_without_their_record()
        yield from self._records_without_their_object()
        if is_rehashing:
            yield from self._records_of_other_bytes()

    def _rows_without_their_record(self) -> Iterator[Finding]:
        for rows in _batches(self._objects().only(self.watched.field.name), self.batch):
            names = {self._target(self.watched.object_id(row), row.pk): self.watched.file_name(row) for row in rows}
            recorded = self._recorded_names(names)
            for target, file_name in names.items():
                if file_name != recorded.get(target.key, ""):
                    yield Finding(Discrepancy.UNRECORDED, target, file_name)

    def _records_without_their_object(self) -> Iterator[Finding]:
        for records in _batches(self._current().only("object_id", "file_name"), self.batch):
            keys = {record.object_id: self._key(record.object_id) for record in records}
            known = [key for key in keys.values() if key is not None]
            found = set(self._objects().filter(pk__in=known).values_list("pk", flat=True))
            for record in records:
                if keys[record.object_id] not in found:
                    target = self._target(record.object_id, keys[record.object_id])
                    yield Finding(Discrepancy.OBJECT_MISSING, target, record.file_name)

    def _records_of_other_bytes(self) -> Iterator[Finding]:
        judged = self._current().exclude(sha256="").select_related("content_type").defer("raw")
        for records in _batches(judged, self.batch):
            for record in records:
                target = self._target(record.object_id, self._key(record.object_id))
                try:
                    has_changed = read_digest(record) != record.sha256
                except FileNotFoundError:
                    yield Finding(Discrepancy.FILE_MISSING, target, record.file_name)
                else:
                    if has_changed:
                        yield Finding(Discrepancy.OVERWRITTEN, target, record.file_name)

    def _recorded_names(self, targets: Iterable[Target]) -> dict[str | None, str]:
        keys = [target.key for target in targets]
        records = ModerationRecord.objects.using(self.record_db).filter(current_key__in=keys)
        return dict(records.values_list("current_key", "file_name"))

    def _objects(self) -> models.QuerySet[models.Model]:
        return self.watched.model._base_manager.using(self.object_db)

    def _current(self) -> ModerationRecordQuerySet:
        content_type = ContentType.objects.db_manager(self.record_db).get_for_model(self.watched.model)
        records = ModerationRecord.objects.using(self.record_db).current()
        return records.filter(content_type=content_type, field_name=self.watched.name)

    def _target(self, object_id: str, pk: object) -> Target:
        return Target(self.watched, object_id, pk, self.object_db, self.record_db)

    def _key(self, object_id: str) -> Any:
        """Return the key that a record names, None where it is none of this model's."""
        try:
            return key_field_of(self.watched.model).to_python(object_id)
        except ValidationError:
            return None


def _batches(queryset: models.QuerySet[M], size: int) -> Iterator[list[M]]:
    """Yield the rows in the order of their keys, each batch asked for by the last key of the one before."""
    rows = list(queryset.order_by("pk")[:size])
    while rows:
        yield rows
        rows = list(queryset.filter(pk__gt=rows[-1].pk).order_by("pk")[:size])
