"""What every page of the review desk has: who may enter, its address, its tabs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from ...choices import Lane, Status
from ...models import ModerationRecord
from ...services.review.lanes import may_decide, may_review
from ...services.review.queue import counts_waiting, in_lane

# The record list says no more exactly how many wait: it must not cost what the queue's own page costs.
MAX_COUNT: Final = 1000

# The pages beside the queues: the end of the address's name, and what the tab says.
PAGES: Final[tuple[tuple[str, Any], ...]] = (
    ("review_grid", _("Many at once")),
    ("review_statistics", _("Statistics")),
    ("review_preferences", _("Preferences")),
)


@dataclass(frozen=True, slots=True)
class Tab:
    """One way through the desk; a queue says how many wait in it."""

    url: str
    label: Any
    is_current: bool
    count: int | None = None


def desk_url(site: AdminSite, name: str = "review", *args: Any) -> str:
    """Return the address of a page of the desk."""
    return reverse(f"admin:django_imgmod_moderationrecord_{name}", args=args, current_app=site.name)


def database() -> str:
    """Return where records are written: what was claimed a moment ago must be read there."""
    return router.db_for_write(ModerationRecord)


def lanes_of(user: Any) -> list[Lane]:
    """Return the queues that a user may decide in."""
    return [lane for lane in Lane if may_review(user, lane)]


def way_in(request: HttpRequest, site: AdminSite) -> dict[str, Any]:
    """Return the desk's address for the record list, and how many wait there; nothing for whoever may not decide."""
    lanes = lanes_of(request.user)
    if not lanes:
        return {}
    waiting = in_lane(lanes[0], using=database())[: MAX_COUNT + 1].count()
    return {"review_url": desk_url(site), "review_count": min(waiting, MAX_COUNT), "has_more": waiting > MAX_COUNT}


def way_to(request: HttpRequest, site: AdminSite, record: ModerationRecord) -> str:
    """Return where the user may claim a record to decide about it; empty where they may not, or nothing is asked."""
    is_open = record.status == Status.IN_REVIEW and may_decide(request.user, record) is None
    return desk_url(site, "review_claim") if is_open else ""


def reviewers_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Refuse whoever may decide in no queue at all."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
        if not lanes_of(request.user):
            raise PermissionDenied
        return view(request, **arguments)

    return guarded


def tabs_of(request: HttpRequest, site: AdminSite, current: str, *, counts: Mapping[str, int]) -> list[Tab]:
    """Return the tabs for a user; ``current`` is a lane, or the name of a page, ``counts`` how many wait by lane."""
    desk, lanes = desk_url(site), lanes_of(request.user)
    queues = [Tab(f"{desk}?lane={lane}", lane.label, lane == current, counts[lane]) for lane in lanes]
    # The grid is of the first queue alone.
    pages = [page for page in PAGES if page[0] != "review_grid" or Lane.FIRST in lanes]
    return [*queues, *(Tab(desk_url(site, name), label, name == current) for name, label in pages)]


def page_context(
    request: HttpRequest,
    site: AdminSite,
    *,
    title: Any,
    current: str,
    counts: Mapping[str, int] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return what ``admin/django_imgmod/review/base.html`` needs, and ``more``; counts what waits if nobody did."""
    if counts is None:
        counts = counts_waiting(using=database()).by_lane
    # As the admin's own pages do, so that their templates lead to pages of the same site.
    request.current_app = site.name
    return {
        **site.each_context(request),
        "opts": ModerationRecord._meta,
        "title": title,
        "tabs": tabs_of(request, site, current, counts=counts),
        **more,
    }
