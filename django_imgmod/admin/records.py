"""The moderation records in Django's admin: to be read, never to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from ..models import ModerationRecord
from .columns import RecordColumns
from .filters import LabelFilter, Pictures, PicturesFilter, ProviderFilter, RiskLevelFilter
from .inlines import AppealInline, DecisionInline, DetectedLabelInline, ReadOnlyMixin
from .links import object_url, other_records
from .pagination import BoundedPaginator, RecordChangeList
from .previews import preview_response
from .review.pages import lanes_of, way_in, way_to
from .review.urls import review_urls
from .search import FILE_NAME_WINDOW, search_records

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[ModerationRecord]
else:
    _ModelAdmin = admin.ModelAdmin

# The columns that show pictures. A list without any does not even ask for them.
PICTURE_COLUMNS: Final[dict[Pictures, tuple[str, ...]]] = {
    Pictures.HIDDEN: (),
    Pictures.BLURRED: ("blurred_picture",),
    Pictures.SHOWN: ("shown_picture",),
}


@admin.register(ModerationRecord)
class ModerationRecordAdmin(ReadOnlyMixin, RecordColumns, _ModelAdmin):
    """
    A read-only list and page for whoever may view records or decide about them.

    Made for millions of rows: rows are counted up to a bound, listed in the order of their key, and searched and
    filtered by index. No picture is loaded until the moderator asks for it.
    """

    list_display = ("image", "badge", "risk_and_label", "short_reason", "created")
    list_display_links = ("image",)
    list_filter = (PicturesFilter, "status", ("risk_level", RiskLevelFilter), LabelFilter, ProviderFilter)
    list_select_related = ("content_type",)
    list_per_page = 50
    ordering = ("-pk",)
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions = None
    # Only makes the search box appear: get_search_results() decides what is searched.
    search_fields = ("file_name",)
    search_help_text = format_lazy(
        _(
            "The id of an object, a public id, a SHA-256, or a part of a file name "
            "(file names: among the newest {count} records)."
        ),
        count=f"{FILE_NAME_WINDOW:,}",
    )
    inlines = (DetectedLabelInline, DecisionInline, AppealInline)
    readonly_fields = ("owner", "badge", "seen", "looked_for", "reused_record", "dimensions", "pretty_raw")
    fieldsets = (
        (_("Image"), {"fields": ("file_name", "owner", "field_name", "dimensions", "sha256")}),
        (
            _("What was decided and why"),
            {"fields": ("badge", "is_shadow", "reason", "policy", "settled_at", "reused_record")},
        ),
        (_("What was seen"), {"fields": ("risk_level", "seen", "looked_for")}),
        (_("Provider"), {"fields": ("provider", "service", "judged_as", "reference", "public_id")}),
        (_("Times"), {"classes": ("collapse",), "fields": ("created_at", "submitted_at", "verdict_at")}),
        (
            _("Work and errors"),
            {
                "classes": ("collapse",),
                "fields": (
                    "error_code",
                    "error_message",
                    "attempt_count",
                    "due_at",
                    "lease_owner",
                    "lease_until",
                    "claimed_by",
                    "claimed_until",
                    "version",
                ),
            },
        ),
        (_("Raw answer"), {"classes": ("collapse",), "fields": ("pretty_raw",)}),
    )

    class Media:
        css = {"all": ("django_imgmod/admin/records.css",)}

    def has_view_permission(self, request: HttpRequest, obj: ModerationRecord | None = None) -> bool:
        return bool(lanes_of(request.user)) or super().has_view_permission(request, obj)

    def get_urls(self) -> list[URLPattern]:
        preview = path(
            "<int:pk>/preview/",
            self.admin_site.admin_view(self.preview_view),
            name="django_imgmod_moderationrecord_preview",
        )
        return [preview, *review_urls(self), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModerationRecord]:
        # Up to 64 KB a row, which only the page of one record shows.
        return super().get_queryset(request).defer("raw")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return (*PICTURE_COLUMNS[Pictures.wanted(request)], *self.list_display)

    def get_list_display_links(self, request: HttpRequest, list_display: Any) -> tuple[str, ...]:
        return (*PICTURE_COLUMNS[Pictures.wanted(request)], *self.list_display_links)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {**way_in(request, self.admin_site), **(extra_context or {})})

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RecordChangeList]:
        return RecordChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ModerationRecord], search_term: str
    ) -> tuple[QuerySet[ModerationRecord], bool]:
        term = search_term.strip()
        return (search_records(queryset, term) if term else queryset), False

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: ModerationRecord | None = None,
    ) -> HttpResponse:
        """Add what the page shows beside the fields: the picture, if wanted, and the way to what belongs to it."""
        if obj is not None:
            context |= {
                "pictures": Pictures.wanted(request),
                "pictures_choices": Pictures.choices,
                "owner": self.owner(obj),
                "object_url": object_url(self.admin_site, request, obj),
                "other_records": other_records(obj),
                "claim_url": way_to(request, self.admin_site, obj),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)

    @method_decorator(require_safe)
    def preview_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Answer with a small picture of a record's file, to whoever may see the record."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return preview_response(get_object_or_404(self.get_queryset(request), pk=pk))
