"""The pages of the grid: what waits, in its order, the same bytes once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db.models import Q

from ...models import ModerationRecord, ModerationRecordQuerySet
from .acting import MAX_RECORDS
from .claims import is_open_to
from .likeness import MAX_SIMILAR
from .queue import Position, QueueFilter, beyond, waiting

# How often a page is looked for further on where there is nothing but copies of what was shown.
MAX_PORTIONS: Final = 10
# How many copies of the pictures of a page are read.
MAX_COPIES: Final = 2000
_COLUMNS: Final = ("public_id", "version", "sha256", "policy", "uploaded_by")

Picture = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture with what is decided together with it."""

    record: ModerationRecord
    """The first of them in the order of the queue."""

    members: tuple[ModerationRecord, ...]
    """Itself first, then the same bytes under the same policy; of these no more is read than a decision names."""


@dataclass(frozen=True, slots=True)
class Page:
    tiles: tuple[Tile, ...]
    following: Position | None
    """Behind which the next page begins; None where there is none."""


def read_page(wanted: QueueFilter, *, user: Any, after: Position | None = None, size: int, using: str) -> Page:
    """
    Return the next pictures that wait for a user, without those on other people's cards.

    A picture stands where the first of its copies does, and on no later page. Together there are no more records on a
    page than are decided at once. Two statements, and at most two more as often as copies fill what was read.
    """
    here = waiting(wanted, user=user, using=using).filter(is_open_to(user))
    by_bytes = waiting(wanted, user=user, using=using, by_place=False).filter(is_open_to(user))
    ahead = here if after is None else beyond(here, after, order=wanted.order)
    found: list[Tile] = []
    known: set[Picture] = set()
    room = MAX_RECORDS - size
    for _portion in range(MAX_PORTIONS):
        wanted_count = size + 1 - len(found)
        rows = list(_without(ahead, known)[:wanted_count])
        copies = _copies(by_bytes, rows)
        for record in rows:
            picture = (record.sha256, record.policy)
            same = copies.get(picture) or [record]
            # Otherwise it stands here already, or on a page before this one.
            if picture not in known and same[0].pk == record.pk:
                others = same[1 : min(MAX_SIMILAR, 1 + room)]
                room -= len(others)
                found.append(Tile(record, (record, *others)))
            known |= {picture} if record.sha256 else set()
        if len(found) > size:
            return Page(tuple(found[:size]), Position.of(found[size - 1].record))
        if len(rows) < wanted_count:
            return Page(tuple(found), None)
        ahead = beyond(ahead, Position.of(rows[-1]), order=wanted.order)
    return Page(tuple(found), Position.of(rows[-1]))


def _without(records: ModerationRecordQuerySet, pictures: Collection[Picture]) -> ModerationRecordQuerySet:
    if not pictures:
        return records
    return records.exclude(reduce(or_, (Q(sha256=sha256, policy=policy) for sha256, policy in pictures)))


def _copies(
    records: ModerationRecordQuerySet, rows: Iterable[ModerationRecord]
) -> dict[Picture, list[ModerationRecord]]:
    """Return those of some records that have the bytes of others, by these bytes and the policy, in their order."""
    copies: dict[Picture, list[ModerationRecord]] = defaultdict(list)
    digests = {record.sha256 for record in rows} - {""}
    if digests:
        for record in records.filter(sha256__in=digests).only(*_COLUMNS)[:MAX_COPIES]:
            copies[record.sha256, record.policy].append(record)
    return copies
