"""Throwing away old evidence: what is about images that are no longer there, and what nobody will ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from ..choices import ReceiptOutcome, RiskLevel, Status
from ..models import CallbackReceipt, Decision, DetectedLabel, ModerationRecord, ModerationRecordQuerySet
from .walk import BATCH, batches_along


class Kind(StrEnum):
    """What is thrown away."""

    RECORDS = "records"
    """Superseded records, with their labels."""

    RAW = "raw"
    """What providers answered, on superseded records that are kept."""

    RECEIPTS = "receipts"
    """Callbacks that were processed."""


RECORDS: Final = "records"
LABELS: Final = "detected labels"
RAW_ANSWERS: Final = "raw answers"
RECEIPTS: Final = "callback receipts"
COUNTED: Final[Mapping[Kind, Sequence[str]]] = {
    Kind.RECORDS: (RECORDS, LABELS),
    Kind.RAW: (RAW_ANSWERS,),
    Kind.RECEIPTS: (RECEIPTS,),
}
"""What is counted of each kind."""

# What was not processed, or not with success, can still be.
_PROCESSED: Final = (ReceiptOutcome.APPLIED, ReceiptOutcome.REPEATED, ReceiptOutcome.LATE)


def prune(older_than: datetime, kinds: Collection[Kind], *, using: str, is_dry: bool = False) -> Iterator[Counter[str]]:
    """
    Delete superseded records, empty raw answers, delete callback receipts; yield how many of what, portion by portion.

    Records count as old by when they were superseded, answers by when they came, receipts by when they arrived. The
    current record of an image is never touched. Superseded ones are kept where a person decided about them or where
    another record was settled by their verdict; receipts are kept as long as they can still be processed.

    Each portion is a transaction of its own: what was done before an interruption stays done. With ``is_dry`` nothing
    is changed.
    """
    if Kind.RECORDS in kinds:
        yield from _prune_records(older_than, using, is_dry=is_dry)
    if Kind.RAW in kinds:
        yield from _prune_raw(older_than, using, is_dry=is_dry, after_records=Kind.RECORDS in kinds)
    if Kind.RECEIPTS in kinds:
        yield from _prune_receipts(older_than, using, is_dry=is_dry)


def _prune_records(older_than: datetime, using: str, *, is_dry: bool) -> Iterator[Counter[str]]:
    records = ModerationRecord.objects.using(using)
    for pks in _superseded(records, older_than):
        found = list(_deletable(records.filter(pk__in=pks), older_than).values_list("pk", flat=True))
        if is_dry:
            labels = DetectedLabel.objects.using(using).filter(record__in=found)
            yield Counter({RECORDS: len(found), LABELS: labels.count()})
        elif found:
            yield _delete(records.filter(pk__in=found), len(found), older_than)


def _delete(records: ModerationRecordQuerySet, count: int, older_than: datetime) -> Counter[str]:
    """Delete all of the records, or none where somebody refers to one of them meanwhile."""
    with transaction.atomic(using=records.db):
        # A write first: on SQLite a transaction that begins by reading may not get to write.
        CallbackReceipt.objects.using(records.db).filter(record__in=records).update(record=None)
        # Who wants to refer to a row has to wait for its lock.
        list(records.select_for_update().values_list("pk", flat=True))
        if _deletable(records, older_than).count() != count:
            transaction.set_rollback(True, using=records.db)
            return Counter()
        _, deleted = records.only("pk").delete()
    by_model = {ModerationRecord: RECORDS, DetectedLabel: LABELS}
    return Counter({name: deleted.get(model._meta.label, 0) for model, name in by_model.items()})


def _prune_raw(older_than: datetime, using: str, *, is_dry: bool, after_records: bool) -> Iterator[Counter[str]]:
    records = ModerationRecord.objects.using(using)
    for pks in _superseded(records, older_than):
        full = records.filter(pk__in=pks, verdict_at__lt=older_than).exclude(raw={})
        if is_dry and after_records:
            full = full.exclude(pk__in=_deletable(records.filter(pk__in=pks), older_than).values("pk"))
        yield Counter({RAW_ANSWERS: full.count() if is_dry else full.update(raw={})})


def _prune_receipts(older_than: datetime, using: str, *, is_dry: bool) -> Iterator[Counter[str]]:
    receipts = CallbackReceipt.objects.using(using)
    for outcome in _PROCESSED:
        old = receipts.filter(outcome=outcome, received_at__lt=older_than)
        for pks in batches_along(old, "received_at", BATCH):
            yield Counter({RECEIPTS: len(pks) if is_dry else receipts.filter(pk__in=pks).delete()[0]})


def _superseded(records: ModerationRecordQuerySet, older_than: datetime) -> Iterator[list[Any]]:
    """Yield the keys of what may be old enough, along an index: nothing is judged or superseded before it begins."""
    for risk_level in ("", *RiskLevel.values):
        alike = records.filter(status=Status.SUPERSEDED, risk_level=risk_level, created_at__lt=older_than)
        yield from batches_along(alike, "created_at", BATCH)


def _deletable(records: ModerationRecordQuerySet, older_than: datetime) -> ModerationRecordQuerySet:
    decisions = Decision.objects.filter(record=OuterRef("pk"))
    reuses = ModerationRecord.objects.filter(reused_from=OuterRef("pk"))
    return records.filter(~Exists(decisions), ~Exists(reuses), settled_at__lt=older_than)
