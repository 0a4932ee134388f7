"""A file field with something under it, whatever widget the site has chosen."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.admin.utils import display_for_field
from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString


def with_panel(widget: forms.Widget, panel: SafeString) -> forms.Widget:
    """
    Return a widget that shows a panel under it.

    It stays what it is, whoever asks: a theme for its class, a form for its media and for what was uploaded. Only how
    this one is rendered differs.
    """

    def render(*args: Any, **kwargs: Any) -> SafeString:
        return format_html('<div class="imgmod-field">{}{}</div>', widget.render(*args, **kwargs), panel)

    shown = copy.copy(widget)
    shown.__dict__["render"] = render
    return shown


class ReadOnlyWithPanels:
    """
    A field of forms that is only shown: each file as the admin shows it, and its panel under it.

    It stands in the place of the field's name, as any callable may among fields that are only read. ``panels`` are by
    the ``id()`` of objects in memory: the key of one may be what somebody has just typed.
    """

    # A template that asks for the name of the field gets it.
    do_not_call_in_templates = True

    def __init__(self, field: models.FileField, panels: Mapping[int, SafeString], *, empty_value: str) -> None:
        self.field = field
        self.panels = panels
        self.empty_value = empty_value
        self.short_description = field.verbose_name
        self.__name__ = field.name

    def __str__(self) -> str:
        return self.field.name

    def __call__(self, obj: models.Model) -> SafeString:
        file = display_for_field(getattr(obj, self.field.attname), self.field, self.empty_value)
        # Within a paragraph, in a table: no element may be a block.
        return format_html('<span class="imgmod-field">{}{}</span>', file, self.panels.get(id(obj), ""))
