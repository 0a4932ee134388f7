"""
What a moderator does to many records at once: each as it was seen, or not at all.

One transaction. A record that somebody else was faster about is left out and named, before anything of it is written.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext

from ...choices import Lane
from ...exceptions import InvalidTransition, RecordConflict, ReviewRefused
from ...models import Decision, ModerationRecord
from ..deadlocks import repeat
from ..storable import storable
from .lanes import Refusal, may_decide, may_review
from .meanwhile import what_happened

MAX_RECORDS: Final = 500
MAX_WORDS: Final = 2000

Moved = tuple[ModerationRecord, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A record as it was shown to somebody."""

    public_id: uuid.UUID
    version: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one record."""

    public_id: uuid.UUID
    file_name: str
    """Empty where the record is gone."""

    decision: Decision | None = None
    problem: str = ""
    """Why nothing was done, in words for a person; empty where it was."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What became of several records, in the order in which they were named."""

    id: uuid.UUID | None
    """What they are taken back by, all at once; None where nothing was done."""

    receipts: tuple[Receipt, ...] = ()

    @property
    def decided_count(self) -> int:
        return len(self.receipts) - len(self.skipped)

    @property
    def skipped(self) -> tuple[Receipt, ...]:
        return tuple(receipt for receipt in self.receipts if receipt.decision is None)


@dataclass(frozen=True, slots=True)
class Act:
    """What is done to each record."""

    move: Callable[[ModerationRecord], dict[str, Any]]
    """
    Move a record as the only thing that is written of it; return what a decision says of it as it was.

    May raise ``RecordConflict``, ``InvalidTransition``, or ``ReviewRefused`` with words about this record.
    """

    write: Callable[[ModerationRecord, dict[str, Any], uuid.UUID, datetime], Decision]
    """Write down the decision by which it was moved, of which batch, and when."""

    tell: Callable[[Sequence[ModerationRecord]], Callable[[Mapping[int, Decision]], None]] | None = None
    """Given all records, return what is to be called at the end with the decisions by the keys of their records."""


def act(user: Any, seen: Iterable[Seen], what: Act, *, using: str) -> Batch:
    """
    Do something to records as they were seen; return what became of each.

    Two statements a record, beside those of ``what.tell``, a handful for all, and one for a record under appeal. Sends
    the signals of each after the commit. Raises ``ReviewRefused`` where there are too many, or no lane is the user's.
    """
    versions: dict[uuid.UUID, int] = {}
    for one in seen:
        versions.setdefault(one.public_id, one.version)
    if len(versions) > MAX_RECORDS:
        raise ReviewRefused(
            gettext("%(count)s pictures are too many: at most %(limit)s are decided at once.")
            % {"count": len(versions), "limit": MAX_RECORDS}
        )
    require_moderator(user)
    batch = uuid.uuid4()
    done, problems = repeat(lambda: _act(user, versions, what, batch, using), using=using)
    return batch_of(batch, versions, done, problems, using=using)


def _act(
    user: Any, versions: Mapping[uuid.UUID, int], what: Act, batch: uuid.UUID, using: str
) -> tuple[dict[uuid.UUID, Decision], dict[uuid.UUID, str]]:
    # Read before the transaction: on SQLite one that begins by reading may not get to write.
    found = {record.public_id: record for record in _read(versions, using)}
    records = [found[public_id] for public_id in versions if public_id in found]
    tell = what.tell(records) if what.tell else None
    problems: dict[uuid.UUID, str] = {}
    moved: dict[uuid.UUID, Moved] = {}
    with transaction.atomic(using=using):
        # In the order of keys, so that two who do this at the same time do not wait for each other.
        for record in sorted(records, key=lambda record: record.pk):
            if record.version != versions[record.public_id]:
                continue
            if refusal := may_decide(user, record):
                problems[record.public_id] = str(refusal.label)
                continue
            try:
                moved[record.public_id] = record, what.move(record)
            except ReviewRefused as refused:
                problems[record.public_id] = str(refused)
            except (RecordConflict, InvalidTransition):
                continue
        now = timezone.now()
        done = {key: what.write(*moved[key], batch, now) for key in versions if key in moved}
        if tell:
            tell({decision.record_id: decision for decision in done.values()})
    return done, problems


def _read(public_ids: Iterable[uuid.UUID], using: str) -> list[ModerationRecord]:
    rows = ModerationRecord.objects.using(using).filter(public_id__in=list(public_ids))
    return list(rows.defer("raw", "evaluated"))


def require_moderator(user: Any) -> None:
    """Raise ``ReviewRefused`` for somebody to whom no lane is open: they learn nothing about any record."""
    if user.pk is None or not any(may_review(user, lane) for lane in Lane):
        raise ReviewRefused(str(Refusal.PERMISSION.label))


def batch_of(
    batch: uuid.UUID,
    versions: Mapping[uuid.UUID, int],
    done: Mapping[uuid.UUID, Decision],
    problems: Mapping[uuid.UUID, str],
    *,
    using: str,
) -> Batch:
    """Return what became of records, having looked what happened to those of which nothing is known."""
    names = {public_id: decision.record.file_name for public_id, decision in done.items()}
    left_out = {public_id: version for public_id, version in versions.items() if public_id not in done}
    happened = what_happened(left_out, using=using) if left_out else {}
    receipts = []
    for public_id in versions:
        if public_id in done:
            receipts.append(Receipt(public_id, names[public_id], done[public_id]))
        else:
            name, words = happened[public_id]
            receipts.append(Receipt(public_id, name, problem=problems.get(public_id, words)))
    return Batch(batch if done else None, tuple(receipts))


def checked_words(text: str) -> str:
    """Return what a person wrote, fit to be stored. Raises ``ReviewRefused`` where it is too long."""
    text = storable(text).strip()
    if len(text) > MAX_WORDS:
        raise ReviewRefused(
            gettext("The text has %(count)s characters; at most %(limit)s are kept.")
            % {"count": len(text), "limit": MAX_WORDS}
        )
    return str(text)
