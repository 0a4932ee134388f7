"""The panels on a change form. One query for all of them, those in the rows of its inlines included."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString

from ...registry import WatchedField
from ...services.showing.records import Image, prefetch_records
from .panels import render_panel
from .spots import Spot, kept_query, shown_fields
from .widgets import ReadOnlyWithPanels, with_panel


@dataclass(frozen=True, kw_only=True, slots=True)
class _Shown:
    """One form on the page: that of its object, or that of a row."""

    form: forms.ModelForm[Any]
    shown_by: Any
    """What Django made for the page of this form, or of all rows of an inline."""

    readonly_fields: Collection[Any]
    is_row: bool
    may_change: bool

    def images(self) -> list[Image]:
        obj = as_stored(self.form)
        images = [Image(obj, watched) for watched in shown_fields(obj, self.shown_by.fieldsets)]
        return [image for image in images if image.file_name]


def add_panels(request: HttpRequest, model_admin: Any, *, admin_form: Any, inline_formsets: Iterable[Any]) -> None:
    """
    Put a panel under each watched image field of a change form, and of the rows of ``inline_formsets``.

    A panel speaks of what is stored, also on a form that is shown again because something in it is wrong.
    """
    owner, query = as_stored(admin_form.form), kept_query(request)
    may_change = model_admin.has_change_permission(request, owner)
    found = [
        (
            shown,
            Spot(
                model_admin=model_admin,
                owner=owner,
                image=image,
                is_row=shown.is_row,
                may_change=shown.may_change,
                query=query,
            ),
        )
        for shown in _forms(admin_form, inline_formsets, may_change=may_change)
        for image in shown.images()
    ]
    prefetch_records([spot.image for _shown, spot in found])
    readonly: defaultdict[tuple[Any, WatchedField], dict[int, SafeString]] = defaultdict(dict)
    for shown, spot in found:
        watched, form = spot.image.watched, shown.form
        if watched.name in shown.readonly_fields:
            readonly[shown.shown_by, watched][id(form.instance)] = render_panel(spot)
        elif watched.name in form.fields and not form.fields[watched.name].widget.is_hidden:
            _put_under_input(form, spot)
    for (shown_by, watched), panels in readonly.items():
        empty_value = model_admin.get_empty_value_display()
        _replace(shown_by, watched.name, ReadOnlyWithPanels(watched.field, panels, empty_value=empty_value))


def as_stored(form: forms.ModelForm[Any]) -> models.Model:
    """Return the object of a form with the key and the files that its row had when it was read, for reading only."""
    obj: models.Model = form.instance
    if not form.is_bound:
        return obj
    stored = copy.copy(obj)
    for field in obj._meta.concrete_fields:
        if field.name in form.initial and (field.primary_key or isinstance(field, models.FileField)):
            value = form.initial[field.name]
            # Not by the descriptor, which may open a file to measure it.
            stored.__dict__[field.attname] = value.name if isinstance(field, models.FileField) and value else value
    return stored


def _forms(admin_form: Any, inline_formsets: Iterable[Any], *, may_change: bool) -> Iterator[_Shown]:
    yield _Shown(
        form=admin_form.form,
        shown_by=admin_form,
        readonly_fields=admin_form.readonly_fields,
        is_row=False,
        may_change=may_change,
    )
    for formset in inline_formsets:
        # Where rows can be added, but not changed, the names of the fields are those of both, and stay as they are.
        is_readonly = not (formset.has_change_permission or formset.has_add_permission)
        for form in formset.formset.initial_forms:
            yield _Shown(
                form=form,
                shown_by=formset,
                readonly_fields=flatten_fieldsets(formset.fieldsets) if is_readonly else formset.readonly_fields,
                is_row=True,
                may_change=may_change and formset.has_change_permission,
            )


def _put_under_input(form: forms.ModelForm[Any], spot: Spot) -> None:
    name = spot.image.watched.name
    field = form.fields[name]
    input_id = "" if field.disabled else form[name].id_for_label or ""
    field.widget = with_panel(field.widget, render_panel(spot, input_id=input_id))


def _replace(shown_by: Any, name: str, readonly_field: ReadOnlyWithPanels) -> None:
    """Let a field that is only shown be shown by something else than its name. What the host has declared stays."""

    def replaced(fields: Iterable[Any]) -> list[Any]:
        lines = [replaced(field) if isinstance(field, list | tuple) else field for field in fields]
        return [readonly_field if field == name else field for field in lines]

    shown_by.fieldsets = [
        (title, {**options, "fields": replaced(options["fields"])}) for title, options in shown_by.fieldsets
    ]
    shown_by.readonly_fields = replaced(shown_by.readonly_fields)
