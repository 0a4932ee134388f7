"""Finding what is due: retries, answers to ask for, and whatever a lost wake-up left behind."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections, router

from ..models import ModerationRecord
from .submission import work


def record_databases() -> list[str]:
    """Return the aliases of the databases that hold records."""
    return [alias for alias in connections if router.allow_migrate_model(alias, ModerationRecord)]


def sweep(*, limit: int = 100) -> Iterator[ModerationRecord]:
    """Do the work that is due, the longest due first, at most ``limit`` records a database; yield each when done."""
    for using in record_databases():
        due = list(ModerationRecord.objects.using(using).due().values_list("public_id", flat=True)[:limit])
        for public_id in due:
            if work(public_id, using=using):
                yield ModerationRecord.objects.using(using).get(public_id=public_id)
