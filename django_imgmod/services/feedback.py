"""
Telling providers what people decided: an outbox, so that nothing is lost and nobody waits.

A message is queued in the transaction of its decision and sent later, at least once. What became of it stays on the
``Feedback`` row.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ..choices import ErrorCode, FeedbackStatus, Outcome
from ..clock import DatabaseNow
from ..exceptions import ImgmodConfigurationError, ProviderError, ProviderRefused, UnsupportedOperation
from ..models import Decision, Feedback, ModerationRecord
from ..providers import providers
from ..redaction import in_words
from ..results import FeedbackMessage, ImageSource
from ..signals import feedback_sent
from .announcements import announce
from .backoff import MAX_ATTEMPTS, delay_after, delay_while_held
from .claims import LEASE
from .gate import allowance, calling, is_outage
from .provider_states import NotAdmitted
from .sources import judged_source_for
from .storable import storable

logger = logging.getLogger("django_imgmod")

# Time to take a decision back before the provider learns of it.
GRACE: Final = timedelta(seconds=10)
MAX_LABELS: Final = 20


def queue_feedback(decision: Decision) -> Feedback:
    """Queue a decision for the provider that judged its record. Called in the decision's transaction."""
    using = decision._state.db
    record = decision.record
    # The provider knows the submission that the verdict came from, not those that were spared, one after the other.
    judged = record
    while judged.reused_from:
        judged = judged.reused_from
    seen = judged.detected_labels.order_by("-confidence", "pk").values_list("label", "source")[:MAX_LABELS]
    source_of = dict(reversed(seen))
    carrier = _carrier_of(judged.provider)
    message = FeedbackMessage(
        data_id=str(judged.public_id),
        reference=judged.reference if carrier == judged.provider else "",
        outcome=Outcome(decision.outcome),
        labels=tuple(dict.fromkeys(label for label, _ in seen)),
        sources=tuple(source_of[label] for label in dict.fromkeys(label for label, _ in seen)),
        note=decision.comment or decision.reason_code,
    )
    return Feedback.objects.using(using).create(
        decision=decision, provider=carrier, payload=asdict(message), due_at=DatabaseNow() + GRACE
    )


def withdraw_feedback(decision: Decision) -> bool:
    """
    Take back what was not told to the provider yet; return whether it has, or may have, learnt of the decision.

    Called in the transaction in which the decision is taken back. An attempt that is under way ends without a trace.
    """
    messages = Feedback.objects.using(decision._state.db).filter(decision=decision)
    messages.filter(status=FeedbackStatus.QUEUED).update(status=FeedbackStatus.WITHDRAWN, due_at=None)
    may_know = Q(status=FeedbackStatus.ACCEPTED) | Q(status=FeedbackStatus.WITHDRAWN, attempt_count__gt=0)
    return messages.filter(may_know).exists()


def _carrier_of(provider: str) -> str:
    """Return the provider that is told what was decided about another's verdicts, mostly the same one."""
    try:
        return providers[provider].feedback_provider
    except ImgmodConfigurationError:
        # No reason to refuse the decision: the message waits, and says what is wrong.
        return provider


def send_due_feedback(*, using: str, limit: int = 100, patience: float = 0) -> int:
    """Send what is due, the longest due first, at most ``limit`` messages; return how many were tried."""
    due = _queued(using).filter(due_at__lte=DatabaseNow()).order_by("due_at")
    count = 0
    for pk, provider in list(due.values_list("pk", "provider")[:limit]):
        if allowance(provider, 1) and (feedback := _claim(pk, using)):
            _send(feedback, patience)
            count += 1
    return count


def _queued(using: str | None) -> QuerySet[Feedback]:
    return Feedback.objects.using(using).filter(status=FeedbackStatus.QUEUED)


