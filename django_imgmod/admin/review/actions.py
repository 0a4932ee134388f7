"""What a moderator does at the desk: each a plain form, which the script sends as well."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ...choices import Lane, Outcome
from ...exceptions import ReviewRefused
from ...services.review.batches import Batch, decide_batch, last_batch, undo_batch
from ...services.review.cards import Card, claim_card, claim_named
from ...services.review.claims import claim_these, heartbeat, release
from ...services.review.escalation import escalate
from ...services.review.queue import QueueFilter, position_of, waiting
from .answers import action, count_reveals, in_words, is_by_script, is_leaving, problems_of, put_messages, read, tell
from .desk import TEMPLATES, card_parts, counts_beside, desk_page, held_card, parts
from .forms import AnswerForm, ClaimForm, ClaimsForm, DecisionForm, LinksForm, Place, RevealForm, SkipForm, UndoForm
from .media import renewed_urls
from .pages import database, desk_url

DONE: Any = {
    Outcome.PASS: (gettext_lazy("Passed %(file)s."), gettext_lazy("Passed %(count)s.")),
    Outcome.BLOCK: (gettext_lazy("Blocked %(file)s."), gettext_lazy("Blocked %(count)s.")),
    Outcome.REVIEW: (gettext_lazy("Escalated %(file)s."), gettext_lazy("Escalated %(count)s.")),
}
TAKEN_BACK: Any = dict.fromkeys(
    Outcome, (gettext_lazy("Taken back: %(file)s."), gettext_lazy("Taken back: %(count)s pictures."))
)

NOT_TO_BE_HAD: Any = gettext_lazy("That picture is not to be had: somebody else holds it, or it was decided about.")


@action
def claim_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Claim the next card, or the one that is named. Without a script, whoever holds one is shown that."""
    asked = read(ClaimForm, request)
    public_id, card = asked["public_id"], None
    if public_id is not None:
        place, card = _claim_named(request, public_id, place)
        if card is None:
            return tell(request, site, place, problems=[NOT_TO_BE_HAD], status=409)
        place = place.stepping_back()
    elif is_by_script(request) or held_card(request, place) is None:
        card = _claim_next(request, place)
    if not is_by_script(request):
        return tell(request, site, place, card=card)
    # At the end, what one holds and does not see: of a window that could not give it back.
    card = card or held_card(request, place, beside=set(asked["held"]))
    counts = counts_beside(request, place, card, is_early=public_id is None)
    context = card_parts(request, site, place, card, counts=counts)
    return render(request, f"{TEMPLATES}/card.html", context)


@action
def decide_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Pass or block what a card shows."""
    answer = read(DecisionForm, request)
    reason = {"reason_code": answer["reason_code"], "comment": answer["comment"]}
    act = partial(decide_batch, outcome=Outcome(answer["outcome"]), using=database(), **reason)
    return _answered(request, site, place, act, answer)


@action
def escalate_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Hand on what a card shows."""
    answer = read(AnswerForm, request)
    return _answered(request, site, place, partial(escalate, comment=answer["comment"], using=database()), answer)


@action
def skip_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Give a card back undecided, and go on with what was not skipped."""
    skipped = read(SkipForm, request)
    public_ids = [seen.public_id for seen in skipped["seen"]]
    release(request.user, public_ids, using=database())
    if is_by_script(request):
        return HttpResponse(status=204)
    place, dropped = place.skipping(tuple(chain.from_iterable(skipped["keys"])))
    if dropped:
        place = replace(place, after=position_of(dropped[0], using=database()) or place.after)
    place = replace(place, back=public_ids[0], card=None, number=place.number + 1)
    return _go_on(request, site, place)


@action
def undo_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Take back what one decided by one key, and put its card on the desk again."""
    batch_id = read(UndoForm, request)["batch"] or last_batch(request.user, using=database())
    try:
        if batch_id is None:
            raise ReviewRefused(_("There is nothing of yours to take back."))
        batch = undo_batch(request.user, batch_id, using=database())
    except ReviewRefused as refused:
        return tell(request, site, place, problems=[str(refused)], status=409)
    card = None
    if not is_leaving(request) and (first := next((receipt for receipt in batch.receipts if receipt.decision), None)):
        place, card = _claim_named(request, first.public_id, place)
        place = place.stepping_back() if card else place
    return tell(request, site, place, batch=batch, notice=in_words(batch, TAKEN_BACK), card=card)


