"""Doing now what workers would do in time, inside a test's transaction as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import connections, router
from django.test import TestCase

from ..choices import FeedbackStatus, ReceiptOutcome
from ..clock import DatabaseNow
from ..models import CallbackReceipt, Feedback, ModerationRecord, ProviderState
from ..services.callbacks import apply_waiting_callbacks
from ..services.feedback import send_due_feedback
from ..services.submission import work
from ..services.sweep import record_databases
from .provider import Script

# More than any picture needs with all its attempts: only work that makes work goes on for longer.
MAX_ROUNDS: Final = 100


def settle(script: Script) -> None:
    """
    Do what is due, now or later, until nothing is or a whole round has changed nothing.

    A round that used an answer of the script has changed something. Raises ``RuntimeError`` where there is no end of
    it.
    """
    databases = _open_databases()
    for _ in range(MAX_ROUNDS):
        before = _waiting(databases), len(script.answers)
        _bring_forward(databases)
        for using in databases:
            _work(using)
        if (_waiting(databases), len(script.answers)) == before:
            return
    raise RuntimeError(
        f"After {MAX_ROUNDS} rounds there is still work, and more comes with each. Does a receiver of the signals save "
        "another picture each time?"
    )


@contextmanager
def committed(using: str) -> Iterator[None]:
    """Run what waits for the commit of what is done inside, which in the transaction of a ``TestCase`` never comes."""
    begin = len(connections[using].run_on_commit)
    try:
        with TestCase.captureOnCommitCallbacks(using=using, execute=True):
            yield
    finally:
        # Whoever captures around us would run them once more.
        del connections[using].run_on_commit[begin:]


def _open_databases() -> list[str]:
    """Return the databases with records that the test may use; raise as they do where it may use none."""
    found, refusal = [], None
    for using in record_databases():
        try:
            with connections[using].cursor():
                found.append(using)
        except AssertionError as error:
            # So says Django of a database that the test case does not name.
            refusal = refusal or error
    if refusal is not None and not found:
        raise refusal
    return found


def _waiting(databases: Sequence[str]) -> set[tuple[Any, ...]]:
    """Return all that waits to be done, and how far it has come."""
    return {
        (using, name, *row)
        for using in databases
        for name, rows in {
            "record": _records(using).values_list("pk", "status", "attempt_count"),
            "feedback": _feedback(using).values_list("pk", "attempt_count"),
            "receipt": _receipts(using).values_list("pk"),
        }.items()
        for row in rows
    }


def _bring_forward(databases: Sequence[str]) -> None:
    """Let everything that is due later be due now. What was created when stays as it is."""
    later, now = {"due_at__gt": DatabaseNow()}, {"due_at": DatabaseNow()}
    for using in databases:
        _records(using).filter(**later).update(**now)
        _feedback(using).filter(**later).update(**now)
    if (shared := router.db_for_write(ProviderState)) in databases:
        states = ProviderState.objects.using(shared)
        states.filter(retry_at__gt=DatabaseNow()).update(retry_at=DatabaseNow())
        states.update(next_call_at=None)


def _work(using: str) -> None:
    with committed(using):
        apply_waiting_callbacks(using=using)
    # In the order in which they were saved: the test has queued its answers in that order.
    due = ModerationRecord.objects.using(using).due().order_by("pk")
    for public_id in list(due.values_list("public_id", flat=True)):
        with committed(using):
            work(public_id, using=using)
    with committed(using):
        send_due_feedback(using=using)


def _records(using: str) -> Any:
    return ModerationRecord.objects.using(using).filter(due_at__isnull=False)


def _feedback(using: str) -> Any:
    return Feedback.objects.using(using).filter(status=FeedbackStatus.QUEUED)


def _receipts(using: str) -> Any:
    return CallbackReceipt.objects.using(using).filter(outcome=ReceiptOutcome.RECEIVED)
