"""Throwing away old evidence, to be run now and then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ...services.pruning import COUNTED, Kind, prune
from ..arguments import INTERRUPTED, add_database, duration
from ..processes import stop_on_signal

_MEANINGS = {
    Kind.RECORDS: "Superseded records with their labels, but for those that a person decided about or whose verdict "
    "another record was settled by.",
    Kind.RAW: "What providers answered, on superseded records.",
    Kind.RECEIPTS: "Callbacks, but for those that can still be processed.",
}


class Command(BaseCommand):
    help = (
        "Throw away what is old. Never touches the current record of an image, nor a decision. Without --records, "
        "--raw or --receipts all three are meant."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--older-than", type=duration, required=True, metavar="AGE", help="180d, 26w, 48h.")
        for kind, meaning in _MEANINGS.items():
            parser.add_argument(f"--{kind}", action="append_const", dest="kinds", const=kind, help=meaning)
        parser.add_argument("--dry-run", action="store_true", help="Only count.")
        add_database(parser, "records")

    def handle(self, *args: Any, **options: Any) -> None:
        kinds = [kind for kind in Kind if kind in (options["kinds"] or Kind)]
        counts: Counter[str] = Counter()
        with stop_on_signal() as stop:
            older_than = timezone.now() - options["older_than"]
            for portion in prune(older_than, kinds, using=options["database"], is_dry=options["dry_run"]):
                counts += portion
                if stop.is_set():
                    break
            if options["verbosity"]:
                self._report(kinds, counts, "would go" if options["dry_run"] else "gone")
            if stop.is_set():
                raise CommandError("Stopped. Run the same command again for the rest.", returncode=INTERRUPTED)

    def _report(self, kinds: Iterable[Kind], counts: Counter[str], verb: str) -> None:
        for what in chain.from_iterable(COUNTED[kind] for kind in kinds):
            self.stdout.write(f"{counts[what]:>9,} {what} {verb}")
