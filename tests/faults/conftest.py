"""What is about SQLite alone is collected where the database is SQLite."""

from django.conf import settings

if "sqlite" not in settings.DATABASES["default"]["ENGINE"]:
    collect_ignore = ["test_sqlite_writers.py"]
