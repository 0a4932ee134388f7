"""What a person decides."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction

from ..choices import Outcome, Status
from ..clock import DatabaseNow
from ..exceptions import InvalidTransition, RecordConflict
from ..models import Decision, ModerationRecord
from ..signals import decision_made
from .announcements import announce, announce_status
from .feedback import queue_feedback
from .transitions import DECIDABLE, change_status
from .verdicts import STATUS_OF_OUTCOME

logger = logging.getLogger("django_imgmod")


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
    with transaction.atomic(using=record._state.db):
        change_status(record, STATUS_OF_OUTCOME[outcome], reason=reason, is_shadow=False)
        decision = Decision.objects.using(record._state.db).create(
            record=record, outcome=outcome, reason_code=reason_code, comment=comment, decided_by=decided_by
        )
        queue_feedback(decision)
        announce(decision_made, record, decision=decision)
        announce_status(record)
    logger.info("decision=%s record=%s by=%s", outcome, record.public_id, getattr(decided_by, "pk", None))
    return decision


def release_expired_claims(*, using: str) -> int:
    """Free the records that moderators claimed and left; return how many."""
    records = ModerationRecord.objects.using(using).filter(status=Status.IN_REVIEW, claimed_until__lte=DatabaseNow())
    return records.update(claimed_by=None, claimed_until=None)
