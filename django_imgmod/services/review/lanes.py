"""Who may decide what."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, TextChoices
from django.utils.translation import gettext_lazy as _

from ...choices import Lane
from ...conf import imgmod_settings
from ...models import Appeal, ModerationRecord, ModerationRecordQuerySet

PERMISSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Lane.FIRST: "django_imgmod.review_moderationrecord",
        Lane.ESCALATED: "django_imgmod.review_escalated_moderationrecord",
        Lane.APPEALED: "django_imgmod.review_moderationrecord",
    }
)


class Refusal(TextChoices):
    """Why somebody may not decide about a record, in words for them."""

    PERMISSION = "permission", _("You have no permission to decide about images of this queue.")
    """The permission of the record's lane is not theirs."""

    OWN_UPLOAD = "own_upload", _("You uploaded this image yourself: somebody else has to decide about it.")
    """The site does not let people decide about their own uploads."""

    OWN_DECISION = "own_decision", _("The appeal is yours or against your own decision: somebody else has to look.")
    """A second look is by a second person."""


def may_review(user: Any, lane: str) -> bool:
    """Return whether a user may enter a lane and decide there."""
    return bool(user.has_perm(PERMISSIONS[lane]))


def may_decide(user: Any, record: ModerationRecord) -> Refusal | None:
    """Return why a user may not decide about a record, or None where they may. One statement beyond the first lane."""
    if not may_review(user, record.lane):
        return Refusal.PERMISSION
    if record.uploaded_by_id == user.pk and not imgmod_settings.review.may_decide_own:
        return Refusal.OWN_UPLOAD
    # An appeal may have been escalated.
    if record.lane != Lane.FIRST and _own_appealed(user, record._state.db).filter(record=record).exists():
        return Refusal.OWN_DECISION
    return None


def leave_out_refused(records: ModerationRecordQuerySet, *, user: Any, lane: str) -> ModerationRecordQuerySet:
    """Leave out of the records of one lane what ``may_decide`` would refuse; the lane's permission is not looked at."""
    if not imgmod_settings.review.may_decide_own:
        records = records.exclude(uploaded_by=user.pk)
    if lane != Lane.FIRST:
        records = records.filter(~Exists(_own_appealed(user, records.db).filter(record=OuterRef("pk"))))
    return records


def _own_appealed(user: Any, using: str | None) -> Any:
    """The appeals against what a user decided, and the user's own unless the site lets people judge for themselves."""
    own = Q(decision__decided_by=user.pk)
    if not imgmod_settings.review.may_decide_own:
        own |= Q(appealed_by=user.pk)
    return Appeal.objects.using(using).filter(own)
