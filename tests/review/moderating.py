"""Moderators, and what waits for them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Permission, User
from django.utils import timezone

from django_imgmod.choices import RiskLevel, Status
from django_imgmod.models import ModerationRecord
from django_imgmod.services.feedback import GRACE, send_due_feedback
from django_imgmod.services.review.batches import Seen
from tests.backdated import make_record
from tests.timetravel import fast_forward

FIRST = "review_moderationrecord"
ESCALATED = "review_escalated_moderationrecord"


def make_moderator(name: str, *permissions: str) -> User:
    """Return somebody who may decide: in the first lane, unless other permissions are named."""
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions or [FIRST]))
    return user


def make_waiting(**columns: Any) -> ModerationRecord:
    """Insert a record that a provider was not sure about."""
    given = {"status": Status.IN_REVIEW, "risk_level": RiskLevel.MEDIUM, "verdict_at": timezone.now(), **columns}
    return make_record(**{"reason": "medium risk: harbour 60.00", **given})


def seen(*records: ModerationRecord) -> list[Seen]:
    """Return records as they are shown right now."""
    return [Seen(record.public_id, ModerationRecord.objects.get(pk=record.pk).version) for record in records]


def now(record: ModerationRecord) -> ModerationRecord:
    """Return a record as it is by now."""
    return ModerationRecord.objects.get(pk=record.pk)


def end_of_grace() -> None:
    """Let the time pass in which a decision is told to nobody, and send what is due."""
    fast_forward(GRACE.total_seconds())
    send_due_feedback(using="default")
