"""Having the pictures judged that were there before the app."""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter
from datetime import date, datetime
from datetime import time as time_of_day
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ...exceptions import ImgmodConfigurationError
from ...services.backfill import BATCH, Backfill, Ending, Orders
from ...services.backlog import has_file
from ...services.estimates import Plan, make_plan
from ...services.shadow import enforce
from ...services.walk import Walk
from ..arguments import INTERRUPTED, add_database, positive, watched_fields_named
from ..backfilling import plan_lines, report_lines
from ..processes import stop_on_signal
from ..progress import Progress


class Command(BaseCommand):
    help = (
        "Open a record for each image of a watched field that has none, and have it judged. Can be stopped and started "
        "again at any time. Exits with 1 where images could not be judged, with 130 where it was interrupted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("field", metavar="app.Model.field")
        parser.add_argument("--dry-run", action="store_true", help="Only say what there is to do and what it costs.")
        parser.add_argument("--read", action="store_true", help="With --dry-run: read the files, to count exactly.")
        mode = parser.add_mutually_exclusive_group()
        mode.add_argument(
            "--shadow", action="store_true", help="Judge without consequence: every image goes on to show."
        )
        mode.add_argument(
            "--enforce", action="store_true", help="Judge nothing; what was judged with --shadow takes effect."
        )
        parser.add_argument("--retry-errors", action="store_true", help="Also try again what could not be judged.")
        parser.add_argument("--rate", type=positive(float), metavar="N", help="At most N provider calls a second.")
        parser.add_argument("--budget", type=positive(int), metavar="N", help="Stop after N provider calls.")
        parser.add_argument("--since", type=_moment, metavar="DATE", help="Only rows on or after 2024-12-31[T23:59].")
        parser.add_argument("--by", metavar="FIELD", help="The date of a row that --since means.")
        parser.add_argument(
            "--batch",
            type=positive(int),
            default=BATCH,
            help=f"Records to open at a time; running workers take their share (default: {BATCH}).",
        )
        add_database(parser, "objects")

    def handle(self, *args: Any, **options: Any) -> None:
        _require_sense(options)
        [watched] = watched_fields_named([options["field"]])
        walk = Walk.through(watched, using=options["database"])
        try:
            with stop_on_signal() as stop:
                if options["enforce"]:
                    self._enforce(walk, stop, is_dry=options["dry_run"])
                else:
                    self._backfill(walk, stop, options)
        except ImgmodConfigurationError as error:
            raise CommandError(str(error)) from error

    def _backfill(self, walk: Walk, stop: threading.Event, options: dict[str, Any]) -> None:
        orders = Orders(
            condition=_condition(walk, options["since"], options["by"]),
            is_shadow=options["shadow"],
            is_retrying=options["retry_errors"],
            rate=options["rate"],
            budget=options["budget"],
            batch=options["batch"],
        )
        backfill = Backfill(walk, orders, stop)
        plan = self._plan(walk, orders, stop, is_reading=options["read"])
        for line in plan_lines(plan, walk, rate=orders.rate, budget=orders.budget):
            self.stdout.write(line)
        if options["dry_run"]:
            return
        seconds = self._run(backfill, plan.work_count)
        for line in report_lines(backfill, plan, walk, seconds, is_shadow=orders.is_shadow):
            self.stdout.write(line)
        if backfill.ending == Ending.STOPPED:
            raise CommandError("Stopped.", returncode=INTERRUPTED)
        if backfill.tally.failed_count:
            raise CommandError(f"Not judged: {backfill.tally.failed_count:,}.")

    def _plan(self, walk: Walk, orders: Orders, stop: threading.Event, *, is_reading: bool) -> Plan:
        row_count = walk.objects().filter(orders.condition & has_file(walk)).count()
        progress = Progress(self.stdout, row_count, what="rows looked at")

        def tell(count: int) -> None:
            if stop.is_set():
                progress.end()
                raise CommandError("Stopped. Nothing was changed.", returncode=INTERRUPTED)
            progress.show(count)

        plan = make_plan(walk, orders.condition, is_retrying=orders.is_retrying, is_reading=is_reading, progress=tell)
        progress.end()
        return plan

    def _run(self, backfill: Backfill, total: int) -> float:
        progress = Progress(self.stdout, total)
        began_at = time.monotonic()
        try:
            for _ in backfill.run():
                progress.show(backfill.tally.done_count, failed_count=backfill.tally.failed_count)
        finally:
            progress.end()
        return time.monotonic() - began_at

    def _enforce(self, walk: Walk, stop: threading.Event, *, is_dry: bool) -> None:
        statuses: Counter[str] = Counter()
        for portion in enforce(walk, is_dry=is_dry):
            statuses.update(portion)
            if stop.is_set():
                break
        counts = ", ".join(f"{count:,} {status}" for status, count in sorted(statuses.items()) if count)
        verb = "Would take effect" if is_dry else "Take effect now"
        self.stdout.write(f"{verb}: {counts}. Of these only what is passed shows." if counts else f"{verb}: none.")
        if stop.is_set():
            raise CommandError("Stopped. Run the same command again for the rest.", returncode=INTERRUPTED)


def _require_sense(options: dict[str, Any]) -> None:
    if options["read"] and not options["dry_run"]:
        raise CommandError("--read goes with --dry-run.")
    if options["by"] and not options["since"]:
        raise CommandError("--by goes with --since.")
    judging = ("read", "retry_errors", "rate", "budget", "since", "by")
    if options["enforce"] and (given := [name for name in judging if options[name]]):
        raise CommandError(f"--enforce judges nothing: leave out --{given[0].replace('_', '-')}.")


def _moment(text: str) -> date | datetime:
    try:
        moment = parse_datetime(text) if len(text) > 10 else parse_date(text)
    except ValueError:
        moment = None
    if moment is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no date. Write it as 2024-12-31 or 2024-12-31T23:59.")
    return moment


def _condition(walk: Walk, since: date | datetime | None, by: str | None) -> Q:
    """Return the condition that a row is on or after ``since``."""
    if since is None:
        return Q()
    field = _date_field(walk.watched.model, by)
    if not isinstance(field, models.DateTimeField):
        return Q(**{f"{field.name}__gte": since.date() if isinstance(since, datetime) else since})
    moment = since if isinstance(since, datetime) else datetime.combine(since, time_of_day.min)
    if settings.USE_TZ and timezone.is_naive(moment):
        moment = timezone.make_aware(moment)
    return Q(**{f"{field.name}__gte": moment})


def _date_field(model: type[models.Model], name: str | None) -> models.DateField[Any, Any]:
    """Return the field of that name; without one the model's ``get_latest_by``, or its only one of creation."""
    dates = {field.name: field for field in model._meta.concrete_fields if isinstance(field, models.DateField)}
    latest = model._meta.get_latest_by or ()
    named = [name] if name else [each.lstrip("-") for each in ([latest] if isinstance(latest, str) else latest)[:1]]
    candidates = named or [each for each, field in dates.items() if field.auto_now_add]
    if not dates:
        raise CommandError(f"{model._meta.label} has no date: leave out --since.")
    if len(candidates) != 1 or candidates[0] not in dates:
        what = f'No date: "{name}". Name one' if name else "Which date does --since mean? Name it"
        raise CommandError(f"{what} with --by. Dates of {model._meta.label}: {', '.join(dates)}.")
    return dates[candidates[0]]
