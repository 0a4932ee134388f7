"""How the whole moderation stands, for those who watch it. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import router
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from ..choices import UNDECIDED, Circuit, FeedbackStatus, ReceiptOutcome, Status
from ..conf import imgmod_settings
from ..models import CallbackReceipt, Feedback, ModerationRecord, ProviderState
from .sweep import record_databases
from .transitions import SETTLED
from .waiting import LIMIT, Workload, earliest, read_workloads


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """How many there are of something, and since when the first of them has been waiting where that is known."""

    count: int = 0
    is_exact: bool = True
    """Whether there are none besides these."""
    oldest_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProviderReport:
    """How one provider fares."""

    alias: str
    is_configured: bool
    """Whether the settings name it."""
    workload: Workload
    state: ProviderState
    """As it is kept, or a new one where nothing is."""

    @property
    def is_closed(self) -> bool:
        """Whether it is called as ever."""
        return self.state.circuit == Circuit.CLOSED


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """How everything stood at one time, over all databases that hold records."""

    taken_at: datetime
    records: Mapping[Status, Tally]
    """By status; without those that were not asked for."""
    providers: tuple[ProviderReport, ...]
    """Those of the settings, in their order, then those that only records are left of."""
    feedback: Mapping[FeedbackStatus, Tally]
    """What is queued, and what was refused."""
    failing_feedback_count: int
    """Of what is queued: how many were tried, and failed."""
    callbacks: Mapping[ReceiptOutcome, Tally]
    """What is not processed yet, and what failed."""

    @property
    def oldest_undecided_at(self) -> datetime | None:
        """Since when the oldest record has been waiting for a verdict."""
        return earliest(self.records[status].oldest_at for status in UNDECIDED)

    @property
    def oldest_in_review_at(self) -> datetime | None:
        """Since when there has been the oldest record that waits for a person."""
        return self.records[Status.IN_REVIEW].oldest_at

    def age(self, moment: datetime | None) -> float:
        """Return how many seconds before the snapshot that was, 0 where it is not known."""
        return max((self.taken_at - moment).total_seconds(), 0) if moment else 0


def read_status(*, limit: int | None = LIMIT, has_settled: bool = True) -> Snapshot:
    """
    Return how everything stands.

    What waits for a verdict or for a person is counted to the last, from an index. Settled records, which can be left
    out, and the work of each provider are counted up to ``limit`` in each database; with ``None`` to the last as well.
    The number of statements depends on databases and providers alone.

    Raises what the databases raise, and ``ImgmodConfigurationError`` where the settings cannot be read.
    """
    configured = list(imgmod_settings.providers)
    taken_at = timezone.now()
    databases = record_databases()
    records = [_records(using, limit, has_settled=has_settled) for using in databases]
    feedback = [_feedback(using, limit) for using in databases]
    return Snapshot(
        taken_at=taken_at,
        records=_merged(records),
        providers=_providers(configured, read_workloads(limit=limit)),
        feedback=_merged(tallies for tallies, _ in feedback),
        failing_feedback_count=sum(failing for _, failing in feedback),
        callbacks=_merged(_callbacks(using) for using in databases),
    )


def _records(using: str, limit: int | None, *, has_settled: bool) -> dict[Any, Tally]:
    records = ModerationRecord.objects.using(using)
    tallies = _tallies(records, "status", (*UNDECIDED, Status.IN_REVIEW), "created_at")
    if has_settled:
        settled = [status for status in Status if status in SETTLED]
        tallies |= {status: _bounded(records.filter(status=status), limit) for status in settled}
    return tallies


def _feedback(using: str, limit: int | None) -> tuple[dict[Any, Tally], int]:
    rows = Feedback.objects.using(using)
    queued = rows.filter(status=FeedbackStatus.QUEUED).aggregate(
        count=Count("pk"), failing=Count("pk", filter=~Q(error_code=""))
    )
    refused = _bounded(rows.filter(status=FeedbackStatus.REFUSED), limit)
    return {FeedbackStatus.QUEUED: Tally(count=queued["count"]), FeedbackStatus.REFUSED: refused}, queued["failing"]


def _callbacks(using: str) -> dict[Any, Tally]:
    outcomes = (ReceiptOutcome.RECEIVED, ReceiptOutcome.FAILED)
    return _tallies(CallbackReceipt.objects.using(using), "outcome", outcomes, "received_at")


def _tallies(rows: QuerySet[Any], column: str, values: Iterable[Any], time_column: str) -> dict[Any, Tally]:
    """Count the rows of each value exactly; from an index that holds both columns, where there is one."""
    groups = rows.order_by().filter(**{f"{column}__in": list(values)}).values_list(column)
    found = {
        value: Tally(count=count, oldest_at=oldest_at)
        for value, count, oldest_at in groups.annotate(count=Count("*"), oldest_at=Min(time_column))
    }
    return {value: found.get(value, Tally()) for value in values}


def _bounded(rows: QuerySet[Any], limit: int | None) -> Tally:
    """Count rows up to a limit."""
    # A column that is in the index: PostgreSQL would have to fetch the key from the rows themselves.
    count = rows.order_by().values("status")[:limit].count()
    return Tally(count=count, is_exact=limit is None or count < limit)


def _merged(parts: Iterable[Mapping[Any, Tally]]) -> dict[Any, Tally]:
    """Add up what the databases hold."""
    by_key: dict[Any, list[Tally]] = {}
    for part in parts:
        for key, tally in part.items():
            by_key.setdefault(key, []).append(tally)
    return {
        key: Tally(
            count=sum(tally.count for tally in tallies),
            is_exact=all(tally.is_exact for tally in tallies),
            oldest_at=earliest(tally.oldest_at for tally in tallies),
        )
        for key, tallies in by_key.items()
    }


def _providers(configured: list[str], workloads: Mapping[str, Workload]) -> tuple[ProviderReport, ...]:
    left_over = [alias for alias, workload in workloads.items() if alias not in configured and workload.waiting_count]
    states = {state.provider: state for state in ProviderState.objects.using(router.db_for_write(ProviderState)).all()}
    return tuple(
        ProviderReport(
            alias=alias,
            is_configured=alias in configured,
            workload=workloads.get(alias, Workload(provider=alias)),
            state=states.get(alias, ProviderState(provider=alias)),
        )
        for alias in (*configured, *left_over)
    )
