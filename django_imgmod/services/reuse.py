"""The same bytes are judged, and paid for, once."""

from __future__ import annotations

from django.db.models import QuerySet

from ..choices import Outcome
from ..models import Decision, ModerationRecord
from ..policy import Ruling
from .verdicts import apply_ruling, apply_verdict, verdict_of


def reuse(record: ModerationRecord) -> bool:
    """
    Settle a record by what is known of the same bytes; return whether anything was.

    A person's decision counts where it was made under the same policy; a verdict where the same provider's same
    service gave it, judged anew by the record's own policy. ``reused_from`` names the record that both come from.
    """
    same_bytes = ModerationRecord.objects.using(record._state.db).filter(sha256=record.sha256).exclude(pk=record.pk)
    judged = _judged(record, same_bytes)
    decision = _decision(record, same_bytes)
    if decision is None:
        if judged is not None:
            apply_verdict(record, verdict_of(judged), reused_from=judged)
        return judged is not None
    ruling = Ruling(Outcome(decision.outcome), f"the same picture was decided before: {decision.outcome}")
    if judged is None:
        apply_ruling(record, ruling, reused_from=decision.record)
    else:
        apply_verdict(record, verdict_of(judged), ruling=ruling, reused_from=decision.record)
    return True


def _judged(record: ModerationRecord, same_bytes: QuerySet[ModerationRecord]) -> ModerationRecord | None:
    """The newest record that was judged itself, by what would judge this one."""
    return (
        same_bytes.filter(
            provider=record.provider,
            service=record.service,
            verdict_at__isnull=False,
            reused_from__isnull=True,
        )
        .order_by("-verdict_at")
        .first()
    )


def _decision(record: ModerationRecord, same_bytes: QuerySet[ModerationRecord]) -> Decision | None:
    """The newest decision that still stands."""
    return (
        Decision.objects.using(record._state.db)
        .filter(record__in=same_bytes.filter(policy=record.policy), undoes__isnull=True, undone_by__isnull=True)
        .select_related("record")
        .order_by("-decided_at", "-pk")
        .first()
    )
