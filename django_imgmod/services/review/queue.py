"""
What waits for a person, in its order.

The order by risk, then age, is that of the partial index ``imgmod_record_review``: on PostgreSQL the next record and a
page of them are read from it, without a sort, whatever the size of the table. Pages go by key, never by offset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db.models import BooleanField, Count, DateTimeField, F, Func, QuerySet, Value
from django.db.models.lookups import Exact
from django.db.models.sql.compiler import SQLCompiler
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from ...choices import Lane, Status
from ...clock import DatabaseNow
from ...models import DetectedLabel, ModerationRecord, ModerationRecordQuerySet, RiskOrder
from ...models.ordering import place_of
from ..storable import storable
from .lanes import leave_out_refused

# By risk, then age: that of the index.
QUEUE_ORDER: Final = (RiskOrder("risk_level"), "created_at", "id")
ORDERS: Final[Mapping[str, Sequence[Any]]] = MappingProxyType(
    {"risk": QUEUE_ORDER, "oldest": ("created_at", "id"), "newest": ("-created_at", "-id")}
)

# Not the first years of the calendar nor its last: in another zone those would be beyond it.
_POSITION: Final = re.compile(r"(?P<rank>[0-9])_(?P<created_at>[12][0-9]{3}-[0-9T:.+-]{14,35})_(?P<id>[0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Which of the records in review, and in which order."""

    lane: Lane = Lane.FIRST
    model: str = ""
    """``app.Model``"""

    label: str = ""
    risk_level: str = ""
    provider: str = ""
    waiting_longer_than: timedelta | None = None
    reason: str = ""
    """A part of the record's reason."""

    order: str = "risk"
    """``risk`` (then age), ``oldest`` or ``newest``."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a record stands in the queue, in whichever order."""

    rank: int
    created_at: datetime
    id: int

    @classmethod
    def of(cls, record: ModerationRecord) -> Position:
        return cls(place_of(record.risk_level), record.created_at, record.pk)

    def encode(self) -> str:
        """Return the position as text for an address."""
        return f"{self.rank}_{self.created_at.isoformat()}_{self.id}"

    @classmethod
    def decode(cls, text: str) -> Position:
        """Return what ``encode`` made a text of. Raises ``ValueError`` for anything else."""
        match = _POSITION.fullmatch(text)
        moment = _moment(match["created_at"]) if match else None
        if match is None or moment is None:
            raise ValueError(f"{text!r} is no position in the queue.")
        return cls(int(match["rank"]), moment, int(match["id"]))


