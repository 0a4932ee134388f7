"""Why a record is not as somebody saw it, in words for them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from django.utils.translation import gettext

from ...choices import Lane, Outcome, Status
from ...models import Decision, ModerationRecord
from ..verdicts import STATUS_OF_OUTCOME


def what_happened(versions: Mapping[uuid.UUID, int], *, using: str) -> dict[uuid.UUID, tuple[str, str]]:
    """Return the file name, and what became of it since, of each record that was seen in a version. Two statements."""
    columns = ("public_id", "file_name", "status", "lane", "version", "error_code", "verdict_at")
    rows = ModerationRecord.objects.using(using).filter(public_id__in=list(versions)).only(*columns)
    found = {record.public_id: record for record in rows}
    decisions = Decision.objects.using(using).filter(record__in=[record.pk for record in found.values()])
    last = {decision.record_id: decision for decision in decisions.select_related("decided_by").order_by("pk")}
    return {
        public_id: (found[public_id].file_name, _words(found[public_id], version, last.get(found[public_id].pk)))
        if public_id in found
        else ("", gettext("It is gone."))
        for public_id, version in versions.items()
    }


def _words(record: ModerationRecord, version: int, last: Decision | None) -> str:
    status = Status(record.status)
    if status == Status.SUPERSEDED:
        return gettext("The picture was replaced or deleted meanwhile.")
    if record.version == version:
        return gettext("Its status is: %(status)s. That cannot be changed so.") % {"status": status.label}
    if last is not None and last.version is not None and last.version >= version:
        return _words_of(last)
    if record.lane == Lane.APPEALED:
        return gettext("The editor asked for a second look meanwhile.")
    if status == Status.IN_REVIEW and record.error_code and record.verdict_at is not None:
        return gettext("The provider's verdict came in meanwhile: look at it again.")
    return gettext("It has changed since it was shown.")


def _words_of(last: Decision) -> str:
    who = last.decided_by.get_username() if last.decided_by else gettext("somebody")
    if last.undoes_id is not None:
        return gettext("The decision was taken back meanwhile by %(who)s.") % {"who": who}
    if last.is_escalation:
        return gettext("Escalated meanwhile by %(who)s.") % {"who": who}
    status = STATUS_OF_OUTCOME[Outcome(last.outcome)].label
    return gettext("Decided meanwhile by %(who)s: %(status)s.") % {"who": who, "status": status}
