"""Handing on what one is not sure about."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from ...choices import Lane, Outcome
from ...exceptions import ReviewRefused
from ...models import Decision, ModerationRecord
from ...signals import decision_made
from ..announcements import announce
from ..decisions import as_seen
from ..transitions import change_lane
from .acting import Act, Batch, Seen, act, checked_words

logger = logging.getLogger("django_imgmod")


def escalate(user: Any, seen: Sequence[Seen], *, comment: str = "", using: str) -> Batch:
    """
    Hand records that are in review to the holders of a second permission, in one transaction; return what became of
    each.

    They stay in review, in another lane, and nobody holds them. Kept as a decision with the outcome ``review``, which
    decides nothing: the provider is not told, and no other upload is settled by it. Taken back by ``undo_batch``. A
    record that has changed since, or is not the user's to decide about, is left out, and its receipt says why.

    Sends ``decision_made`` after the commit. Raises ``ReviewRefused`` for too long a comment, more than 500 records,
    and for somebody who may not decide at all.
    """
    comment = checked_words(comment)

    def write(record: ModerationRecord, before: dict[str, Any], batch: uuid.UUID, now: datetime) -> Decision:
        decision = Decision.objects.using(using).create(
            record=record,
            outcome=Outcome.REVIEW,
            comment=comment,
            decided_by=user,
            decided_at=now,
            batch=batch,
            **before,
        )
        announce(decision_made, record, decision=decision)
        logger.info("decision=escalated record=%s by=%s", record.public_id, user.pk)
        return decision

    return act(user, seen, Act(move=_move, write=write), using=using)


def _move(record: ModerationRecord) -> dict[str, Any]:
    if record.lane == Lane.ESCALATED:
        raise ReviewRefused(gettext("It is escalated already."))
    before = as_seen(record)
    change_lane(record, Lane.ESCALATED)
    return before
