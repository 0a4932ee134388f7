"""The desk's own page: the card that a moderator holds, or why there is none."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from ...choices import Lane
from ...conf import imgmod_settings
from ...services.review.cards import Card, card_of
from ...services.review.claims import claimed_by, is_free, is_held_by
from ...services.review.lanes import may_review
from ...services.review.preferences import preferences_of
from ...services.review.queue import QueueFilter, Waiting, counts_waiting, in_lane, waiting
from .forms import MAX_SKIPPED, SHOWN, Place, PlaceForm, told
from .media import MAX_AGE
from .pages import MAX_COUNT, database, desk_url, lanes_of, page_context, reviewers_only
from .presenting import CardPage, last_done, present

TEMPLATES: Final = "admin/django_imgmod/review"
ACTIONS: Final = ("claim", "decide", "escalate", "skip", "undo", "release", "heartbeat", "links", "revealed")


@dataclass(frozen=True, slots=True)
class Nothing:
    """There is no card: what waits nevertheless, and why it is not dealt."""

    lane: Lane
    lane_count: int
    """How many wait in the lane, for whomever."""

    mine_count: int
    """How many of the filter this moderator may decide, up to ``MAX_COUNT``."""

    free_count: int
    """How many of these nobody holds; one more than ``MAX_COUNT`` where there are more."""

    is_filtered: bool
    is_end: bool
    """Whether all of these were skipped."""

    max_count: int


@require_safe
@reviewers_only
def desk_view(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """Show the card that the moderator holds, or the way to one. Claims nothing."""
    first_lane = lanes_of(request.user)[0]
    form = PlaceForm(request.GET)
    if not form.is_valid():
        place = Place(QueueFilter(lane=first_lane))
        return desk_page(request, site, place, place_form=form, problem=told(form), status=400)
    place = form.place(lane=first_lane)
    require_lane(request, place)
    return desk_page(request, site, place, place_form=form, card=held_card(request, place))


def desk_page(
    request: HttpRequest,
    site: AdminSite,
    place: Place,
    *,
    place_form: PlaceForm | None = None,
    card: Card | None = None,
    problem: str = "",
    draft: Mapping[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Return the whole page; ``draft`` is an answer to the card that was refused because of ``problem``."""
    counts = counts_beside(request, place, card)
    context = page_context(
        request,
        site,
        title=_("Review images"),
        current=place.filter.lane,
        counts=counts.by_lane,
        **card_parts(request, site, place, card, counts=counts, draft=draft),
        place_form=place_form or PlaceForm(QueryDict(place.query())),
        problem=problem,
        last=last_done(request.user),
        claim_seconds=imgmod_settings.review.claim_seconds,
        link_seconds=MAX_AGE.seconds,
        max_skipped=MAX_SKIPPED,
        has_single_keys=preferences_of(request.user).has_single_keys,
    )
    return render(request, f"{TEMPLATES}/desk.html", context, status=status)


def parts(request: HttpRequest, site: AdminSite, place: Place) -> dict[str, Any]:
    """Return what every part of the page needs that the script exchanges."""
    urls = {name: desk_url(site, f"review_{name}") for name in ACTIONS}
    pages = {"desk": desk_url(site), "preferences": desk_url(site, "review_preferences")}
    return {"place": place, "urls": {**urls, **pages}}


def card_parts(
    request: HttpRequest,
    site: AdminSite,
    place: Place,
    card: Card | None,
    *,
    counts: Waiting,
    draft: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a card needs, or the words in its place where there is none; ``counts`` are those beside it."""
    count = counts.by_lane[place.filter.lane]
    if card is None:
        return {**parts(request, site, place), "card": None, "nothing": why_nothing(request, place, count)}
    shown = present_card(request, site, place, card, count - counts.among, draft=draft)
    return {**parts(request, site, place), "card": shown}


def counts_beside(request: HttpRequest, place: Place, card: Card | None, *, is_early: bool = False) -> Waiting:
    """
    Return how many wait, and how many of them come no more after this card: it itself, and what was skipped.

    ``is_early`` is a card that comes after all others that its moderator holds, where otherwise these come after it.
    """
    if card is None or place.is_filtered:
        return counts_waiting(using=database())
    dealt = is_held_by(request.user)
    if not is_early:
        dealt &= Q(pk__in=[record.pk for record in card.members])
    here = in_lane(place.filter.lane, using=database())
    return counts_waiting(here.filter(dealt | Q(pk__in=place.skipped_keys)), using=database())


def require_lane(request: HttpRequest, place: Place) -> None:
    """Raise ``PermissionDenied`` where the place is in a queue that is not the user's."""
    if not may_review(request.user, place.filter.lane):
        raise PermissionDenied


def held_card(request: HttpRequest, place: Place, *, beside: Collection[uuid.UUID] = ()) -> Card | None:
    """Return the card that a moderator holds and that belongs to a place: the one that it names, or the oldest."""
    mine = claimed_by(request.user, using=database())
    held = {record.public_id: record for record in mine if record.public_id not in beside}
    if not held:
        return None
    named = place.card if place.card in held else None
    wanted = QueueFilter(lane=place.filter.lane) if named else place.filter
    here = waiting(wanted, user=request.user, using=database()).filter(public_id__in=held)
    public_ids = set(here.order_by().values_list("public_id", flat=True))
    chosen = named if named in public_ids else next((one for one in held if one in public_ids), None)
    return None if chosen is None else card_of(held[chosen], user=request.user)


def present_card(
    request: HttpRequest,
    site: AdminSite,
    place: Place,
    card: Card,
    count_after: int,
    *,
    draft: Mapping[str, Any] | None = None,
) -> CardPage:
    """Return a card as its template needs it, with how many there are: as many as its number and those after it."""
    shown = request.GET.get("shown", "")
    return present(
        request,
        site,
        card,
        number=place.number,
        total=None if place.is_filtered else place.number + count_after,
        shown=shown if shown in SHOWN else "",
        draft=draft,
    )


def why_nothing(request: HttpRequest, place: Place, lane_count: int) -> Nothing:
    """Tell what waits although no card is dealt."""
    lane = place.filter.lane
    mine = waiting(place.filter, user=request.user, using=database()).order_by().exclude(is_held_by(request.user))
    free = mine.filter(is_free())
    return Nothing(
        lane=Lane(lane),
        lane_count=lane_count,
        mine_count=mine[:MAX_COUNT].count(),
        free_count=free[: MAX_COUNT + 1].count(),
        is_filtered=place.is_filtered,
        max_count=MAX_COUNT,
        # Of what was skipped too long ago to be remembered, nobody can tell.
        is_end=place.has_skipped and (place.after is not None or not free.exclude(pk__in=place.skipped_keys).exists()),
    )
