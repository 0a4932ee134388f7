"""The pages behind a panel: the panel anew, and the wish for a second look."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from ...exceptions import RecordConflict, ReviewRefused
from ...models import ModerationRecord
from ...services.intake import target_of
from ...services.review.appeals import appeal
from ...services.showing.progress import progress_of
from ...services.showing.records import record_of
from .forms import SecondLookForm
from .panels import TEMPLATES, render_panel
from .spots import Spot, find_spot
from .wording import quotable

HEADER: Final = "X-Imgmod-Panel"
"""Says that the answer is a panel, and not the page of a login."""


@require_GET
def panel_view(request: HttpRequest, *, model_admin: Any, **place: str) -> HttpResponse:
    """Answer with the panel of an image as it is now, to whoever may see the form that it is on."""
    panel = render_panel(find_spot(model_admin, request, **place), may_ask=True)
    return HttpResponse(panel, headers={HEADER: "panel", "Cache-Control": "no-store"})


@require_http_methods(["GET", "POST"])
def second_look_view(request: HttpRequest, *, model_admin: Any, **place: str) -> HttpResponse:
    """Let whoever may change an image's object ask for a second look at it, and say why."""
    spot = find_spot(model_admin, request, **place)
    if not spot.may_change:
        raise PermissionDenied
    form = SecondLookForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if _asked(request, spot, **form.cleaned_data):
            return redirect(spot.change_url)
        # Of the picture that is there now: what was written is not lost.
        form = SecondLookForm(initial={"text": form.cleaned_data["text"]})
    return _second_look_page(request, spot, form)


def _asked(request: HttpRequest, spot: Spot, *, text: str, record: Any) -> bool:
    """Ask for a second look, and tell what came of it."""
    file = quotable(spot.image.file_name)
    try:
        current = _written_record(spot)
        if current is None or current.public_id != record:
            raise ReviewRefused(_("Another picture has taken its place since."))
        appeal(current, by=request.user, text=text)
    except ReviewRefused as refused:
        _tell(request, messages.WARNING, _("“%(file)s”: nothing was sent. %(reason)s"), file=file, reason=str(refused))
        return False
    except RecordConflict:
        reason = _("Something has happened to the picture in this very moment. Please look again.")
        _tell(request, messages.WARNING, _("“%(file)s”: nothing was sent. %(reason)s"), file=file, reason=reason)
        return False
    _tell(request, messages.SUCCESS, _("“%(file)s”: somebody else will look at it again."), file=file)
    return True


def _written_record(spot: Spot) -> ModerationRecord | None:
    """Return the record from where it is written: a replica may not have heard of its last change."""
    image = spot.image
    target = target_of(image.watched, image.obj, str(image.obj._state.db))
    records = ModerationRecord.objects.using(target.record_db)
    return records.filter(current_key=target.key, file_name=image.file_name).first()


def _tell(request: HttpRequest, level: int, words: str, **values: str) -> None:
    messages.add_message(request, level, words % values, fail_silently=True)


def _second_look_page(request: HttpRequest, spot: Spot, form: SecondLookForm) -> HttpResponse:
    record = record_of(spot.image)
    if record is not None and not form.is_bound:
        form.initial["record"] = record.public_id
    model_admin, site = spot.model_admin, spot.model_admin.admin_site
    # As the admin's own pages do, so that their templates lead to pages of the same site.
    request.current_app = site.name
    context = {
        **site.each_context(request),
        "opts": model_admin.opts,
        "title": _("Ask for a second look"),
        "is_popup": IS_POPUP_VAR in request.GET,
        "media": model_admin.media + form.media,
        "spot": spot,
        "progress": progress_of(record, may_ask=False),
        "form": form,
    }
    return render(request, f"{TEMPLATES}/second_look.html", context)
