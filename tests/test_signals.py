"""What a host project is told, and when."""

from __future__ import annotations

from typing import Any
from unittest.mock import create_autospec

import pytest
from django.dispatch import Signal

from django_imgmod import signals
from django_imgmod.choices import Outcome, RiskLevel, Status
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.results import Verdict
from django_imgmod.services.decisions import decide

from .hostapp.models import Photo

pytestmark = pytest.mark.django_db


def about_a_record(sender: Any, signal: Signal, record: ModerationRecord) -> None: ...


def about_a_verdict(sender: Any, signal: Signal, record: ModerationRecord, verdict: Verdict) -> None: ...


def about_a_decision(sender: Any, signal: Signal, record: ModerationRecord, decision: Decision) -> None: ...


@pytest.fixture
def listen():
    """Connect a receiver that fails for any argument that is missing or too many, and return its recorder."""
    connected = []

    def connect(signal: Signal, signature: Any) -> Any:
        receiver = create_autospec(signature)
        signal.connect(receiver, weak=False)
        connected.append((signal, receiver))
        return receiver

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)


@pytest.mark.parametrize(
    ("level", "signal"),
    [("none", signals.image_passed), ("medium", signals.image_held), ("high", signals.image_blocked)],
)
def test_outcome(listen, picture, level, signal, django_capture_on_commit_callbacks):
    providers["default"].script(level)
    received, verdict_received = listen(signal, about_a_record), listen(signals.verdict_received, about_a_verdict)
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
        received.assert_not_called()
    record = ModerationRecord.objects.get()
    received.assert_called_once_with(sender=Photo, signal=signal, record=record)
    assert verdict_received.call_args.kwargs["verdict"].risk_level == RiskLevel(level)


def test_submitted(listen, picture, settings, django_capture_on_commit_callbacks):
    backend = {"BACKEND": "django_imgmod.providers.dummy.DummyProvider", "OPTIONS": {"is_asynchronous": True}}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": backend}}
    received = listen(signals.image_submitted, about_a_record)
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
    received.assert_called_once()


def test_decision(listen, picture, django_user_model, django_capture_on_commit_callbacks):
    providers["default"].script("medium")
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
    received, blocked = listen(signals.decision_made, about_a_decision), listen(signals.image_blocked, about_a_record)
    with django_capture_on_commit_callbacks(execute=True):
        decision = decide(
            ModerationRecord.objects.get(), Outcome.BLOCK, decided_by=django_user_model.objects.create_user("moderator")
        )
        received.assert_not_called()
    received.assert_called_once_with(
        sender=Photo, signal=signals.decision_made, record=ModerationRecord.objects.get(), decision=decision
    )
    blocked.assert_called_once()


def test_receiver_that_fails_disturbs_nobody(listen, picture, django_capture_on_commit_callbacks):
    failing, next_one = (listen(signals.image_passed, about_a_record) for _ in range(2))
    failing.side_effect = RuntimeError("a fault of the host project")
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
    next_one.assert_called_once()
    assert ModerationRecord.objects.get().status == Status.PASSED
