"""Statuses in plain words: for the pages, the messages after an upload and the demo's table."""

from __future__ import annotations

from typing import Final

from django.utils import timezone

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord

HEADLINES: Final = {
    Status.PENDING: "Not checked yet",
    Status.SUBMITTED: "Being checked",
    Status.IN_REVIEW: "Held for a moderator",
    Status.PASSED: "Passed",
    Status.BLOCKED: "Blocked",
    Status.SUPERSEDED: "Replaced",
}


def headline(status: Status) -> str:
    """Return a status in two or three words, for everybody to read."""
    return HEADLINES[status]


def explanation(record: ModerationRecord | None) -> str:
    """Return why a record has its status. It quotes what was seen in the picture: not for the public."""
    if record is None:
        return "nothing is recorded of this file"
    if record.status == Status.SUPERSEDED:
        return "an editor has put another picture in its place"
    if record.status == Status.SUBMITTED:
        return f'the provider "{record.provider}" has accepted it and is to be asked for its answer {_when_due(record)}'
    if record.status == Status.PENDING:
        return f"{record.error_message or 'Nobody has looked at it yet.'} The next attempt is due {_when_due(record)}"
    if record.reused_from_id is not None:
        return f"{record.reason}; the same bytes were judged before"
    return record.reason


def _when_due(record: ModerationRecord) -> str:
    if record.due_at is None:
        return "when it calls back"
    seconds = (record.due_at - timezone.now()).total_seconds()
    return f"in {seconds:.0f} seconds" if seconds > 0 else "now (manage.py imgmod_worker)"
