"""How the review queue is ordered, and what of it is free, on the database's side."""

from __future__ import annotations

from typing import Any, Final

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from ..choices import RiskLevel

# What could not be judged at all is as uncertain as a word that nobody knows.
_UNJUDGED: Final = RiskLevel.UNKNOWN
_PLACES: Final = {level: place for place, level in enumerate(sorted(RiskLevel, key=lambda level: -level.gravity))}


class RiskOrder(models.Func):
    """
    The place of a risk level in the review queue: 0 for the gravest.

    Written out without parameters, so that the database recognises the expression as that of its index.
    """

    template = "(CASE %(expressions)s {whens} ELSE {otherwise} END)".format(
        whens=" ".join(f"WHEN '{level}' THEN {place}" for level, place in _PLACES.items()),
        otherwise=_PLACES[_UNJUDGED],
    )
    arity = 1
    output_field = models.SmallIntegerField()


class ClaimEnd(models.Func):
    """
    When a moderator's claim ends; before all times where there is none.

    Never NULL, so that one comparison says what is free, and the index of the queue passes over what is not.
    """

    template = "COALESCE(%(expressions)s, '-infinity')"
    arity = 1
    output_field = models.DateTimeField()

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        template = "COALESCE(%(expressions)s, TIMESTAMP'1000-01-01 00:00:00')"
        return self.as_sql(compiler, connection, template=template, **context)


def place_of(level: str) -> int:
    """Return the place of a risk level in the review queue, as ``RiskOrder`` does on the database's side."""
    return _PLACES.get(RiskLevel(level) if level in RiskLevel.values else _UNJUDGED, _PLACES[_UNJUDGED])
