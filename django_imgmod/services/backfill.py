"""
Having old pictures judged: those that were there before the app, or came past the signals.

Records are opened a few at a time and worked on here, one after the other. A worker that runs meanwhile takes its
share, and nothing is done twice. Whatever ends a run, the next one goes on: a row with a record is passed over, one
whose record nobody has judged yet is taken up.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from django.db.models import Q

from ..choices import ErrorCode, Status
from ..models import ModerationRecord
from .backlog import Found, backlog, begin
from .claims import claim
from .estimates import calls_a_second
from .retries import has_failed
from .submission import work_on
from .walk import Walk

logger = logging.getLogger("django_imgmod")

BATCH: Final = 10
# In seconds: how long a call waits for its turn where other processes call the same provider.
PATIENCE: Final = 10.0
# So many failures in a row that are not the picture's own end a run, rather than spoil a million records. In between
# is a pause, in seconds, that doubles.
MAX_TROUBLE: Final = 10
FIRST_PAUSE: Final = 1.0
MAX_PAUSE: Final = 30.0

# What says something about one picture, and nothing about the next.
_OF_THE_PICTURE: Final = frozenset({ErrorCode.NOT_AN_IMAGE, ErrorCode.DAMAGED, ErrorCode.TOO_LARGE, ErrorCode.REFUSED})
# What fails before the provider is called.
_BEFORE_THE_CALL: Final = frozenset({ErrorCode.STORAGE, ErrorCode.CONFIGURATION})


class Ending(Enum):
    """Why a run ended."""

    DONE = auto()
    """Nothing is left to be done."""

    STOPPED = auto()
    """It was asked to."""

    BUDGET = auto()
    """No more calls are allowed."""

    TROUBLE = auto()
    """Too many failures in a row that are not the pictures' own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Orders:
    """How a backfill is to go about it."""

    condition: Q = field(default_factory=Q)
    """Which rows are meant."""
    is_shadow: bool = False
    """Judge without consequence: what is opened shows whatever its status."""
    is_retrying: bool = False
    """Also try again what failed before."""
    rate: float | None = None
    """At most so many calls begin a second."""
    budget: int | None = None
    """At most so many calls."""
    batch: int = BATCH
    """Records to open at a time."""


@dataclass(slots=True)
class Failure:
    """A cause, and one of the pictures that it concerns."""

    file_name: str
    message: str
    count: int = 0


@dataclass(slots=True)
class Tally:
    """What became of the rows so far."""

    done_count: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    judged_count: int = 0
    reused_count: int = 0
    call_count: int = 0
    failures: dict[ErrorCode, Failure] = field(default_factory=dict)
    gone_name: str = ""
    """One of the files that are not there any more."""

    @property
    def failed_count(self) -> int:
        return sum(failure.count for failure in self.failures.values())

    def add(self, record: ModerationRecord, *, is_call: bool) -> None:
        self.done_count += 1
        self.call_count += is_call
        self.statuses[Status(record.status)] += 1
        if record.status == Status.SUPERSEDED:
            self.gone_name = self.gone_name or record.file_name
        if record.reused_from_id is not None:
            self.reused_count += 1
        elif record.verdict_at is not None:
            self.judged_count += 1
        if has_failed(record):
            code = ErrorCode(record.error_code)
            self.failures.setdefault(code, Failure(record.file_name, record.error_message)).count += 1


class Backfill:
    """One run through a watched field. ``tally`` and ``ending`` say how it goes and how it ended."""

    def __init__(self, walk: Walk, orders: Orders, stop: threading.Event) -> None:
        self.tally = Tally()
        self.ending = Ending.DONE
        self._walk = walk
        self._orders = orders
        self._stop = stop
        self._pace = _Pace(calls_a_second(walk.watched.provider, orders.rate))
        self._trouble_count = 0

    def run(self) -> Iterator[ModerationRecord]:
        """
        Yield each record when it was worked on, here or elsewhere.

        Ends after the present record once ``stop`` is set. Raises what the databases raise; the rows that are done
        stay done.
        """
        for found in self._portions():
            for public_id in begin(self._walk, found, is_shadow=self._orders.is_shadow):
                self._pace.wait(self._stop)
                if self._has_ended():
                    return
                record = self._work(public_id)
                if record is not None:
                    yield record

    def _portions(self) -> Iterator[list[Found]]:
        """Yield what is to be done, as much as is to be begun at once."""
        for batch in backlog(self._walk, self._orders.condition, is_retrying=self._orders.is_retrying):
            if self._stop.is_set():
                self.ending = Ending.STOPPED
                return
            rest = deque(found for found in batch if found.has_work)
            while rest and not self._has_ended():
                yield [rest.popleft() for _ in range(min(self._portion_size(), len(rest)))]
            if rest:
                return

    def _portion_size(self) -> int:
        """No more than the budget has left: a worker might take what is left over."""
        if self._orders.budget is None:
            return self._orders.batch
        return min(self._orders.batch, self._orders.budget - self.tally.call_count)

    def _has_ended(self) -> bool:
        budget = self._orders.budget
        if self._stop.is_set():
            self.ending = Ending.STOPPED
        elif self._trouble_count >= MAX_TROUBLE:
            self.ending = Ending.TROUBLE
        elif budget is not None and self.tally.call_count >= budget:
            self.ending = Ending.BUDGET
        return self.ending != Ending.DONE

    def _work(self, public_id: uuid.UUID) -> ModerationRecord | None:
        """Work on a record unless somebody else does; return it as it is afterwards."""
        record = claim(public_id, using=self._walk.record_db)
        is_asking_again = record is not None and record.status == Status.SUBMITTED
        if record is not None:
            began_at = time.monotonic()
            work_on([record], patience=PATIENCE)
        done = self._walk.records().filter(public_id=public_id).defer("raw", "evaluated").first()
        if done is None:
            # Somebody else has opened another record of the row.
            self.tally.done_count += 1
            return None
        is_call = not is_asking_again and _costs_a_call(done)
        if record is not None:
            if is_call:
                self._pace.called(began_at)
            self._mind_trouble(done)
        self.tally.add(done, is_call=is_call)
        return done

    def _mind_trouble(self, record: ModerationRecord) -> None:
        if not has_failed(record) or record.error_code in _OF_THE_PICTURE:
            self._trouble_count = 0
            return
        pause = min(FIRST_PAUSE * 2**self._trouble_count, MAX_PAUSE)
        self._trouble_count += 1
        if self._trouble_count < MAX_TROUBLE:
            logger.warning("backfill=paused seconds=%.0f error=%s", pause, record.error_code)
            self._pace.pause(pause)


class _Pace:
    """When the next record may be begun."""

    def __init__(self, rate: float | None) -> None:
        self._interval = 0.0 if rate is None else 1 / rate
        self._next = time.monotonic()

    def wait(self, stop: threading.Event) -> None:
        seconds = self._next - time.monotonic()
        if seconds > 0:
            stop.wait(seconds)

    def called(self, began_at: float) -> None:
        # From the time at which it might have begun: what else takes time does not slow the rest.
        self._next = max(self._next + self._interval, began_at)

    def pause(self, seconds: float) -> None:
        self._next = max(self._next, time.monotonic() + seconds)


def _costs_a_call(record: ModerationRecord) -> bool:
    """Whether the provider was called for a record, or is just being called by somebody; where in doubt, it was."""
    if has_failed(record):
        return record.error_code not in _BEFORE_THE_CALL
    has_own_verdict = record.verdict_at is not None and record.reused_from_id is None
    return has_own_verdict or record.status == Status.SUBMITTED or record.lease_until is not None