@action
def release_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Give back the cards that are named; for a break, where none is named, all of them."""
    public_ids = read(ClaimsForm, request)["ids"]
    release(request.user, public_ids or None, using=database())
    if public_ids:
        return HttpResponse(status=204)
    messages.info(request, _("You hold no pictures any more. Rest as long as you like: nothing is lost."))
    return redirect(f"{desk_url(site)}?{place.query(card=None, back=None)}")


@action
def heartbeat_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Renew claims, those that ran out and are free included; name the records that are not to be had any more."""
    asked = read(ClaimsForm, request)["ids"]
    lost = set(asked) - set(heartbeat(request.user, asked, using=database()))
    if lost:
        here = waiting(QueueFilter(lane=place.filter.lane), user=request.user, using=database())
        keys = list(here.filter(public_id__in=lost).order_by().values_list("pk", flat=True))
        lost -= {record.public_id for record in claim_these(request.user, keys, using=database()).values()}
    return JsonResponse({"lost": sorted(map(str, lost))})


@action
def links_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Answer with fresh addresses of pictures whose old ones end, or ended, before somebody looked. Changes nothing."""
    tokens = read(LinksForm, request)["links"]
    return JsonResponse({"links": renewed_urls(tokens, request.user, current_app=site.name)})


@action
def revealed_view(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Count pictures that were revealed, and propose a break where it is time; without a script, reveal one."""
    revealed = read(RevealForm, request)
    public_id = revealed["public_id"]
    if public_id is not None and not is_by_script(request):
        # Nothing renewed the claim while the card was read: without it there is no card to show the picture on.
        place, card = _claim_again(request, public_id, place)
        if card is None:
            return tell(request, site, place, problems=[NOT_TO_BE_HAD])
    proposal = count_reveals(request.user, revealed["count"] or 1)
    if is_by_script(request):
        if not proposal:
            return HttpResponse(status=204)
        return render(request, f"{TEMPLATES}/break.html", {**parts(request, site, place), "proposal": proposal})
    if proposal:
        messages.info(request, proposal)
    return redirect(f"{desk_url(site)}?{place.query(shown=revealed['shown'] or 'grey')}#imgmod-picture")


def _answered(
    request: HttpRequest, site: AdminSite, place: Place, act: Callable[..., Batch], answer: Mapping[str, Any]
) -> HttpResponse:
    """Do what a card was answered with and go on, or show the card again with what was wrong."""
    try:
        batch = act(request.user, answer["seen"])
    except ReviewRefused as refused:
        if is_by_script(request):
            return tell(request, site, place, problems=[str(refused)], status=422)
        # Its claim may have run out meanwhile: what was written is lost only where somebody else has taken the card.
        place, card = _claim_again(request, answer["seen"][0].public_id, place)
        problem = str(refused) if card else f"{refused} {NOT_TO_BE_HAD}"
        return desk_page(request, site, place, card=card, problem=problem, draft=answer, status=422)
    notice = in_words(batch, DONE)
    if is_by_script(request):
        status = 200 if batch.decided_count else 409
        return tell(request, site, place, batch=batch, notice=notice, can_undo=batch.id is not None, status=status)
    # Told on the next card's page.
    put_messages(request, notice, problems_of(batch))
    return _go_on(request, site, replace(place, card=None, number=place.number + 1))


def _go_on(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Claim the next card, unless one is held already, and show it."""
    if held_card(request, place) is None:
        _claim_next(request, place)
    return redirect(f"{desk_url(site)}?{place.query()}")


def _claim_next(request: HttpRequest, place: Place) -> Card | None:
    return claim_card(request.user, place.filter, after=place.after, but=place.skipped_keys, using=database())


def _claim_named(request: HttpRequest, public_id: uuid.UUID, place: Place) -> tuple[Place, Card | None]:
    """Claim a record in whichever queue it waits; return the place where it is, and its card if it is to be had."""
    card = claim_named(request.user, public_id, using=database())
    if card is None:
        return replace(place, back=None), None
    if card.record.lane != place.filter.lane:
        place = Place(QueueFilter(lane=Lane(card.record.lane)), number=place.number)
    return replace(place, card=card.record.public_id, back=None), card


def _claim_again(request: HttpRequest, public_id: uuid.UUID, place: Place) -> tuple[Place, Card | None]:
    """Renew the claim on a card that is on the desk already, or claim it anew where that ran out and it is free."""
    again, card = _claim_named(request, public_id, place)
    return replace(again, back=place.back), card
