"""The page that tells how the review desk fares, to those who work at it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.timesince import timesince
from django.utils.translation import get_language_bidi, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from ...services.review.days import site_time
from ...services.review.statistics import (
    DAYS,
    MAX_DECISIONS,
    MIN_PEOPLE,
    MIN_SAMPLE,
    Agreement,
    Day,
    Queue,
    Wait,
    read_statistics,
)
from .charts import agreement_chart, day_chart, label_text, share_text
from .export import ExportForm
from .pages import database, desk_url, page_context, reviewers_only

TEMPLATE: Final = "admin/django_imgmod/review/statistics.html"
# The rest is of labels that hardly occur.
MAX_LABELS: Final = 50
# In a cell of which there is nothing to tell.
NOTHING: Final = "\u2013"


class Row(NamedTuple):
    heading: Any
    cells: list[str]


class Table(NamedTuple):
    """The numbers of a drawing."""

    columns: Sequence[Any]
    rows: list[Row]


@require_safe
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
        queue_table=_queue_table(statistics.queues, statistics.waits, now),
        day_table=_day_table(statistics.days),
        label_table=_label_table(agreements),
        day_chart=day_chart(statistics.days, is_mirrored=is_mirrored),
        agreement_chart=agreement_chart(agreements, is_mirrored=is_mirrored),
        has_more_labels=len(statistics.agreements) > MAX_LABELS,
        export_form=ExportForm(initial=ExportForm.defaults()),
        export_url=desk_url(site, "review_decisions"),
        day_count=DAYS,
        max_decisions=MAX_DECISIONS,
        min_people=MIN_PEOPLE,
        min_sample=MIN_SAMPLE,
    )
    return render(request, TEMPLATE, context)


def _day_table(days: Sequence[Day]) -> Table:
    """Return the numbers of each day, the last one first."""
    columns = [_("Day"), _("Arrived"), _("Came back"), _("Passed"), _("Blocked"), _("Escalated")]
    rows = [
        Row(
            day.date,
            [
                _number(day.arrived_count),
                _number(day.returned_count),
                _number(day.passed_count),
                _number(day.blocked_count),
                _number(day.escalated_count),
            ],
        )
        for day in reversed(days)
    ]
    return Table(columns, rows)


def _queue_table(queues: Sequence[Queue], waits: Sequence[Wait], now: datetime) -> Table:
    columns = [_("Queue"), _("Waiting"), _("Oldest"), _("Median wait, %(days)s days") % {"days": DAYS}]
    rows = [
        Row(
            queue.lane.label,
            [
                _number(queue.count),
                _length(now - queue.oldest_at) if queue.oldest_at else NOTHING,
                _median(wait),
            ],
        )
        for queue, wait in zip(queues, waits, strict=True)
    ]
    return Table(columns, rows)


def _label_table(agreements: Sequence[Agreement]) -> Table:
    columns = [
        _("Label"),
        _("Decided by people"),
        _("Of these blocked"),
        _("Share"),
        _("Passed by the policy, blocked by people"),
        _("Blocked by the policy, passed by people"),
    ]
    rows = [
        Row(
            label_text(agreement.label),
            [
                _number(agreement.decided_count),
                _number(agreement.blocked_count),
                share_text(agreement) if agreement.decided_count else NOTHING,
                _number(agreement.blocked_after_pass_count),
                _number(agreement.passed_after_block_count),
            ],
        )
        for agreement in agreements
    ]
    return Table(columns, rows)


def _median(wait: Wait) -> str:
    """Return how long people waited, and of how many decisions that is told."""
    count = wait.sample_count
    if wait.median is not None:
        return _("%(median)s (of %(count)s)") % {"median": _length(wait.median), "count": _number(count)}
    if not count:
        return NOTHING
    return ngettext("%(count)s decision: too few", "%(count)s decisions: too few", count) % {"count": count}


def _number(count: int) -> str:
    return number_format(count, force_grouping=True)


def _length(length: timedelta) -> str:
    """Return a length of time in words, to two units."""
    if length < timedelta(minutes=1):
        return _("less than a minute")
    end = timezone.now()
    return timesince(end - length, end)
