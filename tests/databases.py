"""The test database where others can reach it, too."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.db import connections


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Move SQLite's default database from memory to a file, for other processes and for threads that begin now."""
    memory = connections["default"]
    memory.ensure_connection()
    with closing(sqlite3.connect(path)) as copy:
        memory.connection.backup(copy)
    options = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
    settings = {**memory.settings_dict, "NAME": str(path), "OPTIONS": options}
    connections["default"] = type(memory)(settings, "default")
    connections.settings["default"] = settings
    try:
        yield
    finally:
        connections["default"].close()
        connections["default"] = memory
        connections.settings["default"] = memory.settings_dict
