"""A provider's rate: the times at which calls may begin are handed out one after the other, to all processes."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from django.db import connections, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from ..choices import ErrorCode
from ..clock import DatabaseNow
from ..exceptions import ProviderThrottled
from ..models import ProviderState
from ..providers import providers
from .provider_states import NotAdmitted, Reading, ensure_state, read_state, states_of, wish_of

# How much later than its time a call may begin, in seconds. The times lie that much further apart, so that even
# one late call and punctual ones never make one too many within any second.
TOLERANCE: Final = 0.01
# In seconds. A database that answers later than that leaves no time to be punctual in.
MAX_LEAD: Final = 1.0


def wait_for_turn(provider: str, patience: float) -> Reading:
    """
    Return when a call may begin, and no later than the tolerance after that, with what is known of the provider.

    Returns at once where that is to be left alone. Raises ``NotAdmitted`` where the turn is more than ``patience``
    seconds away.
    """
    qps = providers[provider].qps
    if qps is not None:
        return _wait_in_line(provider, qps, patience)
    reading = read_state(provider)
    pause = reading.seconds_until(reading.state.next_call_at)
    if not reading.is_held:
        if pause > patience:
            raise _too_many(provider, pause)
        time.sleep(pause)
    return reading


def _wait_in_line(provider: str, qps: float, patience: float) -> Reading:
    interval, tolerance = (1 + TOLERANCE) / qps, TOLERANCE / min(qps, 1)
    deadline = time.monotonic() + patience
    while True:
        lead = _leads.get(provider, 0.0)
        turn = _take_turn(provider, interval, lead, max(deadline - time.monotonic(), 0))
        if turn.reading.is_held:
            return turn.reading
        time.sleep(max(turn.begins_at - time.monotonic(), 0))
        lateness = time.monotonic() - turn.begins_at
        if lateness <= tolerance:
            _leads[provider] = 0.95 * lead
            return turn.reading
        # The answer takes longer than the turn is good for: ask for one that lies as far ahead.
        _leads[provider] = min(max(lead, lateness) * 2, MAX_LEAD)
        _give_back(turn, interval)


# How far ahead this process asks for its turns, by provider, in seconds: as slow as the database happens to be.
_leads: Final[dict[str, float]] = {}


class _Turn(NamedTuple):
    begins_at: float
    """By the monotonic clock of this process."""
    reading: Reading
    """As it is once the turn is taken: its ``next_call_at`` stays the same as long as nobody has the turn after it."""


def _take_turn(provider: str, interval: float, lead: float, patience: float) -> _Turn:
    """
    Take the next free time at which a call may begin, at least ``lead`` seconds from now.

    Raises ``NotAdmitted`` where that is more than ``patience`` seconds later, unless the provider is to be left alone.
    """
    asked_at, reading = _advance(provider, interval, lead, patience)
    if reading is None:
        reading = read_state(provider)
        if reading.state.pk is None:
            ensure_state(provider)
            return _take_turn(provider, interval, lead, patience)
        if not reading.is_held:
            raise _too_many(provider, reading.seconds_until(reading.state.next_call_at))
    until_next = reading.seconds_until(reading.state.next_call_at)
    return _Turn(asked_at + until_next - interval, reading)


def _advance(provider: str, interval: float, lead: float, patience: float) -> tuple[float, Reading | None]:
    """
    Move a provider's next call by one interval, unless it lies too far ahead or there is no row.

    Returns when that was done, by the monotonic clock, and the state as it is since.
    """
    states = states_of(provider)
    if connections[states.db].vendor == "postgresql":
        return _advance_in_one_statement(provider, states.db, interval, lead, patience)
    soonest = DatabaseNow() + timedelta(seconds=lead)
    free_at = Greatest(Coalesce(F("next_call_at"), soonest), soonest)
    is_near = Q(next_call_at__isnull=True) | Q(next_call_at__lte=DatabaseNow() + timedelta(seconds=lead + patience))
    with transaction.atomic(using=states.db):
        # First the UPDATE: it waits for its turn at the row, and what is read after it is ours.
        is_taken = states.filter(is_near).update(next_call_at=free_at + timedelta(seconds=interval))
        asked_at = time.monotonic()
        return asked_at, read_state(provider) if is_taken else None


def _advance_in_one_statement(
    provider: str, using: str, interval: float, lead: float, patience: float
) -> tuple[float, Reading | None]:
    """Do the same where one statement can: every call waits for it, at most as often as the row can be locked."""
    fields = ProviderState._meta.concrete_fields
    with connections[using].cursor() as cursor:
        cursor.execute(_advance_sql(using), [interval, lead, provider, lead + patience])
        row = cursor.fetchone()
    asked_at = time.monotonic()
    if row is None:
        return asked_at, None
    *values, now = row
    return asked_at, Reading(ProviderState.from_db(using, [field.attname for field in fields], values), now)


@cache
def _advance_sql(using: str) -> str:
    connection = connections[using]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in ProviderState._meta.concrete_fields)
    # CLOCK_TIMESTAMP(), as the statement may have waited for its turn at the row.
    return f"""
        UPDATE {connection.ops.quote_name(ProviderState._meta.db_table)}
        SET next_call_at = make_interval(secs => %s)
            + GREATEST(next_call_at, CLOCK_TIMESTAMP() + make_interval(secs => %s))
        WHERE provider = %s
            AND (next_call_at IS NULL OR next_call_at <= CLOCK_TIMESTAMP() + make_interval(secs => %s))
        RETURNING {columns}, CLOCK_TIMESTAMP()
    """  # noqa: S608 - names of our own


def _give_back(turn: _Turn, interval: float) -> None:
    """Leave a turn that was missed to whoever asks next, unless somebody stands behind it already."""
    next_call_at: Any = turn.reading.state.next_call_at
    own = states_of(turn.reading.provider).filter(next_call_at=next_call_at)
    own.update(next_call_at=next_call_at - timedelta(seconds=interval))


def throttled(reading: Reading, error: ProviderThrottled) -> None:
    """Pass on to all processes how long the provider wants to be left alone."""
    if error.retry_after:
        ensure_state(reading.provider)
        resume_at = DatabaseNow() + wish_of(error)
        states_of(reading.provider).update(next_call_at=Greatest(Coalesce(F("next_call_at"), resume_at), resume_at))


def _too_many(provider: str, pause: float) -> NotAdmitted:
    reason = f'Provider "{provider}" takes no more calls for {pause:.1f} seconds.'
    return NotAdmitted(ErrorCode.THROTTLED, reason, retry_after=pause)
