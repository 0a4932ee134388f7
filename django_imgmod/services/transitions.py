"""Where a record may go from where, and the one place that takes it there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.db.models import F
from django.utils import timezone

from ..choices import Status
from ..exceptions import InvalidTransition, RecordConflict
from ..models import ModerationRecord
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


def change_status(record: ModerationRecord, status: Status, **changes: Any) -> None:
    """
    Move a record to ``status`` and write ``changes`` with it, in one conditional UPDATE.

    The row must still have the status and the version that ``record`` was read with, so of two that race one wins
    and nothing is overwritten. ``record`` itself is brought up to date.

    Raises ``InvalidTransition`` where no arrow leads, ``RecordConflict`` where the row has changed meanwhile.
    """
    current = Status(record.status)
    if status not in TRANSITIONS[current]:
        raise InvalidTransition(current, status)
    if status != Status.SUBMITTED:
        changes = {**_NO_WORK, **changes}
    changes["settled_at"] = timezone.now() if status in SETTLED else None
    if status == Status.SUPERSEDED:
        changes["current_key"] = None
    changes = {**storable(changes), "status": status}
    using = record._state.db
    rows = ModerationRecord.objects.using(using).filter(pk=record.pk, status=current, version=record.version)
    if not rows.update(version=F("version") + 1, **changes):
        raise RecordConflict(f"Record {record.public_id} is no longer {current} in version {record.version}.")
    for name, value in changes.items():
        setattr(record, name, value)
    record.version += 1
