"""How long it usually takes until something is known of an upload, as the last ones went."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.utils import timezone

from ...choices import Lane, Outcome, Status
from ...models import Decision, ModerationRecord

# The last ones say how it goes now. Of fewer than so many nothing is said.
MAX_SAMPLE: Final = 100
MIN_SAMPLE: Final = 10
# What is longer ago says nothing.
WINDOW: Final = timedelta(days=7)
# How long an answer, that there is none included, is kept, in seconds.
KEPT_SECONDS: Final = 60
_NOTHING: Final = -1.0


def expected_wait(record: ModerationRecord, *, may_ask: bool = True) -> timedelta | None:
    """
    Return how long images like this one usually wait for what it waits for, a provider or a person: the median.

    None where it waits for nothing, or too few others say anything. The answer is kept in the cache for a minute;
    with ``may_ask`` off nothing else is looked at. One query where the database is asked.
    """
    using = str(record._state.db)
    if record.is_open:
        return _median(f"{using}:{record.provider}", lambda: _waits_for(record.provider, using), may_ask=may_ask)
    if record.status == Status.IN_REVIEW and record.lane == Lane.FIRST:
        return _median(f"{using}:", lambda: _waits_for_people(using), may_ask=may_ask)
    return None


def _median(name: str, read: Callable[[], Iterable[timedelta]], *, may_ask: bool) -> timedelta | None:
    # An alias may hold what a cache does not take in a key.
    key = f"django_imgmod:wait:{hashlib.sha256(name.encode()).hexdigest()}"
    seconds = cache.get(key)
    if seconds is None:
        if not may_ask:
            return None
        sample = [wait.total_seconds() for wait in read()]
        seconds = max(statistics.median(sample), 0.0) if len(sample) >= MIN_SAMPLE else _NOTHING
        cache.set(key, seconds, KEPT_SECONDS)
    return None if seconds == _NOTHING else timedelta(seconds=seconds)


def _waits_for(provider: str, using: str) -> list[timedelta]:
    judged = ModerationRecord.objects.using(using).filter(provider=provider, verdict_at__gte=_since())
    times = judged.order_by("-verdict_at").values_list("created_at", "verdict_at")[:MAX_SAMPLE]
    return [verdict_at - created_at for created_at, verdict_at in times if verdict_at]


def _waits_for_people(using: str) -> list[timedelta]:
    """From the upload on: that is what the editor waits for."""
    decided = Decision.objects.using(using).filter(
        decided_at__gte=_since(),
        outcome__in=(Outcome.PASS, Outcome.BLOCK),
        status_before=Status.IN_REVIEW,
        lane_before=Lane.FIRST,
        undoes=None,
    )
    times = decided.order_by("-decided_at").values_list("record__created_at", "decided_at")[:MAX_SAMPLE]
    return [decided_at - created_at for created_at, decided_at in times]


def _since() -> datetime:
    return timezone.now() - WINDOW
