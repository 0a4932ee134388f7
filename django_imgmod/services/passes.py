"""
The periodic comparison of rows and records: one slice after the other, by whichever process comes next.

How far it has come is in the database, so it goes on after a restart, and many workers do no more of it than one.

Pictures that were there before the app are left to ``imgmod_backfill``, with its budget. What is old can be told by the
key where keys are numbers; where they are not, every picture that never had a record may be, until a pass has found
none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any, Final

from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from ..clock import DatabaseNow
from ..models import ReconcilePass
from ..registry import WatchedField, all_watched_fields
from .reconcile import Finding, reconcile_slice
from .walk import Walk

logger = logging.getLogger("django_imgmod")

PERIOD: Final = timedelta(minutes=10)
# Between two slices of a pass, so that a large table is walked through at a walk.
PAUSE: Final = timedelta(seconds=1)
SLICE: Final = 2000
# A slice whose process died is taken again after that time.
LEASE: Final = timedelta(minutes=5)


def take_due_slices() -> int:
    """Compare the next slice of each watched field whose turn it is; return how many slices that were."""
    known = {(one.field, one.database): one for one in _passes().annotate(now=DatabaseNow())}
    count = 0
    for watched, using in _places():
        one = known.get((watched.label, using))
        if one is None:
            old_until = watched.model._base_manager.using(using).order_by("pk").values_list("pk", flat=True).last()
            defaults = {"due_at": DatabaseNow(), "old_until": "" if old_until is None else str(old_until)}
            _passes().get_or_create(field=watched.label, database=using, defaults=defaults)
        elif one.due_at <= one.now and _claim(one):
            _take_slice(one, watched)
            count += 1
    return count


def _passes() -> QuerySet[ReconcilePass]:
    return ReconcilePass.objects.using(router.db_for_write(ReconcilePass))


def _places() -> Iterator[tuple[WatchedField, str]]:
    for watched in all_watched_fields():
        yield watched, router.db_for_write(watched.model)


def _claim(one: ReconcilePass) -> bool:
    # By what was read: whoever took this slice has moved the time.
    return bool(_passes().filter(pk=one.pk, due_at=one.due_at).update(due_at=DatabaseNow() + LEASE))


def _take_slice(one: ReconcilePass, watched: WatchedField) -> None:
    is_first = one.phase == 0 and not one.position
    walk = Walk.through(watched, using=one.database, batch=SLICE)
    done = reconcile_slice(walk, phase=one.phase, position=one.position, is_old=partial(_is_old, one))
    found_count = done.found_count + (0 if is_first else one.found_count)
    left_count = done.left_count + (0 if is_first else one.left_count)
    if done.found_count:
        logger.warning("reconcile=mended field=%s database=%s count=%d", one.field, one.database, done.found_count)
    changes: dict[str, Any] = {"phase": done.phase, "position": done.position}
    changes |= {"found_count": found_count, "left_count": left_count}
    if is_first:
        changes["started_at"] = timezone.now()
    if done.phase < 2:
        changes["due_at"] = DatabaseNow() + PAUSE
    else:
        changes |= {"phase": 0, "due_at": DatabaseNow() + PERIOD, "finished_at": timezone.now()}
        changes["is_complete"] = one.is_complete or not left_count
    _passes().filter(pk=one.pk).update(**changes)


def _is_old(one: ReconcilePass, finding: Finding) -> bool:
    """Whether a row that never had a record may have been there before the app."""
    if one.is_complete or not one.old_until:
        return False
    pk = finding.target.pk
    return not isinstance(pk, int) or pk <= int(one.old_until)
