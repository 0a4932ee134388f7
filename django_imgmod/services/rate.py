"""A provider's rate: when a call may begin, for all processes together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from django.db.models import F
from django.db.models.functions import Coalesce, Greatest

from ..choices import ErrorCode
from ..clock import DatabaseNow
from ..exceptions import ProviderThrottled
from ..providers import providers
from .provider_states import NotAdmitted, Reading, ensure_state, read_state, states_of, wish_of
from .slots import Line, Slot, seconds_until_free, take

# In seconds. How much later than it is written down a call begins that is late for its turn, if the database is quick.
MARGIN: Final = 0.005
# In seconds, between two looks at slots that are all taken.
MIN_PAUSE: Final = 0.01
# In seconds. What was begun, with an upload behind it perhaps, waits at least that long for its next request's turn.
MIDWAY_PATIENCE: Final = 5.0
SIDE: Final = " (feedback)"


def wait_for_turn(provider: str, patience: float) -> tuple[Reading, Sequence[Slot]]:
    """
    Return when a call may begin, with what is known of the provider and its slots. The call must begin at once.

    Returns at once where that is to be left alone. Where it takes turns for its requests itself, returns at once if
    the next one is near. Raises ``NotAdmitted`` where the turn is more than ``patience`` seconds away.
    """
    qps, takes_turns = providers[provider].qps, providers[provider].takes_turns
    if qps is not None and not takes_turns:
        return _wait_in_lines([Line(provider, qps)], patience)
    reading = read_state(provider)
    if not reading.is_held:
        pause = reading.seconds_until(reading.state.next_call_at)
        until_free = 0 if qps is None else seconds_until_free(Line(provider, qps))
        if max(pause, until_free) > patience:
            raise _too_many(provider, max(pause, until_free))
        if qps is None:
            time.sleep(pause)
    return reading, []


@contextmanager
def giving_turns(provider: str, deadline: float, slots: Sequence[Slot] = ()) -> Iterator[None]:
    """
    See to it that each request leaves at its turn, as long as the context lasts; ``slots`` are those of the first.

    A provider that takes turns itself is given one before each of its requests. Waits for them until the deadline, by
    the monotonic clock, and at least ``MIDWAY_PATIENCE`` for each. Raises ``NotAdmitted`` in the provider's own code
    where that is not enough.
    """
    target = providers[provider]
    held = slots

    def wait(lines: Sequence[Line]) -> Sequence[Slot]:
        return _wait_in_lines(lines, max(deadline - time.monotonic(), MIDWAY_PATIENCE), is_begun=True)[1]

    def next_turn(at_most: float | None) -> None:
        nonlocal held
        # Where only some requests have a rate, the others do not stand in line with them.
        own = [] if at_most is None else [Line(provider, at_most, SIDE)]
        lines = own if target.qps is None else [*own, Line(provider, target.qps)]
        held = wait(lines) if lines else []

    def before_sending() -> None:
        nonlocal held
        # The way to here may have been long: a connection was made, or the system had others work.
        if held and _begin(held) is None:
            wait([slot.line for slot in held])
        held = []

    with target.given_turns(next_turn, before_sending):
        yield


def _wait_in_lines(lines: Sequence[Line], patience: float, *, is_begun: bool = False) -> tuple[Reading, Sequence[Slot]]:
    """Wait for a turn in each; not where the provider is to be left alone, unless the call was begun before that."""
    deadline = time.monotonic() + patience
    while True:
        slots: list[Slot] = []
        for line in lines:
            reading, slot = _take(line, deadline, is_begun=is_begun)
            if slot is None:
                return reading, []
            slots.append(slot)
        time.sleep(max(max(slot.begins_at for slot in slots) - time.monotonic(), 0))
        begun = _begin(slots)
        if begun is not None:
            return reading, begun


def _take(line: Line, deadline: float, *, is_begun: bool) -> tuple[Reading, Slot | None]:
    """
    Take the next free slot; return none where the provider is to be left alone before a call was begun.

    Raises ``NotAdmitted`` where none comes free before the deadline.
    """
    while True:
        patience = max(deadline - time.monotonic(), 0)
        reading, slot = take(line, patience)
        if reading.is_held and not is_begun:
            return reading, None
        if slot is not None:
            return reading, slot
        pause = max(seconds_until_free(line), reading.seconds_until(reading.state.next_call_at))
        if pause > patience:
            raise _too_many(line.provider, pause)
        # What is free later than ``take`` looks ahead is left to whoever may be late for their turn in it.
        time.sleep(min(max(pause / 2, MIN_PAUSE), patience))


def _begin(slots: Sequence[Slot]) -> Sequence[Slot] | None:
    """
    Return the slots of a call that may begin now. Where it is too late for its turn, that is said first.

    None where it comes so late that one of them is another's.
    """
    margin = MARGIN
    while True:
        began_at = time.monotonic()
        if all(began_at <= slot.latest for slot in slots):
            return slots
        begun = [slot.begin(began_at + margin) for slot in slots]
        slots = [slot for slot in begun if slot is not None]
        if len(slots) < len(begun):
            return None
        # The database may have taken so long to write it down that it is not true any more.
        margin = max(margin, 2 * (time.monotonic() - began_at))


def throttled(reading: Reading, error: ProviderThrottled) -> None:
    """Pass on to all processes how long the provider wants to be left alone."""
    if error.retry_after:
        ensure_state(reading.provider)
        resume_at = DatabaseNow() + wish_of(error)
        states_of(reading.provider).update(next_call_at=Greatest(Coalesce(F("next_call_at"), resume_at), resume_at))


def _too_many(provider: str, pause: float) -> NotAdmitted:
    reason = f'Provider "{provider}" takes no more calls for {pause:.1f} seconds.'
    return NotAdmitted(ErrorCode.THROTTLED, reason, retry_after=pause)
