"""What an editor writes who asks for a second look."""

from __future__ import annotations

from django import forms
from django.contrib.admin.widgets import AdminTextareaWidget
from django.utils.translation import gettext_lazy as _

from ...services.review.acting import MAX_WORDS


class SecondLookForm(forms.Form):
    text = forms.CharField(
        label=_("Why should somebody look again?"),
        help_text=_("May be left empty. Whoever looks again will read it."),
        max_length=MAX_WORDS,
        required=False,
        widget=AdminTextareaWidget(attrs={"rows": 6}),
    )
    # Which picture was on the page: another one may have taken its place since.
    record = forms.UUIDField(widget=forms.HiddenInput)
