"""
Who works on a record: a lease, taken by one conditional UPDATE and dated by the database's clock.

A lease that ends with its process runs out by itself. Whoever comes too late with a result finds that the record has
moved on: every write names the version that it expects.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import uuid
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.contrib.contenttypes.models import ContentType, ContentTypeManager
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, F, QuerySet
from django.db.models.expressions import RawSQL

from ..clock import DatabaseNow, now_sql
from ..models import ModerationRecord
from .prepared import Prepared, Statement, parameters
from .unhurried import unhurried

LEASE: Final = timedelta(minutes=5)
_HOST: Final = socket.gethostname()[:40]
# What may be long, and nobody needs who works on a record. Of all other columns Django takes values as they come.
_LEFT_OUT: Final = ("evaluated", "raw")
# As psycopg, which sites with other databases need not have, numbers its formats (psycopg.pq.Format).
_BINARY: Final = 1


def claim(public_id: uuid.UUID, *, using: str) -> ModerationRecord | None:
    """Lease a record that has work due, as the begin of an attempt; None where it has none, or somebody holds it."""
    records = ModerationRecord.objects.using(using)
    owner = _owner()
    due = records.due().order_by().filter(public_id=public_id)
    if not due.update(**_lease(owner), attempt_count=F("attempt_count") + 1):
        return None
    record = records.filter(public_id=public_id, lease_owner=owner).defer(*_LEFT_OUT).first()
    if record is not None:
        _fill_in_content_types([record], using)
    return record


def claim_due(provider: str, *, using: str, limit: int) -> list[ModerationRecord]:
    """
    Lease at most ``limit`` due records of a provider, the longest due first. No attempt has begun by that.

    Of several that ask at the same time each gets others, without waiting where the database can skip locked rows. On
    PostgreSQL a crash of the server may undo a claim of the last second: the record is due again, and ``begin`` tells
    the former holder.
    """
    if limit == 0:
        return []
    connection = connections[using]
    if connection.vendor == "postgresql":
        claimed = _claim_in_one_statement(provider, connection, limit)
    else:
        claimed = _claim_in_steps(
            provider, using, limit, can_skip=connection.features.has_select_for_update_skip_locked
        )
    _fill_in_content_types(claimed, using)
    return sorted(claimed, key=lambda record: (record.due_at, record.pk))


def begin(record: ModerationRecord) -> bool:
    """
    Begin an attempt on a leased record and renew its lease; return False where it is not ours to work on any more.

    Counted before anything is done: a picture that kills its worker leaves nothing else behind.
    """
    of_ours = {"id": record.pk, "lease_owner": record.lease_owner, "version": record.version}
    count = _BEGIN.update(str(record._state.db), **of_ours)
    record.attempt_count += count
    return bool(count)


def _begin(using: str) -> Statement:
    of_ours = parameters(ModerationRecord, "id", "lease_owner", "version")
    changes = {"lease_until": DatabaseNow() + LEASE, "attempt_count": F("attempt_count") + 1}
    at_once = RawSQL(unhurried(connections[using]), [], output_field=BooleanField())  # noqa: S611 - SQL of our own
    return ModerationRecord.objects.using(using).filter(at_once, **of_ours), changes


_BEGIN: Final = Prepared(_begin, has_time=True)


def give_back(records: Sequence[ModerationRecord]) -> None:
    """Return the leases of records of one database that were not begun."""
    if records:
        _held(records).update(lease_until=None, lease_owner="")


def claimed_at(record: ModerationRecord) -> datetime:
    """Return when a leased record was claimed, by the database's clock."""
    assert record.lease_until is not None  # noqa: S101 - leased
    return record.lease_until - LEASE


def _fill_in_content_types(records: Sequence[ModerationRecord], using: str) -> None:
    """Fill in what Django keeps in memory, and would ask the database for at every record."""
    manager = _content_types(using)
    found = {key: manager.get_for_id(key) for key in {record.content_type_id for record in records}}
    field: Any = ModerationRecord._meta.get_field("content_type")
    for record in records:
        field.set_cached_value(record, found[record.content_type_id])


