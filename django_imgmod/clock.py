"""
The database's clock: the one that all processes share.

What decides between processes, leases and due times, goes by it alone. What people read, such as ``settled_at``, is
the application's own time.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Func
from django.db.models.sql.compiler import SQLCompiler
from django.utils import timezone


class DatabaseNow(Func):
    """
    The time that it is for the database, in the form in which its columns hold times.

    Django's own ``Now`` speaks in the session's time zone on MySQL and MariaDB, while the columns hold UTC or the
    connection's zone, and in milliseconds on SQLite, where a row written just now would lie in the future.
    """

    arity = 0
    output_field = DateTimeField()

    def as_sql(  # type: ignore[override]  # its other arguments are for functions with arguments
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any
    ) -> tuple[str, list[Any]]:
        return now_sql(connection)


def now_sql(connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
    """Return ``DatabaseNow`` as SQL with its parameters."""
    if connection.vendor == "postgresql":
        return "STATEMENT_TIMESTAMP()", []
    if connection.vendor == "mysql" and connection.timezone is not None:
        offset = timezone.now().astimezone(connection.timezone).strftime("%z")
        if offset == "+0000":
            return "UTC_TIMESTAMP(6)", []
        return "CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', %s)", [f"{offset[:3]}:{offset[3:5]}"]
    # SQLite has no other clock than this process. Without USE_TZ the columns hold the application's local time, of
    # which a server knows nothing.
    return "%s", [connection.ops.adapt_datetimefield_value(timezone.now())]
