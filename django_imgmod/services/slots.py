"""
A provider's slots: a row each, in which one call at a time begins, an interval after the one before.

Whoever takes a slot writes when it is free again, as if the call began at its turn, and says so only where it begins
later. What a killed process took comes free by itself, as if the call had been made. What is written here is not
waited for to be on the disk: other commits are, of which there are many wherever calls crowd.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from django.db import connections, router
from django.db.models import Exists, QuerySet

from ..clock import DatabaseNow, now_sql
from ..models import ALIAS_LENGTH, ProviderSlot, ProviderState
from .deadlocks import repeat
from .provider_states import Reading, read_state
from .unhurried import unhurried

# In seconds. A call may arrive so much later than others: the calls of a slot begin that much further apart.
ON_THE_WAY: Final = 0.011
# In seconds. So much later than at its turn a call may begin without saying so.
PUNCTUAL: Final = 0.005
# In seconds. So much earlier it may begin where that is not known more exactly: a part of what it has on its way.
UNCERTAIN: Final = 0.002
# More slots than that make it slow to find the next one.
MAX_SLOTS: Final = 250
# Where no slot can be locked, so many are tried one after the other: others ask for the same ones.
CHOICE: Final = 8


@dataclass(frozen=True, slots=True)
class Line:
    """The slots of a provider, or those for some of its requests, and how many calls a second they let begin."""

    provider: str
    qps: float
    suffix: str = ""

    @property
    def name(self) -> str:
        return f"{self.provider[: ALIAS_LENGTH - len(self.suffix)]}{self.suffix}"

    @property
    def turns(self) -> int:
        """How often each slot comes round in a second."""
        return math.ceil(self.qps / MAX_SLOTS)

    @property
    def count(self) -> int:
        return math.ceil(self.qps) if self.turns == 1 else int(self.qps / self.turns)

    @property
    def interval(self) -> float:
        """The seconds between the begins of two calls in a slot."""
        return max(self.count / self.qps, 1 / self.turns) + ON_THE_WAY / self.turns

    @property
    def database(self) -> str:
        """The alias of the database that all processes share."""
        return router.db_for_write(ProviderSlot)

    @property
    def slots(self) -> QuerySet[ProviderSlot]:
        """Its rows. Those above the present rate are left alone."""
        slots: QuerySet[ProviderSlot] = ProviderSlot._default_manager.using(self.database)
        return slots.filter(provider=self.name, number__lt=self.count)


class Moment(NamedTuple):
    """What the database's clock said, and when: it was read between the two times of this process's."""

    now: datetime
    asked_at: float
    answered_at: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that was taken."""

    line: Line
    pk: int
    moment: Moment
    opens_at: datetime
    """When the call may begin."""
    free_at: datetime
    """As it was written: whoever takes the slot after us writes another time."""

    @property
    def begins_at(self) -> float:
        """When the call may begin, by the monotonic clock of this process."""
        asked_at, now, answered_at = self.moment.asked_at, self.moment.now, self.moment.answered_at
        return max(asked_at, answered_at - UNCERTAIN) + (self.opens_at - now).total_seconds()

    @property
    def latest(self) -> float:
        """By when, of the same clock, the call must have begun: surely not too late for the next one."""
        until_free = (self.free_at - self.moment.now).total_seconds()
        return self.moment.asked_at + until_free - self.line.interval

    def begin(self, latest: float) -> Slot | None:
        """
        Say that the call begins now, no later than ``latest`` by the monotonic clock.

        Returns the slot as it is then, None where it is another's by now.
        """
        until_free = timedelta(seconds=latest - self.moment.asked_at + self.line.interval)
        free_at = self.moment.now + until_free
        connection = connections[self.line.database]
        in_columns = connection.ops.adapt_datetimefield_value
        # Between a turn and its call every bit of time counts: the ORM takes four times as long, the disk still longer.
        statement = _begin_sql(connection.alias, unhurried(connection))
        with connection.cursor() as cursor:
            cursor.execute(statement, [in_columns(free_at), self.pk, in_columns(self.free_at)])
            return replace(self, free_at=free_at) if cursor.rowcount else None


@cache
def _begin_sql(using: str, condition: str) -> str:
    table = connections[using].ops.quote_name(ProviderSlot._meta.db_table)
    return f"UPDATE {table} SET free_at = %s WHERE {condition} AND id = %s AND free_at = %s"  # noqa: S608 - names of ours


def take(line: Line, patience: float) -> tuple[Reading, Slot | None]:
    """
    Take the slot that is free first, or will be in ``patience`` seconds; return what is known of the provider with it.

    Of several that ask at the same time each gets another one. There is None where nothing comes free so soon, and
    where the provider wants to be left alone for longer.
    """
    is_postgresql = connections[line.database].vendor == "postgresql"
    found = (_take_in_one_statement if is_postgresql else _take_in_steps)(line, patience)
    if not found.is_complete:
        _make_rows(line)
        if found.slot is None:
            return take(line, patience)
    return found.reading, found.slot


