"""The page that tells how the review desk fares, to those who work at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import get_language_bidi, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from ...services.review.days import site_time
from ...services.review.statistics import DAYS, MAX_DECISIONS, MIN_PEOPLE, MIN_SAMPLE, Queue, Wait, read_statistics
from .charts import agreement_chart, day_chart, label_text, share_text
from .export import ExportForm
from .pages import database, desk_url, page_context, reviewers_only

TEMPLATE: Final = "admin/django_imgmod/review/statistics.html"
# The rest is of labels that hardly occur.
MAX_LABELS: Final = 50


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One queue in words."""

    label: Any
    count: int
    oldest: str
    median: str
    sample_count: int


@require_GET
@reviewers_only
def statistics_view(request: HttpRequest, *, site: AdminSite) -> HttpResponse:
    """Show the last days as drawings, and as tables of the same numbers."""
    now = timezone.now()
    statistics = read_statistics(request.user, using=database())
    is_mirrored = get_language_bidi()
    agreements = statistics.agreements[:MAX_LABELS]
    context = page_context(
        request,
        site,
        title=gettext_lazy("Statistics"),
        current="review_statistics",
        statistics=statistics,
        now=site_time(now),
        lanes=[_lane_row(queue, wait, now) for queue, wait in zip(statistics.queues, statistics.waits, strict=True)],
        day_chart=day_chart(statistics.days, is_mirrored=is_mirrored),
        agreement_chart=agreement_chart(agreements, is_mirrored=is_mirrored),
        agreements=[(label_text(agreement.label), share_text(agreement), agreement) for agreement in agreements],
        has_more_labels=len(statistics.agreements) > MAX_LABELS,
        export_form=ExportForm(initial=ExportForm.defaults()),
        export_url=desk_url(site, "review_decisions"),
        day_count=DAYS,
        max_decisions=MAX_DECISIONS,
        min_people=MIN_PEOPLE,
        min_sample=MIN_SAMPLE,
    )
    return render(request, TEMPLATE, context)


def _lane_row(queue: Queue, wait: Wait, now: datetime) -> LaneRow:
    return LaneRow(
        label=queue.lane.label,
        count=queue.count,
        oldest=_length(now - queue.oldest_at) if queue.oldest_at else "",
        median="" if wait.median is None else _length(wait.median),
        sample_count=wait.sample_count,
    )


def _length(length: timedelta) -> str:
    """Return a length of time in words, to two units."""
    if length < timedelta(minutes=1):
        return _("less than a minute")
    end = timezone.now()
    return timesince(end - length, end)
