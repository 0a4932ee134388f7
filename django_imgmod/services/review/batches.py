"""
One decision about many records, and its undoing.

The provider is told once for each picture, however many records show it or nearly it: the message hangs on the first
decision about that picture, and lives and dies with it. It is withdrawn, or followed by what holds again, where that
decision is taken back, whatever becomes of the others; where it cannot be taken back it stands, and so the message is
still true of it. Of the other decisions nothing was told, so there is nothing to take back.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import transaction
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils.translation import gettext

from ...choices import Outcome, Status
from ...conf import imgmod_settings
from ...exceptions import RecordConflict, ReviewRefused
from ...models import Decision, Feedback, ModerationRecord
from ..deadlocks import repeat
from ..decisions import holds, move, release_settled_by, take_back, write_decision
from ..feedback import queue_feedback
from ..reuse import standing_decisions
from ..verdicts import STATUS_OF_OUTCOME
from .acting import (
    Act,
    Batch,
    Receipt,
    Seen,
    act,
    batch_of,
    checked_words,
    require_moderator,
)
from .lanes import Refusal, may_decide
from .likeness import similar_among

__all__ = ["Batch", "DoneBatch", "Receipt", "Seen", "decide_batch", "last_batch", "last_decisions", "undo_batch"]

# How many decisions are read at once, to find out to which batches they belong.
_PORTION: Final = 100


@dataclass(frozen=True, slots=True)
class DoneBatch:
    """What somebody decided by one key."""

    id: uuid.UUID
    outcome: Outcome
    """``review`` where it was an escalation."""

    at: datetime
    count: int
    file_name: str
    """Of the first record."""

    is_undone: bool
    """Whether all of it was taken back."""

    can_undo: bool
    """Whether there is anything that nobody has decided about, or appealed against, since."""


def decide_batch(
    user: Any, seen: Sequence[Seen], outcome: Outcome, *, reason_code: str = "", comment: str = "", using: str
) -> Batch:
    """
    Decide about records as they were seen, in one transaction; return what became of each.

    ``outcome`` is ``pass`` or ``block``. The reason is one of the site's; a pass has none, and drops it. A record that
    has changed since, is gone, or is not the user's to decide about is left out, and its receipt says why.

    Sends ``decision_made`` and the signal of the status of each after the commit. Raises ``ReviewRefused`` for another
    outcome, an unknown reason, one whose comment is missing, too long a comment, more than 500 records, and for
    somebody who may not decide at all.
    """
    if outcome not in (Outcome.PASS, Outcome.BLOCK):
        raise ReviewRefused(gettext("An image can be passed or blocked; escalate it to have somebody else decide."))
    comment = checked_words(comment)
    reason_code = "" if outcome == Outcome.PASS else _checked_reason(reason_code, comment)

    def write(record: ModerationRecord, before: dict[str, Any], batch: uuid.UUID, now: datetime) -> Decision:
        return write_decision(
            record,
            before,
            outcome=outcome,
            reason_code=reason_code,
            comment=comment,
            decided_by=user,
            decided_at=now,
            batch=batch,
        )

    moving = partial(move, outcome=outcome, reason_code=reason_code, comment=comment)
    return act(user, seen, Act(move=moving, write=write, tell=_tell_once_a_picture), using=using)


def _checked_reason(code: str, comment: str) -> str:
    if not code:
        return ""
    reason = imgmod_settings.review.reason(code)
    if reason is None:
        raise ReviewRefused(gettext("There is no reason “%(code)s”.") % {"code": code})
    if reason.needs_comment and not comment:
        raise ReviewRefused(gettext("The reason “%(reason)s” needs a comment.") % {"reason": reason.label})
    return code


def _tell_once_a_picture(records: Sequence[ModerationRecord]) -> Callable[[Mapping[int, Decision]], None]:
    """Return what queues feedback for the first of the decided records that show the same picture, or nearly it."""
    pictures = list(_pictures(records))

    def tell(decisions: Mapping[int, Decision]) -> None:
        for picture in pictures:
            first = next((decisions[key] for key in picture if key in decisions), None)
            if first is not None:
                queue_feedback(first)

    return tell


def _pictures(records: Sequence[ModerationRecord]) -> Iterator[list[int]]:
    """Yield the keys of the records that make one card each, the records in their order."""
    rest = list(records)
    while rest:
        first = rest[0]
        alike = {first.pk, *(record.pk for record in similar_among(first, rest))}
        yield [record.pk for record in rest if record.pk in alike]
        rest = [record for record in rest if record.pk not in alike]


def undo_batch(user: Any, batch_id: uuid.UUID, *, using: str) -> Batch:
    """
    Take back what somebody decided by one key, in one transaction; return what became of each.

    Only one's own. What was decided about anew since, appealed against or taken back already is left out, and its
    receipt says so. An escalation is taken back likewise.

    Sends signals as ``decisions.undo`` does. Raises ``ReviewRefused`` where none of the batch is the user's.
    """
    require_moderator(user)
    batch = uuid.uuid4()
    versions, done, problems = repeat(lambda: _undo(user, batch_id, batch, using), using=using)
    return batch_of(batch, versions, done, problems, using=using)


def _undo(
    user: Any, batch_id: uuid.UUID, batch: uuid.UUID, using: str
) -> tuple[dict[uuid.UUID, int], dict[uuid.UUID, Decision], dict[uuid.UUID, str]]:
    own = _own(user, using).filter(batch=batch_id).order_by("record")
    decisions = list(own.select_related("record").defer("record__raw", "record__evaluated"))
    if not decisions:
        raise ReviewRefused(gettext("There is nothing of yours to take back."))
    last = _last_of(decisions, using)
    told = set(Feedback.objects.using(using).filter(decision__in=decisions).values_list("decision", flat=True))
    # What a record's version was once it was decided about.
    versions = {decision.record.public_id: (decision.version or 0) + 1 for decision in decisions}
    done: dict[uuid.UUID, Decision] = {}
    problems: dict[uuid.UUID, str] = {}
    with transaction.atomic(using=using):
        for decision in decisions:
            record = decision.record
            if last.get(record.pk) != decision.pk or not holds(decision, record):
                continue
            if refusal := _may_undo(user, decision, record):
                problems[record.public_id] = str(refusal.label)
                continue
            try:
                done[record.public_id] = take_back(
                    decision, record, undone_by=user, batch=batch, is_told=decision.pk in told
                )
            except RecordConflict:
                continue
        release_settled_by([decision for decision in decisions if decision.record.public_id in done], using=using)
    return versions, done, problems


def _last_of(decisions: Sequence[Decision], using: str) -> dict[int, int]:
    """Return the key of the last standing decision about each record, by the record's."""
    standing = standing_decisions(using).filter(record__in=[decision.record_id for decision in decisions])
    return dict(standing.order_by().values("record").annotate(last=Max("pk")).values_list("record", "last"))