def _moment(text: str) -> datetime | None:
    """Return a time as the columns hold it; None for anything else."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return None if moment is None or is_naive(moment) == settings.USE_TZ else moment


def waiting(wanted: QueueFilter, *, user: Any, using: str, by_place: bool = True) -> ModerationRecordQuerySet:
    """
    Return what waits in a lane for this user, in the order of the queue, whether or not somebody holds it.

    Left out is what the user may not decide. Without a join, so that rows can be locked. Without ``by_place`` a risk
    level is not looked for in the index of the queue: for whoever knows another way to the rows.
    """
    records = leave_out_refused(in_lane(wanted.lane, using=using), user=user, lane=wanted.lane)
    records = _narrowed(records, wanted, by_place=by_place)
    return records.defer("raw").order_by(*ORDERS[wanted.order])


def beyond(records: ModerationRecordQuerySet, position: Position, *, order: str = "risk") -> ModerationRecordQuerySet:
    """Leave out what stands at a position of the queue and before it."""
    return records.filter(_compared(">", position, order))


def before(records: ModerationRecordQuerySet, position: Position, *, order: str = "risk") -> ModerationRecordQuerySet:
    """Return what stands before a position of the queue, in the reverse order: the nearest first."""
    return records.filter(_compared("<", position, order)).order_by(*ORDERS[order]).reverse()


def in_lane(lane: str, *, using: str) -> ModerationRecordQuerySet:
    """Return what waits in a lane, in no order."""
    return ModerationRecord.objects.using(using).filter(status=Status.IN_REVIEW, lane=lane)


def position_of(key: int, *, using: str) -> Position | None:
    """Return where a record stands in the queue, or stood; None where it is gone."""
    records = ModerationRecord.objects.using(using).filter(pk=key)
    record = records.only("risk_level", "created_at").first()
    return None if record is None else Position.of(record)


class Waiting(NamedTuple):
    """How many records wait."""

    by_lane: Mapping[str, int]

    among: int = 0
    """How many of them are among those that were asked about."""


def counts_waiting(among: ModerationRecordQuerySet | None = None, *, using: str) -> Waiting:
    """
    Return how many records wait in each lane: exact, by one statement, read from the index of what waits alone.

    ``among`` are some of those that wait. They are counted by the same statement, so that nothing that is decided
    meanwhile is in one of the counts alone.
    """
    counts = _counted(ModerationRecord.objects.using(using).filter(status=Status.IN_REVIEW))
    if among is not None:
        counts = counts.union(_counted(among, is_among=True), all=True)
    of_all = dict.fromkeys(Lane.values, 0)
    of_some = 0
    for lane, is_among, count in counts:
        if is_among:
            of_some += count
        else:
            of_all[lane] = count
    return Waiting(of_all, of_some)


def _counted(records: ModerationRecordQuerySet, *, is_among: bool = False) -> QuerySet[ModerationRecord, Any]:
    by_lane = records.order_by().values_list("lane")
    return by_lane.annotate(is_among=Value(int(is_among)), count=Count("pk"))


class _RowComparison(Func):
    """``(a, b) > (c, d)``, which one range of an index answers."""

    output_field = BooleanField()

    def __init__(self, columns: Sequence[Any], operator: str, values: Sequence[Any]) -> None:
        row = ", ".join(["%s"] * len(columns))
        super().__init__(*columns, *values, template=f"(({row}) {operator} ({row}))")

    def as_sql(self, compiler: SQLCompiler, connection: Any, **context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        parts = [compiler.compile(expression) for expression in self.get_source_expressions()]
        sql = self.extra["template"] % tuple(part for part, _ in parts)
        return sql, [parameter for _, parameters in parts for parameter in parameters]


_REVERSED: Final = {">": "<", "<": ">"}


def _compared(operator: str, position: Position, order: str) -> _RowComparison:
    columns: list[Any] = [F("created_at"), F("id")]
    values: list[Any] = [Value(position.created_at, output_field=DateTimeField()), Value(position.id)]
    if order == "risk":
        columns.insert(0, RiskOrder("risk_level"))
        values.insert(0, Value(position.rank))
    return _RowComparison(columns, _REVERSED[operator] if order == "newest" else operator, values)


def _narrowed(records: ModerationRecordQuerySet, wanted: QueueFilter, *, by_place: bool) -> ModerationRecordQuerySet:
    if wanted.model:
        records = records.filter(content_type=content_type_id(wanted.model, records.db))
    if wanted.risk_level:
        records = records.filter(risk_level=storable(wanted.risk_level))
        if by_place:
            records = records.filter(Exact(RiskOrder("risk_level"), place_of(wanted.risk_level)))
    if wanted.provider:
        records = records.filter(provider=storable(wanted.provider))
    if wanted.reason:
        records = records.filter(reason__icontains=storable(wanted.reason))
    if wanted.waiting_longer_than is not None:
        records = records.filter(created_at__lt=DatabaseNow() - wanted.waiting_longer_than)
    return with_label(records, wanted.label) if wanted.label else records


def with_label(records: ModerationRecordQuerySet, label: str) -> ModerationRecordQuerySet:
    """Return those in which a label was detected."""
    # Not a join: a label that was seen in several frames would list its record several times.
    labels = DetectedLabel.objects.using(records.db).filter(label=storable(label))
    return records.filter(pk__in=labels.values("record"))


def content_type_id(label: str, using: str) -> int | None:
    """Return the key of a model's content type; None, which no record has, where there is none."""
    app_label, _, name = storable(label).partition(".")
    try:
        return ContentType.objects.db_manager(using).get_by_natural_key(app_label, name.lower()).pk
    except ContentType.DoesNotExist:
        return None
