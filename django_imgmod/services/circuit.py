"""
A provider's circuit: a run of failures opens it, one call as a probe decides when it closes.

While it is open nothing is sent, so an outage costs neither the provider its recovery nor the site its time.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any, Final

from django.db.models import F

from ..choices import Circuit, ErrorCode
from ..clock import DatabaseNow
from ..exceptions import ProviderError
from .provider_states import NotAdmitted, Reading, ensure_state, states_of, wish_of
from .storable import storable

logger = logging.getLogger("django_imgmod")

FAILURES_TO_OPEN: Final = 8
FIRST_PAUSE: Final = timedelta(seconds=5)
MAX_PAUSE: Final = timedelta(minutes=5)
# A probe whose process died is followed by another one after that time.
PROBE: Final = timedelta(minutes=1)

_HEALTHY: Final[dict[str, Any]] = {"failure_count": 0, "retry_at": None, "error_code": "", "error_message": ""}


def left_alone(reading: Reading) -> NotAdmitted:
    """Return the refusal of a call while the circuit is not closed."""
    return NotAdmitted(
        ErrorCode.UNAVAILABLE,
        f'Provider "{reading.provider}" failed {reading.state.failure_count} times in a row and is left alone until it '
        f"answers again. Its last error: {reading.state.error_message}",
        retry_after=reading.seconds_until(reading.state.retry_at) or PROBE.total_seconds(),
    )


def become_probe(reading: Reading) -> None:
    """Take the right to try a provider whose circuit is not closed. Raises ``NotAdmitted`` where another has it."""
    waiting = states_of(reading.provider).exclude(circuit=Circuit.CLOSED).filter(retry_at__lte=DatabaseNow())
    if not waiting.update(circuit=Circuit.HALF_OPEN, retry_at=DatabaseNow() + PROBE):
        raise left_alone(reading)
    if reading.state.circuit == Circuit.OPEN:
        logger.info("circuit=half_open provider=%s", reading.provider)


def give_up_probe(reading: Reading) -> None:
    """Leave the right to be the probe, if it was taken, to the next one."""
    if not reading.is_closed:
        half_open = states_of(reading.provider).filter(circuit=Circuit.HALF_OPEN)
        half_open.update(circuit=Circuit.OPEN, retry_at=DatabaseNow())


def failed(reading: Reading, error: ProviderError) -> None:
    """Learn from a failure that is the provider's own; open the circuit after enough of them in a row."""
    provider, states = reading.provider, states_of(reading.provider)
    ensure_state(provider)
    known = storable({"error_code": error.code, "error_message": str(error)})
    states.update(failure_count=F("failure_count") + 1, **known)
    failure_count = states.values_list("failure_count", flat=True).get()
    pause = _pause(failure_count, error)
    if not reading.is_closed:
        # No new change of the circuit: an outage is told twice, when it begins and when it ends.
        states.exclude(circuit=Circuit.CLOSED).update(circuit=Circuit.OPEN, retry_at=DatabaseNow() + pause)
        logger.info("probe=failed provider=%s error=%s again_in=%.0f", provider, error.code, pause.total_seconds())
        return
    opening = states.filter(circuit=Circuit.CLOSED, failure_count__gte=FAILURES_TO_OPEN)
    if opening.update(circuit=Circuit.OPEN, changed_at=DatabaseNow(), retry_at=DatabaseNow() + pause):
        message = "circuit=open provider=%s failures=%d error=%s message=%r"
        logger.error(message, provider, failure_count, error.code, str(error))


def succeeded(reading: Reading) -> None:
    """Learn from an answer to the point, whatever it says about the image."""
    if reading.is_closed and not reading.state.failure_count:
        # As nearly always. To build a statement for nothing would cost more than the rest.
        return
    states = states_of(reading.provider)
    if reading.is_closed:
        states.filter(circuit=Circuit.CLOSED).update(**_HEALTHY)
    elif states.exclude(circuit=Circuit.CLOSED).update(**_HEALTHY, circuit=Circuit.CLOSED, changed_at=DatabaseNow()):
        since = reading.state.changed_at.isoformat() if reading.state.changed_at else "-"
        logger.warning("circuit=closed provider=%s open_since=%s", reading.provider, since)


def _pause(failure_count: int, error: ProviderError) -> timedelta:
    """Return how long a provider is left alone after a failure: the longer, the longer it has been failing."""
    doublings = min(max(failure_count - FAILURES_TO_OPEN, 0), 10)
    pause: timedelta = min(FIRST_PAUSE * 2**doublings, MAX_PAUSE)
    return max(pause, wish_of(error))
