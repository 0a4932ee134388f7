"""
The decisions as a table for other programs.

It is sent while it is read, in portions by key, so that neither a database nor this process holds more than one of
them, however many decisions there are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from ...models import Decision
from ...services.review.days import midnight, site_time, today
from ...services.review.statistics import DAYS
from .forms import told
from .pages import database, reviewers_only

PORTION: Final = 2000
SALT: Final = "django_imgmod.admin.review.export"
# Spreadsheets take what begins with one of these for a formula; the wide ones are those of East Asian keyboards.
FORMULA_BEGINNINGS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")
# Without it Excel takes the file for one of the machine's old encoding.
BYTE_ORDER_MARK: Final = "\ufeff"

# Each column of the table, and where it is read from.
COLUMNS: Final[dict[str, str]] = {
    "decision": "pk",
    "decided_at": "decided_at",
    "decided_by": "decided_by",
    "outcome": "outcome",
    "reason_code": "reason_code",
    "comment": "comment",
    "label": "record__top_label",
    "confidence": "record__top_confidence",
    "risk_level": "record__risk_level",
    "provider": "record__provider",
    "policy": "record__policy",
    "app": "record__content_type__app_label",
    "model": "record__content_type__model",
    "object_id": "record__object_id",
    "field": "record__field_name",
    "file_name": "record__file_name",
    "record": "record__public_id",
    "version": "version",
    "status_before": "status_before",
    "queue_before": "lane_before",
    "seen_policy": "seen_policy",
    "seen_risk_level": "seen_risk_level",
    "seen_label": "seen_label",
    "seen_confidence": "seen_confidence",
    "seen_verdict_at": "seen_verdict_at",
    "batch": "batch",
    "undone_by": "undone_by",
    "undoes": "undoes",
}


class ExportForm(forms.Form):
    """Which decisions, and whether their authors are named."""

    since = forms.DateField(
        label=_("From"),
        input_formats=["%Y-%m-%d"],
        validators=[MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    until = forms.DateField(
        label=_("To, inclusive"),
        input_formats=["%Y-%m-%d"],
        validators=[MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))],
        required=False,
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    people = forms.ChoiceField(
        label=_("People"),
        choices=[("named", _("by their names")), ("hidden", _("by pseudonyms"))],
        required=False,
    )

    @staticmethod
    def defaults() -> dict[str, date]:
        """Return the days that are exported where none are named."""
        last = today()
        return {"since": last - timedelta(days=DAYS - 1), "until": last}

    def clean(self) -> dict[str, Any]:
        given = {**self.cleaned_data}
        for name, day in self.defaults().items():
            given[name] = given.get(name) or day
        if given["since"] > given["until"]:
            raise ValidationError(_("The first day is after the last."))
        return given


@require_safe
@reviewers_only
def decisions_view(request: HttpRequest, *, site: AdminSite) -> HttpResponseBase:
    """Send the decisions of some days as ``decisions.csv``, or status 400 with what is wrong with the address."""
    form = ExportForm(request.GET)
    if not form.is_valid():
        headers = {"X-Content-Type-Options": "nosniff"}
        return HttpResponse(told(form), status=400, content_type="text/plain; charset=utf-8", headers=headers)
    since, until = form.cleaned_data["since"], form.cleaned_data["until"]
    name_of = _pseudonym if form.cleaned_data["people"] == "hidden" else _name
    table = _table(midnight(since), midnight(until + timedelta(days=1)), name_of, database())
    # The answer to HEAD has no body: nothing is read for it.
    content = () if request.method == "HEAD" else table
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Disposition"] = f'attachment; filename="decisions-{since}-{until}.csv"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def harmless(value: Any) -> str:
    """Return what a spreadsheet shows as the text that it is: what it would take for a formula gets an apostrophe."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_BEGINNINGS) else text


def _table(since: datetime, until: datetime, name_of: Callable[[Any, Any], str], using: str) -> Iterator[bytes]:
    yield _lines([list(COLUMNS)], before=BYTE_ORDER_MARK)
    decisions = Decision.objects.using(using).filter(decided_at__lt=until).order_by("decided_at", "pk")
    portion = decisions.filter(decided_at__gte=since)
    while rows := _read(portion):
        yield _lines([_cells(row, name_of) for row in rows])
        last = rows[-1]
        # Written so that the index leads to where the portion begins.
        beyond = Q(decided_at__gt=last["decided_at"]) | Q(pk__gt=last["pk"])
        portion = decisions.filter(beyond, decided_at__gte=last["decided_at"])


def _read(portion: QuerySet[Decision]) -> list[dict[str, Any]]:
    return list(portion.values(*COLUMNS.values(), _user_name())[:PORTION])


def _user_name() -> str:
    return f"decided_by__{get_user_model().USERNAME_FIELD}"


def _cells(row: dict[str, Any], name_of: Callable[[Any, Any], str]) -> list[str]:
    shown = {
        **row,
        **{name: _moment(row[name]) for name in ("decided_at", "seen_verdict_at")},
        "decided_by": name_of(row["decided_by"], row[_user_name()]),
    }
    return [harmless(shown[source]) for source in COLUMNS.values()]


def _moment(value: datetime | None) -> str:
    return "" if value is None else site_time(value).isoformat(timespec="seconds")


def _name(key: Any, name: Any) -> str:
    return "" if name is None else str(name)


def _pseudonym(key: Any, name: Any) -> str:
    """The same for a person in each export of a site, and of no use to whoever has not its secret key."""
    return "" if key is None else f"person-{salted_hmac(SALT, str(key), algorithm='sha256').hexdigest()[:12]}"


def _lines(rows: list[list[str]], before: str = "") -> bytes:
    text = io.StringIO(before, newline="")
    text.seek(0, io.SEEK_END)
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
