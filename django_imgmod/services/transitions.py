"""Where a record may go from where, and the one place that takes it there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from django.db.models import F, Model
from django.utils import timezone

from ..choices import Lane, Status
from ..exceptions import InvalidTransition, RecordConflict
from ..models import ModerationRecord
from .prepared import Prepared, Statement, parameters
from .storable import storable

SETTLED: Final = frozenset({Status.PASSED, Status.BLOCKED, Status.SUPERSEDED})

TRANSITIONS: Final[Mapping[Status, frozenset[Status]]] = MappingProxyType(
    {
        Status.PENDING: frozenset(
            {Status.SUBMITTED, Status.PASSED, Status.IN_REVIEW, Status.BLOCKED, Status.SUPERSEDED}
        ),
        Status.SUBMITTED: frozenset({Status.PASSED, Status.IN_REVIEW, Status.BLOCKED, Status.SUPERSEDED}),
        Status.IN_REVIEW: frozenset({Status.PASSED, Status.BLOCKED, Status.SUPERSEDED}),
        Status.PASSED: frozenset({Status.IN_REVIEW, Status.BLOCKED, Status.SUPERSEDED}),
        Status.BLOCKED: frozenset({Status.IN_REVIEW, Status.PASSED, Status.SUPERSEDED}),
        Status.SUPERSEDED: frozenset(),
    }
)

# A person decides about what has an outcome, or waits for theirs; until then the image is the provider's.
DECIDABLE: Final = frozenset({Status.IN_REVIEW, Status.PASSED, Status.BLOCKED})

# What no longer has work waiting.
_NO_WORK: Final[Mapping[str, Any]] = MappingProxyType({"due_at": None, "lease_until": None, "lease_owner": ""})
# What waits for nobody, and is with nobody.
NOT_IN_REVIEW: Final[Mapping[str, Any]] = MappingProxyType(
    {"lane": Lane.FIRST, "claimed_by": None, "claimed_until": None}
)


def change_status(record: ModerationRecord, status: Status, **changes: Any) -> None:
    """
    Move a record to ``status`` and write ``changes`` with it, in one conditional UPDATE.

    The row must still have the version that ``record`` was read with, so of two that race one wins and nothing is
    overwritten. ``record`` itself is brought up to date. What leaves the review queue is with no moderator any more,
    and would come back by the first lane.

    Raises ``InvalidTransition`` where no arrow leads, ``RecordConflict`` where the row has changed meanwhile.
    """
    current = Status(record.status)
    if status not in TRANSITIONS[current]:
        raise InvalidTransition(current, status)
    if status != Status.SUBMITTED:
        changes = {**_NO_WORK, **changes}
    if current == Status.IN_REVIEW:
        changes = {**NOT_IN_REVIEW, **changes}
    changes["settled_at"] = timezone.now() if status in SETTLED else None
    if status == Status.SUPERSEDED:
        changes["current_key"] = None
    _write(record, {**storable(changes), "status": status})


def change_lane(record: ModerationRecord, lane: Lane) -> None:
    """
    Put a record that is in review into another queue, where nobody holds it yet.

    Raises ``InvalidTransition`` for one that is not in review, ``RecordConflict`` where the row has changed meanwhile.
    """
    if record.status != Status.IN_REVIEW:
        raise InvalidTransition(Status(record.status), Status.IN_REVIEW)
    _write(record, {**NOT_IN_REVIEW, "lane": lane})


def keep_in_place(record: ModerationRecord) -> None:
    """Count a change of what is known of a record, not of the record. Raises ``RecordConflict`` as the others do."""
    _write(record, {})


def _write(record: ModerationRecord, changes: Mapping[str, Any]) -> None:
    if not _update(record, changes):
        raise RecordConflict(f"Record {record.public_id} is no longer {record.status} in version {record.version}.")
    for name, value in changes.items():
        setattr(record, name, value)
    record.version += 1


def _update(record: ModerationRecord, changes: Mapping[str, Any]) -> int:
    # The status, of which the version says enough, is not asked for: as long as PostgreSQL has no statistics of a table
    # that fills up, it may go through all records that have it.
    using = str(record._state.db)
    if all(map(_is_plain, changes.values())):
        return _writing(tuple(changes)).update(using, id=record.pk, version=record.version, **changes)
    rows = ModerationRecord.objects.using(using).filter(pk=record.pk, version=record.version)
    return rows.update(version=F("version") + 1, **changes)


def _is_plain(value: Any) -> bool:
    """Whether the database takes a value as it is: the row of another table and what it computes itself it does not."""
    return not isinstance(value, Model) and not hasattr(value, "resolve_expression")


@cache
def _writing(names: tuple[str, ...]) -> Prepared:
    """Return the UPDATE of these columns, which every verdict needs."""

    def build(using: str) -> Statement:
        rows = ModerationRecord.objects.using(using).filter(**parameters(ModerationRecord, "id", "version"))
        return rows, {"version": F("version") + 1, **parameters(ModerationRecord, *names)}

    return Prepared(build)
