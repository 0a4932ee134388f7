"""The same bytes are judged, and paid for, once."""

from __future__ import annotations

from collections.abc import Collection

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
    if not same_bytes.exists():
        return False
    judged = _judged(record, same_bytes)
    decision = _decision(record, same_bytes)
    if decision is None:
        if judged is not None:
            apply_verdict(record, verdict_of(judged), reused_from=judged, judged_as=judged.judged_as)
        return judged is not None
    ruling = Ruling(Outcome(decision.outcome), f"the same picture was decided before: {decision.outcome}")
    if judged is None:
        apply_ruling(record, ruling, reused_from=decision.record)
    else:
        apply_verdict(
            record,
            verdict_of(judged),
            ruling=ruling,
            reused_from=decision.record,
            judged_as=judged.judged_as,
        )
    return True


def known_contents(digests: Collection[str], *, provider: str, service: str, policy: str, using: str) -> set[str]:
    """Return those of the given SHA-256 for which ``reuse`` would find something. Two indexed statements."""
    same_bytes = ModerationRecord.objects.using(using).filter(sha256__in=digests)
    decided = standing_decisions(using).filter(record__in=same_bytes.filter(policy=policy))
    judged = _judged_by(same_bytes, provider=provider, service=service)
    return {*judged.values_list("sha256", flat=True), *decided.values_list("record__sha256", flat=True)}


def _judged(record: ModerationRecord, same_bytes: QuerySet[ModerationRecord]) -> ModerationRecord | None:
    """The newest record that was judged itself, by what would judge this one."""
    judged = _judged_by(same_bytes, provider=record.provider, service=record.service)
    return judged.order_by("-verdict_at").first()


def _judged_by(records: QuerySet[ModerationRecord], *, provider: str, service: str) -> QuerySet[ModerationRecord]:
    return records.filter(provider=provider, service=service, verdict_at__isnull=False, reused_from__isnull=True)


def _decision(record: ModerationRecord, same_bytes: QuerySet[ModerationRecord]) -> Decision | None:
    """The newest decision that still stands: the last to be written, whatever the clocks of those who wrote say."""
    of_same_bytes = standing_decisions(record._state.db).filter(record__in=same_bytes.filter(policy=record.policy))
    return of_same_bytes.select_related("record").order_by("-pk").first()


def standing_decisions(using: str | None) -> QuerySet[Decision]:
    """Return the decisions that were not taken back."""
    return Decision.objects.using(using).filter(undoes__isnull=True, undone_by__isnull=True)
