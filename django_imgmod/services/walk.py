"""
Going through millions of rows or records: a batch at a time, so that memory stays flat and no statement takes long.

Each batch is asked for by the last key of the one before. What was changed meanwhile, here or elsewhere, disturbs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from ..models import ModerationRecord, ModerationRecordQuerySet, current_key
from ..registry import WatchedField, key_field_of
from .intake import Target, record_database

BATCH: Final = 1000

R = TypeVar("R")


class Row(NamedTuple):
    """One row of a watched model."""

    pk: object
    object_id: str
    file_name: str
    """Empty where it has no file."""
    key: str
    """The ``current_key`` of its record."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A watched field whose rows, or records, are gone through, and the databases that hold them."""

    watched: WatchedField
    object_db: str
    record_db: str
    batch: int

    @classmethod
    def through(cls, watched: WatchedField, *, using: str, batch: int = BATCH) -> Walk:
        """Return the walk through a field whose rows are in the database ``using``, ``batch`` of them at a time."""
        return cls(watched, using, record_database(watched.model(), using), batch)

    def rows(self, condition: Q | None = None) -> Iterator[list[Row]]:
        """Yield the rows that fulfil ``condition``, in the order of their keys."""
        model, field_name = self.watched.model, self.watched.name
        # No instances: a field with dimensions would open every file.
        queryset = self.objects().filter(condition or Q()).values_list("pk", field_name)
        to_python = key_field_of(model).to_python
        for batch in batches(queryset, self.batch, pk_of=itemgetter(0)):
            rows = []
            for pk, name in batch:
                object_id = str(to_python(pk))
                rows.append(Row(pk, object_id, name or "", current_key(model, object_id, field_name)))
            yield rows

    def current_by_key(self, rows: Collection[Row], *columns: str) -> dict[str, tuple[Any, ...]]:
        """Return columns of the current records of some rows, by the rows' ``key``; one indexed look-up."""
        records = self.records().filter(current_key__in=[row.key for row in rows])
        return {key: values for key, *values in records.values_list("current_key", *columns)}

    def stored_names(self, pks: Collection[object]) -> dict[object, str]:
        """Return the names of the files that some rows have now, by key; rows that are gone are not in it."""
        rows = self.objects().filter(pk__in=pks)
        return {pk: name or "" for pk, name in rows.values_list("pk", self.watched.name)}

    def objects(self) -> models.QuerySet[models.Model]:
        """All rows."""
        return self.watched.model._base_manager.using(self.object_db)

    def records(self) -> ModerationRecordQuerySet:
        """All records of the database, of other fields as well."""
        return ModerationRecord.objects.using(self.record_db)

    def current(self) -> ModerationRecordQuerySet:
        """The current records of the field."""
        content_type = ContentType.objects.db_manager(self.record_db).get_for_model(self.watched.model)
        return self.records().current().filter(content_type=content_type, field_name=self.watched.name)

    def target(self, object_id: str, pk: object) -> Target:
        return Target(self.watched, object_id, pk, self.object_db, self.record_db)

    def pk_of(self, object_id: str) -> Any:
        """Return the key that a record names, None where it is none of this model's."""
        try:
            return key_field_of(self.watched.model).to_python(object_id)
        except ValidationError:
            return None


def batches(
    queryset: models.QuerySet[Any, R], size: int, *, pk_of: Callable[[R], object] = attrgetter("pk")
) -> Iterator[list[R]]:
    """Yield what ``queryset`` selects in the order of keys; ``pk_of`` finds the key of what it gives."""
    batch = list(queryset.order_by("pk")[:size])
    while batch:
        yield batch
        batch = list(queryset.filter(pk__gt=pk_of(batch[-1])).order_by("pk")[:size])


def batches_along(queryset: models.QuerySet[Any], column: str, size: int) -> Iterator[list[Any]]:
    """
    Yield the primary keys of what ``queryset`` selects in the order of ``column``, which has no NULL.

    For conditions that are the beginning of an index which ``column`` ends: then no row beside them is read.
    """
    rows = queryset.order_by(column, "pk").values_list("pk", column)
    batch = list(rows[:size])
    while batch:
        yield [pk for pk, _ in batch]
        pk, value = batch[-1]
        # The first condition is what the index begins at, the second leaves out the equal ones that were had already.
        rest = rows.filter(**{f"{column}__gte": value}).exclude(**{column: value, "pk__lte": pk})
        batch = list(rest[:size])
