"""
The one INSERT that every new image waits for.

It runs inside the save of the host's object. Building the statement anew each time would cost as much as the database
needs to execute it, so it is built once a database and only the values of the new record are filled in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import connections
from django.db.models import Field
from django.db.models.constants import OnConflict

from ..models import ModerationRecord

# What differs from record to record; every other column has its default.
_FILLED_IN: Final = (
    "public_id",
    "content_type",
    "object_id",
    "field_name",
    "current_key",
    "file_name",
    "provider",
    "policy",
    "created_at",
    "due_at",
)


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    defaults: tuple[Any, ...]
    slots: tuple[tuple[int, Field[Any, Any]], ...]


def insert_unless_current(record: ModerationRecord, *, using: str) -> None:
    """
    Insert a new record, unless its image field has a current one: then nothing happens, and no error either.

    An error would break the transaction of the caller, who only wanted to save a picture. Only the columns in
    ``_FILLED_IN`` are taken from ``record``; its primary key is not set.
    """
    connection = connections[using]
    statement = _statement(using)
    values = list(statement.defaults)
    for index, field in statement.slots:
        values[index] = field.get_db_prep_save(getattr(record, field.attname), connection)
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, values)


@cache
def _statement(using: str) -> _Statement:
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [field for field in ModerationRecord._meta.concrete_fields if not field.primary_key]
    sql = " ".join(
        [
            connection.ops.insert_statement(on_conflict=OnConflict.IGNORE),
            quote(ModerationRecord._meta.db_table),
            f"({', '.join(quote(str(field.column)) for field in fields)})",
            f"VALUES ({', '.join(['%s'] * len(fields))})",
            connection.ops.on_conflict_suffix_sql(fields, OnConflict.IGNORE, (), ()),
        ]
    )
    blank = ModerationRecord()
    return _Statement(
        sql=sql,
        defaults=tuple(field.get_db_prep_save(getattr(blank, field.attname), connection) for field in fields),
        slots=tuple((index, field) for index, field in enumerate(fields) if field.name in _FILLED_IN),
    )
