"""What the commands take as arguments."""

from __future__ import annotations

import argparse
import re
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final, TypeVar

from django.core.management.base import CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from ..registry import WatchedField, all_watched_fields

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(rf"(?P<number>\d{{1,6}})(?P<unit>[{''.join(_UNITS)}])", re.ASCII)
_LONGEST: Final = timedelta(days=36_500)

# What a shell says of a command that Ctrl-C has ended.
INTERRUPTED: Final = 130

N = TypeVar("N", int, float)


def duration(text: str) -> timedelta:
    """
    Return the length of time that an argument such as ``30s``, ``10m``, ``2h``, ``180d`` or ``4w`` names.

    More than nothing and at most a hundred years. Raises ``argparse.ArgumentTypeError`` for anything else, so it
    serves as ``type`` of an argument.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    length = timedelta(**{_UNITS[match["unit"]]: int(match["number"])}) if match else timedelta()
    if not timedelta() < length <= _LONGEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no length of time. Give a number and a unit, "
            f"such as {', '.join(f'10{unit} ({name})' for unit, name in _UNITS.items())}."
        )
    return length


def positive(number_type: type[N]) -> Callable[[str], N]:
    """Return what serves as ``type`` of an argument that is a number above 0."""

    def parse(text: str) -> N:
        number = number_type(text)
        if not 0 < number < threading.TIMEOUT_MAX:
            raise argparse.ArgumentTypeError(f"must be more than 0 and less than {threading.TIMEOUT_MAX:.0f}")
        return number

    # The word in argparse's own message, where the text is no number at all.
    parse.__name__ = number_type.__name__
    return parse


def add_database(parser: CommandParser, what: str) -> None:
    """Add ``--database``, which names the one that holds ``what``."""
    parser.add_argument(
        "--database",
        default=DEFAULT_DB_ALIAS,
        choices=tuple(connections),
        help=f"The database that holds the {what} (default: {DEFAULT_DB_ALIAS}).",
    )


def watched_fields_named(labels: Sequence[str]) -> list[WatchedField]:
    """Return the watched fields of these names, all where none is given. Raises ``CommandError`` naming the others."""
    fields = {watched.label: watched for watched in all_watched_fields()}
    if unknown := [label for label in labels if label not in fields]:
        raise CommandError(f"Not watched: {', '.join(unknown)}. Watched are: {', '.join(fields) or 'no fields'}.")
    return [fields[label] for label in labels or fields]
