"""A provider's rate: the times at which calls may begin are handed out one after the other, to all processes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from django.db import connections, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Greatest

from ..choices import ErrorCode
from ..clock import DatabaseNow
from ..exceptions import ProviderThrottled
from ..models import ALIAS_LENGTH, ProviderState
from ..providers import providers
from .provider_states import NotAdmitted, Reading, ensure_state, read_state, states_of, wish_of

# How much later than its time a call may begin, and how much later than others it may arrive, in seconds. The times lie
# that much further apart, so that one call late in both and punctual ones never make one too many within any second.
TOLERANCE: Final = 0.01
ON_THE_WAY: Final = 0.005
# In seconds. Where it is known no better than that when the database read its clock, it is read once more.
VAGUENESS: Final = 0.002
# In seconds. A database that answers later than that leaves no time to be punctual in.
MAX_LEAD: Final = 1.0
# In seconds. What was begun, with an upload behind it perhaps, waits at least that long for its next request's turn.
MIDWAY_PATIENCE: Final = 5.0


def wait_for_turn(provider: str, patience: float) -> Reading:
    """
    Return when a call may begin, and no later than the tolerance after that, with what is known of the provider.

    Returns at once where that is to be left alone. Where it takes turns for its requests itself, returns at once if
    the next one is near. Raises ``NotAdmitted`` where the turn is more than ``patience`` seconds away.
    """
    qps, takes_turns = providers[provider].qps, providers[provider].takes_turns
    if qps is not None and not takes_turns:
        return _wait_in_line(provider, qps, patience)
    reading = read_state(provider)
    pause = reading.seconds_until(reading.state.next_call_at)
    if not reading.is_held:
        if pause > patience:
            raise _too_many(provider, pause)
        if qps is None:
            time.sleep(pause)
    return reading


@contextmanager
def giving_turns(provider: str, deadline: float) -> Iterator[None]:
    """
    Give a provider that takes turns itself one before each of its requests, as long as the context lasts.

    It waits for them until the deadline, by the monotonic clock, and at least ``MIDWAY_PATIENCE`` for each. Raises
    ``NotAdmitted`` in the provider's own code where that is not enough.
    """
    target = providers[provider]

    def next_turn(at_most: float | None) -> None:
        rates = [rate for rate in (target.qps, at_most) if rate is not None]
        if rates:
            # Where only some requests have a rate, the others do not stand in line with them.
            line = provider if target.qps is not None else _side_line(provider)
            left = max(deadline - time.monotonic(), MIDWAY_PATIENCE)
            _wait_in_line(line, min(rates), left, is_begun=True)

    with target.given_turns(next_turn):
        yield


def _side_line(provider: str) -> str:
    return f"{provider[: ALIAS_LENGTH - len(_SIDE)]}{_SIDE}"


_SIDE: Final = " (feedback)"


def _wait_in_line(line: str, qps: float, patience: float, *, is_begun: bool = False) -> Reading:
    """Wait for a turn; not where the provider is to be left alone, unless the call was begun before that."""
    interval, tolerance = (1 + TOLERANCE + ON_THE_WAY) / qps, TOLERANCE / min(qps, 1)
    deadline = time.monotonic() + patience
    while True:
        lead = _leads.get(line, 0.0)
        turn = _take_turn(line, interval, lead, deadline, is_begun=is_begun)
        if turn.reading.is_held and not is_begun:
            return turn.reading
        time.sleep(max(turn.begins_at - time.monotonic(), 0))
        lateness = time.monotonic() - turn.begins_at + turn.vagueness
        if lateness <= tolerance:
            _leads[line] = 0.95 * lead
            return turn.reading
        # The answer takes longer than the turn is good for: ask for one that lies as far ahead.
        _leads[line] = min(max(lead, lateness) * 2, MAX_LEAD)
        _give_back(turn, interval)


# How far ahead this process asks for its turns, by line, in seconds: as slow as the database happens to be.
_leads: Final[dict[str, float]] = {}


class _Moment(NamedTuple):
    """What was known of a line, and when: the database read its clock between the two times of this process's."""

    reading: Reading
    """As it is once the turn is taken: its ``next_call_at`` stays the same as long as nobody has the turn after it."""
    asked_at: float
    answered_at: float


class _Turn(NamedTuple):
    begins_at: float
    """By the monotonic clock of this process: surely not too early."""
    vagueness: float
    """How much too late that may be, in seconds."""
    reading: Reading


def _take_turn(line: str, interval: float, lead: float, deadline: float, *, is_begun: bool) -> _Turn:
    """
    Take the next free time at which a call may begin, at least ``lead`` seconds from now.

    Raises ``NotAdmitted`` where that is more than ``lead`` after the deadline, unless the provider is to be left alone
    before a call was begun: that turn is nobody's.
    """
    while True:
        patience = max(deadline - time.monotonic(), 0)
        moment = _advance(line, interval, lead, patience)
        if moment is not None:
            break
        moment = _look(line)
        if moment.reading.is_held and not is_begun:
            break
        if moment.reading.state.pk is None:
            ensure_state(line)
        elif (pause := moment.reading.seconds_until(moment.reading.state.next_call_at)) > lead + patience:
            raise _too_many(line, pause)
        # Between the two statements another process has made the row, or the line has become shorter.
    if moment.answered_at - moment.asked_at > VAGUENESS:
        # It waited for others, or for a disk, before or after the clock was read.
        clock = _look(line)
        moment = clock._replace(reading=replace(moment.reading, now=clock.reading.now))
    until_next = moment.reading.seconds_until(moment.reading.state.next_call_at)
    begins_at = moment.answered_at + until_next - interval
    return _Turn(begins_at, moment.answered_at - moment.asked_at, moment.reading)


def _look(line: str) -> _Moment:
    asked_at = time.monotonic()
    return _Moment(read_state(line), asked_at, time.monotonic())


def _advance(line: str, interval: float, lead: float, patience: float) -> _Moment | None:
    """Move a line's next call by one interval; return what is known since, None if it lies too far ahead or is none."""
    states = states_of(line)
    if connections[states.db].vendor == "postgresql":
        return _advance_in_one_statement(line, states.db, interval, lead, patience)
    soonest = DatabaseNow() + timedelta(seconds=lead)
    free_at = Greatest(Coalesce(F("next_call_at"), soonest), soonest)
    is_near = Q(next_call_at__isnull=True) | Q(next_call_at__lte=DatabaseNow() + timedelta(seconds=lead + patience))
    with transaction.atomic(using=states.db):
        # First the UPDATE: it waits for its turn at the row, and what is read after it is ours.
        is_taken = states.filter(is_near).update(next_call_at=free_at + timedelta(seconds=interval))
        return _look(line) if is_taken else None


def _advance_in_one_statement(line: str, using: str, interval: float, lead: float, patience: float) -> _Moment | None:
    """Do the same where one statement can: every call waits for it, at most as often as the row can be locked."""
    fields = ProviderState._meta.concrete_fields
    asked_at = time.monotonic()
    with connections[using].cursor() as cursor:
        cursor.execute(_advance_sql(using), [interval, lead, line, lead + patience])
        row = cursor.fetchone()
    answered_at = time.monotonic()
    if row is None:
        return None
    *values, now = row
    reading = Reading(ProviderState.from_db(using, [field.attname for field in fields], values), now)
    return _Moment(reading, asked_at, answered_at)


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
