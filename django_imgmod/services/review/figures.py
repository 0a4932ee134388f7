"""What the statistics tell, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from ...choices import Lane

# Fewer say nothing: no share is told of them.
MIN_SAMPLE: Final = 5
# A median of fewer people would tell about one of them.
MIN_PEOPLE: Final = 3


@dataclass(kw_only=True, slots=True)
class Day:
    """What happened on one day."""

    date: date
    arrived_count: int = 0
    """Records opened on that day that waited, or wait, for a person."""
    returned_count: int = 0
    """Appeals, and settled records that a person sent back to the queue."""
    passed_count: int = 0
    blocked_count: int = 0
    escalated_count: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits in one lane."""

    lane: Lane
    count: int = 0
    oldest_at: datetime | None = None
    """Since when the oldest has been here; an appeal since it was made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """How long people took to decide about what waited for them."""

    lane: Lane
    median: timedelta | None
    """None of a sample that is too small."""
    sample_count: int


@dataclass(kw_only=True, slots=True)
class Agreement:
    """What people decided about the pictures whose gravest label was this one."""

    label: str
    """Empty for those that have none, because they could not be judged."""
    decided_count: int = 0
    """Pictures that the policy had put before a person."""
    blocked_count: int = 0
    """Those of them that the person blocked."""
    blocked_after_pass_count: int = 0
    """Pictures that the policy had passed and a person blocked."""
    passed_after_block_count: int = 0
    """Pictures that the policy had blocked and a person passed."""

    @property
    def has_any(self) -> bool:
        return bool(self.decided_count or self.blocked_after_pass_count or self.passed_after_block_count)

    @property
    def blocked_share(self) -> float | None:
        """From 0 to 1; None of a sample that is too small."""
        return self.blocked_count / self.decided_count if self.decided_count >= MIN_SAMPLE else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Own:
    """A moderator's own numbers, for nobody else."""

    decided_today_count: int
    decided_count: int
    escalated_count: int
    revealed_today_count: int
    revealed_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """What is usual among those who decide. Nobody's own numbers."""

    people_count: int
    median_count: float | None
    """Decisions of one person in the window; None of so few people that it would tell about one of them."""
    median_day_count: float | None
    """Decisions of one person on a day on which they decided."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """The review desk of one database over some days, for one moderator."""

    days: tuple[Day, ...]
    """The oldest first; the last one is today."""
    is_complete: bool
    """False where there was more than is read: the days then begin later, with the first that was read as a whole."""
    queues: tuple[Queue, ...]
    waits: tuple[Wait, ...]
    agreements: tuple[Agreement, ...]
    """Those with the largest samples first."""
    own: Own
    team: Team
