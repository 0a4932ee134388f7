"""Threads with connections of their own: collected where the database is a server, that is, not in SQLite's memory."""

from django.conf import settings

engine = settings.DATABASES["default"]["ENGINE"]
if "sqlite" in engine:
    collect_ignore_glob = ["test_*.py"]
elif "postgresql" not in engine:
    # It starts a server of its own. Where that is not installed beside PostgreSQL it fails, and says so.
    collect_ignore = ["test_restarts.py"]
