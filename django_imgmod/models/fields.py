"""Columns that Django has no field for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _CharField = models.CharField[str | None, str | None]
else:
    _CharField = models.CharField


class DigestField(_CharField):
    """
    A digest as text, looked up whole.

    On PostgreSQL Django gives every unique ``varchar`` a second index for LIKE, which nobody asks of a digest and every
    change of the row pays for. It goes by the name of the type; this one is the same type by its full name.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor == "postgresql":
            return f"character varying({self.max_length})"
        return super().db_type(connection)
