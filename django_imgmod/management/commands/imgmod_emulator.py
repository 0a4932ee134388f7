"""The emulator from within a project; ``python -m django_imgmod.emulator`` is the same without one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...emulator.commandline import DESCRIPTION, CannotListen, add_arguments, run


class Command(BaseCommand):
    help = DESCRIPTION
    # It is to be there before the site is in order.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run(options, self._write)
        except CannotListen as error:
            raise CommandError(str(error)) from error

    def _write(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
