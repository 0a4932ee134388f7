"""A provider's rate: the times at which calls may begin are handed out one after the other, to all processes."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from ..choices import ErrorCode
from ..clock import DatabaseNow
from ..exceptions import ProviderThrottled
from ..providers import providers
from .provider_states import NotAdmitted, Reading, ensure_state, states_of, wish_of

# How much later than its time a call may begin, in seconds. The times lie that much further apart, so that even
# one late call and punctual ones never make one too many within any second.
TOLERANCE: Final = 0.01
# In seconds. A database that answers later than that leaves no time to be punctual in.
MAX_LEAD: Final = 1.0


def wait_for_turn(reading: Reading, patience: float) -> None:
    """Return when a call may begin, and no later than the tolerance after that."""
    provider = reading.provider
    qps = providers[provider].qps
    if qps is None:
        pause = reading.seconds_until(reading.state.next_call_at)
        if pause > patience:
            raise _too_many(provider, pause)
        time.sleep(pause)
        return
    if reading.state.pk is None:
        ensure_state(provider)
    interval, tolerance = (1 + TOLERANCE) / qps, TOLERANCE / min(qps, 1)
    deadline = time.monotonic() + patience
    while True:
        lead = _leads.get(provider, 0.0)
        turn = _take_turn(provider, interval, lead, max(deadline - time.monotonic(), 0))
        time.sleep(max(turn.begins_at - time.monotonic(), 0))
        lateness = time.monotonic() - turn.begins_at
        if lateness <= tolerance:
            _leads[provider] = 0.95 * lead
            return
        # The answer takes longer than the turn is good for: ask for one that lies as far ahead.
        _leads[provider] = min(max(lead, lateness) * 2, MAX_LEAD)
        _give_back(provider, turn, interval)


# How far ahead this process asks for its turns, by provider, in seconds: as slow as the database happens to be.
_leads: Final[dict[str, float]] = {}


class _Turn(NamedTuple):
    begins_at: float
    """By the monotonic clock of this process."""
    next_call_at: datetime
    """What the database says as long as nobody has taken the turn after it."""


def _take_turn(provider: str, interval: float, lead: float, patience: float) -> _Turn:
    """
    Take the next free time at which a call may begin, at least ``lead`` seconds from now.

    Raises ``NotAdmitted`` where that is more than ``patience`` seconds later.
    """
    states = states_of(provider)
    soonest = DatabaseNow() + timedelta(seconds=lead)
    free_at = Greatest(Coalesce(F("next_call_at"), soonest), soonest)
    is_near = Q(next_call_at__isnull=True) | Q(next_call_at__lte=DatabaseNow() + timedelta(seconds=lead + patience))
    with transaction.atomic(using=states.db):
        # First the UPDATE: it waits for its turn at the row, and what is read after it is ours.
        is_taken = states.filter(is_near).update(next_call_at=free_at + timedelta(seconds=interval))
        asked_at = time.monotonic()
        state: Any = states.annotate(now=DatabaseNow()).get()
    # Set, as the row was just updated or else lies too far ahead.
    until_next = (state.next_call_at - state.now).total_seconds()
    if not is_taken:
        raise _too_many(provider, until_next)
    return _Turn(asked_at + until_next - interval, state.next_call_at)


def _give_back(provider: str, turn: _Turn, interval: float) -> None:
    """Leave a turn that was missed to whoever asks next, unless somebody stands behind it already."""
    own = states_of(provider).filter(next_call_at=turn.next_call_at)
    own.update(next_call_at=turn.next_call_at - timedelta(seconds=interval))


def throttled(reading: Reading, error: ProviderThrottled) -> None:
    """Pass on to all processes how long the provider wants to be left alone."""
    if error.retry_after:
        ensure_state(reading.provider)
        resume_at = DatabaseNow() + wish_of(error)
        states_of(reading.provider).update(next_call_at=Greatest(Coalesce(F("next_call_at"), resume_at), resume_at))


def _too_many(provider: str, pause: float) -> NotAdmitted:
    reason = f'Provider "{provider}" takes no more calls for {pause:.1f} seconds.'
    return NotAdmitted(ErrorCode.THROTTLED, reason, retry_after=pause)
