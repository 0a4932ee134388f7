from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...results import Soundness
from ..diagnosis import findings
from ..findings import Finding


class Command(BaseCommand):
    help = (
        "Examine whether images are really moderated. Exits with 1 where anything is at fault. With --verbosity 0 it "
        "says only what is amiss, and nothing where all is well."
    )
    # It runs those of this app itself, and reports them with everything else.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--canary",
            action="store_true",
            help="Also send test pictures through storage, record, provider and policy. Nothing is left behind.",
        )

        parser.add_argument(
            "--live",
            action="store_true",
            help="Also ask the services outside whether region, credentials, permission and callbacks are right. Each "
            "is sent one test picture to be judged, for which it may charge; the site calls itself back. Nothing is "
            "left behind.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        fault_count = 0
        for finding in findings(with_canaries=options["canary"], is_live=options["live"]):
            if options["verbosity"] or finding.level != Soundness.OK:
                self._write(finding)
            fault_count += finding.level == Soundness.FAULT
        if fault_count:
            raise CommandError(f"Faults found: {fault_count}.")
        if options["verbosity"]:
            self.stdout.write("No fault found.")

    def _write(self, finding: Finding) -> None:
        style = {
            Soundness.OK: self.style.SUCCESS,
            Soundness.WARNING: self.style.WARNING,
            Soundness.FAULT: self.style.ERROR,
        }
        self.stdout.write(f"{style[finding.level](f'{finding.level:<7}')} {finding.text}")
        if finding.mend:
            self.stdout.write(f"        -> {finding.mend}")
