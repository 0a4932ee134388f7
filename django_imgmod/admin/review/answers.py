"""What the desk answers: parts of the page for its script, messages and a redirect for whoever has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, Final, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from ...choices import Outcome
from ...services.review.batches import Batch, Receipt
from ...services.review.cards import Card
from ...services.review.exposure import note_reveals, should_propose_break
from .desk import TEMPLATES, card_parts, counts_beside, parts, require_lane
from .forms import Malformed, Place, PlaceForm, told
from .pages import desk_url, lanes_of, page_context, tabs_of
from .presenting import last_done, short_name

HEADER: Final = "X-Imgmod-Desk"
"""In a request: the script asks, for parts of the page. In an answer: these are they."""

LEAVING: Final = "leaving"
"""The field of what a page sends while it is closed, which can set no header: nobody reads the answer."""

F = TypeVar("F", bound=forms.Form)
Action = Callable[[HttpRequest, AdminSite, Place], HttpResponse]


def is_by_script(request: HttpRequest) -> bool:
    return HEADER in request.headers or is_leaving(request)


def is_leaving(request: HttpRequest) -> bool:
    """Return whether the page is gone: then nothing is claimed for it."""
    return LEAVING in request.POST


def action(view: Action) -> Callable[..., HttpResponse]:
    """
    Let those who may decide in the queue POST here, and tell in words what was refused.

    A GET, to which the login leads whoever was logged out, goes to the desk and does nothing.
    """

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(view)
    def answer(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
        if request.method != "POST":
            return redirect(desk_url(site))
        try:
            response = view(request, site, _place(request))
        except Malformed as error:
            response = _refused(request, site, str(error), status=400)
        except PermissionDenied:
            if not is_by_script(request):
                raise
            response = _refused(request, site, _("You have no permission to do this."), status=403)
        if is_by_script(request):
            response.headers[HEADER] = "parts"
        return response

    return answer


def read(form_class: type[F], request: HttpRequest) -> dict[str, Any]:
    """Return what was posted. Raises ``Malformed`` for what no form of the desk posts."""
    form = form_class(request.POST)
    if not form.is_valid():
        raise Malformed(told(form))
    return form.cleaned_data


def tell(
    request: HttpRequest,
    site: AdminSite,
    place: Place,
    *,
    batch: Batch | None = None,
    notice: str = "",
    problems: Sequence[str] = (),
    card: Card | None = None,
    can_undo: bool = False,
    status: int = 200,
) -> HttpResponse:
    """
    Answer with what was done, what was not and why, and perhaps with a card to go on with.

    ``can_undo`` offers to take ``batch`` back.
    """
    if is_leaving(request):
        return HttpResponse(status=204)
    problems = [*problems, *(problems_of(batch) if batch else ())]
    if not is_by_script(request):
        put_messages(request, notice, problems)
        if card is not None:
            place = replace(place, card=card.record.public_id)
        return redirect(f"{desk_url(site)}?{place.query()}")
    counts = counts_beside(request, place, card)
    context = {
        **(card_parts(request, site, place, card, counts=counts) if card else parts(request, site, place)),
        "batch": batch,
        "can_undo": can_undo,
        "notice": notice,
        "problems": problems,
        "last": last_done(request.user),
        "tabs": tabs_of(request, site, place.filter.lane, counts=counts.by_lane),
    }
    return render(request, f"{TEMPLATES}/result.html", context, status=status)


def put_messages(request: HttpRequest, notice: str, problems: Sequence[str]) -> None:
    """Keep what is to be told for the next page."""
    if notice:
        messages.success(request, notice)
    for problem in problems:
        # The admin makes the first letter large, which may be that of a file's name: so the first is an isolate.
        messages.warning(request, f"\u2068{problem}\u2069")


def count_reveals(user: Any, count: int) -> str:
    """Count pictures that were revealed; return the proposal of a break, where it is time for one."""
    after = note_reveals(user, count)
    if not should_propose_break(after - count, after):
        return ""
    return _("You have looked at %(count)s pictures today. Is it time for a break?") % {"count": after}


def in_words(batch: Batch, words: dict[str, tuple[str, str]]) -> str:
    """Return the sentence about a batch, by its outcome: that of one file, or that of several."""
    done = [receipt for receipt in batch.receipts if receipt.decision]
    if not done or not done[0].decision:
        return ""
    of_one, of_many = words[Outcome(done[0].decision.outcome)]
    return (of_one if len(done) == 1 else of_many) % {"file": short_name(done[0].file_name), "count": len(done)}


def problems_of(batch: Batch) -> list[str]:
    """Return what was not done, each with its file's name."""
    return [_told_of(receipt) for receipt in batch.skipped]


def _told_of(receipt: Receipt) -> str:
    return f"{short_name(receipt.file_name)}: {receipt.problem}" if receipt.file_name else receipt.problem


def _place(request: HttpRequest) -> Place:
    """Return where the moderator was, as every form of the desk says in one field."""
    lanes = lanes_of(request.user)
    if not lanes:
        raise PermissionDenied
    place = PlaceForm(QueryDict(request.POST.get("query", ""))).place(lane=lanes[0])
    require_lane(request, place)
    return place


def _refused(request: HttpRequest, site: AdminSite, problem: str, *, status: int) -> HttpResponse:
    if is_by_script(request):
        return render(request, f"{TEMPLATES}/result.html", {"problems": [problem]}, status=status)
    context = page_context(request, site, title=_("This cannot be done"), current="", problem=problem)
    return render(request, f"{TEMPLATES}/problem.html", context, status=status)