class _Found(NamedTuple):
    reading: Reading
    slot: Slot | None
    is_complete: bool
    """Whether there are as many rows as the rate allows."""


def _ahead(line: Line, patience: float) -> float:
    """Return how soon a slot must be free to be taken. Who is late for its turn may still say so until then."""
    return min(patience, line.interval / 2)


def _take_in_steps(line: Line, patience: float) -> _Found:
    reading = read_state(line.provider)
    asked_at = time.monotonic()
    last = line.slots.filter(number=line.count - 1)
    candidates: list[Any] = list(
        line.slots.order_by("free_at").annotate(now=DatabaseNow(), has_last=Exists(last))[:CHOICE]
    )
    answered_at = time.monotonic()
    is_complete = bool(candidates) and candidates[0].has_last
    resume_at = reading.state.next_call_at
    if reading.seconds_until(resume_at) > patience:
        return _Found(reading, None, is_complete=True)
    for candidate in candidates:
        now = candidate.now
        if candidate.free_at > now + timedelta(seconds=_ahead(line, patience)):
            break
        opens_at = max(candidate.free_at, now, resume_at or now)
        slot = Slot(line, candidate.pk, Moment(now, asked_at, answered_at), opens_at, candidate.free_at)
        taken = slot.begin(asked_at + (opens_at - now).total_seconds() + PUNCTUAL)
        if taken is not None:
            return _Found(reading, taken, is_complete)
    return _Found(reading, None, is_complete)


def _take_in_one_statement(line: Line, patience: float) -> _Found:
    """Do the same where one statement can, which waits for nobody."""
    using = line.database
    parameters: Mapping[str, Any] = {
        "provider": line.provider,
        "line": line.name,
        "count": line.count,
        "patience": patience,
        "ahead": _ahead(line, patience),
        "after": PUNCTUAL + line.interval,
    }
    asked_at = time.monotonic()
    with connections[using].cursor() as cursor:
        cursor.execute(_take_sql(using, unhurried(connections[using])), parameters)
        now, is_complete, key, opens_at, free_at, *values = cursor.fetchone()
    moment = Moment(now, asked_at, time.monotonic())
    state = ProviderState(provider=line.provider)
    if values[0] is not None:
        state = ProviderState.from_db(using, [field.attname for field in ProviderState._meta.concrete_fields], values)
    slot = None if key is None else Slot(line, key, moment, opens_at, free_at)
    return _Found(Reading(state, now), slot, is_complete)


@cache
def _take_sql(using: str, condition: str) -> str:
    connection = connections[using]
    quote = connection.ops.quote_name
    now, _ = now_sql(connection)
    slots, states = quote(ProviderSlot._meta.db_table), quote(ProviderState._meta.db_table)
    columns = ", ".join(f"state.{quote(str(field.column))}" for field in ProviderState._meta.concrete_fields)
    return f"""
        WITH state AS (
            SELECT * FROM {states} WHERE provider = %(provider)s
        ), free AS (
            SELECT id, GREATEST(free_at, {now}, (SELECT next_call_at FROM state)) AS opens_at FROM {slots}
            WHERE {condition} AND provider = %(line)s AND number < %(count)s
                AND free_at <= {now} + make_interval(secs => %(ahead)s)
                AND NOT EXISTS (SELECT FROM state WHERE next_call_at > {now} + make_interval(secs => %(patience)s))
            ORDER BY free_at LIMIT 1 FOR UPDATE SKIP LOCKED
        ), taken AS (
            UPDATE {slots} AS slot SET free_at = opens_at + make_interval(secs => %(after)s)
            FROM free WHERE slot.id = free.id
            RETURNING slot.id, opens_at, slot.free_at
        )
        SELECT {now}, EXISTS (SELECT FROM {slots} WHERE provider = %(line)s AND number = %(count)s - 1),
            taken.id, taken.opens_at, taken.free_at, {columns}
        FROM (VALUES (1)) AS one LEFT JOIN taken ON TRUE LEFT JOIN state ON TRUE
    """  # noqa: S608 - names of our own


def seconds_until_free(line: Line) -> float:
    """Return how long it is until some slot is free, by what is known now."""
    first: Any = line.slots.annotate(now=DatabaseNow()).order_by("free_at").first()
    if first is None:
        return 0
    seconds: float = (first.free_at - first.now).total_seconds()
    return max(seconds, 0)


def _make_rows(line: Line) -> None:
    using = line.database
    numbers = set(range(line.count)).difference(line.slots.values_list("number", flat=True))
    rows = [ProviderSlot(provider=line.name, number=number, free_at=DatabaseNow()) for number in sorted(numbers)]
    repeat(lambda: ProviderSlot._default_manager.using(using).bulk_create(rows, ignore_conflicts=True), using=using)
