"""
Doing a record's work: submit it, or ask for the answer to an earlier submission.

Each piece of work is claimed by one conditional UPDATE and held by a lease, so that any number of processes may try.
The provider is called outside transactions. Every failure ends on the record: as a later attempt while the budget
lasts, then as the policy's ``on_error``.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import threading
import uuid
from datetime import timedelta
from typing import Any, Final

from django.db.models import F
from django.utils import timezone

from ..choices import ErrorCode, Status
from ..exceptions import ImgmodConfigurationError, ProviderError, ProviderProtocolError, ProviderRefused, RecordConflict
from ..models import REFERENCE_LENGTH, SERVICE_LENGTH, ModerationRecord
from ..providers import providers
from ..results import Submission
from .announcements import announce_status
from .reuse import reuse
from .sources import read_source
from .storable import storable
from .transitions import change_status
from .twins import begin_submission, is_submission_under_way, wake_twins
from .verdicts import apply_verdict, give_up

logger = logging.getLogger("django_imgmod")

LEASE: Final = timedelta(minutes=5)
MAX_ATTEMPTS: Final = 8
FIRST_DELAY: Final = 15.0
MAX_DELAY: Final = 3600.0
POLL_INTERVAL: Final = 30.0
# How long an asynchronous answer is waited for.
MAX_WAIT: Final = timedelta(days=3)


def work(public_id: uuid.UUID, *, using: str) -> bool:
    """
    Do what is due on one record; return whether there was anything to do.

    Never raises because of the record, its file or its provider: this is the border at which every failure becomes
    a line in the log and a fact on the record.
    """
    record = claim(public_id, using=using)
    if record is None:
        return False
    try:
        if record.attempt_count > MAX_ATTEMPTS:
            # Whoever fails says so; whoever is killed does not, and would be killed again.
            raise ProviderRefused(
                f'Judging the file "{record.file_name}" was begun {MAX_ATTEMPTS} times and never ended: the worker '
                "died each time. Look into its log, and for a lack of memory.",
                code=ErrorCode.INTERNAL,
            )
        if record.status == Status.PENDING:
            _submit(record)
        else:
            _poll(record)
    except RecordConflict as conflict:
        logger.info("work=overtaken record=%s %s", record.public_id, conflict)
    except ProviderError as error:
        _fail(record, error.code, str(error), is_final=not error.retryable, retry_after=error.retry_after)
    except ImgmodConfigurationError as error:
        _fail(record, ErrorCode.CONFIGURATION, str(error))
    except Exception as error:
        logger.exception("work=failed record=%s file=%r", record.public_id, record.file_name)
        _fail(record, ErrorCode.INTERNAL, f"{type(error).__name__}: {error}")
    return True


def claim(public_id: uuid.UUID, *, using: str) -> ModerationRecord | None:
    """Lease a record that has work due; None where it has none, or somebody else holds it."""
    records = ModerationRecord.objects.using(using)
    owner = f"{socket.gethostname()[:40]}:{os.getpid()}:{threading.get_ident()}:{uuid.uuid4().hex[:8]}"
    leased = records.due().order_by().filter(public_id=public_id)
    if not leased.update(lease_owner=owner, lease_until=timezone.now() + LEASE, attempt_count=F("attempt_count") + 1):
        return None
    return records.select_related("content_type").filter(public_id=public_id, lease_owner=owner).first()


def _submit(record: ModerationRecord) -> None:
    provider = providers[record.provider]
    try:
        source = read_source(record, max_bytes=provider.max_bytes)
    except FileNotFoundError:
        change_status(record, Status.SUPERSEDED, reason="the file is not there any more")
        return
    known: dict[str, Any] = {
        "sha256": source.sha256,
        "byte_count": source.byte_count,
        "image_format": source.facts.image_format,
        "width": source.facts.width,
        "height": source.facts.height,
        "frame_count": source.facts.frame_count,
        "service": provider.service[:SERVICE_LENGTH],
    }
    # Written first, so that they are there to be seen whatever happens next.
    ModerationRecord.objects.using(record._state.db).filter(pk=record.pk).update(**known)
    for name, value in known.items():
        setattr(record, name, value)
    if not begin_submission(record):
        _wait_for_twin(record)
    elif not reuse(record):
        _accept(record, provider.submit(source))


def _wait_for_twin(record: ModerationRecord) -> None:
    """Leave the judgement to another record of the same bytes. That is no failed attempt."""
    # The twin wakes us; the delay is for the case that it dies.
    _postpone(record, LEASE.total_seconds(), attempt_count=0, error_code="", error_message="")
    if not is_submission_under_way(record):
        # It was settled before we lay down, and has woken nobody.
        wake_twins(record)


def _accept(record: ModerationRecord, submission: Submission) -> None:
    now = timezone.now()
    if submission.verdict is not None:
        apply_verdict(record, submission.verdict, reference=submission.reference[:REFERENCE_LENGTH], submitted_at=now)
        return
    if len(submission.reference) > REFERENCE_LENGTH:
        raise ProviderProtocolError(f'Provider "{record.provider}" gave a reference that is too long to be kept.')
    change_status(
        record,
        Status.SUBMITTED,
        reference=submission.reference,
        submitted_at=now,
        due_at=None if submission.poll_after is None else now + timedelta(seconds=submission.poll_after),
        lease_until=None,
        lease_owner="",
        attempt_count=0,
        error_code="",
        error_message="",
    )
    announce_status(record)


def _poll(record: ModerationRecord) -> None:
    verdict = providers[record.provider].fetch(record.reference)
    if verdict is not None:
        apply_verdict(record, verdict)
    elif record.submitted_at and timezone.now() - record.submitted_at > MAX_WAIT:
        give_up(
            record,
            error_code=ErrorCode.UNAVAILABLE,
            error_message=f'Provider "{record.provider}" gave no verdict in {MAX_WAIT.days} days.',
        )
    else:
        # Asking in vain is no failure: only failures in a row use up the budget.
        _postpone(record, POLL_INTERVAL, attempt_count=0)


def _fail(
    record: ModerationRecord,
    error_code: str,
    error_message: str,
    *,
    is_final: bool = False,
    retry_after: float | None = None,
) -> None:
    """Keep a failure on the record: as a later attempt, or as the policy's ``on_error`` where there is none left."""
    is_final = is_final or record.attempt_count >= MAX_ATTEMPTS
    logger.warning(
        "work=%s record=%s file=%r provider=%s error=%s attempt=%d message=%r",
        "given_up" if is_final else "postponed",
        record.public_id,
        record.file_name,
        record.provider,
        error_code,
        record.attempt_count,
        error_message,
    )
    try:
        if is_final:
            give_up(record, error_code=error_code, error_message=error_message)
        else:
            delay = max(_backoff(record.attempt_count), retry_after or 0)
            _postpone(record, delay, error_code=error_code, error_message=error_message)
    except RecordConflict as conflict:
        logger.info("work=overtaken record=%s %s", record.public_id, conflict)


def _postpone(record: ModerationRecord, delay: float, **changes: Any) -> None:
    """Give the lease back and name the time of the next attempt, ``delay`` seconds from now."""
    ModerationRecord.objects.using(record._state.db).filter(
        pk=record.pk, status=record.status, version=record.version, lease_owner=record.lease_owner
    ).update(due_at=timezone.now() + timedelta(seconds=delay), lease_until=None, lease_owner="", **storable(changes))


def _backoff(attempt_count: int) -> float:
    """Seconds until the next attempt: doubling, and spread so that an outage does not end in a stampede."""
    longest = min(FIRST_DELAY * 2**attempt_count, MAX_DELAY)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret
