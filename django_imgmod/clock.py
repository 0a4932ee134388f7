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

_Sql = tuple[str, Any]


class DatabaseNow(Func):
    """
    The time that it is for the database, in the form in which its columns hold times.

    Django's own ``Now`` speaks in the session's time zone on MySQL and MariaDB, while the columns hold UTC or the
    connection's zone, and in milliseconds on SQLite, where a row written just now would lie in the future.
    """

    function = "STATEMENT_TIMESTAMP"
    arity = 0
    output_field = DateTimeField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> _Sql:
        # The database runs in this process, so it has no other clock.
        return "%s", [connection.ops.adapt_datetimefield_value(timezone.now())]

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> _Sql:
        zone = connection.timezone
        if zone is None:
            # Without USE_TZ the columns hold the application's local time, of which the server knows nothing.
            return "%s", [connection.ops.adapt_datetimefield_value(timezone.now())]
        offset = timezone.now().astimezone(zone).strftime("%z")
        if offset == "+0000":
            return "UTC_TIMESTAMP(6)", []
        return "CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', %s)", [f"{offset[:3]}:{offset[3:5]}"]
