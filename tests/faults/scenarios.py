"""What a process is doing when it is killed, and what must hold once others have gone on."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import requests
from django.contrib.auth import get_user_model
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db.models import F

from django_imgmod.choices import Circuit, ErrorCode, FeedbackStatus, Outcome, ReceiptOutcome, Status
from django_imgmod.clock import DatabaseNow
from django_imgmod.models import (
    CallbackReceipt,
    Decision,
    Feedback,
    ModerationRecord,
    ProviderSlot,
    ProviderState,
    ReconcilePass,
)
from django_imgmod.services import passes
from django_imgmod.services.backoff import MAX_ATTEMPTS
from django_imgmod.services.callbacks import apply_waiting_callbacks, authenticate_callback, receive_callback
from django_imgmod.services.circuit import FAILURES_TO_OPEN
from django_imgmod.services.decisions import decide
from tests.hostapp.models import Photo

from .provider import callback_body
from .server import level_of

INLINE = "django_imgmod.dispatch.InlineDispatcher"
SWEEP = "django_imgmod.dispatch.SweepDispatcher"
STATUSES = {"high": Status.BLOCKED, "medium": Status.IN_REVIEW, "low": Status.PASSED, "none": Status.PASSED}
# All times that processes go by.
TIMES: Sequence[tuple[type[Any], Sequence[str]]] = (
    (ModerationRecord, ("due_at", "lease_until")),
    (Feedback, ("due_at",)),
    (ProviderState, ("retry_at", "next_call_at")),
    (ProviderSlot, ("free_at",)),
    (ReconcilePass, ("due_at",)),
)
SECONDS = 10.0


class Server:
    """The fault server, which runs in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._count = 0

    def behave(self, path: str, name: str, **options: Any) -> None:
        answer = requests.post(f"{self.url}/behave", json={"path": path, "name": name, **options}, timeout=SECONDS)
        answer.raise_for_status()

    def new_entries(self) -> list[dict[str, Any]]:
        """Return the requests that arrived since this was last asked."""
        entries = requests.get(f"{self.url}/log?after={self._count}", timeout=SECONDS).json()["entries"]
        self._count += len(entries)
        return list(entries)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload(*levels: str) -> None:
    """Save a photo for each risk level that its bytes are to have; "same" are the bytes of the one before."""
    content = b""
    for level in levels:
        while level != "same" and (not content or level_of(digest(content)) != level):
            content = uuid.uuid4().bytes
        Photo.objects.create(image=ContentFile(content, name="photo.png"))


def upload_unseen(*levels: str) -> None:
    """Do so in a way that the app does not see."""
    upload(*levels)
    ModerationRecord.objects.all().delete()


def replace() -> None:
    """Be the uploader, who takes other pictures."""
    for photo in Photo.objects.all():
        photo.image = ContentFile(uuid.uuid4().bytes, name="other.png")
        photo.save()


def work() -> None:
    call_command("imgmod_worker", once=True, verbosity=0)


def decide_all() -> None:
    """Be the moderator, who goes through the review queue."""
    moderator = get_user_model().objects.get()
    for record in ModerationRecord.objects.filter(status=Status.IN_REVIEW):
        decide(record, Outcome.BLOCK, decided_by=moderator)


def call_back() -> None:
    """Be the provider, which tells its verdict about all that it was given."""
    for record in ModerationRecord.objects.exclude(reference=""):
        level = level_of(record.sha256)
        detections = [{"label": label, "confidence": 90.0} for label in labels_of(level)]
        body = callback_body(record.provider, str(record.public_id), {"risk_level": level, "detections": detections})
        receive_callback(record.provider, body, authenticate_callback(record.provider, body))
    apply_waiting_callbacks(using="default")


def labels_of(level: str) -> list[str]:
    return [] if level == "none" else [f"loopback_{level}"]