@cache
def _content_types(using: str) -> ContentTypeManager:
    return ContentType.objects.db_manager(using)


def _held(records: Sequence[ModerationRecord]) -> QuerySet[ModerationRecord]:
    first = records[0]
    rows = ModerationRecord.objects.using(first._state.db)
    return rows.filter(pk__in=[record.pk for record in records], lease_owner=first.lease_owner)


def _lease(owner: str) -> dict[str, Any]:
    return {"lease_owner": owner, "lease_until": DatabaseNow() + LEASE}


def _owner() -> str:
    """Name this claim: for people the process that holds it, for the database no other claim ever."""
    return f"{_HOST}:{os.getpid()}:{threading.get_ident()}:{secrets.token_hex(4)}"


def _claim_in_one_statement(provider: str, connection: BaseDatabaseWrapper, limit: int) -> list[ModerationRecord]:
    # Nobody is asked about a picture before ``begin_submission``, whose commit does wait for the disk, for this, too.
    is_binary = _can_be_binary(connection)
    sql, names = _statement(connection.alias, limit, unhurried(connection))
    with connection.cursor() as cursor:
        if is_binary:
            cursor.cursor.format = _BINARY
        cursor.execute(sql, [_owner(), LEASE.total_seconds(), provider])
        rows = cursor.fetchall()
    return [ModerationRecord.from_db(connection.alias, names, row) for row in rows]


def _can_be_binary(connection: BaseDatabaseWrapper) -> bool:
    """
    Return whether psycopg may be asked for binary columns, of which it makes values by itself.

    Of the text of a time Django makes one in Python, which takes longer than all else of a record. Cursors that put
    parameters in by themselves know text alone, and binary times are never naive.
    """
    return settings.USE_TZ and connection.settings_dict["OPTIONS"].get("server_side_binding") is True


@cache
def _statement(using: str, limit: int, condition: str) -> tuple[str, Collection[str]]:
    """Return the claim of a database, put together once, as it is often run, and the names of what it returns."""
    connection = connections[using]
    quote = connection.ops.quote_name
    now, _ = now_sql(connection)
    table = quote(ModerationRecord._meta.db_table)
    fields = [field for field in ModerationRecord._meta.concrete_fields if field.attname not in _LEFT_OUT]
    # ARRAY() makes the inner query run once; as IN (…) the planner may repeat it, and lock more than the limit. This is
    # written into the statement: prepared for any limit, PostgreSQL takes it for large and plans anew at each claim.
    sql = f"""
        UPDATE {table} SET lease_owner = %s, lease_until = {now} + make_interval(secs => %s)
        WHERE {condition} AND id = ANY (ARRAY (
            SELECT id FROM {table}
            WHERE provider = %s AND due_at <= {now} AND (lease_until IS NULL OR lease_until <= {now})
            ORDER BY due_at LIMIT {limit:d} FOR UPDATE SKIP LOCKED
        ))
        RETURNING {", ".join(quote(str(field.column)) for field in fields)}
    """  # noqa: S608 - names of our own
    return sql, frozenset(field.attname for field in fields)


def _claim_in_steps(provider: str, using: str, limit: int, *, can_skip: bool) -> list[ModerationRecord]:
    records = ModerationRecord.objects.using(using)
    due = records.due().filter(provider=provider)
    owner = _owner()
    # Without row locks a transaction would only be in the way: the UPDATE asks again whether each is still due.
    with transaction.atomic(using=using, savepoint=False) if can_skip else nullcontext():
        candidates = due.select_for_update(skip_locked=True) if can_skip else due
        keys = list(candidates.values_list("pk", flat=True)[:limit])
        if not keys or not due.order_by().filter(pk__in=keys).update(**_lease(owner)):
            return []
        return list(records.filter(pk__in=keys, lease_owner=owner).defer(*_LEFT_OUT))
