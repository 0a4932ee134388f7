"""Many pictures of low risk on one page: some are selected, and the page is decided at once."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import ValidationError
from django.db.models import F
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from ...choices import Lane, Outcome, RiskLevel
from ...conf import imgmod_settings
from ...exceptions import ReviewRefused
from ...models import DetectedLabel, ModerationRecord, RiskOrder
from ...reviewing import Protection
from ...services.review.batches import Batch, DoneBatch, Seen, decide_batch, last_decisions, undo_batch
from ...services.review.preferences import Preferences, preferences_of, veil_for
from ...services.review.queue import Position, QueueFilter
from ...services.review.tiles import Tile, read_page
from ..links import change_url
from .answers import count_reveals, problems_of, put_messages
from .desk import require_lane
from .forms import SHOWN, AnswerForm, IdsField, Place, PlaceForm, PositionField, UndoForm, told
from .media import MAX_AGE, MediaUrls, Size
from .pages import database, desk_url, lanes_of, page_context, reviewers_only
from .presenting import ids_in_words, label_in_short, named, seen_in_words, short_name, uploads_in_words

TEMPLATE: Final = "admin/django_imgmod/review/grid.html"
PAGE: Final = "review_grid"
URLS: Final = {"desk": PAGE, "revealed": "review_revealed", "links": "review_links"}
# Whoever comes without a wish sees what this page is for.
USUAL: Final = f"risk_level={RiskLevel.LOW}"
# A cell has no room for more.
LABELS_A_CELL: Final = 3

_OUTCOMES: Final = (Outcome.PASS, Outcome.BLOCK)


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of the page, in the fewest words."""

    number: int
    record: ModerationRecord
    ids: str
    """Of all uploads that are decided with it, itself first."""

    uploads: str
    """How many these are, and of how many people; empty where it is one."""

    heading: str
    labels: Sequence[str]
    """The gravest, with their confidence, or that there are none."""

    file_name: str
    alt: str
    risk_level: str
    veil: Protection
    small: str
    veiled: str
    record_url: str
    is_selected: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """What was posted and is not done: to be shown again."""

    problem: str = ""
    shown: str = ""
    """``grey`` or ``colour`` where the pictures are to be seen."""

    selected: Collection[uuid.UUID] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)


class SelectedField(forms.Field):
    """The public ids whose boxes are ticked; those of one box with spaces between."""

    widget = forms.MultipleHiddenInput

    def clean(self, value: Any) -> frozenset[uuid.UUID]:
        try:
            return frozenset(uuid.UUID(public_id) for box in value or () for public_id in box.split())
        except ValueError:
            raise ValidationError(_("This is no public id of a record.")) from None


class GridForm(AnswerForm):
    """What is decided about the selected pictures of a page, and about all others that it showed."""

    OUTCOMES: Final = (*((outcome, outcome.label) for outcome in _OUTCOMES), ("", gettext_lazy("Leave in the queue")))

    selected = SelectedField(required=False)
    selected_outcome = forms.ChoiceField(choices=OUTCOMES, required=False)
    rest_outcome = forms.ChoiceField(choices=OUTCOMES, required=False)
    last = PositionField(max_length=100, required=False)
    shown = forms.ChoiceField(choices=[(shown, shown) for shown in SHOWN], required=False)

    def groups(self) -> dict[Outcome, list[Seen]]:
        """Return what is decided how; what is left in the queue is in no group."""
        given = self.cleaned_data
        groups: dict[Outcome, list[Seen]] = defaultdict(list)
        for seen in given["seen"]:
            outcome = given["selected_outcome" if seen.public_id in given["selected"] else "rest_outcome"]
            if outcome:
                groups[Outcome(outcome)].append(seen)
        return groups


class DoneForm(forms.Form):
    """Which batches to offer to take back."""

    done = IdsField(required=False)


