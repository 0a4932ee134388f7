"""
Doing a record's work: submit it, or ask for the answer to an earlier submission.

Each piece of work is held by a lease, so that any number of processes may try. The provider is called outside
transactions. Every failure ends on the record: as a later attempt while the budget lasts, then as the policy's
``on_error``. What is not the image's own failure, an outage or a rate that is used up, costs it no attempt.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

from ..choices import ErrorCode, Status
from ..clock import DatabaseNow
from ..exceptions import (
    ImgmodConfigurationError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    RecordConflict,
    UnsupportedOperation,
)
from ..models import JUDGED_AS_LENGTH, REFERENCE_LENGTH, SERVICE_LENGTH, ModerationRecord
from ..providers import providers
from ..providers.base import BaseProvider
from ..redaction import in_words
from ..results import ImageSource, Submission, Verdict
from . import gate
from .announcements import announce_status
from .backoff import MAX_ATTEMPTS, delay_after, delay_while_held
from .claims import LEASE, claim, claimed_at
from .deadlocks import repeat
from .prejudging import recall
from .provider_states import NotAdmitted
from .reuse import reuse
from .review.hashes import keep_hash_if_in_review
from .sources import source_for
from .storable import storable
from .transitions import change_status
from .twins import begin_submission, is_submission_under_way, wake_twins
from .verdicts import apply_verdict, give_up

logger = logging.getLogger("django_imgmod")

T = TypeVar("T")

# An answer is asked for the less often, the longer it has been waited for.
POLL_INTERVAL: Final = timedelta(seconds=30)
MAX_POLL_INTERVAL: Final = timedelta(minutes=15)
# How long an asynchronous answer is waited for.
MAX_WAIT: Final = timedelta(days=3)


def work(public_id: uuid.UUID, *, using: str) -> bool:
    """
    Do what is due on one record; return whether there was anything to do.

    Never raises because of the record, its file or its provider.
    """
    record = repeat(lambda: claim(public_id, using=using), using=using)
    if record is None:
        return False
    work_on([record])
    return True


def work_on(records: Sequence[ModerationRecord], *, patience: float = 0) -> None:
    """
    Do what is due on records that were leased and begun; wait at most ``patience`` seconds for the provider's rate.

    All are of one provider and of one status, and no more than it takes in one call.
    """
    sound = []
    for record in records:
        with _kept_on(record):
            _refuse_what_kills(record)
            sound.append(record)
    if sound:
        do = _submit if sound[0].status == Status.PENDING else _poll
        do(sound, patience)


def records_per_call(record: ModerationRecord) -> int:
    """Return how many records, of the status and the provider of this one, ``work_on`` may be given at once."""
    try:
        provider = providers[record.provider]
    except ImgmodConfigurationError:
        # That is the record's trouble, and said there.
        return 1
    return provider.submissions_per_call if record.status == Status.PENDING else provider.fetches_per_call


@contextmanager
def _kept_on(record: ModerationRecord) -> Iterator[None]:
    """Be the border at which every failure becomes a line in the log and a fact on the record."""
    try:
        yield
    except RecordConflict as conflict:
        logger.info("work=overtaken record=%s %s", record.public_id, conflict)
    except NotAdmitted as held:
        _hold(record, held)
    except ProviderError as error:
        _fail(record, error.code, str(error), is_final=not error.retryable, retry_after=error.retry_after)
    except ImgmodConfigurationError as error:
        _fail(record, ErrorCode.CONFIGURATION, str(error))
    except Exception as error:
        logger.exception("work=failed record=%s file=%r", record.public_id, record.file_name)
        _fail(record, ErrorCode.INTERNAL, in_words(error))


def _refuse_what_kills(record: ModerationRecord) -> None:
    """Raise where every attempt was begun and none ended: whoever fails says so, whoever is killed does not."""
    if record.attempt_count > MAX_ATTEMPTS:
        raise ProviderRefused(
            f'Judging the file "{record.file_name}" was begun {MAX_ATTEMPTS} times and never ended: the worker died '
            "each time. Look into its log, and for a lack of memory.",
            code=ErrorCode.INTERNAL,
        )


def _submit(records: Sequence[ModerationRecord], patience: float) -> None:
    prepared = []
    for record in records:
        with _kept_on(record):
            source = _prepare(record)
            if source is not None:
                prepared.append((record, source))
    if not prepared:
        return
    sources = [source for _, source in prepared]
    answers = _ask(records[0].provider, lambda provider: provider.submit_many(sources), len(sources), patience)
    for (record, source), answer in zip(prepared, answers, strict=True):
        with _kept_on(record):
            if isinstance(answer, Exception):
                raise answer
            _accept(record, answer)
        # While the bytes are at hand, for the review desk.
        keep_hash_if_in_review(record, source.content)


def _ask(
    alias: str, call: Callable[[BaseProvider], Sequence[T | ProviderError]], count: int, patience: float
) -> Sequence[T | Exception]:
    """Return what a provider answers about each of several images; the error for each where the call as such fails."""
    try:
        provider = providers[alias]
        with gate.calling(alias, patience=patience):
            answers = call(provider)
        if len(answers) != count:
            raise ProviderProtocolError(f'Provider "{alias}" answered about {len(answers)} images of {count}.')
    except Exception as error:  # noqa: BLE001 - each record keeps it
        return [error] * count
    return answers


def _prepare(record: ModerationRecord) -> ImageSource | None:
    """Return what is to be judged, or None where that is not needed: the record is taken care of then."""
    provider = providers[record.provider]
    try:
        source = source_for(provider, record)
    except FileNotFoundError:
        change_status(record, Status.SUPERSEDED, reason="the file is not there any more")
        return None
    known: dict[str, Any] = {
        "sha256": source.sha256,
        "byte_count": source.byte_count,
        "image_format": source.facts.image_format,
        "width": source.facts.width,
        "height": source.facts.height,
        "frame_count": source.facts.frame_count,
        "service": provider.service[:SERVICE_LENGTH],
    }
    for name, value in known.items():
        setattr(record, name, value)
    # What is known is written first, so that it is there to be seen whatever happens next.
    if not begin_submission(record, **known):
        _wait_for_twin(record)
        return None
    if reuse(record) or _take_known(record, provider, source):
        return None
    return source


def _take_known(record: ModerationRecord, provider: BaseProvider, source: ImageSource) -> bool:
    """Settle a record by what its provider answered when a form asked about these bytes; return whether it did."""
    known = recall(provider, source.sha256)
    if known is None:
        return False
    _accept(record, known)
    keep_hash_if_in_review(record, source.content)
    return True


def _wait_for_twin(record: ModerationRecord) -> None:
    """Leave the judgement to another record of the same bytes. That is no failed attempt."""
    # The twin wakes us; the delay is for the case that it dies.
    _postpone(record, LEASE, attempt_count=0, error_code="", error_message="")
    if not is_submission_under_way(record):
        # It was settled before we lay down, and has woken nobody.
        wake_twins(record)


def _accept(record: ModerationRecord, submission: Submission) -> None:
    reference = submission.reference[:REFERENCE_LENGTH]
    width, height = submission.size or (None, None)
    given: dict[str, Any] = {
        "reference": reference,
        "submitted_at": claimed_at(record),
        "judged_as": submission.judged_as[:JUDGED_AS_LENGTH],
        "judged_width": width,
        "judged_height": height,
    }
    if submission.verdict is not None:
        apply_verdict(record, submission.verdict, **given)
        return
    if reference != submission.reference:
        raise ProviderProtocolError(f'Provider "{record.provider}" gave a reference that is too long to be kept.')
    # Who is not to be asked calls back. Should that be lost, time runs out for it as for everyone.
    pause = MAX_WAIT if submission.poll_after is None else timedelta(seconds=submission.poll_after)
    changes = {
        **given,
        "due_at": DatabaseNow() + pause,
        "lease_until": None,
        "lease_owner": "",
        "attempt_count": 0,
        "error_code": "",
        "error_message": "",
    }
    try:
        repeat(lambda: change_status(record, Status.SUBMITTED, **changes), using=str(record._state.db))
    except RecordConflict:
        # The callback was faster than the answer; feedback still needs the provider's name for the submission.
        rows = ModerationRecord.objects.using(record._state.db)
        rows.filter(pk=record.pk, reference="").update(reference=reference)
        raise
    announce_status(record)


def _poll(records: Sequence[ModerationRecord], patience: float) -> None:
    references = [record.reference for record in records]
    answers = _ask(records[0].provider, lambda provider: provider.fetch_many(references), len(records), patience)
    for record, answer in zip(records, answers, strict=True):
        with _kept_on(record):
            # A provider that cannot be asked had all its time to call back.
            if isinstance(answer, Exception) and not isinstance(answer, UnsupportedOperation):
                raise answer
            _take_answer(record, None if isinstance(answer, Exception) else answer)


def _take_answer(record: ModerationRecord, verdict: Verdict | None) -> None:
    now = claimed_at(record)
    age = now - (record.submitted_at or record.created_at)
    # The first answer after an outage is not the last word, however long that was: the provider may just be at work
    # again. Of most records an outage leaves nothing behind but that nobody asked: the circuit or the site was away.
    is_late = bool(record.error_code) or (record.due_at is not None and now - record.due_at > MAX_POLL_INTERVAL)
    if verdict is not None:
        apply_verdict(record, verdict)
    elif age >= MAX_WAIT and not is_late:
        give_up(
            record,
            error_code=ErrorCode.UNAVAILABLE,
            error_message=f'Provider "{record.provider}" gave no verdict in {MAX_WAIT.days} days.',
        )
    else:
        pause = min(max(age / 10, POLL_INTERVAL), MAX_POLL_INTERVAL)
        # Asking in vain is no failure: only failures in a row use up the budget.
        _postpone(record, pause, attempt_count=0, error_code="", error_message="")


def _hold(record: ModerationRecord, held: NotAdmitted) -> None:
    """Wait, at no cost to the record, until its provider may be called."""
    logger.debug("work=held record=%s provider=%s %s", record.public_id, record.provider, held)
    delay = delay_while_held(held.retry_after)
    _postpone(record, delay, attempt_count=record.attempt_count - 1, error_code=held.code, error_message=held.reason)


def _fail(
    record: ModerationRecord,
    error_code: str,
    error_message: str,
    *,
    is_final: bool = False,
    retry_after: float | None = None,
) -> None:
    """Keep a failure on the record: as a later attempt, or as the policy's ``on_error`` where there is none left."""
    attempt_count = record.attempt_count
    if gate.is_outage(record.provider, error_code):
        is_final, attempt_count = False, attempt_count - 1
    is_final = is_final or attempt_count >= MAX_ATTEMPTS
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
            delay = delay_after(record.attempt_count, wish=retry_after)
            kept = {"error_code": error_code, "error_message": error_message}
            _postpone(record, delay, attempt_count=attempt_count, **kept)
    except RecordConflict as conflict:
        logger.info("work=overtaken record=%s %s", record.public_id, conflict)


def _postpone(record: ModerationRecord, delay: timedelta, **changes: Any) -> None:
    """Give the lease back and name the time of the next attempt."""
    held = ModerationRecord.objects.using(record._state.db).filter(
        pk=record.pk, version=record.version, lease_owner=record.lease_owner
    )
    changes = storable(changes)
    if held.update(due_at=DatabaseNow() + delay, lease_until=None, lease_owner="", **changes):
        for name, value in changes.items():
            setattr(record, name, value)
