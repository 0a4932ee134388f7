"""What hangs on a record: read-only, like the record itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ..models import Decision, DetectedLabel, ModerationRecord

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

    classes = ("imgmod-evidence",)
    extra = 0
    can_delete = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True


class DetectedLabelInline(EvidenceInline):
    model = DetectedLabel
    verbose_name_plural = _("Detected labels")
    fields = readonly_fields = ("label", "confidence", "risk_level", "description", "frame_index", "source")
    # The surest first; one without a confidence counts as sure.
    ordering = (F("confidence").desc(nulls_first=True), "pk")


class DecisionInline(EvidenceInline):
    model = Decision
    verbose_name_plural = _("Decisions of people")
    fields = readonly_fields = ("decided_at", "decided_by", "outcome", "reason_code", "comment", "undoes")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("decided_by", "undoes")
