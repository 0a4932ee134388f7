"""
Which card is whose: a claim, taken by one conditional UPDATE and dated by the database's clock.

Two people never hold the same record. A claim that is not renewed runs out by itself, also where no worker runs. A
claim changes no version: it is no change of what was seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import Q
from django.db.models.lookups import LessThanOrEqual

from ...choices import Lane, Status
from ...clock import DatabaseNow
from ...conf import imgmod_settings
from ...models import ClaimEnd, ModerationRecord, ModerationRecordQuerySet
from ..deadlocks import repeat
from .lanes import may_decide, may_review
from .queue import QUEUE_ORDER, Position, QueueFilter, beyond, waiting


def claim_next(
    user: Any, wanted: QueueFilter, *, after: Position | None = None, but: Collection[int] = (), using: str
) -> ModerationRecord | None:
    """
    Claim the first record of the queue that nobody holds, beyond a position if one is named; None where there is none.

    What the user holds already is passed over, and the keys in ``but``. Of several who ask at the same time each gets
    another.
    """
    free = waiting(wanted, user=user, using=using).filter(is_free())
    if after is not None:
        free = beyond(free, after, order=wanted.order)
    passed_over = list(but)
    while (claim := _claim(user, free.exclude(pk__in=passed_over), limit=1)).keys:
        if claim.claimed_count and (record := held(user, using=using).filter(pk__in=claim.keys).first()):
            return record
        # Somebody was faster. In a transaction that goes on seeing it as free, it would be found for ever.
        passed_over.extend(claim.keys)
    return None


def claim_one(user: Any, public_id: uuid.UUID, *, using: str) -> ModerationRecord | None:
    """
    Claim a record by its name, or renew the user's own claim.

    None where it does not wait any more, somebody else holds it, or the user may not decide about it.
    """
    records = ModerationRecord.objects.using(using).filter(public_id=public_id, status=Status.IN_REVIEW)
    record = records.only("lane", "uploaded_by").first()
    if record is None or may_decide(user, record) is not None:
        return None
    _claim(user, records.filter(is_open_to(user), lane=record.lane), limit=1)
    return held(user, using=using).filter(public_id=public_id).first()


def claim_these(user: Any, keys: Collection[int], *, using: str) -> dict[int, ModerationRecord]:
    """Claim those of the records in review that nobody holds, and return them by their keys."""
    free = ModerationRecord.objects.using(using).filter(is_free(), pk__in=keys, status=Status.IN_REVIEW)
    claim = _claim(user, free.order_by("pk"), limit=len(keys)) if keys else None
    return held(user, using=using).in_bulk(claim.keys) if claim else {}


def claimed_by(user: Any, *, using: str) -> list[ModerationRecord]:
    """Return what a user holds, the oldest claim first, then in the order of the queue."""
    return list(held(user, using=using).order_by("claimed_until", *QUEUE_ORDER))


def heartbeat(user: Any, public_ids: Iterable[uuid.UUID], *, using: str) -> list[uuid.UUID]:
    """
    Renew those of a user's claims; return which of them are still the user's.

    Left out is what waits in a lane that is not open to the user any more.
    """
    asked = list(public_ids)
    lanes = [lane for lane in Lane if may_review(user, lane)]
    rows = ModerationRecord.objects.using(using).filter(
        is_held_by(user),
        public_id__in=asked,
        status=Status.IN_REVIEW,
        lane__in=lanes,
    )
    repeat(lambda: rows.update(**_renewed(user)), using=using)
    mine = set(rows.values_list("public_id", flat=True))
    return [public_id for public_id in asked if public_id in mine]


def release(user: Any, public_ids: Iterable[uuid.UUID] | None, *, using: str) -> int:
    """Give back those of a user's claims, all of them for None; return how many there were."""
    rows = ModerationRecord.objects.using(using).filter(claimed_by=user.pk)
    if public_ids is not None:
        rows = rows.filter(public_id__in=list(public_ids))
    return repeat(lambda: rows.update(claimed_by=None, claimed_until=None), using=using)


def is_free() -> Q:
    """Whether nobody holds a record, by the database's clock."""
    return Q(LessThanOrEqual(ClaimEnd("claimed_until"), DatabaseNow()))


def is_held_by(user: Any) -> Q:
    """Whether a user holds a record, by the database's clock: a claim that ran out holds nothing."""
    return Q(claimed_by=user.pk, claimed_until__gt=DatabaseNow())


def is_open_to(user: Any) -> Q:
    """
    Whether nobody else holds a record, by the database's clock.

    Not by the expression that the index of the queue has: with two ways to find few rows PostgreSQL takes both, and
    reads all of a risk level for the first page of it.
    """
    return Q(claimed_until=None) | Q(claimed_until__lte=DatabaseNow()) | Q(claimed_by=user.pk)


def held(user: Any, *, using: str) -> ModerationRecordQuerySet:
    """Return what a user holds, to be read: with the content type, without the provider's answer, which is long."""
    records = ModerationRecord.objects.using(using).defer("raw").select_related("content_type")
    return records.filter(is_held_by(user), status=Status.IN_REVIEW)


class _Claim(NamedTuple):
    keys: list[int]
    """What was free."""

    claimed_count: int
    """How many of them were claimed. Less where somebody was faster."""


def _claim(user: Any, free: ModerationRecordQuerySet, *, limit: int) -> _Claim:
    return repeat(lambda: _claim_once(user, free, limit), using=free.db)


def _claim_once(user: Any, free: ModerationRecordQuerySet, limit: int) -> _Claim:
    # Not on MySQL and MariaDB, which lock every row that is looked at: one person's claim would hide the rest.
    can_skip = connections[free.db].vendor == "postgresql"
    # Without row locks a transaction would only be in the way: the UPDATE asks again whether each is still free.
    with transaction.atomic(using=free.db) if can_skip else nullcontext():
        first = free.select_for_update(skip_locked=True) if can_skip else free
        keys = list(first.values_list("pk", flat=True)[:limit])
        count = free.order_by().filter(pk__in=keys).update(**_renewed(user)) if keys else 0
    return _Claim(keys, count)


def _renewed(user: Any) -> dict[str, Any]:
    until = DatabaseNow() + timedelta(seconds=imgmod_settings.review.claim_seconds)
    return {"claimed_by": user.pk, "claimed_until": until}
