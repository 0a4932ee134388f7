"""How the providers fare, in Django's admin: why no image is being judged, for those who wait for the review queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from ..choices import Circuit
from ..models import ProviderState
from .inlines import ReadOnlyMixin

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[ProviderState]
else:
    _ModelAdmin = admin.ModelAdmin

MESSAGE_CHARACTERS: Final = 200
# A closed circuit is the one through which something flows: not everybody's first thought.
MEANINGS: Final = {
    Circuit.CLOSED: _("judges images"),
    Circuit.OPEN: _("is left alone for a while"),
    Circuit.HALF_OPEN: _("is being tried again"),
}


@admin.register(ProviderState)
class ProviderStateAdmin(ReadOnlyMixin, _ModelAdmin):
    """
    A read-only list, for whoever may view it or decide about images.

    A provider that never failed, nor has a rate to keep, is not in it.
    """

    list_display = ("provider", "badge", "last_error", "changed_at", "alarmed_at")
    # The list says everything.
    list_display_links = None
    ordering = ("provider",)
    sortable_by = ()
    actions = None

    class Media:
        css = {"all": ("django_imgmod/admin/records.css",)}

    def has_view_permission(self, request: HttpRequest, obj: ProviderState | None = None) -> bool:
        may_review: bool = request.user.has_perm("django_imgmod.review_moderationrecord")
        return may_review or super().has_view_permission(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # Django's own title asks to select one.
        return super().changelist_view(request, {"title": _("Provider states"), **(extra_context or {})})

    @admin.display(description=_("circuit"))
    def badge(self, state: ProviderState) -> SafeString:
        return format_html(
            '<span class="imgmod-badge imgmod-badge-{}">{}</span> <span class="imgmod-second">{}</span>',
            state.circuit,
            state.get_circuit_display(),
            MEANINGS[Circuit(state.circuit)],
        )

    @admin.display(description=_("last error"))
    def last_error(self, state: ProviderState) -> SafeString | str:
        if not state.error_code:
            return self.get_empty_value_display()
        return format_html(
            '{} <span class="imgmod-second">{}</span>',
            state.get_error_code_display(),
            Truncator(state.error_message).chars(MESSAGE_CHARACTERS),
        )
