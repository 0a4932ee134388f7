"""Records as they would have become in the course of time."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from django_imgmod.choices import RiskLevel, Status
from django_imgmod.models import ModerationRecord, current_key
from tests.hostapp.models import Photo


def ago(**length: float) -> datetime:
    return timezone.now() - timedelta(**length)


def make_record(*, using: str = "default", **columns: Any) -> ModerationRecord:
    """Insert a record of a photo: by default one that has been due since it was created, just now."""
    object_id = columns.pop("object_id", uuid.uuid4().hex)
    created_at = columns.setdefault("created_at", timezone.now())
    if columns.setdefault("status", Status.PENDING) != Status.SUPERSEDED:
        columns["current_key"] = current_key(Photo, object_id, "image")
    if columns["status"] in (Status.PENDING, Status.SUBMITTED):
        columns.setdefault("due_at", created_at)
    return ModerationRecord.objects.using(using).create(
        content_type=ContentType.objects.db_manager(using).get_for_model(Photo),
        object_id=object_id,
        field_name="image",
        file_name=f"photos/{object_id}.png",
        policy="default",
        **{"provider": "default", **columns},
    )


def make_judged(*, using: str = "default", **columns: Any) -> ModerationRecord:
    """Insert a record that a verdict has passed, at once and just now."""
    verdict_at = columns.setdefault("verdict_at", timezone.now())
    given = {"created_at": verdict_at, "status": Status.PASSED, "risk_level": RiskLevel.NONE, **columns}
    return make_record(using=using, **given)


def make_history(count: int, *, pause: timedelta, wait: timedelta, until: datetime, **columns: Any) -> None:
    """Insert ``count`` verdicts, one each ``pause``, the last one at ``until``; each was waited for as long as told."""
    for number in range(count):
        verdict_at = until - number * pause
        make_judged(verdict_at=verdict_at, created_at=verdict_at - wait, **columns)
