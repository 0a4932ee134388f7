"""What hangs on a record: read-only, like the record itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import display_for_value
from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from ..choices import FeedbackStatus, Lane
from ..conf import imgmod_settings
from ..models import Appeal, Decision, DetectedLabel, Feedback, ModerationRecord

if TYPE_CHECKING:
    _TabularInline = admin.TabularInline[Any, ModerationRecord]
else:
    _TabularInline = admin.TabularInline


class ReadOnlyMixin:
    """Nothing is added, changed or deleted by hand, whatever permissions a user has."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class EvidenceInline(ReadOnlyMixin, _TabularInline):
    """Rows that belong to a record. Who may see the record may see them."""

    template = "admin/django_imgmod/moderationrecord/evidence.html"
    classes = ("imgmod-evidence",)
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class DetectedLabelInline(EvidenceInline):
    model = DetectedLabel
    verbose_name_plural = _("Detected labels")
    fields = readonly_fields = ("label", "confidence", "risk_level", "description", "frame", "source")
    # The surest first; one without a confidence counts as sure.
    ordering = (F("confidence").desc(nulls_first=True), "pk")

    @admin.display(description=_("frame"))
    def frame(self, label: DetectedLabel) -> str:
        """Return its number as the desk counts, from 1."""
        return self.get_empty_value_display() if label.frame_index is None else str(label.frame_index + 1)


class DecisionInline(EvidenceInline):
    """Who decided what, seeing which version; and what the provider was told of it."""

    model = Decision
    verbose_name_plural = _("Decisions of people")
    fields = readonly_fields = (
        "decided_at",
        "decided_by",
        "what",
        "reason",
        "comment",
        "seen",
        "taken_back",
        "told",
    )
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        decisions = super().get_queryset(request).select_related("decided_by", "undoes", "undone_by__decided_by")
        messages = Feedback.objects.exclude(status=FeedbackStatus.WITHDRAWN).filter(decision__batch=OuterRef("batch"))
        told: QuerySet[Any] = decisions.prefetch_related("feedback").annotate(is_group_told=Exists(messages))
        return told

    @admin.display(description=_("decision"))
    def what(self, decision: Decision) -> str:
        if decision.undoes is not None:
            return _("Taken back: %(decision)s") % {"decision": _outcome(decision.undoes)}
        return _outcome(decision)

    @admin.display(description=_("reason"))
    def reason(self, decision: Decision) -> str:
        return imgmod_settings.review.label_of(decision.reason_code) or self.get_empty_value_display()

    @admin.display(description=_("seen"))
    def seen(self, decision: Decision) -> SafeString | str:
        if decision.version is None:
            return self.get_empty_value_display()
        lane = "" if decision.lane_before == Lane.FIRST else f", {decision.get_lane_before_display()}"
        words = _("version %(version)s: %(status)s") % {
            "version": decision.version,
            "status": decision.get_status_before_display(),
        }
        lines = [(f"{words}{lane}",)]
        if decision.seen_policy:
            told = {"policy": decision.seen_policy, "verdict": _verdict(decision)}
            lines.append((_("policy %(policy)s: %(verdict)s") % told,))
        return format_html_join(mark_safe("<br>"), "{}", lines)

    @admin.display(description=_("taken back"))
    def taken_back(self, decision: Decision) -> str:
        if not hasattr(decision, "undone_by"):
            return self.get_empty_value_display()
        by = decision.undone_by
        return f"{by.decided_by or _('somebody')}, {display_for_value(by.decided_at, '')}"

    @admin.display(description=_("provider"))
    def told(self, decision: Any) -> SafeString | str:
        receipts = [(_receipt(feedback),) for feedback in decision.feedback.all()]
        if not receipts and decision.is_group_told and decision.undoes is None:
            return str(_("The message about the same picture, decided at once with it, covers this."))
        return format_html_join(mark_safe("<br>"), "{}", receipts) or self.get_empty_value_display()


class AppealInline(EvidenceInline):
    """The editor's wish for a second look, and what became of it."""

    model = Appeal
    verbose_name_plural = _("Second look")
    fields = readonly_fields = ("appealed_at", "appealed_by", "text", "decision", "resolution")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("appealed_by", "decision", "resolution")


def _outcome(decision: Decision) -> str:
    return str(_("Escalated") if decision.is_escalation else decision.get_outcome_display())


def _verdict(decision: Decision) -> str:
    """Return the verdict that was seen: how grave, what for, and when it was given."""
    if decision.seen_verdict_at is None:
        return str(_("not judged"))
    confidence = "" if decision.seen_confidence is None else f" {decision.seen_confidence.normalize():f}"
    level, at = decision.get_seen_risk_level_display(), display_for_value(decision.seen_verdict_at, "")
    return ", ".join(filter(None, [level, f"{decision.seen_label}{confidence}", at]))


def _receipt(feedback: Feedback) -> str:
    """Return what became of a message, when, and what went wrong."""
    if feedback.status == FeedbackStatus.QUEUED:
        when = display_for_value(feedback.due_at, "")
        words = _("%(provider)s: Queued until %(when)s") % {"provider": feedback.provider, "when": when}
    else:
        when = "" if feedback.sent_at is None else f", {display_for_value(feedback.sent_at, '')}"
        words = f"{feedback}{when}"
    error = feedback.error_message or (feedback.get_error_code_display() if feedback.error_code else "")
    return f"{words} ({error})" if error else str(words)