def _claim(pk: int, using: str) -> Feedback | None:
    """Begin an attempt: the message comes due again by itself, should this process die."""
    due = _queued(using).filter(pk=pk, due_at__lte=DatabaseNow())
    if not due.update(due_at=DatabaseNow() + LEASE, attempt_count=F("attempt_count") + 1):
        return None
    return Feedback.objects.using(using).select_related("decision__record").filter(pk=pk).first()


def _send(feedback: Feedback, patience: float) -> None:
    provider = feedback.provider
    try:
        if feedback.attempt_count > MAX_ATTEMPTS:
            raise ProviderRefused(
                f"Sending it was begun {MAX_ATTEMPTS} times and never ended: the worker died each time.",
                code=ErrorCode.INTERNAL,
            )
        message = _message(feedback.payload)
        with calling(provider, patience=patience):
            providers[provider].send_feedback(message, lambda: _judged_source(feedback, message))
    except NotAdmitted as held:
        _postpone(feedback, delay_while_held(held.retry_after), attempt_count=feedback.attempt_count - 1)
    except UnsupportedOperation as error:
        _close(feedback, FeedbackStatus.UNSUPPORTED, error_message=str(error))
    except ProviderError as error:
        _fail(feedback, error.code, str(error), is_final=not error.retryable, retry_after=error.retry_after)
    except ImgmodConfigurationError as error:
        _fail(feedback, ErrorCode.CONFIGURATION, str(error))
    except Exception as error:
        logger.exception("feedback=failed id=%s record=%s", feedback.pk, feedback.decision.record.public_id)
        _fail(feedback, ErrorCode.INTERNAL, in_words(error))
    else:
        _close(feedback, FeedbackStatus.ACCEPTED, error_code="", error_message="")


def _judged_source(feedback: Feedback, message: FeedbackMessage) -> ImageSource | None:
    rows = ModerationRecord.objects.using(feedback._state.db)
    judged = rows.filter(public_id=message.data_id).first()
    return None if judged is None else judged_source_for(providers[feedback.provider], judged)


def _message(payload: Mapping[str, Any]) -> FeedbackMessage:
    """Return what ``queue_feedback`` put into the queue."""
    lists = {name: tuple(payload.get(name, ())) for name in ("labels", "sources")}
    return FeedbackMessage(**{**payload, **lists, "outcome": Outcome(payload["outcome"])})


def _fail(
    feedback: Feedback, error_code: str, error_message: str, *, is_final: bool = False, retry_after: float | None = None
) -> None:
    attempt_count = feedback.attempt_count
    if is_outage(feedback.provider, error_code):
        is_final, attempt_count = False, attempt_count - 1
    kept = {"error_code": error_code, "error_message": error_message}
    if is_final or attempt_count >= MAX_ATTEMPTS:
        _close(feedback, FeedbackStatus.REFUSED, **kept)
    else:
        delay = delay_after(feedback.attempt_count, wish=retry_after)
        _postpone(feedback, delay, attempt_count=attempt_count, **kept)


def _postpone(feedback: Feedback, delay: timedelta, **changes: Any) -> None:
    _ours(feedback).update(due_at=DatabaseNow() + delay, **storable(changes))


def _close(feedback: Feedback, status: FeedbackStatus, **changes: Any) -> None:
    record = feedback.decision.record
    changes = {**storable(changes), "status": status, "due_at": None, "sent_at": timezone.now()}
    with transaction.atomic(using=feedback._state.db):
        if not _ours(feedback).update(**changes):
            return
        for name, value in changes.items():
            setattr(feedback, name, value)
        announce(feedback_sent, record, feedback=feedback)
    level = logging.WARNING if status == FeedbackStatus.REFUSED else logging.INFO
    message = "feedback=%s id=%s record=%s provider=%s message=%r"
    logger.log(level, message, status, feedback.pk, record.public_id, feedback.provider, feedback.error_message)


def _ours(feedback: Feedback) -> QuerySet[Feedback]:
    """Return the row as long as nobody else began an attempt and it was not withdrawn."""
    return _queued(feedback._state.db).filter(pk=feedback.pk, attempt_count=feedback.attempt_count)
