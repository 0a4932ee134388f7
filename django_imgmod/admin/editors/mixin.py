"""What a host's own ModelAdmin or inline inherits from to speak of its images."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.core.checks import CheckMessage, Error
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from .columns import prefetch_column, status_cell
from .pages import add_panels
from .saving import tell_saved
from .spots import PANEL, SECOND_LOOK
from .views import panel_view, second_look_view

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = object


class ModeratedImageAdminMixin(_ModelAdmin):
    """
    Tell editors what becomes of their images, where they upload them.

    First among the base classes of a ``ModelAdmin``: a panel under each watched image field, a message after saving,
    ``moderation_status`` for ``list_display``. An inline that inherits from it too, in the page of such a
    ``ModelAdmin``, has panels and messages for its rows.
    """

    @property
    def media(self) -> forms.Media:
        ours = forms.Media(css={"all": ["django_imgmod/admin/editors.css"]}, js=["django_imgmod/admin/editors.js"])
        return super().media + ours

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        found = super().check(**kwargs)
        if isinstance(self, InlineModelAdmin) and not self._has_moderated_parent():
            found.append(
                Error(
                    f"{type(self).__name__} has panels for its images, but the page that it is on has no place for "
                    "them.",
                    hint=f"Let the ModelAdmin of {self.parent_model._meta.label} inherit from "
                    "ModeratedImageAdminMixin, too.",
                    obj=type(self),
                    id="imgmod.E028",
                )
            )
        return found

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        ours = [
            path(
                f"<str:object_id>/{page}/{place}",
                self.admin_site.admin_view(partial(view, model_admin=self)),
                name=f"{name}_{page}",
            )
            for page, view in ((PANEL, panel_view), (SECOND_LOOK, second_look_view))
            for place in ("<str:field_name>/", "<str:row_model>/<str:row_id>/<str:field_name>/")
        ]
        return [*ours, *super().get_urls()]

    @admin.display(description=_("moderation"))
    def moderation_status(self, obj: models.Model) -> SafeString | None:
        """How an object's images stand, for ``list_display``."""
        return status_cell(obj)

    def moderated_inlines(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        """Return the inlines on the page of an object that have panels, too."""
        inlines = self.get_inline_instances(request, obj)
        return [inline for inline in inlines if isinstance(inline, ModeratedImageAdminMixin)]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        self._tell_saved(request)
        changelist = (response.context_data or {}).get("cl") if isinstance(response, TemplateResponse) else None
        # Only once it is certain that the list will be shown.
        if changelist is not None and "moderation_status" in changelist.list_display:
            prefetch_column(changelist.result_list)
        return response

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            formsets = context["inline_admin_formsets"]
            moderated = [formset for formset in formsets if isinstance(formset.opts, ModeratedImageAdminMixin)]
            add_panels(request, self, admin_form=context["adminform"], inline_formsets=moderated)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Of an inline."""
        formset = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]
        formset.is_moderated = True
        return formset

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        rows = [row for formset in formsets if getattr(formset, "is_moderated", False) for row in formset.forms]
        # What has become of them is not known before the end of the transaction. A list saves many objects.
        request._imgmod_saved = [*getattr(request, "_imgmod_saved", ()), form, *rows]  # type: ignore[attr-defined]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        response = super().changeform_view(request, object_id, form_url, extra_context)
        self._tell_saved(request)
        return response

    def _tell_saved(self, request: HttpRequest) -> None:
        tell_saved(request, self, getattr(request, "_imgmod_saved", ()))

    def _has_moderated_parent(self) -> bool:
        parent, site = self.parent_model, self.admin_site  # type: ignore[attr-defined]
        return not site.is_registered(parent) or isinstance(site.get_model_admin(parent), ModeratedImageAdminMixin)
