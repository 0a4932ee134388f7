"""
The one INSERT that a provider waits for.

Building the statement anew for each callback would cost as much as all else that a request does here, so it is built
once a database and only the values are filled in.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import connections
from django.db.models import Field

from ..models import CallbackReceipt


def insert_receipt(receipt: CallbackReceipt, *, using: str) -> None:
    """Insert a new receipt as ``save()`` would, but for the signals of a save."""
    connection = connections[using]
    statement, fields = _statement(using)
    values = [field.get_db_prep_save(getattr(receipt, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        receipt.pk = cursor.fetchone()[0] if _has_returning(connection) else cursor.lastrowid
    receipt._state.adding = False
    receipt._state.db = using


@cache
def _statement(using: str) -> tuple[str, list[Field[Any, Any]]]:
    """Return the INSERT of one database, and the fields whose values go into it."""
    connection = connections[using]
    quote = connection.ops.quote_name
    fields = [field for field in CallbackReceipt._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    returning = f" RETURNING {quote(str(CallbackReceipt._meta.pk.column))}" if _has_returning(connection) else ""
    statement = (
        f"INSERT INTO {quote(CallbackReceipt._meta.db_table)} ({columns}) "  # noqa: S608 - names of our own
        f"VALUES ({', '.join(['%s'] * len(fields))}){returning}"
    )
    return statement, fields


def _has_returning(connection: Any) -> bool:
    """Say whether the key is asked for with the statement; the other databases' drivers know it."""
    return bool(connection.vendor == "postgresql")
