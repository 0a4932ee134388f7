"""Trying again what could not be judged."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ...choices import ErrorCode
from ...conf import imgmod_settings
from ...services.retries import Selection, retry_failed
from ..arguments import INTERRUPTED, add_database, duration, watched_fields_named
from ..processes import stop_on_signal


class Command(BaseCommand):
    help = (
        "Try again what could not be judged, once the cause is mended: what ended in on_error is opened anew, what "
        "waits for its next attempt becomes due now. What a person decided about is left alone. The dispatcher does "
        "the work, as with an upload."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("records", nargs="*", type=uuid.UUID, metavar="PUBLIC_ID", help="Only these.")
        parser.add_argument("--failed", action="store_true", help="All that failed.")
        parser.add_argument(
            "--since", type=duration, metavar="AGE", help="Only images that were recorded in the last 90s, 10m, 2h, 3d."
        )
        parser.add_argument("--provider", metavar="ALIAS", help="Only what this provider was to judge.")
        parser.add_argument(
            "--field", action="append", default=[], metavar="app.Model.field", help="Only these; may be repeated."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only say how many there are, by cause.")
        add_database(parser, "objects")

    def handle(self, *args: Any, **options: Any) -> None:
        selection = _selection(options)
        causes: Counter[str] = Counter()
        left = set(selection.public_ids or ())
        with stop_on_signal() as stop:
            for record in retry_failed(selection, using=options["database"], is_dry=options["dry_run"]):
                causes[record.error_code] += 1
                left.discard(record.public_id)
                if stop.is_set():
                    break
            if options["verbosity"]:
                if not stop.is_set():
                    self._report_left(left)
                self._report(causes, "Found" if options["dry_run"] else "Tried again")
            if stop.is_set():
                raise CommandError("Stopped. Run the same command again for the rest.", returncode=INTERRUPTED)

    def _report_left(self, left: Collection[uuid.UUID]) -> None:
        for public_id in sorted(left):
            self.stdout.write(
                f"Left alone: {public_id}. There is no such record in this database, or it has not failed, is a "
                "person's or is being worked on."
            )

    def _report(self, causes: Counter[str], verb: str) -> None:
        for code, count in causes.most_common():
            self.stdout.write(f"{count:>9,} {ErrorCode(code).label}")
        self.stdout.write(self.style.SUCCESS(f"{verb}: {causes.total():,}."))


def _selection(options: dict[str, Any]) -> Selection:
    if bool(options["records"]) == options["failed"]:
        raise CommandError("Name public ids, or give --failed for all that failed; not both.")
    if options["provider"] and options["provider"] not in imgmod_settings.providers:
        raise CommandError(
            f'There is no provider "{options["provider"]}". Providers are: {", ".join(imgmod_settings.providers)}.'
        )
    return Selection(
        fields=watched_fields_named(options["field"]),
        public_ids=None if options["failed"] else options["records"],
        provider=options["provider"],
        since=timezone.now() - options["since"] if options["since"] else None,
    )
