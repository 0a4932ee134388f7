"""What a person decides."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.db import transaction

from ..choices import Outcome, Status
from ..clock import DatabaseNow
from ..exceptions import InvalidTransition, RecordConflict
from ..models import Decision, ModerationRecord
from ..signals import decision_made
from .announcements import announce, announce_status
from .feedback import queue_feedback, withdraw_feedback
from .reuse import standing_decisions
from .transitions import DECIDABLE, change_status
from .verdicts import STATUS_OF_OUTCOME

logger = logging.getLogger("django_imgmod")

OUTCOME_OF_STATUS: Final = {status: outcome for outcome, status in STATUS_OF_OUTCOME.items()}


def decide(
    record: ModerationRecord,
    outcome: Outcome,
    *,
    decided_by: Any,
    version: int | None = None,
    reason_code: str = "",
    comment: str = "",
) -> Decision:
    """
    Record a person's decision and move the record to what it says.

    ``version`` is the record's version that the person saw; by default that of ``record`` as it was read. ``review``
    sends a settled record back to the review queue. A record that was judged in the shadow steps out of it.

    Sends ``decision_made`` and the signal of the new status after the commit. Raises ``RecordConflict`` where the
    record has changed since, ``InvalidTransition`` where it cannot become what was decided.
    """
    if version is not None and version != record.version:
        raise RecordConflict(f"Record {record.public_id} has changed since it was shown.")
    if record.status not in DECIDABLE:
        raise InvalidTransition(Status(record.status), STATUS_OF_OUTCOME[outcome])
    reason = comment or reason_code or f"decided: {outcome.value}"
    before = _before(record)
    with transaction.atomic(using=record._state.db):
        change_status(record, STATUS_OF_OUTCOME[outcome], reason=reason, is_shadow=False)
        decision = Decision.objects.using(record._state.db).create(
            record=record, outcome=outcome, reason_code=reason_code, comment=comment, decided_by=decided_by, **before
        )
        queue_feedback(decision)
        announce(decision_made, record, decision=decision)
        announce_status(record)
    logger.info("decision=%s record=%s by=%s", outcome, record.public_id, getattr(decided_by, "pk", None))
    return decision


def undo(decision: Decision, *, undone_by: Any) -> Decision:
    """
    Take back the last decision about a record: it becomes what it was before; return the decision that says so.

    What the provider was not told yet, it is not told. Where it was, it is told what holds again, unless that is a
    person's to decide. Records of the same bytes that were settled by the decision meanwhile keep their status.

    Sends ``decision_made`` and the signal of the status after the commit. Raises ``RecordConflict`` where it was taken
    back already, is not the last one, or the record has changed since.
    """
    using = decision._state.db
    record = ModerationRecord.objects.using(using).get(pk=decision.record_id)
    standing = standing_decisions(using).filter(record=record).order_by("-pk").values_list("pk", flat=True).first()
    if standing != decision.pk or record.status != STATUS_OF_OUTCOME[Outcome(decision.outcome)]:
        raise RecordConflict(f"Record {record.public_id} has changed since that was decided.")
    # Of a decision that does not say what was before it, a person has to look again.
    status = Status(decision.status_before or Status.IN_REVIEW)
    before = _before(record)
    with transaction.atomic(using=using):
        change_status(record, status, reason=decision.reason_before or "", is_shadow=decision.was_shadow)
        taken_back = Decision.objects.using(using).create(
            record=record, outcome=OUTCOME_OF_STATUS[status], decided_by=undone_by, undoes=decision, **before
        )
        if withdraw_feedback(decision) and status != Status.IN_REVIEW:
            queue_feedback(taken_back)
        announce(decision_made, record, decision=taken_back)
        announce_status(record)
    logger.info("decision=undone record=%s by=%s", record.public_id, getattr(undone_by, "pk", None))
    return taken_back


def _before(record: ModerationRecord) -> dict[str, Any]:
    """Return what a decision says of the record as the person saw it."""
    return {
        "version": record.version,
        "status_before": record.status,
        "reason_before": record.reason,
        "was_shadow": record.is_shadow,
    }


def release_expired_claims(*, using: str) -> int:
    """Free the records that moderators claimed and left; return how many."""
    records = ModerationRecord.objects.using(using).filter(status=Status.IN_REVIEW, claimed_until__lte=DatabaseNow())
    return records.update(claimed_by=None, claimed_until=None)
