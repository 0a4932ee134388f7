"""
What a provider tells us unasked.

Stored first, as it came, then applied: a failure in between loses nothing. Whoever calls has found it authentic.
"""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import parse_qsl

from django.core.exceptions import ValidationError
from django.db import connections, transaction
from django.db.models import QuerySet

from ..choices import ReceiptOutcome, Status
from ..clock import DatabaseNow
from ..exceptions import CallbackRefused, ImgmodConfigurationError
from ..models import CallbackReceipt, ModerationRecord
from ..providers import providers
from ..redaction import in_words
from ..results import Callback
from ..seeds import acceptable_seeds
from ..signals import callback_stored
from .deadlocks import repeat
from .probe import PREFIX
from .receipts import insert_receipt
from .storable import storable
from .sweep import record_databases
from .verdicts import apply_verdict, was_settled_by

logger = logging.getLogger("django_imgmod")

# What may still be applied.
UNSETTLED: Final = (ReceiptOutcome.RECEIVED, ReceiptOutcome.FAILED)
# On the receipt of a callback that is about no record, for imgmod_doctor asked for it.
TRIAL: Final = "A test of imgmod_doctor."
# The providers send two or three; a million would keep a process busy for seconds.
MAX_FIELDS: Final = 100


def authenticate_callback(provider: str, body: str) -> Callback:
    """
    Return what a callback says, found authentic without asking the database anything.

    ``body`` is the form as it was sent. Raises ``CallbackRefused`` where it is not authentic,
    ``ImgmodConfigurationError`` where there is no such provider.
    """
    reader = providers[provider]
    try:
        fields = dict(parse_qsl(body, keep_blank_values=True, errors="replace", max_num_fields=MAX_FIELDS))
        return reader.read_callback(fields, lambda data_id: acceptable_seeds(provider, data_id))
    except (CallbackRefused, ImgmodConfigurationError):
        raise
    except Exception as error:
        # Whatever a stranger can make it stumble over. The error's own words would quote what they sent.
        raise CallbackRefused(f"{reader!r} cannot read it: {type(error).__name__}.") from error


def receive_callback(provider: str, body: str, callback: Callback) -> CallbackReceipt:
    """
    Keep an authentic callback and return its receipt; the configured dispatcher sees to it that it is applied.

    Raises only where it could not be stored: the provider should then try again. What fails afterwards is on the
    receipt, to be repeated. A repetition, or a verdict for a record that moved on, changes nothing.
    """
    using = _database_of(callback.data_id, provider)
    receipt = CallbackReceipt(provider=provider, body=storable(body))
    is_trial = callback.data_id.startswith(PREFIX)
    if is_trial:
        # Kept like any other, and nothing to be applied: there is no such record.
        receipt.outcome, receipt.error_message = ReceiptOutcome.LATE, TRIAL
    insert_receipt(receipt, using=using)
    if not is_trial:
        callback_stored.send_robust(CallbackReceipt, receipt=receipt, callback=callback)
    return receipt


def apply_waiting_callbacks(*, using: str, limit: int = 100) -> int:
    """Apply what was stored and not applied yet, the oldest first, at most ``limit``; return how many there were."""
    waiting = CallbackReceipt.objects.using(using).filter(outcome=ReceiptOutcome.RECEIVED).order_by("received_at")
    return sum(replay_callback(receipt) for receipt in list(waiting[:limit]))


def replay_callback(receipt: CallbackReceipt) -> bool:
    """
    Apply a stored callback from its body; return False where it is settled already, or another process is at it.

    It must still be authentic: under a SECRET_KEY, or one of its fallbacks, that it was asked for with.
    """
    try:
        callback = authenticate_callback(receipt.provider, receipt.body)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is kept and logged
        return _fail(receipt, error, "-")
    return apply_receipt(receipt, callback)


def apply_receipt(receipt: CallbackReceipt, callback: Callback) -> bool:
    """
    Apply a stored callback and write what became of it on its receipt, both or neither.

    Returns False where that was done before, or is being done by another process.
    """
    using = str(receipt._state.db)
    try:
        is_ours = repeat(lambda: _settle(receipt, callback, using), using=using)
    except Exception as error:  # noqa: BLE001 - likewise
        return _fail(receipt, error, callback.data_id, record=_record_of(callback.data_id, receipt.provider, using))
    if is_ours:
        logger.info("callback=%s receipt=%s data_id=%s", receipt.outcome, receipt.pk, callback.data_id)
    return is_ours


def _settle(receipt: CallbackReceipt, callback: Callback, using: str) -> bool:
    # Outside: a transaction of SQLite that begins by reading is refused at its first write, if another process wrote.
    record = _record_of(callback.data_id, receipt.provider, using)
    if record is None:
        raise LookupError(f'There is no record {callback.data_id} of provider "{receipt.provider}".')
    with transaction.atomic(using=using):
        # Before the record is touched: another process that means the same one waits here, and then finds it settled.
        # What is written is what becomes of nearly all of them, which saves a second statement.
        if not _write(receipt, outcome=ReceiptOutcome.APPLIED, record=record, error_message=""):
            return False
        outcome = _apply(record, callback)
        if outcome != ReceiptOutcome.APPLIED:
            receipt.outcome = outcome
            receipt.save(update_fields=["outcome"])
    return True


def _apply(record: ModerationRecord, callback: Callback) -> ReceiptOutcome:
    verdict = callback.read_verdict()
    if verdict is None:
        # There is news, but no verdict: the record is asked for now, and whatever is wrong is said there.
        open_rows = ModerationRecord.objects.using(record._state.db).filter(pk=record.pk, status=Status.SUBMITTED)
        return ReceiptOutcome.APPLIED if open_rows.update(due_at=DatabaseNow()) else ReceiptOutcome.LATE
    if apply_verdict(record, verdict):
        return ReceiptOutcome.APPLIED
    return ReceiptOutcome.REPEATED if was_settled_by(record, verdict) else ReceiptOutcome.LATE


def _fail(receipt: CallbackReceipt, error: Exception, data_id: str, **changes: object) -> bool:
    logger.error("callback=failed receipt=%s data_id=%s", receipt.pk, data_id, exc_info=error)
    error_message = storable(in_words(error))
    _write(receipt, outcome=ReceiptOutcome.FAILED, error_message=error_message, **changes)
    return True


def _write(receipt: CallbackReceipt, **changes: object) -> bool:
    """Write on a receipt what became of it, unless it is settled already; return whether it was not."""
    if not _unsettled(receipt).update(**changes):
        return False
    for name, value in changes.items():
        setattr(receipt, name, value)
    return True


def _unsettled(receipt: CallbackReceipt) -> QuerySet[CallbackReceipt]:
    rows = CallbackReceipt.objects.using(receipt._state.db)
    return rows.filter(pk=receipt.pk, outcome__in=UNSETTLED)


def _database_of(data_id: str, provider: str) -> str:
    """Return where the receipt is to be kept: beside the record; of one database there is nothing to be asked."""
    databases = list(connections)
    if len(databases) > 1:
        databases = record_databases()
    if len(databases) == 1:
        return databases[0]
    return next((using for using in databases if _record_of(data_id, provider, using)), databases[0])


def _record_of(data_id: str, provider: str, using: str) -> ModerationRecord | None:
    try:
        return ModerationRecord.objects.using(using).filter(public_id=data_id, provider=provider).first()
    except ValidationError:
        return None
