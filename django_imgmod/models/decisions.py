"""What people decided, and what was told to and by providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext_lazy as _

from ..choices import ErrorCode, FeedbackStatus, Lane, Outcome, ReceiptOutcome, RiskLevel, Status
from .records import ALIAS_LENGTH, LABEL_LENGTH, ModerationRecord


class DecisionQuerySet(models.QuerySet["Decision"]):
    """Questions asked of decisions."""

    def without_escalations(self) -> DecisionQuerySet:
        """Leave out where somebody handed the image on: nothing was decided about it."""
        return self.exclude(outcome=Outcome.REVIEW, status_before=Status.IN_REVIEW, undoes__isnull=True)


class Decision(models.Model):
    """An outcome chosen by a person. Never changed, only added to."""

    record = models.ForeignKey(
        ModerationRecord, on_delete=models.CASCADE, related_name="decisions", verbose_name=_("record")
    )
    outcome = models.CharField(_("outcome"), max_length=6, choices=Outcome)
    reason_code = models.CharField(_("reason"), max_length=50, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided at"), default=timezone.now)
    version = models.PositiveIntegerField(
        _("version"), null=True, editable=False, help_text=_("The version of the record that was decided about.")
    )
    status_before = models.CharField(
        _("status before"), max_length=10, choices=Status, blank=True, default="", db_default=""
    )
    reason_before = models.TextField(_("reason before"), blank=True, null=True)  # noqa: DJ001 - no default on MySQL
    was_shadow = models.BooleanField(_("was in the shadow"), default=False, db_default=False)
    lane_before = models.CharField(
        _("queue before"), max_length=9, choices=Lane, default=Lane.FIRST, db_default=Lane.FIRST
    )
    seen_policy = models.CharField(
        _("policy that was seen"), max_length=ALIAS_LENGTH, blank=True, default="", db_default="", editable=False
    )
    seen_risk_level = models.CharField(
        _("risk level that was seen"),
        max_length=7,
        choices=RiskLevel,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    seen_label = models.CharField(
        _("label that was seen"), max_length=LABEL_LENGTH, blank=True, default="", db_default="", editable=False
    )
    seen_confidence = models.DecimalField(
        _("confidence that was seen"), max_digits=5, decimal_places=2, null=True, editable=False
    )
    seen_verdict_at = models.DateTimeField(
        _("verdict at"), null=True, editable=False, help_text=_("Of the verdict that was seen; empty without any.")
    )
    batch = models.UUIDField(
        _("batch"), null=True, editable=False, help_text=_("The same for decisions that were one: by one key, at once.")
    )
    undoes = models.OneToOneField(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="undone_by",
        verbose_name=_("takes back"),
        help_text=_("The decision that this one takes back."),
    )

    objects = DecisionQuerySet.as_manager()

    if TYPE_CHECKING:
        record_id: int
        decided_by_id: Any
        undoes_id: int | None

    class Meta:
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        indexes = [
            models.Index(fields=["decided_by", "decided_at"], name="imgmod_decision_by"),
            models.Index(fields=["decided_at"], name="imgmod_decision_at"),
            models.Index(fields=["batch"], name="imgmod_decision_batch"),
        ]

    def __str__(self) -> str:
        at = timezone.localtime(self.decided_at) if settings.USE_TZ else self.decided_at
        return f"{self.get_outcome_display()} ({localize(at)})"

    @property
    def is_escalation(self) -> bool:
        """Whether somebody handed the image on: it was in review and stayed there, so nothing was decided about it."""
        was_in_review = self.status_before == Status.IN_REVIEW
        return self.outcome == Outcome.REVIEW and was_in_review and self.undoes_id is None


class Feedback(models.Model):
    """A decision told back to the provider."""

    decision = models.ForeignKey(
        Decision, on_delete=models.CASCADE, related_name="feedback", verbose_name=_("decision")
    )
    provider = models.CharField(_("provider"), max_length=ALIAS_LENGTH)
    payload = models.JSONField(_("payload"), default=dict, blank=True)
    status = models.CharField(_("status"), max_length=11, choices=FeedbackStatus, default=FeedbackStatus.QUEUED)
    attempt_count = models.PositiveIntegerField(_("attempts"), default=0)
    due_at = models.DateTimeField(_("due at"), null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=20, choices=ErrorCode, blank=True)
    error_message = models.TextField(_("error message"), blank=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        indexes = [models.Index(fields=["status", "due_at"], name="imgmod_feedback_due")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.get_status_display()}"


class CallbackReceipt(models.Model):
    """An authentic callback as it arrived, so that processing can be repeated. What is not authentic leaves no row."""

    provider = models.CharField(_("provider"), max_length=ALIAS_LENGTH)
    body = models.TextField(_("body"))
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    outcome = models.CharField(_("outcome"), max_length=8, choices=ReceiptOutcome, default=ReceiptOutcome.RECEIVED)
    error_message = models.TextField(_("error message"), blank=True)
    record = models.ForeignKey(
        ModerationRecord,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="callback_receipts",
        verbose_name=_("record"),
    )

    class Meta:
        verbose_name = _("callback receipt")
        verbose_name_plural = _("callback receipts")
        indexes = [models.Index(fields=["outcome", "received_at"], name="imgmod_receipt_outcome")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.get_outcome_display()}"
