"""Finding what is due: retries, answers to ask for, and whatever a lost wake-up left behind."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import connections, router

from ..models import ModerationRecord
from .submission import work


def record_databases() -> list[str]:
    """
    Return the aliases of the databases that hold records.

    Those in which an object's record would be opened beside it: that leaves out replicas, and databases that a router
    keeps free of records.
    """
    found = []
    for alias in connections:
        probe = ModerationRecord()
        probe._state.db = alias
        is_written_to = router.db_for_write(ModerationRecord, instance=probe) == alias
        if is_written_to and router.allow_migrate_model(alias, ModerationRecord):
            found.append(alias)
    return found


def sweep(*, limit: int = 100) -> Iterator[ModerationRecord]:
    """Do the work that is due, the longest due first, at most ``limit`` records a database; yield each when done."""
    for using in record_databases():
        records = ModerationRecord.objects.using(using)
        for public_id in list(records.due().values_list("public_id", flat=True)[:limit]):
            # Its row may be gone by now: pruned, or a test picture of imgmod_doctor.
            if work(public_id, using=using) and (record := records.filter(public_id=public_id).first()):
                yield record
