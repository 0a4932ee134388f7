"""A second look at what was blocked, by somebody else."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.utils.translation import gettext

from ...choices import Lane, Outcome, Status
from ...exceptions import RecordConflict, ReviewRefused
from ...models import Appeal, Decision, ModerationRecord
from ..announcements import announce_status
from ..deadlocks import repeat
from ..reuse import standing_decisions
from ..transitions import change_status
from .acting import checked_words

logger = logging.getLogger("django_imgmod")


def appeal(record: ModerationRecord, *, by: Any, text: str = "") -> Appeal:
    """
    Put an image that is blocked before another moderator, with the editor's words; return the appeal.

    Once a record: what is upheld stays. The reason for which it was blocked stays on the record. Who may appeal is the
    caller's to say. An image that was blocked in the shadow is shown, so there is nothing to appeal against.

    Sends ``image_held`` after the commit. Raises ``ReviewRefused`` where there is nothing to appeal against, an appeal
    was made before or the text is too long, ``RecordConflict`` where the record has changed since it was read.
    """
    text = checked_words(text)
    return repeat(lambda: _appeal(record, by, text), using=str(record._state.db))


def _appeal(seen: ModerationRecord, by: Any, text: str) -> Appeal:
    using = seen._state.db
    record = ModerationRecord.objects.using(using).filter(pk=seen.pk).first()
    if record is None or record.version != seen.version:
        raise RecordConflict(f"Record {seen.public_id} has changed since it was read.")
    if record.status != Status.BLOCKED or record.is_shadow:
        raise ReviewRefused(gettext("This image is not blocked: there is nothing to appeal against."))
    if Appeal.objects.using(using).filter(record=record).exists():
        raise ReviewRefused(gettext("There was a second look at this image already."))
    decision = _decision_against(record)
    with transaction.atomic(using=using):
        change_status(record, Status.IN_REVIEW, lane=Lane.APPEALED)
        made = Appeal.objects.using(using).create(record=record, decision=decision, text=text, appealed_by=by)
        announce_status(record)
    logger.info("appeal=%s record=%s by=%s", made.pk, record.public_id, getattr(by, "pk", None))
    return made


def _decision_against(record: ModerationRecord) -> Decision | None:
    """Return the decision that blocked an image: about its record, or about the one that it was settled by."""
    blocks = standing_decisions(record._state.db).filter(outcome=Outcome.BLOCK).order_by("-pk")
    about = filter(None, (record.pk, record.reused_from_id))
    return next(filter(None, (blocks.filter(record=pk).first() for pk in about)), None)
