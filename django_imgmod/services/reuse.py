"""The same bytes are judged, and paid for, once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db.models import Exists, OuterRef, QuerySet

from ..choices import Outcome, Status
from ..models import Decision, DecisionQuerySet, ModerationRecord, ModerationRecordQuerySet
from ..policy import Ruling
from .twins import has_same_bytes
from .verdicts import STATUS_OF_OUTCOME, apply_ruling, apply_verdict, verdict_of


def reuse(record: ModerationRecord) -> bool:
    """
    Settle a record by what is known of the same bytes; return whether anything was.

    A person's decision counts where it was made under the same policy; a verdict where the same provider's same
    service gave it, judged anew by the record's own policy. ``reused_from`` names the record that both come from.
    """
    using = str(record._state.db)
    if not has_same_bytes(record):
        return False
    same_bytes = ModerationRecord.objects.using(using).filter(sha256=record.sha256).exclude(pk=record.pk)
    judged = _judged(record, same_bytes)
    decision = _decision(record, same_bytes)
    if decision is None:
        if judged is not None:
            apply_verdict(record, verdict_of(judged), reused_from=judged, judged_as=judged.judged_as)
        return judged is not None
    ruling = _ruling(decision)
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


def _ruling(decision: Decision) -> Ruling:
    return Ruling(Outcome(decision.outcome), f"the same picture was decided before: {decision.outcome}")


def settled_by(
    decisions: Sequence[Decision], *, using: str | None, is_superseded: bool = False
) -> ModerationRecordQuerySet:
    """
    Return the records that are what decisions about the same bytes made them, and that nobody decided about since.

    With ``is_superseded`` those that were that until they were superseded. The decisions, one at least, have one
    outcome. What took over a verdict alone is not among the records. Clocks are not asked: of a record that was decided
    alike twice, what the first decision settled is among them, too.
    """
    ruling = _ruling(decisions[0])
    records = ModerationRecord.objects.using(using).filter(
        reused_from__in=[decision.record_id for decision in decisions],
        status=Status.SUPERSEDED if is_superseded else STATUS_OF_OUTCOME[ruling.outcome],
        reason=ruling.reason,
    )
    return records.filter(~Exists(standing_decisions(using).filter(record=OuterRef("pk"))))


def known_contents(digests: Collection[str], *, provider: str, service: str, policy: str, using: str) -> set[str]:
    """Return those of the given SHA-256 for which ``reuse`` would find something. Two indexed statements."""
    same_bytes = ModerationRecord.objects.using(using).filter(sha256__in=digests)
    decided = decisions_about(same_bytes, policy, using)
    judged = judged_by(same_bytes, provider=provider, service=service)
    return {*judged.values_list("sha256", flat=True), *decided.values_list("record__sha256", flat=True)}


def _judged(record: ModerationRecord, same_bytes: QuerySet[ModerationRecord]) -> ModerationRecord | None:
    """The newest record that was judged itself, by what would judge this one."""
    judged = judged_by(same_bytes, provider=record.provider, service=record.service)
    return judged.order_by("-verdict_at").first()


def judged_by(records: QuerySet[ModerationRecord], *, provider: str, service: str) -> QuerySet[ModerationRecord]:
    """Return those that a service judged itself."""
    return records.filter(provider=provider, service=service, verdict_at__isnull=False, reused_from__isnull=True)


def _decision(record: ModerationRecord, same_bytes: QuerySet[ModerationRecord]) -> Decision | None:
    """The newest decision that still stands: the last to be written, whatever the clocks of those who wrote say."""
    decided = decisions_about(same_bytes, record.policy, record._state.db)
    return decided.select_related("record").order_by("-pk").first()


def decisions_about(same_bytes: QuerySet[ModerationRecord], policy: str, using: str | None) -> DecisionQuerySet:
    """
    Return what people decided about the same bytes under a policy, and did not take back.

    That somebody asked for another's eyes is no decision.
    """
    return standing_decisions(using).without_escalations().filter(record__in=same_bytes.filter(policy=policy))


def standing_decisions(using: str | None) -> DecisionQuerySet:
    """Return the decisions that were not taken back, escalations among them."""
    return Decision.objects.using(using).filter(undoes__isnull=True, undone_by__isnull=True)
