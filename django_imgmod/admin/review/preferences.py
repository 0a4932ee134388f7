"""The page on which a moderator says how they want the desk."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.helpers import AdminForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from ...services.review.preferences import GRID_SIZES, Preferences, preferences_of, save_preferences
from .pages import desk_url, page_context, reviewers_only

# What the button that gives the choices back to the site sends.
RESET: Final = "reset"

_EVIDENCE: Final = _(
    "What research says of blur and grey is mixed: in one study blur that can be lifted made the work less upsetting, "
    "in a later one neither of them did. Choose what suits you."
)


class PreferencesForm(forms.Form):
    """``Preferences``, field by field."""

    blur = forms.BooleanField(
        label=_("Blur pictures"), required=False, help_text=_("Until you reveal them, one at a time.")
    )
    grey = forms.BooleanField(
        label=_("Show pictures in grey"), required=False, help_text=_("When revealed, too, until you ask for colour.")
    )
    is_always_protected = forms.BooleanField(
        label=_("Protect every picture"),
        required=False,
        help_text=_("Also where nothing but something harmless was seen, such as a QR code."),
    )
    has_single_keys = forms.BooleanField(
        label=_("Decide with single keys"),
        required=False,
        help_text=_("Switch this off where they get in the way of a screen reader or of speech input."),
    )
    grid_size = forms.TypedChoiceField(
        label=_("Pictures on a page of the grid"), coerce=int, choices=[(size, str(size)) for size in GRID_SIZES]
    )

    def preferences(self) -> Preferences:
        """Return what was chosen in a valid form."""
        return Preferences(**self.cleaned_data)


_FIELDSETS: Final[list[tuple[Any, dict[str, Any]]]] = [
    (
        _("Pictures at rest"),
        {"description": _EVIDENCE, "fields": ["blur", "grey", "is_always_protected"]},
    ),
    (_("Handling"), {"fields": ["has_single_keys", "grid_size"]}),
]


@require_http_methods(["GET", "HEAD", "POST"])
@reviewers_only
def preferences_view(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """Show a person's own choices; a POST stores them and leads back to ``next``, where that is a page of the site."""
    back = _back(request) or desk_url(site)
    form = PreferencesForm(
        request.POST if request.method == "POST" else None, initial=asdict(preferences_of(request.user))
    )
    if request.method == "POST":
        is_reset = RESET in request.POST
        if is_reset or form.is_valid():
            save_preferences(request.user, None if is_reset else form.preferences())
            messages.success(
                request, _("The site's choices are yours again.") if is_reset else _("Your choices are kept.")
            )
            return HttpResponseRedirect(back)
    context = page_context(
        request,
        site,
        title=_("How you want the desk"),
        current="review_preferences",
        form=form,
        adminform=AdminForm(form, _FIELDSETS, {}),  # type: ignore[arg-type]  # any form will do
        back=back,
        reset=RESET,
    )
    return render(request, "admin/django_imgmod/review/preferences.html", context)


def _back(request: HttpRequest) -> str:
    """Return where to lead back to; empty where that is not said, or is no path on the site."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return wanted if is_safe and wanted.startswith("/") else ""
