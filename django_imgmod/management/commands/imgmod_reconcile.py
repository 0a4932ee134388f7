"""Finding what the signals did not see: for pictures written past them, and to be run now and then."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ...choices import Discrepancy
from ...services.reconcile import Finding, reconcile
from ...services.walk import BATCH
from ..arguments import add_database, positive, watched_fields_named


class Command(BaseCommand):
    help = (
        "Compare the images of the watched fields with their records, and mend what does not agree: files without a "
        "record, records without an object and, with --rehash, files that are gone or were overwritten."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("fields", nargs="*", metavar="app.Model.field", help="Default: every watched field.")
        parser.add_argument("--dry-run", action="store_true", help="Only say what does not agree.")
        parser.add_argument("--rehash", action="store_true", help="Also read every file, and compare its bytes.")
        parser.add_argument(
            "--batch", type=positive(int), default=BATCH, help=f"Rows to read at a time (default: {BATCH})."
        )
        add_database(parser, "objects")

    def handle(self, *args: Any, **options: Any) -> None:
        total: Counter[str] = Counter()
        for watched in watched_fields_named(options["fields"]):
            found = reconcile(
                watched,
                using=options["database"],
                is_dry=options["dry_run"],
                is_rehashing=options["rehash"],
                batch=options["batch"],
            )
            for finding in found:
                total[finding.discrepancy] += 1
                if options["verbosity"] > 0:
                    self._write(finding)
        gone_count = total.pop(Discrepancy.GONE, 0)
        if gone_count:
            self.stdout.write(f"{gone_count:,} of the files are still not there: clear or replace them.")
        verb = "found" if options["dry_run"] else "mended"
        counts = ", ".join(f"{total[discrepancy]} {discrepancy}" for discrepancy in Discrepancy if total[discrepancy])
        nothing = "nothing" if gone_count else "nothing, everything agrees"
        self.stdout.write(self.style.SUCCESS(f"{verb}: {counts or nothing}"))

    def _write(self, finding: Finding) -> None:
        # repr(): names and keys are untrusted, and this is a terminal.
        where = f"{finding.target.watched.label} of {finding.target.object_id!r}"
        self.stdout.write(f"{finding.discrepancy:<14} {where}: {finding.file_name!r}")
