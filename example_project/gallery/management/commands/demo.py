from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.template.defaultfilters import filesizeformat

from django_imgmod.choices import Status
from django_imgmod.exceptions import ImgmodConfigurationError, ImgmodError
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from example_project.gallery.pictures import SAMPLES
from example_project.gallery.reporting import addresses_of, format_of, labels_of, style_of
from example_project.gallery.staging import Saved, make_users, remove_pictures, require_debug, save_pictures
from example_project.gallery.tables import Column, line
from example_project.gallery.wording import explanation

COLUMNS: Final = (
    Column("Picture", 24),
    Column("Format", 16),
    Column("Size", 8, is_number=True),
    Column("Labels and confidence", 31),
    Column("Risk", 6),
    Column("Status", 10),
    Column("ms", 5, is_number=True),
)
WIDTH: Final = sum(column.width for column in COLUMNS) + 2 * (len(COLUMNS) - 1)


class Command(BaseCommand):
    help = "Fill the example site: three logins, and pictures that meet every status there is. May be repeated."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", default="8000", help="Only for the addresses that are printed.")

    def handle(self, *args: Any, **options: Any) -> None:
        require_debug()
        # The table says the same, more clearly.
        logging.getLogger("django_imgmod").setLevel(logging.CRITICAL)
        self._say_who_judges()
        editor = make_users()
        if removed_count := remove_pictures():
            self.stdout.write(f"Removed the {removed_count} pictures of the last run.")
        self.stdout.write(f"Saving {len(SAMPLES)} pictures …\n\n")
        try:
            saved = list(save_pictures(SAMPLES, editor))
        except LookupError as error:
            raise CommandError(str(error)) from error
        self._print_table(saved)
        self._print_counts(saved)
        self._print_addresses(options["port"])

    def _say_who_judges(self) -> None:
        """Name the default provider. It loads here, so that the first picture's time is no exception."""
        try:
            self.stdout.write(f"Judged by: {providers['default'].diagnose()}")
        except (ImgmodError, ImgmodConfigurationError) as error:
            raise CommandError(f"The default provider cannot work: {error}") from error

    def _print_table(self, saved: Sequence[Saved]) -> None:
        for one in saved:
            one.record.refresh_from_db()
        usual: list[str] = next((one.record.evaluated for one in saved if one.record.status == Status.PASSED), [])
        self.stdout.write(self.style.MIGRATE_HEADING(line(COLUMNS, [column.heading for column in COLUMNS])))
        self.stdout.write("─" * WIDTH)
        for one in saved:
            style = style_of(one.record, self.style)
            self.stdout.write(line(COLUMNS, list(_cells(one)), {"Risk": style, "Status": style}))
            if _needs_a_word(one.record, usual):
                for text in wrap(explanation(one.record), WIDTH - 4):
                    self.stdout.write(f"    {text}")
        self.stdout.write("─" * WIDTH)
        if usual:
            self.stdout.write(f"Unless it says otherwise, what was looked for: {', '.join(usual)}. Nothing else.")

    def _print_counts(self, saved: Sequence[Saved]) -> None:
        counts = Counter(one.record.status for one in saved)
        self.stdout.write(f"{len(saved)} pictures: " + ", ".join(f"{counts[status]} {status}" for status in Status))
        if missing := [status.value for status in Status if not counts[status]]:
            raise CommandError(f"Not every status occurred; missing: {', '.join(missing)}.")
        self.stdout.write(self.style.SUCCESS("Every status occurred."))

    def _print_addresses(self, port: str) -> None:
        self.stdout.write("\n")
        for text in addresses_of(f"http://127.0.0.1:{port}/"):
            self.stdout.write(text)
        command = " ".join(map(os.path.relpath, (sys.executable, sys.argv[0])))
        self.stdout.write('The "submitted" one is answered a minute from now, by:')
        self.stdout.write(f"  {command} imgmod_worker --once")


def _needs_a_word(record: ModerationRecord, usual: list[str]) -> bool:
    """Whether there is more to say than that it was looked at as usual and has passed."""
    return record.status != Status.PASSED or record.reused_from_id is not None or record.evaluated != usual


def _cells(saved: Saved) -> Iterator[str]:
    record = saved.record
    yield saved.title
    yield format_of(record)
    yield "" if record.byte_count is None else filesizeformat(record.byte_count).replace("\xa0", " ")
    yield labels_of(record)
    yield record.risk_level or "-"
    yield record.status
    yield f"{saved.milliseconds:.0f}"
