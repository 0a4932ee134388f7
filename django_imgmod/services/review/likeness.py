"""Which pictures are the same, or nearly: those that wait are decided together, those that were decided are told of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ...choices import Outcome
from ...models import Decision, ModerationRecord, ModerationRecordQuerySet
from ...perceptual import ALGORITHM, is_hash, near
from ..reuse import standing_decisions
from .queue import QUEUE_ORDER, Position, before, beyond

# As many as are decided at once.
MAX_SIMILAR: Final = 200
# How many of one's last decisions a picture is compared with, and how many of those that resemble it are told of.
MAX_REMEMBERED: Final = 1000
MAX_RESEMBLANCES: Final = 3
# With how many of what waits before it in the queue, and after it, a picture is compared.
MAX_COMPARED: Final = 2_500
# The same bytes come before what is only as near as can be.
_SAME_BYTES: Final = -1


@dataclass(frozen=True, slots=True)
class Resemblance:
    """A record that looks like another and was decided before."""

    record: ModerationRecord
    decision: Decision
    distance: int
    """Of 256 bits; 0 where it is the same picture."""


def similar_keys(record: ModerationRecord, others: ModerationRecordQuerySet, *, limit: int = MAX_SIMILAR) -> list[int]:
    """
    Return the keys of those of the records of its lane that are decided with a record, the nearest first.

    Nearly the same picture is looked for among its neighbours in the queue, the same bytes everywhere.
    """
    others = others.filter(policy=record.policy).exclude(pk=record.pk)
    found: dict[int, int] = {}
    if is_hash(record.perceptual_hash):
        position = Position.of(record)
        hashed = others.order_by(*QUEUE_ORDER).filter(perceptual_hash__startswith=ALGORITHM)
        for neighbours in (beyond(hashed, position), before(hashed, position)):
            found |= near(record.perceptual_hash, dict(neighbours.values_list("pk", "perceptual_hash")[:MAX_COMPARED]))
    if record.sha256:
        same = others.order_by().filter(sha256=record.sha256)
        found |= dict.fromkeys(same.values_list("pk", flat=True)[:limit], _SAME_BYTES)
    return sorted(found, key=lambda key: (found[key], key))[:limit]


def similar_among(record: ModerationRecord, others: Iterable[ModerationRecord]) -> list[ModerationRecord]:
    """Return those of some records in memory that are decided with a record, the nearest first."""
    alike = {other.pk: other for other in others if (other.lane, other.policy) == (record.lane, record.policy)}
    alike.pop(record.pk, None)
    found = near(record.perceptual_hash, {key: other.perceptual_hash for key, other in alike.items()})
    if record.sha256:
        found |= {key: _SAME_BYTES for key, other in alike.items() if other.sha256 == record.sha256}
    return [alike[key] for key in sorted(found, key=lambda key: (found[key], key))[:MAX_SIMILAR]]


def resembling(record: ModerationRecord, *, user: Any, using: str) -> list[Resemblance]:
    """Return what a user decided before that looks like a record, the nearest first, at most three."""
    decided = standing_decisions(using).filter(decided_by=user.pk, outcome__in=(Outcome.PASS, Outcome.BLOCK))
    last = decided.exclude(record=record.pk).order_by("-decided_at")[:MAX_REMEMBERED]
    rows = list(last.values_list("pk", "record_id", "record__sha256", "record__perceptual_hash"))
    found = near(record.perceptual_hash, {key: text for key, *_, text in rows})
    found |= {key: 0 for key, _, sha256, _ in rows if sha256 and sha256 == record.sha256}
    # Of a record that was decided several times the last counts.
    last_about = {record_id: key for key, record_id, *_ in reversed(rows) if key in found}
    keys = sorted(last_about.values(), key=lambda key: (found[key], -key))[:MAX_RESEMBLANCES]
    decisions = standing_decisions(using).select_related("record").defer("record__raw").in_bulk(keys)
    return [Resemblance(decisions[key].record, decisions[key], found[key]) for key in keys if key in decisions]
