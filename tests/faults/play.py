"""One image field of one object, played in the database and in the model side by side, and compared after each step."""

from __future__ import annotations

import itertools
import uuid
from datetime import timedelta
from functools import cache
from typing import Any, Final, NamedTuple

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone

from django_imgmod.choices import Outcome, RiskLevel
from django_imgmod.exceptions import InvalidTransition, ProviderRefused, ProviderThrottled, RecordConflict
from django_imgmod.models import CallbackReceipt, Decision, DetectedLabel, Feedback, ModerationRecord
from django_imgmod.results import Callback, Detection, Submission, Verdict
from django_imgmod.services.callbacks import receive_callback
from django_imgmod.services.decisions import decide
from django_imgmod.services.feedback import send_due_feedback
from django_imgmod.services.submission import work
from tests.hostapp.models import Photo

from .held import Call, Died, HeldDispatcher
from .model import ARROWS, LEVELS, STATUS_OF_OUTCOME, Look, Model, Record, Work

SETTINGS: Final[dict[str, Any]] = {
    "IMGMOD": {
        "PROVIDERS": {"default": {"BACKEND": "tests.faults.held.HeldProvider"}},
        "DISPATCHER": "tests.faults.held.HeldDispatcher",
    },
    "STORAGES": {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    },
}
# The smallest header that says PNG: whoever holds the answers needs no pixels.
PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde"
TABLES: Final = (CallbackReceipt, Feedback, Decision, DetectedLabel, ModerationRecord, Photo)
ROWS: Final = """
    SELECT id, public_id, file_name, status, version, current_key, attempt_count, reference, top_label, error_code,
        lease_owner, (SELECT COUNT(*) FROM django_imgmod_detectedlabel d WHERE d.record_id = r.id),
        (SELECT COUNT(*) FROM django_imgmod_decision d WHERE d.record_id = r.id),
        (SELECT outcome FROM django_imgmod_decision d WHERE d.record_id = r.id ORDER BY id DESC LIMIT 1)
    FROM django_imgmod_moderationrecord r ORDER BY id
"""


@cache
def moderator() -> User:
    """Return the person who decides; ``moderator.cache_clear()`` where the database is another."""
    return User.objects.get_or_create(username="moderator")[0]


class Violation(AssertionError):
    """What happened is not what should have happened."""


class Row(NamedTuple):
    """What a record says in the database."""

    pk: int
    public_id: str
    file_name: str
    status: str
    version: int
    current_key: str | None
    attempt_count: int
    reference: str
    top_label: str
    error_code: str
    lease_owner: str
    label_count: int
    decision_count: int
    last_outcome: str | None

    @property
    def picture(self) -> str:
        return self.file_name[0]

    def as_predicted(self) -> tuple[Any, ...]:
        kept = (self.attempt_count, self.reference, self.label_count == 1, bool(self.error_code))
        return (self.picture, self.status, self.version, *kept, bool(self.lease_owner), self.decision_count)


def _predicted(record: Record) -> tuple[Any, ...]:
    kept = (record.attempt_count, record.reference, record.has_verdict, record.has_error)
    who = (record.holder is not None, len(record.decisions))
    return (record.picture, record.status, record.version, *kept, *who)


