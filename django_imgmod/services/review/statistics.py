"""How the review desk fares: arrivals, decisions, waits, and how far people agree with the providers. Reads only."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import router
from django.db.models import Count, IntegerField, Min, Q, Sum, Value

from ...choices import Lane, Outcome, RiskLevel, Status
from ...models import Appeal, Decision, Exposure, ModerationRecord
from .days import day_of, midnight, today
from .decided import DECIDED, DecidedRow, read_rows, standing_rows
from .exposure import revealed_today
from .figures import MIN_PEOPLE, MIN_SAMPLE, Agreement, Day, Own, Queue, Statistics, Team, Wait

__all__ = [
    "DAYS",
    "MAX_DECISIONS",
    "MIN_PEOPLE",
    "MIN_SAMPLE",
    "Agreement",
    "Day",
    "Own",
    "Queue",
    "Statistics",
    "Team",
    "Wait",
    "read_statistics",
]

DAYS: Final = 30
# Read at most, the newest first, so that a page costs no more than this however many there are.
MAX_DECISIONS: Final = 20_000
MAX_APPEALS: Final = 20_000


def read_statistics(user: Any, *, using: str) -> Statistics:
    """
    Return how the review desk has fared in the last ``DAYS`` days, by the site's time zone, today included.

    Decisions that were taken back, and what took them back, do not count. The number of statements is always the same,
    and no more than ``MAX_DECISIONS`` decisions are read. Raises what the database raises.
    """
    last = today()
    window = [last - timedelta(days=ago) for ago in reversed(range(DAYS))]
    rows, is_complete = read_rows(midnight(window[0]), limit=MAX_DECISIONS, using=using)
    if not is_complete:
        window = [day for day in window if day > rows[-1].day] or [last]
    rows = [row for row in rows if row.day >= window[0]]
    appeals = _open_appeals(using)
    standing = standing_rows(rows)
    return Statistics(
        days=_days(window, standing, appeals, using),
        is_complete=is_complete and len(appeals) < MAX_APPEALS,
        queues=_queues(appeals, using),
        waits=_waits(standing),
        agreements=_agreements(standing),
        own=_own(user, last, using),
        team=_team(standing),
    )


class _OpenAppeal(NamedTuple):
    """An appeal that waits, with what is needed of its record."""

    record: int
    appealed_at: datetime
    created_at: datetime
    lane: str


def _open_appeals(using: str) -> list[_OpenAppeal]:
    appeals = Appeal.objects.using(using).filter(resolution=None, record__status=Status.IN_REVIEW)
    rows = appeals.values_list("record", "appealed_at", "record__created_at", "record__lane")[:MAX_APPEALS]
    return [_OpenAppeal(*row) for row in rows]


def _days(window: list[date], standing: list[DecidedRow], appeals: list[_OpenAppeal], using: str) -> tuple[Day, ...]:
    arrived = _waiting_by_day(window, using)
    # What waits because of an appeal did not arrive with its picture, or did and was decided about since.
    arrived.subtract(day_of(appeal.created_at) for appeal in appeals)
    arrived.update(day_of(created_at) for created_at in _first_decided(standing, appeals).values())
    returned = Counter(day_of(appeal.appealed_at) for appeal in appeals)
    returned.update(row.day for row in standing if row.is_sent_back)
    returned.update(day_of(row.appealed_at) for row in standing if row.is_on_appeal and row.appealed_at)
    outcomes = Counter((row.day, row.outcome) for row in standing if row.is_decided or row.is_escalation)
    return tuple(
        Day(
            date=day,
            arrived_count=max(arrived[day], 0),
            returned_count=returned[day],
            passed_count=outcomes[day, Outcome.PASS],
            blocked_count=outcomes[day, Outcome.BLOCK],
            escalated_count=outcomes[day, Outcome.REVIEW],
        )
        for day in window
    )


def _waiting_by_day(window: list[date], using: str) -> Counter[date]:
    """
    Count what waits by the day on which it was opened.

    One range of an index a day, in one statement: days begin where the site's time zone says, which a database need
    not know.
    """
    records = ModerationRecord.objects.using(using).order_by()
    # The index holds the risk level before the time: naming every level makes it usable.
    waiting = records.filter(status=Status.IN_REVIEW, risk_level__in=["", *RiskLevel.values])
    counts = [
        waiting.filter(created_at__gte=midnight(day), created_at__lt=midnight(day + timedelta(days=1)))
        .values("status")
        .annotate(place=Value(place, IntegerField()), count=Count("*"))
        .values_list("place", "count")
        for place, day in enumerate(window)
    ]
    rows = counts[0].union(*counts[1:], all=True)
    return Counter({window[place]: count for place, count in rows})


def _first_decided(standing: list[DecidedRow], appeals: list[_OpenAppeal]) -> dict[int, datetime]:
    """Return when each record was opened that left the queue by a decision and is not back, but for an appeal."""
    appealed = {appeal.record for appeal in appeals}
    return {
        row.record: row.created_at
        for row in standing
        if row.is_decided
        and row.is_from_queue
        and not row.is_on_appeal
        and (row.record_status != Status.IN_REVIEW or row.record in appealed)
    }


def _queues(appeals: list[_OpenAppeal], using: str) -> tuple[Queue, ...]:
    waiting = ModerationRecord.objects.using(using).order_by().filter(status=Status.IN_REVIEW)
    rows = waiting.values_list("lane").annotate(count=Count("*"), oldest_at=Min("created_at"))
    found = {lane: (count, oldest_at) for lane, count, oldest_at in rows}
    if Lane.APPEALED in found:
        count, opened_at = found[Lane.APPEALED]
        made_at = (appeal.appealed_at for appeal in appeals if appeal.lane == Lane.APPEALED)
        found[Lane.APPEALED] = (count, min(made_at, default=opened_at))
    return tuple(Queue(lane, *found.get(lane, (0, None))) for lane in Lane)


def _waits(standing: list[DecidedRow]) -> tuple[Wait, ...]:
    """From when a picture went to review to the decision that ended that, escalation included."""
    sent_back: dict[int, datetime] = {}
    seconds: dict[str, list[float]] = {lane: [] for lane in Lane}
    for row in reversed(standing):
        if row.is_sent_back:
            sent_back[row.record] = row.decided_at
        elif row.is_decided and row.is_from_queue:
            since = row.appealed_at if row.is_on_appeal else sent_back.get(row.record, row.verdict_at)
            seconds[row.lane_before].append((row.decided_at - (since or row.created_at)).total_seconds())
    return tuple(
        Wait(
            lane=Lane(lane),
            median=timedelta(seconds=max(statistics.median(sample), 0)) if len(sample) >= MIN_SAMPLE else None,
            sample_count=len(sample),
        )
        for lane, sample in seconds.items()
    )


def _agreements(standing: list[DecidedRow]) -> tuple[Agreement, ...]:
    by_label: dict[str, Agreement] = {}
    for row in standing:
        if not row.is_decided:
            continue
        agreement = by_label.setdefault(row.label, Agreement(label=row.label))
        is_blocked = row.outcome == Outcome.BLOCK
        if row.is_from_queue and not row.is_on_appeal:
            agreement.decided_count += 1
            agreement.blocked_count += is_blocked
        elif row.policy_outcome == Outcome.PASS:
            agreement.blocked_after_pass_count += is_blocked
        elif row.policy_outcome == Outcome.BLOCK:
            agreement.passed_after_block_count += not is_blocked
    told = [agreement for agreement in by_label.values() if agreement.has_any]
    return tuple(sorted(told, key=lambda agreement: (-agreement.decided_count, agreement.label)))


def _own(user: Any, last: date, using: str) -> Own:
    since = midnight(last - timedelta(days=DAYS - 1))
    decisions = Decision.objects.using(using).filter(decided_by=user.pk, decided_at__gte=since)
    is_decided = Q(outcome__in=DECIDED)
    own = decisions.filter(undoes=None, undone_by=None).aggregate(
        decided=Count("pk", filter=is_decided),
        decided_today=Count("pk", filter=is_decided & Q(decided_at__gte=midnight(last))),
        escalated=Count("pk", filter=Q(outcome=Outcome.REVIEW, status_before=Status.IN_REVIEW)),
    )
    exposures = Exposure.objects.using(router.db_for_write(Exposure)).filter(user=user.pk, day__gte=day_of(since))
    return Own(
        decided_today_count=own["decided_today"],
        decided_count=own["decided"],
        escalated_count=own["escalated"],
        revealed_today_count=revealed_today(user),
        revealed_count=exposures.aggregate(total=Sum("revealed_count", default=0))["total"],
    )


def _team(standing: list[DecidedRow]) -> Team:
    decided = [row for row in standing if row.is_decided and row.decided_by is not None]
    by_person = Counter(row.decided_by for row in decided)
    by_day = Counter((row.decided_by, row.day) for row in decided)
    is_told = len(by_person) >= MIN_PEOPLE
    return Team(
        people_count=len(by_person),
        median_count=statistics.median(by_person.values()) if is_told else None,
        median_day_count=statistics.median(by_day.values()) if is_told else None,
    )
