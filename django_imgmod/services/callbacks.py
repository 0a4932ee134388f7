"""
What a provider tells us unasked.

Stored first, as it came, then applied: a failure in between loses nothing. Whoever calls has found it authentic.
"""

from __future__ import annotations

import logging

from django.core.exceptions import ValidationError

from ..choices import ReceiptOutcome
from ..models import CallbackReceipt, ModerationRecord
from ..results import Callback
from .storable import storable
from .sweep import record_databases
from .verdicts import apply_verdict

logger = logging.getLogger("django_imgmod")


def receive_callback(provider: str, body: str, callback: Callback) -> CallbackReceipt:
    """
    Keep an authentic callback and apply its verdict; return the receipt, which says what became of it.

    Raises only where it could not be stored: the provider should then try again. What fails afterwards is on the
    receipt, to be repeated. A repetition, or a verdict for a record that moved on, changes nothing.
    """
    record = _record_of(callback.data_id, provider)
    using = record._state.db if record else record_databases()[0]
    receipt = CallbackReceipt.objects.using(using).create(provider=provider, body=storable(body), record=record)
    apply_receipt(receipt, callback)
    return receipt


def apply_receipt(receipt: CallbackReceipt, callback: Callback) -> None:
    """Apply a stored callback, again or for the first time, and write what became of it on its receipt."""
    record = receipt.record
    try:
        if record is None:
            raise LookupError(f'There is no record {callback.data_id} of provider "{receipt.provider}".')
        if apply_verdict(record, callback.verdict):
            receipt.outcome = ReceiptOutcome.APPLIED
        else:
            receipt.outcome = ReceiptOutcome.REPEATED if _was_applied(record) else ReceiptOutcome.LATE
        receipt.error_message = ""
    except Exception as error:
        logger.exception("callback=failed receipt=%s data_id=%s", receipt.pk, callback.data_id)
        receipt.outcome = ReceiptOutcome.FAILED
        receipt.error_message = storable(f"{type(error).__name__}: {error}")
    receipt.save(update_fields=["outcome", "error_message"])
    logger.info("callback=%s receipt=%s data_id=%s", receipt.outcome, receipt.pk, callback.data_id)


def _record_of(data_id: str, provider: str) -> ModerationRecord | None:
    for using in record_databases():
        try:
            record = ModerationRecord.objects.using(using).filter(public_id=data_id, provider=provider).first()
        except ValidationError:
            return None
        if record is not None:
            return record
    return None


def _was_applied(record: ModerationRecord) -> bool:
    return record.callback_receipts.filter(outcome=ReceiptOutcome.APPLIED).exists()