def let_pass(length: timedelta) -> None:
    """Let time pass, by setting back all that is set."""
    for model, names in TIMES:
        for name in names:
            rows = model.objects.exclude(**{name: None})
            rows.update(**{name: F(name) - length})


def finish_pass() -> None:
    """Have all rows and records compared, so that they are not looked at again for a period."""
    for _ in range(3):
        work()
        let_pass(passes.PAUSE)
    assert not ReconcilePass.objects.filter(finished_at=None).exists()


let_period_pass = partial(let_pass, passes.PERIOD)


def put_circuit(circuit: Circuit, failure_count: int) -> None:
    """Let the provider have failed so often, lastly just now, at the end of its pause."""
    failure = {"error_code": ErrorCode.UNAVAILABLE, "error_message": "It was down."}
    retry_at = None if circuit == Circuit.CLOSED else DatabaseNow()
    ProviderState.objects.update_or_create(
        provider="default",
        defaults={"circuit": circuit, "failure_count": failure_count, "retry_at": retry_at, **failure},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """One way in which a process can be killed."""

    name: str
    act: Callable[[], None] = work
    """What it is doing."""
    before: Sequence[Callable[[], None]] = ()
    """What was there."""
    again: Callable[[], None] | None = None
    """What others do about it, beside the workers: the moderator, the provider that calls back. Or time passes."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The provider's."""
    dispatcher: str = SWEEP
    failure_count: int = 0
    """So many submissions fail."""

    def settings(self, url: str) -> dict[str, Any]:
        backend = "tests.faults.provider.LoopbackProvider"
        return {
            "PROVIDERS": {"default": {"BACKEND": backend, "OPTIONS": {"url": url, **self.options}}},
            "FIELDS": ["hostapp.Photo.image"],
            "DISPATCHER": self.dispatcher,
        }


POLLED = {"mode": "async"}
CALLED_BACK = {"mode": "async", "poll_after": None}

SCENARIOS = (
    Scenario(name="submit, verdict at once", before=[partial(upload, "high", "low")]),
    Scenario(name="submit, result later", before=[partial(upload, "medium", "none")], options=POLLED),
    Scenario(name="the same bytes", before=[partial(upload, "high", "same")]),
    Scenario(name="the same bytes, result later", before=[partial(upload, "medium", "same")], options=POLLED),
    Scenario(name="rate", before=[partial(upload, "high", "none")], options={"qps": 50}),
    Scenario(
        name="circuit opens",
        before=[partial(upload, "high", "low"), partial(put_circuit, Circuit.CLOSED, FAILURES_TO_OPEN - 1)],
        failure_count=1,
    ),
    Scenario(
        name="probe fails",
        before=[partial(upload, "high"), partial(put_circuit, Circuit.OPEN, FAILURES_TO_OPEN)],
        failure_count=1,
    ),
    Scenario(
        name="probe succeeds", before=[partial(upload, "high"), partial(put_circuit, Circuit.OPEN, FAILURES_TO_OPEN)]
    ),
    Scenario(name="upload", before=[finish_pass], act=partial(upload, "high", "none"), again=let_period_pass),
    Scenario(
        name="upload, judged inline",
        before=[finish_pass],
        act=partial(upload, "high"),
        again=let_period_pass,
        dispatcher=INLINE,
    ),
    Scenario(name="comparison", before=[finish_pass, partial(upload_unseen, "high", "none"), let_period_pass]),
    Scenario(name="replacement", before=[partial(upload, "none"), finish_pass], act=replace, again=let_period_pass),
    Scenario(name="decision", before=[partial(upload, "medium"), work], act=decide_all, again=decide_all),
    Scenario(
        name="feedback",
        before=[partial(upload, "medium"), work, decide_all, partial(let_pass, timedelta(minutes=1))],
    ),
    Scenario(
        name="callback",
        before=[partial(upload, "high"), work],
        act=call_back,
        again=call_back,
        options=CALLED_BACK,
    ),
    Scenario(
        name="callback too late",
        before=[partial(upload, "high"), work, replace],
        act=call_back,
        again=call_back,
        options=CALLED_BACK,
    ),
)


class Violation(NamedTuple):
    kind: str
    """ "lost", "contradictory" or "repeated"."""
    what: str


def violations(entries: Sequence[Mapping[str, Any]], kill_count: int) -> Iterator[Violation]:
    """Yield what is wrong once all work is done; ``entries`` are the requests that the provider got."""
    for photo in Photo.objects.all():
        yield from _of_photo(photo)
    for record in ModerationRecord.objects.all():
        yield from _of_record(record)
    for decision in Decision.objects.all():
        yield from _of_decision(decision, entries, kill_count)
    for receipt in CallbackReceipt.objects.filter(outcome=ReceiptOutcome.FAILED):
        yield Violation("lost", f"callback failed: {receipt.error_message}")
    if (repeated := repeated_calls(entries)) > kill_count:
        yield Violation("repeated", f"the provider was paid {repeated} times too often after {kill_count} kills")


def repeated_calls(entries: Sequence[Mapping[str, Any]]) -> int:
    """Return how many judgements were paid for beyond the first of the same bytes."""
    paid = Counter(entry["sha256"] for entry in entries if (entry["path"], entry["behaviour"]) == ("submit", "ok"))
    return paid.total() - len(paid)


def _of_photo(photo: Photo) -> Iterator[Violation]:
    records = list(ModerationRecord.objects.for_field(Photo, [str(photo.pk)], "image"))
    if [record.file_name for record in records] != [photo.image.name]:
        yield Violation("lost", f"photo {photo.pk} has {len(records)} current records, or of another file")
        return
    [record] = records
    with photo.image.open() as file:
        level = level_of(digest(file.read()))
    is_decided = Decision.objects.filter(record=record).exists()
    expected = Status.BLOCKED if is_decided else STATUSES[level]
    if record.is_open:
        yield Violation("lost", f"{_seen(record)} is still waiting")
    elif (record.status, record.risk_level) != (expected, level):
        yield Violation("contradictory", f"{_seen(record)} should be {expected} by a verdict of {level}")


def _of_record(record: ModerationRecord) -> Iterator[Violation]:
    labels = list(record.detected_labels.values_list("label", flat=True))
    if labels != (labels_of(record.risk_level) if record.verdict_at else []):
        yield Violation("contradictory", f"{_seen(record)} has the labels {labels}")
    if not record.is_open and (record.due_at or record.lease_until):
        yield Violation("lost", f"{_seen(record)} is settled, and still due or leased")
    if record.attempt_count > MAX_ATTEMPTS:
        yield Violation("repeated", f"{_seen(record)} was begun {record.attempt_count} times")


def _of_decision(decision: Decision, entries: Sequence[Mapping[str, Any]], kill_count: int) -> Iterator[Violation]:
    if Decision.objects.filter(record=decision.record).count() != 1:
        yield Violation("contradictory", f"{_seen(decision.record)} was decided more than once")
    feedback = [(row.status, row.attempt_count) for row in Feedback.objects.filter(decision=decision)]
    data_id = str(decision.record.public_id)
    sent = sum((entry["path"], entry["data_id"]) == ("feedback", data_id) for entry in entries)
    if len(feedback) != 1 or feedback[0][0] != FeedbackStatus.ACCEPTED or not sent:
        yield Violation("lost", f"feedback of {_seen(decision.record)} is {feedback}, sent {sent} times")
    elif max(sent, feedback[0][1]) > 1 + kill_count:
        yield Violation("repeated", f"feedback of {_seen(decision.record)} is {feedback}, sent {sent} times")


def _seen(record: ModerationRecord) -> str:
    return (
        f"record {record.pk} ({record.status}, {record.risk_level or 'no verdict'}, {record.error_code or 'no error'})"
    )
