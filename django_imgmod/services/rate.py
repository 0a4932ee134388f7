"""A provider's rate: the times at which calls may begin are handed out one after the other, to all processes."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

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


def wait_for_turn(reading: Reading, patience: float) -> None:
    """Return when a call may begin, and no later than ``TOLERANCE`` after that."""
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
    deadline = time.monotonic() + patience
    lead = 0.0
    while True:
        turn = _take_turn(provider, (1 + TOLERANCE) / qps, lead, max(deadline - time.monotonic(), 0))
        time.sleep(max(turn - time.monotonic(), 0))
        lateness = time.monotonic() - turn
        if lateness <= TOLERANCE:
            return
        # The answer takes longer than the turn is good for: ask for one that lies as far ahead.
        lead = 2 * max(lead, lateness)


def _take_turn(provider: str, interval: float, lead: float, patience: float) -> float:
    """
    Take the next free time at which a call may begin, at least ``lead`` seconds from now; return it by the monotonic
    clock of this process.

    Raises ``NotAdmitted`` where that is more than ``patience`` seconds away.
    """
    states = states_of(provider)
    soonest = DatabaseNow() + timedelta(seconds=lead)
    free_at = Greatest(Coalesce(F("next_call_at"), soonest), soonest)
    is_near = Q(next_call_at__isnull=True) | Q(next_call_at__lte=DatabaseNow() + timedelta(seconds=patience))
    with transaction.atomic(using=states.db):
        # First the UPDATE: it waits for its turn at the row, and what is read after it is ours.
        is_taken = states.filter(is_near).update(next_call_at=free_at + timedelta(seconds=interval))
        asked_at = time.monotonic()
        next_call_at, now = states.annotate(now=DatabaseNow()).values_list("next_call_at", "now").get()
    # Set, as the row was just updated or else lies too far ahead.
    until_next: float = (next_call_at - now).total_seconds()  # type: ignore[operator]
    if not is_taken:
        raise _too_many(provider, until_next)
    return asked_at + until_next - interval


def throttled(reading: Reading, error: ProviderThrottled) -> None:
    """Pass on to all processes how long the provider wants to be left alone."""
    if error.retry_after:
        ensure_state(reading.provider)
        resume_at = DatabaseNow() + wish_of(error)
        states_of(reading.provider).update(next_call_at=Greatest(Coalesce(F("next_call_at"), resume_at), resume_at))


def _too_many(provider: str, pause: float) -> NotAdmitted:
    reason = f'Provider "{provider}" takes no more calls for {pause:.1f} seconds.'
    return NotAdmitted(ErrorCode.THROTTLED, reason, retry_after=pause)
