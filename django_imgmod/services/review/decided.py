"""What people decided, with what the statistics need of each record."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, NamedTuple

from django.db.models import Case, Exists, OuterRef, Value, When

from ...choices import Lane, Outcome, Status
from ...models import Decision
from .days import day_of

DECIDED: Final = (Outcome.PASS, Outcome.BLOCK)
_POLICY_OUTCOMES: Final[dict[str, Outcome]] = {Status.PASSED: Outcome.PASS, Status.BLOCKED: Outcome.BLOCK}
_SETTLED: Final = tuple(_POLICY_OUTCOMES)


class DecidedRow(NamedTuple):
    """One decision, with what is needed of its record."""

    pk: int
    outcome: str
    decided_at: datetime
    decided_by: Any
    status_before: str
    lane_before: str
    undoes: int | None
    record: int
    record_status: str
    label: str
    verdict_at: datetime | None
    created_at: datetime
    appealed_at: datetime | None
    appealed_decision: int | None
    was_decided_before: bool
    """By a person; known only of what was settled."""
    day: date

    @property
    def is_decided(self) -> bool:
        return self.outcome in DECIDED

    @property
    def is_from_queue(self) -> bool:
        return self.status_before == Status.IN_REVIEW

    @property
    def is_escalation(self) -> bool:
        return self.outcome == Outcome.REVIEW and self.is_from_queue

    @property
    def is_on_appeal(self) -> bool:
        """Whether the editor waited for it; an appeal may have been escalated."""
        return self.is_from_queue and self.lane_before != Lane.FIRST and self.appealed_at is not None

    @property
    def is_sent_back(self) -> bool:
        return self.outcome == Outcome.REVIEW and self.status_before in _SETTLED

    @property
    def policy_outcome(self) -> Outcome | None:
        """What the policy had chosen by itself; None where that was not to choose, or a person did so since."""
        if self.is_on_appeal:
            return Outcome.BLOCK if self.appealed_decision is None else None
        return None if self.was_decided_before else _POLICY_OUTCOMES.get(self.status_before)


def read_rows(since: datetime, *, limit: int, using: str) -> tuple[list[DecidedRow], bool]:
    """Return the newest decisions since then, and whether these are all."""
    decisions = Decision.objects.using(using)
    earlier = decisions.filter(record=OuterRef("record"), pk__lt=OuterRef("pk"), undoes=None, undone_by=None)
    rows = (
        decisions.filter(decided_at__gte=since)
        .order_by("-decided_at")
        .values_list(
            "pk",
            "outcome",
            "decided_at",
            "decided_by",
            "status_before",
            "lane_before",
            "undoes",
            "record",
            "record__status",
            "record__top_label",
            "record__verdict_at",
            "record__created_at",
            "record__appeal__appealed_at",
            "record__appeal__decision",
            # Looked up only for the few that need it.
            Case(When(status_before__in=_SETTLED, then=Exists(earlier)), default=Value(False)),
        )
    )
    found = [DecidedRow._make((*row, day_of(row[2]))) for row in rows[: limit + 1]]
    return found[:limit], len(found) <= limit


def standing_rows(rows: list[DecidedRow]) -> list[DecidedRow]:
    """Leave out what was taken back. What took it back is newer, so it was read as well."""
    undone = {row.undoes for row in rows}
    return [row for row in rows if row.undoes is None and row.pk not in undone]