@require_http_methods(["GET", "HEAD", "POST"])
@reviewers_only
def grid_view(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """
    Show a page of what waits, or decide about the one that was shown. GET changes nothing.

    Of the first queue alone: what an appeal says, or whoever escalated, is on a card.
    """
    is_post = request.method == "POST"
    place_form = PlaceForm(QueryDict(request.POST.get("query", "")) if is_post else request.GET or QueryDict(USUAL))
    lane = lanes_of(request.user)[0]
    if not place_form.is_valid():
        return _page(request, site, Place(QueueFilter(lane=lane)), place_form=place_form, status=400)
    place = place_form.place(lane=lane)
    require_lane(request, place)
    if place.filter.lane != Lane.FIRST:
        return redirect(f"{desk_url(site)}?lane={place.filter.lane}")
    if not is_post:
        return _page(request, site, place, place_form=place_form)
    if "batch" in request.POST:
        return _undo(request, site, place)
    form = GridForm(request.POST)
    if not form.is_valid():
        return _page(request, site, place, draft=Draft(problem=told(form)), status=400)
    if form.cleaned_data["shown"]:
        return _reveal(request, site, place, form.cleaned_data)
    return _decide(request, site, place, form)


def _decide(request: HttpRequest, site: AdminSite, place: Place, form: GridForm) -> HttpResponse:
    """Decide about the selected and about the rest, and go on with what is next."""
    given, groups = form.cleaned_data, form.groups()
    draft = Draft(selected=given["selected"], answer=form.data)
    if not groups:
        return _page(request, site, place, draft=replace(draft, problem=_("Nothing was to be decided.")), status=400)
    words = {"reason_code": given["reason_code"], "comment": given["comment"]}
    batches: list[Batch] = []
    try:
        # What can be refused as a whole comes first: then nothing is done.
        for outcome in sorted(groups, key=_OUTCOMES.index, reverse=True):
            batches.append(decide_batch(request.user, groups[outcome], outcome, **words, using=database()))
    except ReviewRefused as error:
        return _page(request, site, place, draft=replace(draft, problem=str(error)), status=400)
    count = sum(batch.decided_count for batch in batches)
    problems = [problem for batch in batches for problem in problems_of(batch)]
    put_messages(request, _decided(count) if count else "", problems)
    is_whole = sum(map(len, groups.values())) == len(given["seen"])
    done = " ".join(str(batch.id) for batch in batches if batch.id)
    return _go_to(site, place, place.after if is_whole else given["last"], done=done)


def _undo(request: HttpRequest, site: AdminSite, place: Place) -> HttpResponse:
    """Take back one of the batches that were just decided."""
    form = UndoForm(request.POST)
    if not form.is_valid() or not form.cleaned_data["batch"]:
        return _page(request, site, place, draft=Draft(problem=told(form)), status=400)
    try:
        batch = undo_batch(request.user, form.cleaned_data["batch"], using=database())
    except ReviewRefused as error:
        put_messages(request, "", [str(error)])
    else:
        count = batch.decided_count
        notice = ngettext("%(count)s decision was taken back.", "%(count)s decisions were taken back.", count)
        put_messages(request, notice % {"count": count} if count else "", problems_of(batch))
    return _go_to(site, place, place.after, done=request.POST.get("done", ""))


def _reveal(request: HttpRequest, site: AdminSite, place: Place, given: Mapping[str, Any]) -> HttpResponse:
    """Show all pictures of the page at once, to whoever cannot or will not hold a key."""
    return _page(
        request,
        site,
        place,
        draft=Draft(shown=given["shown"], selected=given["selected"], answer=request.POST),
    )


def _go_to(site: AdminSite, place: Place, position: Position | None, **changes: Any) -> HttpResponse:
    return redirect(f"{desk_url(site, PAGE)}?{_query(place, position, **changes)}")


def _query(place: Place, position: Position | None, **changes: Any) -> str:
    after = position.encode() if position else None
    return place.query(skipped=None, after=after, number=None, back=None, card=None, **changes)


def _page(
    request: HttpRequest,
    site: AdminSite,
    place: Place,
    *,
    place_form: PlaceForm | None = None,
    draft: Draft | None = None,
    status: int = 200,
) -> HttpResponse:
    draft = draft or Draft()
    preferences = preferences_of(request.user)
    using = database()
    page = read_page(place.filter, user=request.user, after=place.after, size=preferences.grid_size, using=using)
    cells = _cells(request, site, page.tiles, preferences, draft)
    last = Position.of(cells[-1].record) if cells else None
    if draft.shown and (proposal := count_reveals(request.user, len(cells))):
        messages.info(request, proposal)
    context = page_context(
        request,
        site,
        title=gettext_lazy("Review many images"),
        current=PAGE,
        place=place,
        place_form=place_form or PlaceForm(QueryDict(place.query())),
        urls={name: desk_url(site, end) for name, end in URLS.items()},
        link_seconds=MAX_AGE.seconds,
        cells=cells,
        seen=seen_in_words(member for tile in page.tiles for member in tile.members),
        last=last.encode() if last else "",
        query=_query(place, place.after),
        next_query=_query(place, page.following) if page.following else "",
        first_query=_query(place, None) if place.after else "",
        any_query=f"lane={place.filter.lane}&order={place.filter.order}",
        outcomes=GridForm.OUTCOMES,
        reasons=imgmod_settings.review.reasons,
        done=_done(request),
        done_ids=request.GET.get("done", ""),
        draft=draft,
        preferences=preferences,
    )
    return render(request, TEMPLATE, context, status=status)


def _cells(
    request: HttpRequest, site: AdminSite, tiles: Sequence[Tile], preferences: Preferences, draft: Draft
) -> list[Cell]:
    urls = MediaUrls(request.user, current_app=site.name)
    labels = _labels([tile.record for tile in tiles])
    # What every cell says is translated once.
    heading, alt = _("Picture %(number)s of %(count)s:"), _("Preview of %(file)s")
    risk_levels = {level.value: str(level.label) for level in RiskLevel}
    return [
        Cell(
            number=number,
            record=record,
            ids=ids_in_words(tile.members),
            uploads=uploads_in_words(tile.members),
            heading=heading % {"number": number, "count": len(tiles)},
            labels=_in_words(record, labels[record.pk]),
            file_name=short_name(record.file_name),
            alt=alt % {"file": short_name(record.file_name)},
            risk_level=risk_levels.get(record.risk_level, ""),
            veil=veil_for(record, labels[record.pk], preferences),
            small=urls.of(record.public_id, size=Size.SMALL),
            veiled=urls.of(record.public_id, size=Size.VEILED),
            record_url=change_url(site, record),
            is_selected=record.public_id in draft.selected,
        )
        for number, tile in enumerate(tiles, start=1)
        for record in [tile.record]
    ]


def _in_words(record: ModerationRecord, labels: Sequence[DetectedLabel]) -> list[str]:
    """Return the gravest labels, or why there are none."""
    if labels:
        return [named(label.label, label.confidence) for label in labels[:LABELS_A_CELL]]
    return [label_in_short(record, labels)]


def _labels(records: Sequence[ModerationRecord]) -> dict[int, list[DetectedLabel]]:
    """Return what was detected in each record, the gravest first."""
    found: dict[int, list[DetectedLabel]] = defaultdict(list)
    labels = DetectedLabel.objects.using(database()).filter(record__in=[record.pk for record in records])
    for label in labels.order_by(RiskOrder("risk_level"), F("confidence").desc(nulls_first=True), "id"):
        found[label.record_id].append(label)
    return found


def _done(request: HttpRequest) -> list[DoneBatch]:
    """Return what was just decided, as the address says."""
    form = DoneForm(request.GET)
    named = form.cleaned_data["done"] if form.is_valid() else []
    return [batch for batch in last_decisions(request.user, using=database()) if batch.id in named] if named else []


def _decided(count: int) -> str:
    return ngettext("%(count)s picture was decided.", "%(count)s pictures were decided.", count) % {"count": count}
