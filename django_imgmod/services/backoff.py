"""When something that failed is tried again."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Final

MAX_ATTEMPTS: Final = 15
# In seconds, as all here.
FIRST_DELAY: Final = 15.0
MAX_DELAY: Final = 3600.0
MAX_WISH: Final = 86_400.0


def delay_after(attempt_count: int, *, wish: float | None = None) -> timedelta:
    """
    Return how long to wait after the given number of failed attempts: exponential, with full jitter.

    The jitter keeps what failed together from coming back together. ``wish`` is the least that the other side asked
    for, in seconds.
    """
    longest = min(FIRST_DELAY * 2 ** min(attempt_count, 32), MAX_DELAY)
    delay = random.uniform(0, longest)  # noqa: S311 - no secret
    return timedelta(seconds=max(delay, min(wish or 0, MAX_WISH)))


def delay_while_held(seconds: float) -> timedelta:
    """Return how long to wait for a provider that may be called in ``seconds``, without all coming at once."""
    return timedelta(seconds=seconds) + delay_after(0)
