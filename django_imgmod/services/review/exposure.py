"""How many pictures moderators have revealed: for their own eyes, and to propose a break."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from django.db import IntegrityError, router, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from ...conf import imgmod_settings
from ...models import Exposure
from ..deadlocks import repeat

# More than a card or a page of the grid can show between two messages of a browser.
MAX_COUNT: Final = 500


def note_reveals(user: Any, count: int, *, using: str | None = None) -> int:
    """
    Add pictures to those that a person has revealed today, and return how many these are now.

    Exact when the same person's windows report at the same time. At most ``MAX_COUNT`` are added, and nothing where
    ``count`` is not above zero.
    """
    using = using or router.db_for_write(Exposure)
    count = min(count, MAX_COUNT)
    if count <= 0:
        return revealed_today(user, using=using)
    return repeat(lambda: _add(user, count, using), using=using)


def revealed_today(user: Any, *, using: str | None = None) -> int:
    """Return how many pictures a person has revealed today, by the day of the time zone that is active."""
    using = using or router.db_for_write(Exposure)
    return _rows(user, _today(), using).values_list("revealed_count", flat=True).first() or 0


def should_propose_break(before: int, after: int) -> bool:
    """Return whether a person who had revealed so many pictures today should be asked to rest after so many."""
    step = imgmod_settings.review.break_after
    return step is not None and after // step > before // step


def _add(user: Any, count: int, using: str) -> int:
    today = _today()
    rows = _rows(user, today, using)
    # The row stays locked until the number is read, so that it counts what others added before, and nothing twice.
    with transaction.atomic(using=using):
        if not rows.update(revealed_count=F("revealed_count") + count):
            try:
                with transaction.atomic(using=using):
                    Exposure.objects.using(using).create(user_id=user.pk, day=today, revealed_count=count)
            except IntegrityError:
                # Another window was the day's first.
                rows.update(revealed_count=F("revealed_count") + count)
        return rows.values_list("revealed_count", flat=True).get()


def _rows(user: Any, day: date, using: str) -> QuerySet[Exposure]:
    return Exposure.objects.using(using).filter(user_id=user.pk, day=day)


def _today() -> date:
    now = timezone.now()
    return (timezone.localtime(now) if timezone.is_aware(now) else now).date()
