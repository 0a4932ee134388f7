"""What waits for a verdict, by provider, and whether verdicts come as they usually do."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from django.db.models import Count, Min, Q

from ..choices import Status
from ..clock import DatabaseNow
from ..models import ModerationRecord
from .probe import PREFIX as CANARY
from .sweep import record_databases

# So many rows are counted, of each kind and in each database. A backlog of millions must not slow those who watch it.
LIMIT: Final = 100_000
# Verdicts in each database that say what is usual; with fewer than the minimum nothing is.
HISTORY: Final = 200
MIN_HISTORY: Final = 20
# Verdicts may stay away that many times longer than they usually do, and no alarm is sooner than the minimum.
PATIENCE_FACTOR: Final = 4
MIN_PATIENCE: Final = timedelta(minutes=5)
PATIENCE_WITHOUT_HISTORY: Final = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """What waits for the verdicts of one provider, over all databases."""

    provider: str
    waiting_count: int = 0
    due_count: int = 0
    """Those whose time has come, and whom nobody works on."""
    leased_count: int = 0
    """Those whom somebody works on."""
    is_exact: bool = True
    """Whether there are none besides these."""
    waiting_since: datetime | None = None
    """When the first of them was created, leaving out what was only put off, such as the twin of another picture."""
    due_since: datetime | None = None
    last_verdict_at: datetime | None = None
    """The provider's own last verdict; one that was reused says nothing about the provider."""
    usual_silence: timedelta | None = None
    """For how long a record usually waits without any verdict being given; None as long as there are too few."""

    @property
    def patience(self) -> timedelta:
        """For how long verdicts may stay away before that is worth an alarm."""
        if self.usual_silence is None:
            return PATIENCE_WITHOUT_HISTORY
        return max(PATIENCE_FACTOR * self.usual_silence, MIN_PATIENCE)

    def silence(self, now: datetime) -> timedelta:
        """
        Return for how long a record has been waiting while no verdict was given to any.

        Neither a quiet night, in which nothing waits, nor a long queue, in which verdicts come, is a silence.
        """
        if self.waiting_since is None:
            return timedelta()
        return _silence(self.waiting_since, self.last_verdict_at, now)

    def is_silent(self, now: datetime) -> bool:
        """Whether verdicts have stayed away for longer than usual."""
        return self.silence(now) > self.patience


@dataclass(slots=True)
class _Readings:
    """What the databases say of one provider."""

    counts: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[tuple[datetime, datetime]] = field(default_factory=list)
    """When each was given, and when its record was created."""


def read_workloads(*, limit: int | None = LIMIT) -> dict[str, Workload]:
    """
    Return what waits, by provider: of all that have records, whether or not the settings still name them.

    At most ``limit`` records of a provider are looked at in each database, the longest due ones. Three indexed
    statements a provider and a database, and one more a database. Raises what the databases raise.
    """
    readings: defaultdict[str, _Readings] = defaultdict(_Readings)
    for using in record_databases():
        for provider in ModerationRecord.objects.using(using).providers():
            readings[provider].counts.append(_count(provider, using, limit))
            readings[provider].verdicts += _own_verdicts(provider, using)
    return {provider: _workload(provider, reading, limit) for provider, reading in readings.items()}


def _count(provider: str, using: str, limit: int | None) -> dict[str, Any]:
    waiting = ModerationRecord.objects.using(using).filter(provider=provider, due_at__isnull=False).order_by("due_at")
    is_leased = Q(lease_until__gt=DatabaseNow())
    is_due = Q(due_at__lte=DatabaseNow()) & (Q(lease_until__isnull=True) | ~is_leased)
    is_put_off = Q(status=Status.PENDING, attempt_count=0, error_code="", due_at__gt=DatabaseNow())
    return waiting[:limit].aggregate(
        waiting=Count("pk"),
        due=Count("pk", filter=is_due),
        leased=Count("pk", filter=is_leased),
        waiting_since=Min("created_at", filter=~is_put_off),
        due_since=Min("due_at", filter=is_due),
    )


def _own_verdicts(provider: str, using: str) -> list[tuple[datetime, datetime]]:
    """Return those of the last verdicts that the provider gave itself, and about a picture of the site."""
    given = ModerationRecord.objects.using(using).filter(provider=provider, verdict_at__isnull=False)
    # What does not count is left out here and not in SQL, where it might tempt the database away from the index.
    rows: Any = given.order_by("-verdict_at").values_list("verdict_at", "created_at", "reused_from", "object_id")
    return [
        (verdict_at, created_at)
        for verdict_at, created_at, reused_from, object_id in rows[:HISTORY]
        if reused_from is None and not object_id.startswith(CANARY)
    ]


def _workload(provider: str, reading: _Readings, limit: int | None) -> Workload:
    verdicts = sorted(reading.verdicts)
    return Workload(
        provider=provider,
        waiting_count=sum(count["waiting"] for count in reading.counts),
        due_count=sum(count["due"] for count in reading.counts),
        leased_count=sum(count["leased"] for count in reading.counts),
        is_exact=limit is None or all(count["waiting"] < limit for count in reading.counts),
        waiting_since=earliest(count["waiting_since"] for count in reading.counts),
        due_since=earliest(count["due_since"] for count in reading.counts),
        last_verdict_at=verdicts[-1][0] if verdicts else None,
        usual_silence=_usual_silence(verdicts),
    )


def earliest(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest of those that are known."""
    return min((moment for moment in moments if moment is not None), default=None)


def _usual_silence(verdicts: list[tuple[datetime, datetime]]) -> timedelta | None:
    """Return the longest but for the longest twentieth of the silences that the given verdicts ended."""
    silences = sorted(
        _silence(created_at, previous_at, verdict_at)
        for (previous_at, _), (verdict_at, created_at) in pairwise(verdicts)
    )
    if len(silences) < MIN_HISTORY:
        return None
    return silences[math.ceil(0.95 * len(silences)) - 1]


def _silence(waiting_since: datetime, last_verdict_at: datetime | None, now: datetime) -> timedelta:
    begin = waiting_since if last_verdict_at is None else max(waiting_since, last_verdict_at)
    return max(now - begin, timedelta())
