"""
Who works on a record: a lease, taken by one conditional UPDATE and dated by the database's clock.

A lease that ends with its process runs out by itself. Whoever comes too late with a result finds that the record has
moved on: every write names the version that it expects.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.db.models import F, QuerySet

from ..clock import DatabaseNow, now_sql
from ..models import ModerationRecord

LEASE: Final = timedelta(minutes=5)
_HOST: Final = socket.gethostname()[:40]


def claim(public_id: uuid.UUID, *, using: str) -> ModerationRecord | None:
    """Lease a record that has work due, as the begin of an attempt; None where it has none, or somebody holds it."""
    records = ModerationRecord.objects.using(using)
    owner = _owner()
    due = records.due().order_by().filter(public_id=public_id)
    if not due.update(**_lease(owner), attempt_count=F("attempt_count") + 1):
        return None
    record = records.filter(public_id=public_id, lease_owner=owner).first()
    return record and _with_content_type(record)


def claim_due(provider: str, *, using: str, limit: int) -> list[ModerationRecord]:
    """
    Lease at most ``limit`` due records of a provider, the longest due first. No attempt has begun by that.

    Of several that ask at the same time each gets others, without waiting where the database can skip locked rows.
    """
    if limit == 0:
        return []
    connection = connections[using]
    if connection.vendor == "postgresql":
        claimed = _claim_in_one_statement(provider, using, limit)
    else:
        claimed = _claim_in_steps(
            provider, using, limit, can_skip=connection.features.has_select_for_update_skip_locked
        )
    return sorted(map(_with_content_type, claimed), key=lambda record: (record.due_at, record.pk))


def begin(record: ModerationRecord) -> bool:
    """
    Begin an attempt on a leased record and renew its lease; return False where it is not ours to work on any more.

    Counted before anything is done: a picture that kills its worker leaves nothing else behind.
    """
    held = _held([record])
    if not held.filter(version=record.version).update(
        **_lease(record.lease_owner), attempt_count=F("attempt_count") + 1
    ):
        return False
    record.attempt_count += 1
    return True


def give_back(records: Sequence[ModerationRecord]) -> None:
    """Return the leases of records of one database that were not begun."""
    if records:
        _held(records).update(lease_until=None, lease_owner="")


def claimed_at(record: ModerationRecord) -> datetime:
    """Return when a leased record was claimed, by the database's clock."""
    assert record.lease_until is not None  # noqa: S101 - leased
    return record.lease_until - LEASE


def _with_content_type(record: ModerationRecord) -> ModerationRecord:
    """Fill in what Django keeps in memory, and would ask the database for at every record."""
    record.content_type = ContentType.objects.db_manager(record._state.db).get_for_id(record.content_type_id)
    return record


def _held(records: Sequence[ModerationRecord]) -> QuerySet[ModerationRecord]:
    first = records[0]
    rows = ModerationRecord.objects.using(first._state.db)
    return rows.filter(pk__in=[record.pk for record in records], lease_owner=first.lease_owner)


def _lease(owner: str) -> dict[str, Any]:
    return {"lease_owner": owner, "lease_until": DatabaseNow() + LEASE}


def _owner() -> str:
    """Name this claim: for people the process that holds it, for the database no other claim ever."""
    return f"{_HOST}:{os.getpid()}:{threading.get_ident()}:{uuid.uuid4().hex[:8]}"


def _claim_in_one_statement(provider: str, using: str, limit: int) -> list[ModerationRecord]:
    connection = connections[using]
    sql, names, converters = _statement(using)
    with connection.cursor() as cursor:
        cursor.execute(sql, [_owner(), LEASE.total_seconds(), provider, limit])
        rows = cursor.fetchall()
    compiler = ModerationRecord.objects.using(using).query.get_compiler(using)
    return [ModerationRecord.from_db(using, names, row) for row in compiler.apply_converters(rows, converters)]


@cache
def _statement(using: str) -> tuple[str, list[str], dict[int, Any]]:
    """Return the claim of one database with what makes records of its rows: put together once, as it is often run."""
    connection = connections[using]
    quote = connection.ops.quote_name
    now, _ = now_sql(connection)
    table = quote(ModerationRecord._meta.db_table)
    fields = ModerationRecord._meta.concrete_fields
    # ARRAY() makes the inner query run once; as IN (…) the planner may repeat it, and lock more than the limit.
    sql = f"""
        UPDATE {table} SET lease_owner = %s, lease_until = {now} + make_interval(secs => %s)
        WHERE id = ANY (ARRAY (
            SELECT id FROM {table}
            WHERE provider = %s AND due_at <= {now} AND (lease_until IS NULL OR lease_until <= {now})
            ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED
        ))
        RETURNING {", ".join(quote(str(field.column)) for field in fields)}
    """  # noqa: S608 - names of our own
    compiler = ModerationRecord.objects.using(using).query.get_compiler(using)
    columns = [field.get_col(ModerationRecord._meta.db_table) for field in fields]
    return sql, [field.attname for field in fields], compiler.get_converters(columns)


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
        return list(records.filter(pk__in=keys, lease_owner=owner))
