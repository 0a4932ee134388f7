"""What belongs to the review desk: appeals, and what moderators prefer and were exposed to."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .decisions import Decision
from .records import ModerationRecord


class Appeal(models.Model):
    """An editor's wish for a second look at an image that was blocked. There is one a record: what is upheld stays."""

    record = models.OneToOneField(
        ModerationRecord, on_delete=models.CASCADE, related_name="appeal", verbose_name=_("record")
    )
    decision = models.ForeignKey(
        Decision,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("first decision"),
        help_text=_("What the appeal is against; empty where a provider's verdict blocked the image."),
    )
    text = models.TextField(_("the editor's words"), blank=True)
    appealed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("appealed by"),
    )
    appealed_at = models.DateTimeField(_("appealed at"), default=timezone.now)
    resolution = models.OneToOneField(
        Decision,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="resolved_appeal",
        verbose_name=_("resolution"),
        help_text=_("The decision that upheld or overturned; empty while the appeal is open."),
    )

    class Meta:
        verbose_name = _("appeal")
        verbose_name_plural = _("appeals")

    def __str__(self) -> str:
        return str(self.record_id)


class Exposure(models.Model):
    """How many pictures a moderator has revealed on one day. For the moderator's own eyes only."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", db_index=False, verbose_name=_("user")
    )
    day = models.DateField(_("day"))
    revealed_count = models.PositiveIntegerField(_("pictures revealed"), default=0)

    class Meta:
        verbose_name = _("exposure")
        verbose_name_plural = _("exposures")
        constraints = [models.UniqueConstraint(fields=["user", "day"], name="imgmod_exposure_day")]

    def __str__(self) -> str:
        return f"{self.day}: {self.revealed_count}"


class ReviewPreference(models.Model):
    """How a moderator wants the review desk. What cannot be read counts as the protected choice."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    choices: Any = models.JSONField(_("choices"), default=dict, blank=True)

    class Meta:
        verbose_name = _("review preference")
        verbose_name_plural = _("review preferences")

    def __str__(self) -> str:
        return str(self.user_id)
