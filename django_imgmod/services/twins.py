"""
The same bytes, uploaded again while the first upload is still being judged.

The later record waits instead of paying for a second judgement, and is woken when the first has an outcome. Should
that never happen, it comes due by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.db.models import Q, QuerySet

from ..choices import Status
from ..clock import DatabaseNow
from ..models import ModerationRecord
from ..signals import work_due
from .deadlocks import repeat
from .prepared import Parameter, Prepared, Statement, parameters

# A request that brings a verdict is not to do the work of all who wait for it.
MAX_WOKEN: Final = 10
_is_waking: ContextVar[bool] = ContextVar("imgmod_is_waking", default=False)


def begin_submission(record: ModerationRecord, **changes: Any) -> bool:
    """
    Take the right to have a record's bytes judged; return False where another record of the same bytes has it.

    The unique ``submission_key`` decides between two that try at the same time, on every database. Whoever holds it
    without being with the provider any more, settled or dead, loses it to the next. What is known of the bytes must
    be looked up afterwards: until then the twin may have been settled. ``changes`` are written in either case.
    """
    return repeat(lambda: _begin_submission(record, changes), using=str(record._state.db))


def _begin_submission(record: ModerationRecord, changes: Mapping[str, Any]) -> bool:
    if _take(record, changes):
        return True
    _holders(record).exclude(_is_with_provider()).update(submission_key=None)
    if _take(record, changes):
        return True
    _records(record).filter(pk=record.pk).update(**changes)
    return False


def _take(record: ModerationRecord, changes: Mapping[str, Any]) -> bool:
    using = record._state.db
    # Only inside a transaction would the conflict leave anything behind.
    is_inside = connections[using or DEFAULT_DB_ALIAS].in_atomic_block
    try:
        with transaction.atomic(using=using) if is_inside else nullcontext():
            values = {**changes, "submission_key": _key(record)}
            _writing(tuple(values)).update(str(using), id=record.pk, **values)
    except IntegrityError:
        return False
    return True


@cache
def _writing(names: tuple[str, ...]) -> Prepared:
    """Return the UPDATE of these columns of a record."""

    def build(using: str) -> Statement:
        rows = ModerationRecord.objects.using(using).filter(**parameters(ModerationRecord, "id"))
        return rows, parameters(ModerationRecord, *names)

    return Prepared(build)


def has_same_bytes(record: ModerationRecord) -> bool:
    """
    Return whether another record has the same bytes. Most have none, and need to be asked nothing more.

    Asked by the digest alone. Where a provider or a status is named too, PostgreSQL may read all that have these, as
    long as it has no statistics of a table that fills up.
    """
    return _FIND_OTHER.first(str(record._state.db), sha256=record.sha256, id=record.pk) is not None


def _find_other(using: str) -> Statement:
    sha256, pk = (Parameter(ModerationRecord, name) for name in ("sha256", "id"))
    return ModerationRecord.objects.using(using).filter(sha256=sha256).exclude(id=pk).values_list("pk")[:1], {}


_FIND_OTHER: Final = Prepared(_find_other)


def is_submission_under_way(record: ModerationRecord) -> bool:
    """Return whether these bytes are with the record's service right now."""
    return _holders(record).filter(_is_with_provider()).exists()


def wake_twins(record: ModerationRecord) -> None:
    """
    Wake the records of the same bytes that wait for this one.

    A handful is announced here and now, one after the other; the others are due and found by the sweep. Twins that are
    woken wake nobody themselves, however many there are.
    """
    if _is_waking.get() or not has_same_bytes(record):
        return
    using = str(record._state.db)
    waiting = _records(record).filter(
        sha256=record.sha256, provider=record.provider, status=Status.PENDING, error_code="", lease_until__isnull=True
    )
    token = _is_waking.set(True)
    try:
        for _ in range(MAX_WOKEN):
            # Asked anew each time: another may have lain down meanwhile, or the same one again.
            public_id = waiting.order_by("pk").values_list("public_id", flat=True).first()
            if public_id is None:
                return
            waiting.update(due_at=DatabaseNow())
            work_due.send(ModerationRecord, public_id=public_id, using=using)
        waiting.update(due_at=DatabaseNow())
    finally:
        _is_waking.reset(token)


def _records(record: ModerationRecord) -> QuerySet[ModerationRecord]:
    return ModerationRecord.objects.using(record._state.db)


def _holders(record: ModerationRecord) -> QuerySet[ModerationRecord]:
    return _records(record).filter(submission_key=_key(record))


def _is_with_provider() -> Q:
    return Q(status=Status.SUBMITTED) | Q(status=Status.PENDING, lease_until__gt=DatabaseNow())


def _key(record: ModerationRecord) -> str:
    return hashlib.sha256(f"{record.sha256}\n{record.provider}\n{record.service}".encode()).hexdigest()
