"""Telling the host project, after the commit."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.dispatch import Signal

from ..choices import Status
from ..models import ModerationRecord
from ..signals import image_blocked, image_held, image_passed, image_submitted

logger = logging.getLogger("django_imgmod")

SIGNAL_OF_STATUS: Final = {
    Status.SUBMITTED: image_submitted,
    Status.PASSED: image_passed,
    Status.BLOCKED: image_blocked,
    Status.IN_REVIEW: image_held,
}


def announce(signal: Signal, record: ModerationRecord, **arguments: Any) -> None:
    """Send a public signal once the transaction has been committed. A receiver that fails is logged, no more."""
    # No partial(): when a robust callback fails, Django logs its __qualname__, and a partial has none.
    transaction.on_commit(lambda: _send(signal, record, **arguments), using=record._state.db, robust=True)


def announce_status(record: ModerationRecord) -> None:
    """Send the signal of the status that a record has just got, and log it."""
    logger.info(
        "status=%s record=%s risk_level=%s reason=%r",
        record.status,
        record.public_id,
        record.risk_level or "-",
        record.reason,
    )
    announce(SIGNAL_OF_STATUS[Status(record.status)], record)


def _send(signal: Signal, record: ModerationRecord, **arguments: Any) -> None:
    # Kept in memory by its manager, where the field itself would ask the database.
    content_types = ContentType.objects.db_manager(record._state.db)
    model = content_types.get_for_id(record.content_type_id).model_class()
    signal.send_robust(model, record=record, **arguments)
