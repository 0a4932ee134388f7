"""What a host project is told, and when. What docs/signals.md says of each signal is held against it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import create_autospec

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.dispatch import Signal

from django_imgmod import signals
from django_imgmod.choices import FeedbackStatus, Outcome, RiskLevel, Status
from django_imgmod.models import Decision, Feedback, ModerationRecord
from django_imgmod.results import Verdict
from django_imgmod.services.decisions import decide
from django_imgmod.services.feedback import send_due_feedback
from django_imgmod.services.submission import work
from django_imgmod.testing import Moderation

from .documented import ROOT
from .hostapp.models import Photo
from .timetravel import fast_forward

pytestmark = pytest.mark.django_db

Act = Callable[[], object]


def about_a_record(sender: Any, signal: Signal, record: ModerationRecord) -> None: ...


def about_a_verdict(sender: Any, signal: Signal, record: ModerationRecord, verdict: Verdict) -> None: ...


def about_a_decision(sender: Any, signal: Signal, record: ModerationRecord, decision: Decision) -> None: ...


def about_feedback(sender: Any, signal: Signal, record: ModerationRecord, feedback: Feedback) -> None: ...


def judged(level: str, *, later: bool = False) -> Callable[[Moderation], Act]:
    """Return what prepares a picture that is then judged so."""

    def prepare(imgmod: Moderation) -> Act:
        imgmod.next(level, later=later)
        Photo.objects.create(image=ContentFile(b"a picture", name="picture.png"))
        return lambda: work(ModerationRecord.objects.get().public_id, using="default")

    return prepare


def decided(imgmod: Moderation) -> Act:
    judged("medium")(imgmod)()
    return lambda: decide(ModerationRecord.objects.get(), Outcome.BLOCK, decided_by=None)


def told_back(imgmod: Moderation) -> Act:
    decided(imgmod)()
    fast_forward(60)
    return lambda: send_due_feedback(using="default")


# By signal: a receiver that takes what is documented and nothing else, what prepares the cause and does it, and
# whether the arguments say what happened.
SIGNALS: dict[str, tuple[Callable[..., None], Callable[[Moderation], Act], Callable[..., bool]]] = {
    "image_submitted": (
        about_a_record,
        judged("none", later=True),
        lambda record: record.status == Status.SUBMITTED,
    ),
    "verdict_received": (
        about_a_verdict,
        judged("low"),
        lambda record, verdict: record.risk_level == verdict.risk_level == RiskLevel.LOW,
    ),
    "image_passed": (about_a_record, judged("none"), lambda record: record.status == Status.PASSED),
    "image_blocked": (about_a_record, judged("high"), lambda record: record.status == Status.BLOCKED),
    "image_held": (about_a_record, judged("medium"), lambda record: record.status == Status.IN_REVIEW),
    "decision_made": (
        about_a_decision,
        decided,
        lambda record, decision: record.status == Status.BLOCKED and decision == Decision.objects.get(),
    ),
    "feedback_sent": (
        about_feedback,
        told_back,
        lambda record, feedback: feedback.decision.record == record and feedback.status == FeedbackStatus.ACCEPTED,
    ),
}
EACH = pytest.mark.parametrize("name", SIGNALS)


@pytest.fixture
def imgmod() -> Iterator[Moderation]:
    with Moderation() as moderation:
        yield moderation


@pytest.fixture
def listen() -> Iterator[Callable[[str], Any]]:
    """Connect a receiver that fails for any argument that is missing or too many, and return its recorder."""
    connected = []

    def connect(name: str) -> Any:
        signal, receiver = getattr(signals, name), create_autospec(SIGNALS[name][0])
        signal.connect(receiver, weak=False)
        connected.append((signal, receiver))
        return receiver

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


@EACH
def test_is_sent_after_the_commit_to_everybody(name, imgmod, listen, django_capture_on_commit_callbacks):
    _, prepare, is_true = SIGNALS[name]
    act = prepare(imgmod)
    failing, receiver = listen(name), listen(name)
    failing.side_effect = RuntimeError("a fault of the host project")
    with django_capture_on_commit_callbacks(execute=True):
        act()
        receiver.assert_not_called()
    receiver.assert_called_once()
    told = receiver.call_args.kwargs
    assert (told.pop("sender"), told.pop("signal")) == (Photo, getattr(signals, name))
    assert told["record"] == ModerationRecord.objects.get()
    assert is_true(**told)


@EACH
def test_is_not_sent_of_what_was_rolled_back(name, imgmod, listen, django_capture_on_commit_callbacks):
    act = SIGNALS[name][1](imgmod)
    receiver = listen(name)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        act()
        transaction.set_rollback(True)
    receiver.assert_not_called()


def test_outcome_is_told_after_its_verdict_and_after_its_decision(imgmod, listen, django_capture_on_commit_callbacks):
    told: list[str] = []
    for name in SIGNALS:
        listen(name).side_effect = lambda name=name, **kwargs: told.append(name)
    with django_capture_on_commit_callbacks(execute=True):
        act = decided(imgmod)
    assert told == ["verdict_received", "image_held"]
    with django_capture_on_commit_callbacks(execute=True):
        act()
    assert told[2:] == ["decision_made", "image_blocked"]


def test_documentation_has_every_public_signal_with_its_arguments():
    text = (ROOT / "docs" / "signals.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|.+\|(.+)\|$", text, re.MULTILINE)
    documented = {name: re.findall(r"`(\w+)`", arguments) for name, arguments in rows}
    tested = {
        name: [argument for argument in inspect.signature(receiver).parameters if argument not in ("sender", "signal")]
        for name, (receiver, *_) in SIGNALS.items()
    }
    assert documented == tested
    assert set(documented) == public_signals()


def public_signals() -> set[str]:
    """Return the signals that are not said to be private right above their line."""
    private = re.findall(r"^# Not public\.[^=]+^(\w+) = Signal", inspect.getsource(signals), re.MULTILINE)
    return {name for name, value in vars(signals).items() if isinstance(value, Signal)} - set(private)
