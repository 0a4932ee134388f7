"""Finding what is due: retries, answers to ask for, and whatever a lost wake-up left behind."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import islice

from django.db import connections, router

from ..models import ModerationRecord
from .claims import begin, claim_due, give_back
from .deadlocks import repeat
from .gate import allowance
from .submission import records_per_call, work_on


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


def sweep(*, limit: int = 10, patience: float = 0) -> Generator[ModerationRecord, None, None]:
    """
    Do the work that is due, the longest due first, at most ``limit`` records a provider; yield each when done, as far
    as this process knows it.

    Providers that are left alone are passed over. What was claimed and not begun when the caller stops is given back.
    """
    for using in record_databases():
        for provider in ModerationRecord.objects.using(using).providers():
            claimed = _claim(provider, using, allowance(provider, limit))
            try:
                yield from _work_through(claimed, patience)
            finally:
                give_back(claimed)


def _claim(provider: str, using: str, limit: int) -> list[ModerationRecord]:
    return repeat(lambda: claim_due(provider, using=using, limit=limit), using=using)


def _begin(record: ModerationRecord) -> bool:
    return repeat(lambda: begin(record), using=str(record._state.db))


def _work_through(claimed: list[ModerationRecord], patience: float) -> Generator[ModerationRecord, None, None]:
    """Take the records of each call from the list before they are begun."""
    while claimed:
        records = _records_of_a_call(claimed)
        for record in records:
            claimed.remove(record)
        begun = [record for record in records if _begin(record)]
        if begun:
            work_on(begun, patience=patience)
            yield from begun


def _records_of_a_call(claimed: Sequence[ModerationRecord]) -> list[ModerationRecord]:
    """Return the first record, and those that one call of its provider can hold beside it."""
    first = claimed[0]
    alike = (record for record in claimed if record.status == first.status)
    return list(islice(alike, records_per_call(first)))