class Play:
    """
    The object, saved with picture "a", and everything that can happen to it. Each step compares with the model.

    Steps return whether anything happened; what cannot happen now changes nothing. Raises ``Violation``. With
    ``is_eager`` a worker hears of each new record, takes it at once and stops inside ``submit``.
    """

    def __init__(self, person: User, *, is_eager: bool = False) -> None:
        self.model = Model()
        self.calls: list[tuple[Call, Work]] = []
        """Those under way, the oldest first."""
        self.submitted: list[Record] = []
        """What the provider was asked about, the oldest first; and what it called back about."""
        self.called_back: list[Record] = []
        self.looks: list[tuple[ModerationRecord, Look]] = []
        self._is_eager = is_eager
        self._woken: list[Call] = []
        self._rows: list[Row] = []
        self._feedback: list[tuple[Any, ...]] = []
        self._references: dict[str, set[str]] = {}
        self._numbers = itertools.count(1)
        _empty()
        self.moderator = person
        HeldDispatcher.heard = self._hear if is_eager else None
        self.save("a")

    def close(self) -> None:
        """End the threads that are held."""
        HeldDispatcher.heard = None
        for call, _ in self.calls:
            call.end(Died())
        self.calls.clear()

    # What happens.

    def save(self, picture: str) -> bool:
        """The object is saved with new bytes; after its deletion, again under the same key."""
        name = _stored(picture, len(self.model.records))
        is_alive = self.model.is_alive
        self.model.save(picture)
        Photo(pk=1, image=name).save(force_insert=not is_alive, force_update=is_alive)
        if self._is_eager:
            self._begun(self._woken.pop() if self._woken else None, self.model.work())
        return self._check()

    def delete(self) -> bool:
        if not self.model.is_alive:
            return False
        self.model.delete()
        Photo.objects.get(pk=1).delete()
        return self._check()

    def work(self) -> bool:
        """A worker does what is due on the current record, as far as the provider."""
        is_due = bool(self.model.current and self.model.current.is_open and not self.model.current.is_held)
        _execute("UPDATE django_imgmod_moderationrecord SET due_at = %s WHERE due_at IS NOT NULL", _past())
        public_id = uuid.UUID(self._rows[-1].public_id)
        self._begun(Call(lambda: work(public_id, using="default")).start(), self.model.work())
        self._check()
        return is_due

    def send(self) -> bool:
        """A worker sends the oldest decision that waits, as far as the provider."""
        waiting = {id(message) for message in self.model.waiting()}
        for number, (message, row) in enumerate(zip(self.model.messages, self._feedback, strict=True)):
            if id(message) in waiting:
                due_at = _past() + timedelta(seconds=number)
                _execute(f"UPDATE django_imgmod_feedback SET due_at = %s WHERE id = {int(row[0])}", due_at)  # noqa: S608
        self._begun(Call(lambda: send_due_feedback(using="default", limit=1)).start(), self.model.send())
        self._check()
        return bool(waiting)

    def end(self, index: int, how: str) -> bool:
        """
        A call that is under way ends.

        ``answer``: a reference, a verdict, thanks; ``other_answer``: a verdict at once, none yet; ``fail`` to be tried
        again; ``refuse`` for good; ``die``: its worker's process ends, and only its lease is left.
        """
        call, under_way = self.calls.pop(index)
        if how == "die":
            call.end(Died())
        elif how in ("fail", "refuse"):
            self.model.fail(under_way, is_final=how == "refuse")
            call.end(ProviderRefused("no") if how == "refuse" else ProviderThrottled("slower"))
        else:
            call.end(self._answer(under_way, is_other=how == "other_answer"))
        return self._check()

    def expire(self) -> bool:
        """Five minutes pass: whoever holds a lease loses it, dead or slow."""
        if not self.model.expire():
            return False
        _execute("UPDATE django_imgmod_moderationrecord SET lease_until = %s WHERE lease_until IS NOT NULL", _past())
        return self._check()

    def callback(self, index: int) -> bool:
        """The provider calls back about the submission of that number: for the first time, or again."""
        record = self.submitted[index]
        self.called_back.append(record)
        self.model.callback(record)
        data_id = self._row_of(record).public_id
        receipt = receive_callback("default", "{}", Callback(data_id=data_id, verdict=_verdict(record.picture)))
        self._expect("receipt", self.model.receipts[-1][1], receipt.outcome)
        return self._check()

    def look(self) -> bool:
        """A person opens the page of the current record."""
        look = self.model.look()
        if look is None:
            return False
        self.looks.append((ModerationRecord.objects.get(pk=self._row_of(look.record).pk), look))
        return True

    def decide(self, outcome: str) -> bool:
        """The person decides about what they saw last."""
        if not self.looks:
            return False
        seen, look = self.looks.pop()
        error = ""
        try:
            decide(seen, Outcome(outcome), decided_by=self.moderator, version=look.version)
        except (RecordConflict, InvalidTransition) as refusal:
            error = type(refusal).__name__
        self._expect("error", self.model.decide(look, outcome), error)
        return self._check()

    # How it is done, and compared.

    def _hear(self, public_id: Any) -> None:
        self._woken.append(Call(lambda: work(public_id, using="default")).start())

    def _begun(self, call: Call | None, under_way: Work | None) -> None:
        if call is not None and call.place and under_way:
            self.calls.append((call, under_way))
        self._expect("call", under_way.place if under_way else "", call.place if call else "")
        if call and call.place == "submit" and under_way and under_way.record:
            self._expect("bytes", under_way.record.picture, call.subject.content[-1:].decode())
            self._references.setdefault(call.subject.data_id, {""})
            if under_way.record not in self.submitted:
                self.submitted.append(under_way.record)
        elif call and call.place == "feedback":
            self._check_message(call.subject)

    def _check_message(self, message: Any) -> None:
        """A provider can only learn from what names a submission that it knows."""
        if message.reference not in self._references.get(message.data_id, ()):
            raise Violation(f"Feedback names the submission {message.data_id}, {message.reference!r}: not known.")

    def _answer(self, under_way: Work, *, is_other: bool) -> Any:
        """Return what the provider answers, and tell the model."""
        record = under_way.record
        if record is None:
            self.model.deliver(under_way)
            return None
        if under_way.place == "fetch" and is_other:
            self.model.no_answer_yet(under_way)
            return None
        if under_way.place == "fetch":
            self.model.verdict(record)
            return _verdict(record.picture)
        reference = f"reference-{next(self._numbers)}"
        self._references[self._row_of(record).public_id].add(reference)
        if is_other:
            self.model.verdict(record, reference)
            return Submission(reference=reference, verdict=_verdict(record.picture))
        self.model.accept(under_way, reference)
        return Submission(reference=reference, poll_after=0)

    def _row_of(self, record: Record) -> Row:
        return self._rows[self.model.records.index(record)]

    def _check(self) -> bool:
        before, self._rows = self._rows, _rows()
        for old, new in itertools.zip_longest(before, self._rows):
            if new is None:
                raise Violation(f"A record is gone: {old}")
            status, version = (old.status, old.version) if old else ("pending", 1)
            # A verdict that comes as evidence counts as a change, and moves nothing.
            steps = new.version - version
            if new.status not in _reached(status, steps) | (_reached(status, steps - 1) if new.label_count else set()):
                raise Violation(f"No arrow leads from {status}, version {version} to {new.status}, {new.version}.")
            self._check_row(new)
        self._expect(
            "records", [_predicted(record) for record in self.model.records], [row.as_predicted() for row in self._rows]
        )
        self._check_current()
        messages = [(message.status, message.attempt_count) for message in self.model.messages]
        self._feedback = _select("SELECT id, status, attempt_count FROM django_imgmod_feedback ORDER BY id")
        self._expect("feedback", messages, [(status, count) for _, status, count in self._feedback])
        self._expect("wake-ups", [], self._woken)
        return True

    def _check_row(self, row: Row) -> None:
        if (row.current_key is None) != (row.status == "superseded"):
            raise Violation(f"Current or superseded, not both: {row}")
        if row.top_label not in ("", f"label_{row.picture}") or row.label_count > 1:
            raise Violation(f"A verdict of other bytes, or twice: {row}")
        settled = (STATUS_OF_OUTCOME.get(row.last_outcome or "", row.status), "superseded")
        if row.status not in settled:
            raise Violation(f"A person is overridden: {row}")

    def _check_current(self) -> None:
        names = [name for (name,) in _select("SELECT image FROM hostapp_photo")]
        current = [row.file_name for row in self._rows if row.current_key is not None]
        self._expect("current record", names, current)

    @staticmethod
    def _expect(what: str, predicted: Any, actual: Any) -> None:
        if predicted != actual:
            raise Violation(f"{what}: predicted {predicted}, found {actual}.")


