"""
The one INSERT that every new image waits for.

It runs inside the save of the host's object. Building the statement anew each time would cost as much as the database
needs to execute it, so it is built once a database and only the values of the new record are filled in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connections
from django.db.models import Field
from django.db.models.constants import OnConflict

from ..clock import now_sql
from ..models import ModerationRecord


@dataclass(frozen=True, slots=True)
class _Statement:
    before_due_at: str
    after_due_at: str
    """What stands on either side of the value of the last column, ``due_at``."""

    defaults: tuple[Any, ...]
    positions: Mapping[str, tuple[int, Field[Any, Any]]]
    """Where each other column's value goes, and the field that prepares it, by attribute name."""


def insert_unless_current(using: str, **columns: Any) -> None:
    """
    Insert a record with ``columns`` that is due now, unless its image field has a current one: then nothing happens.

    Nor is that an error: it would break the transaction of the caller, who only wanted to save a picture. Columns
    that are not given have their defaults.
    """
    connection = connections[using]
    statement = _statement(using)
    values = list(statement.defaults)
    for name, value in columns.items():
        position, field = statement.positions[name]
        values[position] = field.get_db_prep_save(value, connection)
    now, parameters = now_sql(connection)
    with connection.cursor() as cursor:
        cursor.execute(statement.before_due_at + now + statement.after_due_at, [*values, *parameters])


@cache
def _statement(using: str) -> _Statement:
    connection = connections[using]
    quote = connection.ops.quote_name
    due_at = ModerationRecord._meta.get_field("due_at")
    fields = [field for field in ModerationRecord._meta.concrete_fields if not field.primary_key and field != due_at]
    before = [
        connection.ops.insert_statement(on_conflict=OnConflict.UPDATE),
        quote(ModerationRecord._meta.db_table),
        f"({', '.join(quote(str(field.column)) for field in [*fields, due_at])})",
        f"VALUES ({'%s, ' * len(fields)}",
    ]
    # Only this one conflict, and nothing comes of it: to ignore conflicts would swallow other faults as well.
    on_conflict = connection.ops.on_conflict_suffix_sql(fields, OnConflict.UPDATE, ["current_key"], ["current_key"])
    blank = ModerationRecord()
    return _Statement(
        before_due_at=" ".join(before),
        after_due_at=f") {on_conflict}",
        defaults=tuple(field.get_db_prep_save(getattr(blank, field.attname), connection) for field in fields),
        positions={field.attname: (position, field) for position, field in enumerate(fields)},
    )
