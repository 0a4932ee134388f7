"""What a person decides."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from ..choices import Lane, Outcome, Status
from ..clock import DatabaseNow
from ..exceptions import InvalidTransition, RecordConflict
from ..models import Appeal, Decision, ModerationRecord
from ..signals import decision_made
from .announcements import announce, announce_status
from .feedback import queue_feedback, withdraw_feedback
from .reuse import settled_by, standing_decisions
from .showing.withdrawal import withdraw_accepted
from .storable import storable
from .transitions import DECIDABLE, change_lane, change_status, keep_in_place
from .verdicts import STATUS_OF_OUTCOME

logger = logging.getLogger("django_imgmod")

# How many other uploads of the same bytes lose what settled them at once.
MAX_RELEASED: Final = 500
OUTCOME_OF_STATUS: Final = {status: outcome for outcome, status in STATUS_OF_OUTCOME.items()}


def decide(
    record: ModerationRecord,
    outcome: Outcome,
    *,
    decided_by: Any,
    version: int | None = None,
    reason_code: str = "",
    comment: str = "",
    batch: uuid.UUID | None = None,
) -> Decision:
    """
    Record a person's decision and move the record to what it says.

    ``version`` is the record's version that the person saw; by default that of ``record`` as it was read. ``review``
    sends a settled record back to the review queue. A record that was judged in the shadow steps out of it. Who may
    decide is not asked here, but by ``review.batches.decide_batch``. ``batch`` is what is taken back at once; by
    default this decision alone.

    Sends ``decision_made`` and the signal of the new status after the commit. Raises ``RecordConflict`` where the
    record has changed since, ``InvalidTransition`` where it cannot become what was decided.
    """
    if version is not None and version != record.version:
        raise RecordConflict(f"Record {record.public_id} has changed since it was shown.")
    with transaction.atomic(using=record._state.db):
        before = move(record, outcome, reason_code=reason_code, comment=comment)
        decision = write_decision(
            record,
            before,
            outcome=outcome,
            decided_by=decided_by,
            reason_code=reason_code,
            comment=comment,
            batch=batch or uuid.uuid4(),
        )
        queue_feedback(decision)
    return decision


def move(record: ModerationRecord, outcome: Outcome, *, reason_code: str, comment: str) -> dict[str, Any]:
    """
    Move a record to what a person decided about it; return what the decision says of it as it was before.

    Called in the decision's transaction, before anything else of it is written. Raises as ``decide``.
    """
    if record.status not in DECIDABLE:
        raise InvalidTransition(Status(record.status), STATUS_OF_OUTCOME[outcome])
    before = as_seen(record)
    reason = ": ".join(filter(None, [reason_code, comment]))
    if not reason:
        reason = record.reason if _upholds(record, outcome) else f"decided: {outcome.value}"
    change_status(record, STATUS_OF_OUTCOME[outcome], reason=reason, is_shadow=False)
    return before


def _upholds(record: ModerationRecord, outcome: Outcome) -> bool:
    """Whether a decision leaves an image that was appealed against blocked. One statement beyond the first lane."""
    if outcome != Outcome.BLOCK or record.lane == Lane.FIRST:
        return False
    return Appeal.objects.using(record._state.db).filter(record=record, resolution=None).exists()


def write_decision(record: ModerationRecord, before: dict[str, Any], **columns: Any) -> Decision:
    """Write down the decision by which a record was moved, and with it the end of an appeal."""
    using = record._state.db
    decision = Decision.objects.using(using).create(record=record, **storable(columns), **before)
    if decision.lane_before != Lane.FIRST:
        Appeal.objects.using(using).filter(record=record, resolution=None).update(resolution=decision)
    announce(decision_made, record, decision=decision)
    announce_status(record)
    logger.info(
        "decision=%s record=%s by=%s", decision.outcome, record.public_id, getattr(decision.decided_by, "pk", None)
    )
    return decision


def as_seen(record: ModerationRecord) -> dict[str, Any]:
    """Return what a decision says of the record as the person saw it."""
    return {
        "version": record.version,
        "status_before": record.status,
        "reason_before": record.reason,
        "was_shadow": record.is_shadow,
        "lane_before": record.lane,
        "seen_policy": record.policy,
        "seen_risk_level": record.risk_level,
        "seen_label": record.top_label,
        "seen_confidence": record.top_confidence,
        "seen_verdict_at": record.verdict_at,
    }


def undo(decision: Decision, *, undone_by: Any) -> Decision:
    """
    Take back the last decision about a record: it becomes what it was before; return the decision that says so.

    What the provider was not told yet, it is not told. Where it was, it is told what holds again, unless that is a
    person's to decide. An appeal that it closed is open again. Where the picture is no longer there, the decision does
    not count for its bytes any more, nor does it stay live in the place of what came after it. Records of the same
    bytes that were settled by it go to the review queue.

    Sends ``decision_made`` and the signal of the status after the commit. Raises ``RecordConflict`` where it was taken
    back already, is not the last one, or the record has changed since.
    """
    using = decision._state.db
    record = ModerationRecord.objects.using(using).get(pk=decision.record_id)
    last = standing_decisions(using).filter(record=record).order_by("-pk").values_list("pk", flat=True).first()
    if last != decision.pk or not holds(decision, record):
        raise RecordConflict(f"Record {record.public_id} has changed since that was decided.")
    with transaction.atomic(using=using):
        taken_back = take_back(decision, record, undone_by=undone_by, batch=uuid.uuid4())
        release_settled_by([decision], using=using)
    return taken_back


def holds(decision: Decision, record: ModerationRecord) -> bool:
    """Return whether a record is where its last decision took it, or no longer anywhere."""
    return record.status in (STATUS_OF_OUTCOME[Outcome(decision.outcome)], Status.SUPERSEDED)


def take_back(
    decision: Decision, record: ModerationRecord, *, undone_by: Any, batch: uuid.UUID, is_told: bool = True
) -> Decision:
    """
    Take back the last decision about a record, which ``holds``; return the decision that says so.

    Called in a transaction. ``is_told`` is False where it is known that there is no feedback of the decision. Raises
    ``RecordConflict``, before anything is written, where the record has changed meanwhile.
    """
    using = decision._state.db
    # Of a decision that does not say what was before it, a person has to look again.
    status = Status(decision.status_before or Status.IN_REVIEW)
    before = as_seen(record)
    _restore(record, decision, status)
    taken_back = Decision.objects.using(using).create(
        record=record, outcome=OUTCOME_OF_STATUS[status], decided_by=undone_by, undoes=decision, batch=batch, **before
    )
    if decision.lane_before != Lane.FIRST:
        Appeal.objects.using(using).filter(resolution=decision).update(resolution=None)
    if is_told and withdraw_feedback(decision) and status != Status.IN_REVIEW:
        queue_feedback(taken_back)
    announce(decision_made, record, decision=taken_back)
    if record.status != before["status_before"]:
        announce_status(record)
    logger.info("decision=undone record=%s by=%s", record.public_id, getattr(undone_by, "pk", None))
    return taken_back


def _restore(record: ModerationRecord, decision: Decision, status: Status) -> None:
    if record.status == Status.SUPERSEDED:
        keep_in_place(record)
        if decision.outcome == Outcome.PASS:
            withdraw_accepted(record, record.file_name)
    elif record.status == status:
        change_lane(record, Lane(decision.lane_before))
    else:
        change_status(
            record,
            status,
            reason=decision.reason_before or "",
            is_shadow=decision.was_shadow,
            lane=Lane(decision.lane_before),
        )


def release_settled_by(decisions: Sequence[Decision], *, using: str | None) -> None:
    """
    Have people look at what was settled by decisions of one outcome that were just taken back.

    Called in the transaction of ``take_back``; one statement, another one where the decisions passed something, and one
    for each record. Sends ``image_held`` for each after the commit. What was replaced since does not stay live. What
    somebody else changes at this moment is passed over, and so is, with a warning in the log, what is beyond
    ``MAX_RELEASED``.
    """
    if not decisions or decisions[0].outcome == Outcome.REVIEW:
        # What was settled by sending a picture to people waits for them as it is.
        return
    settled = settled_by(decisions, using=using).defer("raw", "evaluated").order_by("pk")
    records = list(settled[: MAX_RELEASED + 1])
    for record in records[:MAX_RELEASED]:
        try:
            change_status(
                record, Status.IN_REVIEW, reason="what was decided before about the same picture was taken back"
            )
        except RecordConflict:
            continue
        announce_status(record)
    live = _accepted_by(decisions, using=using) if decisions[0].outcome == Outcome.PASS else []
    for record in live[:MAX_RELEASED]:
        withdraw_accepted(record, record.file_name)
    if max(len(records), len(live)) > MAX_RELEASED:
        logger.warning("release=incomplete batch=%s limit=%s", decisions[0].batch, MAX_RELEASED)


def _accepted_by(decisions: Sequence[Decision], *, using: str | None) -> list[ModerationRecord]:
    """Return the superseded records that may stay live because of decisions about the same bytes."""
    settled = settled_by(decisions, using=using, is_superseded=True).filter(last_accepted_name=F("file_name"))
    return list(settled.defer("raw", "evaluated").order_by("-pk")[: MAX_RELEASED + 1])


def release_expired_claims(*, using: str) -> int:
    """Free the records that moderators claimed and left; return how many."""
    records = ModerationRecord.objects.using(using).filter(status=Status.IN_REVIEW, claimed_until__lte=DatabaseNow())
    return records.update(claimed_by=None, claimed_until=None)