def _may_undo(user: Any, decision: Decision, record: ModerationRecord) -> Refusal | None:
    """As ``may_decide``, of the lane to which the record would go back."""
    restored = copy.copy(record)
    restored.lane = decision.lane_before
    return may_decide(user, restored)


def last_decisions(user: Any, *, limit: int = 10, using: str) -> list[DoneBatch]:
    """Return what somebody decided last, by one key each, the newest first. What takes back is not among it."""
    own = _own(user, using)
    at = dict(_newest(own, limit))
    counts = own.filter(batch__in=list(at)).order_by().values("batch", "outcome")
    found = {
        row["batch"]: row
        for row in counts.annotate(
            count=Count("pk"),
            undone_count=Count("undone_by"),
            last_count=Count("pk", filter=_is_last(using) & _still_holds()),
            first=Min("pk"),
        )
    }
    names = dict(own.filter(pk__in=[row["first"] for row in found.values()]).values_list("pk", "record__file_name"))
    return [
        DoneBatch(
            id=batch,
            outcome=Outcome(row["outcome"]),
            at=at[batch],
            count=row["count"],
            file_name=names.get(row["first"], ""),
            is_undone=row["undone_count"] == row["count"],
            can_undo=row["last_count"] > 0,
        )
        for batch in at
        if (row := found.get(batch))
    ]


def last_batch(user: Any, *, using: str) -> uuid.UUID | None:
    """Return what somebody decided last, by one key, and can still take back, in whole or in part; None without any."""
    rows = _own(user, using).filter(_is_last(using), _still_holds())
    return rows.order_by("-decided_at", "-pk").values_list("batch", flat=True).first()


def _is_last(using: str) -> Q:
    """Nobody has taken it back, or decided about its record since."""
    later = standing_decisions(using).filter(record=OuterRef("record"), pk__gt=OuterRef("pk"))
    return Q(~Exists(later), undone_by__isnull=True)


def _still_holds() -> Q:
    """As ``decisions.holds``, on the database's side: nobody has appealed against it, for instance."""
    still_so = Q(record__status=Status.SUPERSEDED)
    for outcome, status in STATUS_OF_OUTCOME.items():
        still_so |= Q(outcome=outcome, record__status=status)
    return still_so


def _newest(own: QuerySet[Decision], limit: int) -> Iterator[tuple[Any, datetime]]:
    """Yield the last batches and when they were decided, along the index: one statement mostly, one a batch at most."""
    seen: set[Any] = set()
    before = own
    while True:
        portion = list(before.order_by("-decided_at").values_list("batch", "decided_at")[:_PORTION])
        for batch, at in portion:
            if batch not in seen:
                seen.add(batch)
                yield batch, at
                if len(seen) == limit:
                    return
        if len(portion) < _PORTION:
            return
        # All of a batch were decided at the same moment.
        before = own.filter(decided_at__lt=portion[-1][1])


def _own(user: Any, using: str) -> QuerySet[Decision]:
    return Decision.objects.using(using).filter(decided_by=user.pk, undoes__isnull=True, batch__isnull=False)
