"""An application whose clock is a day off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

from django.utils import timezone

SHIFTS = [timedelta(days=1), timedelta(days=-1)]


@contextmanager
def clock_off_by(shift: timedelta) -> Iterator[None]:
    now = timezone.now
    with mock.patch.object(timezone, "now", side_effect=lambda: now() + shift):
        yield
