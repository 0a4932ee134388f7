from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as AnyDatabaseError
from django.db import router

from ...models import ProviderState
from ...providers import providers
from ...services.status import Snapshot, read_status
from ...services.sweep import record_databases
from ...services.waiting import LIMIT
from ..arguments import duration
from ..diagnosis import look_at_migrations
from ..overview import Limits, Problem, as_json, as_text, failures_of, problems_of

# What a monitor takes for "nobody knows", as against "something is wrong".
CANNOT_TELL: Final = 2


class Command(BaseCommand):
    help = (
        "Say how the moderation stands, and what needs a person. Exits with 0; with 1 where a --fail option was given "
        "and is exceeded, or was given and verdicts stay away; with 2 where it cannot be told."
    )
    # Wrong settings are an exit code of their own, and slow checks have no place in what runs every minute.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print JSON, for programs.")
        parser.add_argument(
            "--exact",
            action="store_true",
            help=f"Count everything to the last, instead of up to {LIMIT:,}. Reads a whole index of each database.",
        )
        parser.add_argument(
            "--fail-if-older-than",
            type=duration,
            metavar="AGE",
            help="Exit with 1 where a record has waited longer for a verdict: 90s, 10m, 2h, 3d.",
        )
        parser.add_argument(
            "--fail-if-review-older-than",
            type=duration,
            metavar="AGE",
            help="Exit with 1 where a record has waited longer for a person.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        limits = Limits(undecided=options["fail_if_older_than"], in_review=options["fail_if_review_older_than"])
        snapshot = self._read(is_exact=options["exact"])
        problems = problems_of(snapshot, limits)
        if options["json"]:
            self.stdout.write(json.dumps(as_json(snapshot, problems), indent=2))
        elif options["verbosity"]:
            self._write(snapshot, problems)
        if failures := failures_of(problems, limits):
            raise CommandError(" ".join(problem.text for problem in failures))

    def _read(self, *, is_exact: bool) -> Snapshot:
        try:
            # A provider that cannot be built judges nothing, whatever the database says.
            providers.all()
            return read_status(limit=None if is_exact else LIMIT)
        except ImproperlyConfigured as error:
            raise CommandError(f"The settings cannot be used: {error}", returncode=CANNOT_TELL) from error
        except AnyDatabaseError as error:
            raise CommandError(_explained(error), returncode=CANNOT_TELL) from error

    def _write(self, snapshot: Snapshot, problems: Sequence[Problem]) -> None:
        headline, *lines = as_text(snapshot, problems)
        self.stdout.write((self.style.ERROR if problems else self.style.SUCCESS)(headline))
        for line in lines:
            self.stdout.write(line)


def _explained(error: AnyDatabaseError) -> str:
    """Say which database has no tables, or old ones, if that is what the error comes from."""
    for alias in dict.fromkeys([*record_databases(), router.db_for_write(ProviderState)]):
        try:
            look_at_migrations(alias)
        except ImproperlyConfigured as complaint:
            return f'Database "{alias}": {complaint}. Run manage.py migrate --database={alias}.'
        except AnyDatabaseError as complaint:
            return f'Database "{alias}" cannot be read: {complaint}'
    return f"A database cannot be read: {error}"