def _rows() -> list[Row]:
    # Not every database knows a UUID when it sees one.
    return [Row(pk, str(uuid.UUID(str(public_id))), *rest) for pk, public_id, *rest in _select(ROWS)]


def _select(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(values) for values in cursor.fetchall()]


def _execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [connection.ops.adapt_datetimefield_value(value) for value in parameters])


def _empty() -> None:
    _execute("UPDATE django_imgmod_moderationrecord SET reused_from_id = NULL")
    for model in TABLES:
        _execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608 - names of our own


def _reached(status: str, change_count: int) -> set[str]:
    reached = {status}
    for _ in range(change_count):
        reached = set().union(*(ARROWS[one] for one in reached))
    return reached


def _stored(picture: str, number: int) -> str:
    """Return the name of a file with the bytes of a picture, another one for each number."""
    storage = Photo._meta.get_field("image").storage
    name = f"{picture}/{number}.png"
    if not storage.exists(name):
        storage.save(name, ContentFile(PNG + picture.encode()))
    return name


def _verdict(picture: str) -> Verdict:
    level = RiskLevel(LEVELS[picture])
    return Verdict(risk_level=level, detections=(Detection(label=f"label_{picture}", confidence=50),))


def _past() -> Any:
    return timezone.now() - timedelta(hours=1)
