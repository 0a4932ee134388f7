"""Threads with connections of their own: collected where the database is a server, that is, not in SQLite's memory."""

from django.conf import settings

if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
    collect_ignore_glob = ["test_*.py"]
