"""Calling a provider: whether it may be called now, and what is learnt from the call, for all processes alike."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ..exceptions import (
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderThrottled,
    ProviderUnavailable,
    UnsupportedOperation,
)
from .circuit import become_probe, failed, give_up_probe, left_alone, succeeded
from .provider_states import NotAdmitted, read_state
from .rate import giving_turns, throttled, wait_for_turn

# What says something about the provider rather than about one image.
_OUTAGES: Final = (ProviderUnavailable, ProviderAuthError, ProviderProtocolError)
_OUTAGE_CODES: Final = frozenset(error.code for error in _OUTAGES)


@contextmanager
def calling(provider: str, *, patience: float = 0) -> Iterator[None]:
    """
    Surround one call of a provider: wait for the time at which it may begin, learn from how it ends.

    Waits at most ``patience`` seconds, and inside the call for the turns of a provider that takes them itself. Raises
    ``NotAdmitted`` where the circuit is open or the rate leaves no room; everything that the call raises goes on to the
    caller. Must not be entered inside a transaction: nobody else would see what was agreed.
    """
    deadline = time.monotonic() + patience
    reading, slots = wait_for_turn(provider, patience)
    if reading.is_held:
        raise left_alone(reading)
    if not reading.is_closed:
        become_probe(reading)
    try:
        with giving_turns(provider, deadline, slots):
            yield
    except _OUTAGES as error:
        failed(reading, error)
        raise
    except ProviderThrottled as error:
        throttled(reading, error)
        raise
    except (UnsupportedOperation, NotAdmitted):
        # It was not called at all, or not to the end.
        give_up_probe(reading)
        raise
    except ProviderError:
        # A provider that refuses one picture is at work.
        succeeded(reading)
        raise
    else:
        succeeded(reading)


def allowance(provider: str, limit: int) -> int:
    """
    Return how many records of a provider are worth claiming now: ``limit``, one as a probe, or none.

    What is not claimed stays due, and costs nothing while it waits.
    """
    reading = read_state(provider)
    if reading.is_held:
        return 0
    return limit if reading.is_closed else 1


def is_outage(provider: str, error_code: str) -> bool:
    """Return whether a failure is the provider's, which fails whatever it is asked: it costs no attempt then."""
    return error_code in _OUTAGE_CODES and not read_state(provider).is_closed
