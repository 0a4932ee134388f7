"""What all processes know about a provider, and how a call that is not to be made now is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import router
from django.db.models import QuerySet
from django.utils import timezone

from ..choices import Circuit, ErrorCode
from ..clock import DatabaseNow
from ..exceptions import ProviderError
from ..models import ProviderState

# In seconds: as long as a provider is left alone because it asks for it.
MAX_WISH: Final = 3600.0


class NotAdmitted(Exception):
    """The provider is not to be called now, for a reason that is not the image's; ask again in ``retry_after`` s."""

    def __init__(self, code: ErrorCode, reason: str, *, retry_after: float) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Reading:
    """A provider's state as it is, or as it would be were there one, and the time at which it was read."""

    state: ProviderState
    now: datetime

    @property
    def provider(self) -> str:
        return self.state.provider

    @property
    def is_closed(self) -> bool:
        return self.state.circuit == Circuit.CLOSED

    @property
    def is_held(self) -> bool:
        """Whether it is too early even for a probe."""
        return not self.is_closed and self.seconds_until(self.state.retry_at) > 0

    def seconds_until(self, moment: datetime | None) -> float:
        return max((moment - self.now).total_seconds(), 0) if moment else 0


def states_of(provider: str) -> QuerySet[ProviderState]:
    """Return the one row of a provider, or none, in the database that all processes share."""
    return ProviderState.objects.using(router.db_for_write(ProviderState)).filter(provider=provider)


def read_state(provider: str) -> Reading:
    """Read a provider's state; a provider that never failed nor had a rate has none, and is well."""
    state: Any = states_of(provider).annotate(now=DatabaseNow()).first()
    if state is None:
        return Reading(ProviderState(provider=provider), timezone.now())
    return Reading(state, state.now)


def ensure_state(provider: str) -> None:
    """Make sure that there is a row to update."""
    ProviderState.objects.using(router.db_for_write(ProviderState)).get_or_create(provider=provider)


def wish_of(error: ProviderError) -> timedelta:
    """Return how long a provider asks to be left alone."""
    return timedelta(seconds=min(error.retry_after or 0, MAX_WISH))
