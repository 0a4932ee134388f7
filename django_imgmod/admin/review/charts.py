"""Where the shapes of the statistics' charts stand. Whole numbers alone, so that no locale can spoil a drawing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from django.utils.formats import date_format, number_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...services.review.statistics import Agreement, Day

WIDTH: Final = 640
DAY_HEIGHT: Final = 240
TOP: Final = 12
FOOT: Final = 28
MARGIN: Final = 48
END: Final = 28
# A mark on the axis of days every so many.
DAYS_A_MARK: Final = 7

ROW_HEIGHT: Final = 30
BAR_HEIGHT: Final = 16
LABEL_WIDTH: Final = 190
BAR_WIDTH: Final = 250
LABEL_CHARACTERS: Final = 26
# The rest stands in the table.
MAX_ROWS: Final = 12


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    width: int
    height: int
    kind: str
    """The end of its CSS class."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A text at a place of an axis, or beside a bar; where it starts depends on the way in which the page is read."""

    x: int
    y: int
    text: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template of a drawing needs; ``description`` says in words what it shows."""

    width: int
    height: int
    description: str
    bars: Sequence[Bar]
    marks: Sequence[Mark]
    levels: Sequence[Bar] = ()
    """The horizontal lines."""

    points: Sequence[tuple[int, int]] = ()
    """The line of what arrived."""

    @property
    def line(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.points)


def day_chart(days: Sequence[Day], *, is_mirrored: bool) -> Chart:
    """Draw what arrived and what was decided on each day; the newest is on the right, or left if ``is_mirrored``."""
    height = DAY_HEIGHT - TOP - FOOT
    arrived = [day.arrived_count + day.returned_count for day in days]
    step, limit = _scale(max([*arrived, *(_decided(day) for day in days)], default=0))
    slot = max((WIDTH - MARGIN - END) // len(days), 1)

    def y(count: int) -> int:
        return TOP + height - round(height * count / limit)

    def x(number: int, width: int = 0) -> int:
        """Of the middle of a day, or of what is so wide there."""
        return _turned(MARGIN + slot * number + (slot - width) // 2, width, is_mirrored)

    width = slot * 2 // 3
    bars = [bar for number, day in enumerate(days) for bar in _day_bars(day, x(number, width), width, y)]
    levels = range(0, limit + 1, step)
    counts = [_mark(MARGIN - 8, y(level) + 4, number_format(level), "end", is_mirrored) for level in levels]
    dates = [Mark(x(number), DAY_HEIGHT - 8, _short(days[number].date)) for number in _marked(len(days))]
    return Chart(
        width=WIDTH,
        height=DAY_HEIGHT,
        description=_day_description(days),
        bars=bars,
        marks=[*counts, *dates],
        levels=[
            Bar(_turned(MARGIN, WIDTH - MARGIN, is_mirrored), y(level), WIDTH - MARGIN, 1, "level") for level in levels
        ],
        points=[(x(number), y(count)) for number, count in enumerate(arrived)],
    )


def agreement_chart(agreements: Sequence[Agreement], *, is_mirrored: bool) -> Chart:
    """Draw, for each label, which share of the pictures people blocked, with how many these are."""
    rows = [agreement for agreement in agreements if agreement.decided_count][:MAX_ROWS]
    bars: list[Bar] = []
    marks: list[Mark] = []
    for number, agreement in enumerate(rows):
        top = ROW_HEIGHT * number
        middle = top + ROW_HEIGHT // 2 + 4
        name = Truncator(label_text(agreement.label)).chars(LABEL_CHARACTERS)
        marks.append(_mark(LABEL_WIDTH - 8, middle, name, "end", is_mirrored))
        share = agreement.blocked_share
        if share is None:
            marks.append(_mark(LABEL_WIDTH, middle, share_text(agreement), "start", is_mirrored))
            continue
        filled = round(BAR_WIDTH * share)
        y = top + (ROW_HEIGHT - BAR_HEIGHT) // 2
        bars.append(Bar(_turned(LABEL_WIDTH, BAR_WIDTH, is_mirrored), y, BAR_WIDTH, BAR_HEIGHT, "whole"))
        bars.append(Bar(_turned(LABEL_WIDTH, filled, is_mirrored), y, filled, BAR_HEIGHT, "blocked"))
        marks.append(_mark(LABEL_WIDTH + BAR_WIDTH + 8, middle, share_text(agreement), "start", is_mirrored))
    told = ", ".join(f"{label_text(agreement.label)}: {share_text(agreement)}" for agreement in rows)
    return Chart(width=WIDTH, height=ROW_HEIGHT * len(rows), description=told, bars=bars, marks=marks)


def label_text(label: str) -> str:
    return label or _("no label")


def share_text(agreement: Agreement) -> str:
    """Tell which share people blocked, and of how many; no share of a handful."""
    count = agreement.decided_count
    if agreement.blocked_share is None:
        return ngettext("%(count)s picture: too few", "%(count)s pictures: too few", count) % {"count": count}
    percent = round(100 * agreement.blocked_share)
    return _("%(percent)s %% of %(count)s") % {"percent": percent, "count": number_format(count, force_grouping=True)}


def _day_bars(day: Day, x: int, width: int, y: Callable[[int], int]) -> Iterator[Bar]:
    """Stack what was decided on one day."""
    below = 0
    counts = {"passed": day.passed_count, "blocked": day.blocked_count, "escalated": day.escalated_count}
    for kind, count in counts.items():
        if count:
            top, bottom = y(below + count), y(below)
            yield Bar(x, top, width, bottom - top, kind)
        below += count


def _decided(day: Day) -> int:
    return day.passed_count + day.blocked_count + day.escalated_count


def _scale(largest: int) -> tuple[int, int]:
    """Return the distance of the lines, a round number, and the value of the highest: at most five above zero."""
    steps = (factor * 10**power for power in itertools.count() for factor in (1, 2, 5))
    step = next(step for step in steps if 5 * step >= largest)
    return step, step * max(-(-largest // step), 1)


def _marked(count: int) -> range:
    """Return which days are named: today, and each that is some weeks before."""
    return range((count - 1) % DAYS_A_MARK, count, DAYS_A_MARK)


def _short(day: date) -> str:
    return date_format(day, "SHORT_DATE_FORMAT")


def _turned(x: int, width: int, is_mirrored: bool) -> int:
    return WIDTH - x - width if is_mirrored else x


def _mark(x: int, y: int, text: str, anchor: str, is_mirrored: bool) -> Mark:
    return Mark(_turned(x, 0, is_mirrored), y, text, anchor)


def _day_description(days: Sequence[Day]) -> str:
    return _(
        "From %(first)s to %(last)s: %(arrived)s arrived, %(returned)s came back, %(passed)s were passed, "
        "%(blocked)s blocked, %(escalated)s escalated."
    ) % {
        "first": date_format(days[0].date),
        "last": date_format(days[-1].date),
        "arrived": sum(day.arrived_count for day in days),
        "returned": sum(day.returned_count for day in days),
        "passed": sum(day.passed_count for day in days),
        "blocked": sum(day.blocked_count for day in days),
        "escalated": sum(day.escalated_count for day in days),
    }
