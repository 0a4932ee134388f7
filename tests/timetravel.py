"""Time that passes in the database alone: what is due later becomes due, and nobody has to wait for it."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import chain

from django.db.models import F, Model
from django.utils import timezone

from django_imgmod.models import Feedback, ModerationRecord, ProviderSlot, ProviderState

# What services compare with the database's clock.
MOMENTS: dict[type[Model], tuple[str, ...]] = {
    ModerationRecord: ("due_at", "lease_until", "submitted_at", "created_at", "claimed_until"),
    ProviderState: ("retry_at", "next_call_at", "changed_at"),
    ProviderSlot: ("free_at",),
    Feedback: ("due_at",),
}


def fast_forward(seconds: float, *, using: str = "default") -> None:
    """Let so much time pass: move every moment that services look at into the past by as much."""
    for model, names in MOMENTS.items():
        moved = {name: F(name) - timedelta(seconds=seconds) for name in names}
        model._default_manager.using(using).update(**moved)


def seconds_to_next(*, using: str = "default") -> float | None:
    """Return how long it is until some record is due and may be worked on; None where none ever will be."""
    records = ModerationRecord.objects.using(using).filter(due_at__isnull=False)
    moments = records.values_list("due_at", "lease_until")
    states = ProviderState.objects.using(using).values_list("provider", "retry_at")
    held_until = {provider: retry_at for provider, retry_at in states if retry_at}
    due_at: list[datetime] = []
    for provider in records.order_by().values_list("provider", flat=True).distinct():
        rows = moments.filter(provider=provider).order_by("due_at")[:1]
        due_at += [max(filter(None, chain(row, [held_until.get(provider)]))) for row in rows]
    return max((min(due_at) - timezone.now()).total_seconds(), 0) if due_at else None
