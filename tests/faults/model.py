"""What ought to happen to the image of one object, in plain Python: no database, no services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

# What the provider says about each picture, and what the policy makes of it.
LEVELS: Final = {"a": "medium", "b": "high", "c": "none"}
STATUSES: Final = {"a": "in_review", "b": "blocked", "c": "passed"}
STATUS_OF_OUTCOME: Final = {"pass": "passed", "review": "in_review", "block": "blocked"}
MAX_ATTEMPTS: Final = 10

# As drawn in the documentation. Whatever is current can be superseded.
ARROWS: Final = {
    "pending": {"submitted", "passed", "in_review", "blocked", "superseded"},
    "submitted": {"passed", "in_review", "blocked", "superseded"},
    "in_review": {"passed", "blocked", "superseded"},
    "passed": {"in_review", "blocked", "superseded"},
    "blocked": {"in_review", "passed", "superseded"},
    "superseded": set(),
}
OPEN: Final = ("pending", "submitted")


@dataclass(eq=False)
class Record:
    """A record as it should be."""

    picture: str
    status: str = "pending"
    version: int = 1
    attempt_count: int = 0
    has_verdict: bool = False
    is_settled_by_verdict: bool = False
    """And that is no mere evidence."""
    is_reused: bool = False
    has_error: bool = False
    reference: str = ""
    decisions: list[str] = field(default_factory=list)
    holder: Work | None = None
    """Whose lease is written on it, run out or not."""
    is_held: bool = False
    """Whether that lease still counts."""

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def move(self, status: str) -> None:
        self.status, self.version = status, self.version + 1
        self.holder, self.is_held = None, False

    def settle(self, status: str, *, has_error: bool) -> None:
        self.move(status)
        self.has_error = has_error


@dataclass(eq=False)
class Message:
    """A decision that is told back."""

    status: str = "queued"
    attempt_count: int = 0
    is_held: bool = False


@dataclass(eq=False)
class Work:
    """A call of the provider that is under way, and what its worker knew when it began."""

    place: str
    record: Record | None = None
    version: int = 0
    status: str = ""
    message: Message | None = None
    attempt: int = 0


@dataclass(frozen=True)
class Look:
    """What a person has before them."""

    record: Record
    version: int
    status: str


class Model:
    """Predicts everything that the rows should say."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.messages: list[Message] = []
        self.receipts: list[tuple[Record, str]] = []
        self.decided: list[tuple[Record, str]] = []
        self.is_alive = False

    @property
    def current(self) -> Record | None:
        return next((record for record in self.records if record.status != "superseded"), None)

    def save(self, picture: str) -> None:
        self.delete()
        self.is_alive = True
        self.records.append(Record(picture))

    def delete(self) -> None:
        self.is_alive = False
        if self.current:
            self.current.move("superseded")

    def work(self) -> Work | None:
        """A worker comes by; return the call that it makes."""
        record = self.current
        if record is None or not record.is_open or record.is_held:
            return None
        record.attempt_count += 1
        place = "submit" if record.status == "pending" else "fetch"
        work = Work(place, record, record.version, record.status, attempt=record.attempt_count)
        record.holder, record.is_held = work, True
        if record.attempt_count > MAX_ATTEMPTS:
            record.settle("in_review", has_error=True)
            return None
        if record.status == "pending" and self._reuse(record):
            return None
        return work

    def _reuse(self, record: Record) -> bool:
        decisions = [outcome for other, outcome in self.decided if other.picture == record.picture]
        is_judged = any(
            other.has_verdict and not other.is_reused for other in self.records if other.picture == record.picture
        )
        if not decisions and not is_judged:
            return False
        has_error = record.has_error and not is_judged
        status = STATUS_OF_OUTCOME[decisions[-1]] if decisions else STATUSES[record.picture]
        record.settle(status, has_error=has_error)
        record.has_verdict, record.is_settled_by_verdict, record.is_reused = is_judged, is_judged, True
        return True

    def accept(self, work: Work, reference: str) -> None:
        """A submission is accepted."""
        record = work.record
        if self._is_unchanged(work):
            record.move("submitted")
            record.attempt_count, record.has_error, record.reference = 0, False, reference
        elif not record.reference:
            # Too late to move it; the name is kept for feedback.
            record.reference = reference

    def verdict(self, record: Record, reference: str = "") -> bool:
        """A verdict arrives, on whichever way; return whether it moved the record."""
        is_moved = record.is_open
        if reference and (is_moved or not record.has_verdict):
            record.reference = reference
        if is_moved:
            record.settle(STATUSES[record.picture], has_error=False)
            record.is_settled_by_verdict = True
        elif not record.has_verdict:
            # It moves nothing, but what people see of the record is another thing now.
            record.version += 1
        record.has_verdict = True
        return is_moved

    def callback(self, record: Record) -> None:
        # What it says is the same each time.
        outcome = "applied" if self.verdict(record) else "repeated" if record.is_settled_by_verdict else "late"
        self.receipts.append((record, outcome))

    def no_answer_yet(self, work: Work) -> None:
        if self._postpone(work):
            work.record.attempt_count, work.record.has_error = 0, False

    def fail(self, work: Work, *, is_final: bool) -> None:
        """A call fails: the image's own failure, not an outage."""
        if work.message is not None:
            self._fail_message(work, is_final=is_final)
        elif is_final or work.attempt >= MAX_ATTEMPTS:
            if self._is_unchanged(work):
                work.record.settle("in_review", has_error=True)
        elif self._postpone(work):
            work.record.has_error = True

    def expire(self) -> bool:
        """All leases run out; return whether there were any."""
        held = [thing for thing in (*self.records, *self.messages) if thing.is_held]
        for thing in held:
            thing.is_held = False
        return bool(held)

    def look(self) -> Look | None:
        return self.current and Look(self.current, self.current.version, self.current.status)

    def decide(self, look: Look, outcome: str) -> str:
        """A person decides about what they saw; return the error that they are told, or nothing."""
        status = STATUS_OF_OUTCOME[outcome]
        if look.status in OPEN or status not in ARROWS[look.status]:
            return "InvalidTransition"
        if look.record.version != look.version:
            return "RecordConflict"
        look.record.move(status)
        look.record.decisions.append(outcome)
        self.decided.append((look.record, outcome))
        self.messages.append(Message())
        return ""

    def send(self) -> Work | None:
        """The oldest message that waits is sent; return the call."""
        message = next(self.waiting(), None)
        if message is None:
            return None
        message.attempt_count += 1
        if message.attempt_count > MAX_ATTEMPTS:
            message.status = "refused"
            return None
        message.is_held = True
        return Work("feedback", message=message, attempt=message.attempt_count)

    def waiting(self) -> Iterator[Message]:
        return (message for message in self.messages if message.status == "queued" and not message.is_held)

    def deliver(self, work: Work) -> None:
        """The provider takes a message."""
        if self._is_ours(work):
            work.message.status, work.message.is_held = "accepted", False

    def _fail_message(self, work: Work, *, is_final: bool) -> None:
        if self._is_ours(work):
            work.message.is_held = False
            if is_final or work.attempt >= MAX_ATTEMPTS:
                work.message.status = "refused"

    @staticmethod
    def _is_ours(work: Work) -> bool:
        return work.message.status == "queued" and work.message.attempt_count == work.attempt

    @staticmethod
    def _is_unchanged(work: Work) -> bool:
        return (work.record.version, work.record.status) == (work.version, work.status)

    def _postpone(self, work: Work) -> bool:
        is_ours = self._is_unchanged(work) and work.record.holder is work
        if is_ours:
            work.record.holder, work.record.is_held = None, False
        return is_ours
