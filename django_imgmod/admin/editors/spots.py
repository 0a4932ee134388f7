"""Where an image is on a change form: in the form of its object, or in a row of one of its inlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import flatten_fieldsets, quote, unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from ...registry import WatchedField, watched_fields
from ...services.showing.records import Image
from .wording import short_name

PANEL: Final = "moderation"
SECOND_LOOK: Final = "second_look"

# What an address of the admin says beside which page it is, and every address made from it has to repeat.
_KEPT: Final = (IS_POPUP_VAR, "_changelist_filters")


@dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """One image on a change form, as one user meets it."""

    model_admin: Any
    """Whose form it is."""

    owner: models.Model
    """The form's object."""

    image: Image
    is_row: bool
    """Whether it belongs to a row of an inline, and not to the form's object."""

    may_change: bool
    query: str = ""
    """What its addresses have to repeat."""

    @property
    def label(self) -> str:
        return str(self.image.watched.field.verbose_name)

    @property
    def file_name(self) -> str:
        return short_name(self.image.file_name)

    @property
    def panel_url(self) -> str:
        return self._url(PANEL)

    @property
    def second_look_url(self) -> str:
        return self._url(SECOND_LOOK)

    @property
    def change_url(self) -> str:
        return self._reverse("change", object_id=quote(self.owner.pk))

    def _url(self, name: str) -> str:
        place = {"object_id": quote(self.owner.pk), "field_name": self.image.watched.name}
        if self.is_row:
            row = self.image.obj
            place |= {"row_model": row._meta.label_lower, "row_id": quote(row.pk)}
        return self._reverse(name, **place)

    def _reverse(self, name: str, **place: Any) -> str:
        opts, site = self.model_admin.opts, self.model_admin.admin_site
        url = reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", kwargs=place, current_app=site.name)
        return f"{url}?{self.query}" if self.query else url


def find_spot(
    model_admin: Any, request: HttpRequest, *, object_id: str, field_name: str, row_model: str = "", row_id: str = ""
) -> Spot:
    """
    Return the spot that an address names.

    Raises ``PermissionDenied`` where the user may not see the form, and ``Http404`` where the form does not show such
    an image to them.
    """
    owner = model_admin.get_object(request, unquote(object_id))
    if not model_admin.has_view_or_change_permission(request, owner):
        raise PermissionDenied
    if owner is None:
        raise Http404
    obj, shown_by = _row(model_admin, request, owner, row_model, row_id) if row_model else (owner, model_admin)
    watched = next(
        (shown for shown in shown_fields(obj, shown_by.get_fieldsets(request, owner)) if shown.name == field_name), None
    )
    if watched is None or not (image := Image(obj, watched)).file_name:
        raise Http404
    may_change = model_admin.has_change_permission(request, owner) and shown_by.has_change_permission(request, owner)
    return Spot(
        model_admin=model_admin,
        owner=owner,
        image=image,
        is_row=bool(row_model),
        may_change=may_change,
        query=kept_query(request),
    )


def shown_fields(obj: models.Model, fieldsets: Any) -> list[WatchedField]:
    """Return the watched fields of an object that are in the fieldsets of a form."""
    names = flatten_fieldsets(fieldsets)
    return [watched for watched in watched_fields(type(obj)) if watched.name in names]


def kept_query(request: HttpRequest) -> str:
    """Return what the addresses of a page have to repeat of its own: that it is a popup, and the list it came from."""
    return urlencode({name: request.GET[name] for name in _KEPT if name in request.GET})


def _row(
    model_admin: Any, request: HttpRequest, owner: models.Model, row_model: str, row_id: str
) -> tuple[models.Model, Any]:
    """Return a row, as an inline of the form shows it, and the inline."""
    for inline in model_admin.moderated_inlines(request, owner):
        if inline.opts.label_lower != row_model or not inline.has_view_or_change_permission(request, owner):
            continue
        formset_class = inline.get_formset(request, owner)
        prefix = formset_class.get_default_prefix()
        formset = formset_class(**model_admin.get_formset_kwargs(request, owner, inline, prefix))
        try:
            key = inline.opts.pk.to_python(unquote(row_id))
            row = formset.get_queryset().filter(pk=key).first()
        except (ValidationError, ValueError):
            row = None
        if row is not None:
            return row, inline
    raise Http404
