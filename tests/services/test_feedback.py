"""What people decide reaches the provider, once, and what it says to that is kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Circuit, ErrorCode, FeedbackStatus, Outcome, RiskLevel
from django_imgmod.exceptions import (
    ProviderAuthError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
    RecordConflict,
)
from django_imgmod.models import Decision, Feedback, ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.base import BaseProvider
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict
from django_imgmod.services.backoff import MAX_ATTEMPTS
from django_imgmod.services.circuit import FAILURES_TO_OPEN
from django_imgmod.services.claims import LEASE
from django_imgmod.services.decisions import decide
from django_imgmod.services.feedback import GRACE, send_due_feedback
from django_imgmod.signals import feedback_sent
from tests.backdated import ago
from tests.hostapp.models import Photo
from tests.timetravel import fast_forward

pytestmark = pytest.mark.django_db(databases=["default", "other"])

LABELS = (Detection(label="weak", confidence=40), Detection(label="strong", confidence=90))


@pytest.fixture(autouse=True)
def commit(django_capture_on_commit_callbacks) -> Callable[[], Any]:
    """Run what waits for the commit as soon as the block ends."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def moderator(django_user_model):
    return django_user_model.objects.create_user("moderator")


@pytest.fixture
def upload(commit, picture) -> Callable[[], ModerationRecord]:
    def save() -> ModerationRecord:
        with commit():
            Photo.objects.create(image=picture())
        return ModerationRecord.objects.latest("pk")

    return save


@pytest.fixture
def judged(upload) -> ModerationRecord:
    dummy().script(Verdict(risk_level=RiskLevel.MEDIUM, detections=LABELS))
    return upload()


@pytest.fixture
def told(judged, moderator) -> Feedback:
    """Feedback on a decision whose time of grace is over."""
    decide(judged, Outcome.PASS, decided_by=moderator, comment="a harbour")
    fast_forward(GRACE.total_seconds())
    return Feedback.objects.get()


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def send() -> int:
    return send_due_feedback(using="default")


def make_due() -> None:
    Feedback.objects.filter(due_at__isnull=False).update(due_at=ago(seconds=1))


def open_circuit(*, retry_at: Any) -> None:
    outage = {"circuit": Circuit.OPEN, "failure_count": FAILURES_TO_OPEN, "retry_at": retry_at}
    ProviderState.objects.update_or_create(provider="default", defaults=outage)


class TestQueue:
    def test_is_part_of_the_decision(self, judged, moderator):
        with transaction.atomic():
            decide(judged, Outcome.PASS, decided_by=moderator)
            assert Feedback.objects.get().status == FeedbackStatus.QUEUED
            # What the view did next went wrong.
            transaction.set_rollback(True)
        assert not Decision.objects.exists()
        assert not Feedback.objects.exists()

    def test_decision_that_came_too_late_tells_nothing(self, judged, moderator):
        stale = ModerationRecord.objects.get()
        decide(judged, Outcome.PASS, decided_by=moderator)
        with pytest.raises(RecordConflict):
            decide(stale, Outcome.BLOCK, decided_by=moderator)
        assert Feedback.objects.count() == 1

    def test_there_is_time_to_think_again(self, judged, moderator):
        decide(judged, Outcome.PASS, decided_by=moderator)
        due_at = Feedback.objects.get().due_at
        assert due_at is not None
        assert timedelta(seconds=8) < due_at - timezone.now() <= GRACE
        assert send() == 0
        assert dummy().feedback == []
        fast_forward(GRACE.total_seconds())
        assert send() == 1
        assert len(dummy().feedback) == 1

    def test_is_sent_once(self, told):
        assert send() == 1
        make_due()
        assert send() == 0
        assert len(dummy().feedback) == 1

    def test_nothing_due_costs_one_query_a_database(self, judged, moderator):
        decide(judged, Outcome.PASS, decided_by=moderator)
        with CaptureQueriesContext(connections["default"]) as queries:
            assert send_due_feedback(using="default") == 0
        assert len(queries) == 1

    def test_message_says_what_was_decided_about_what(self, told, judged):
        send()
        [message] = dummy().feedback
        assert (message.data_id, message.reference) == (str(judged.public_id), "default-1")
        assert message.outcome is Outcome.PASS
        assert list(message.labels) == ["strong", "weak"]
        assert message.note == "a harbour"

    def test_of_a_verdict_that_was_reused_names_the_record_that_was_judged(self, judged, upload, moderator):
        spared = upload()
        assert spared.reused_from == judged
        decide(spared, Outcome.BLOCK, decided_by=moderator)
        fast_forward(GRACE.total_seconds())
        send()
        [message] = dummy().feedback
        assert (message.data_id, message.reference) == (str(judged.public_id), "default-1")
        assert (message.outcome, list(message.labels)) == (Outcome.BLOCK, ["strong", "weak"])

    def test_each_decision_is_told_in_its_order(self, told, judged, moderator):
        judged.refresh_from_db()
        decide(judged, Outcome.BLOCK, decided_by=moderator)
        fast_forward(GRACE.total_seconds())
        send()
        assert [message.outcome for message in dummy().feedback] == [Outcome.PASS, Outcome.BLOCK]


class TestAnswers:
    def test_accepted(self, told):
        send()
        told.refresh_from_db()
        assert (told.status, told.attempt_count, told.due_at) == (FeedbackStatus.ACCEPTED, 1, None)
        assert told.sent_at is not None
        assert (told.error_code, told.error_message) == ("", "")

    def test_refused_in_the_words_of_the_provider(self, told):
        dummy().refuse_feedback(ProviderRefused("We see it differently."))
        send()
        told.refresh_from_db()
        assert (told.status, told.error_code) == (FeedbackStatus.REFUSED, ErrorCode.REFUSED)
        assert told.error_message == "We see it differently."
        assert told.due_at is None

    def test_unsupported(self, told, monkeypatch):
        monkeypatch.setattr(DummyProvider, "send_feedback", BaseProvider.send_feedback)
        send()
        told.refresh_from_db()
        assert (told.status, told.due_at) == (FeedbackStatus.UNSUPPORTED, None)
        assert told.error_message == "<DummyProvider 'default'> takes no feedback."

    @pytest.mark.parametrize(
        ("answers", "status"),
        [
            ([], FeedbackStatus.ACCEPTED),
            ([ProviderRefused("no")], FeedbackStatus.REFUSED),
            ([ProviderUnavailable("down")], None),
        ],
    )
    def test_host_is_told_when_there_is_an_answer(self, told, judged, commit, answers, status):
        heard = []

        def listen(sender: Any, record: Any, feedback: Any, **kwargs: Any) -> None:
            heard.append((sender, record, feedback, feedback.status))

        dummy().refuse_feedback(*answers)
        feedback_sent.connect(listen)
        try:
            with commit():
                send()
        finally:
            feedback_sent.disconnect(listen)
        assert heard == ([(Photo, judged, told, status)] if status else [])


class TestTrouble:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ProviderUnavailable("down"), ErrorCode.UNAVAILABLE),
            (ProviderThrottled("slower"), ErrorCode.THROTTLED),
            (RuntimeError("a fault of ours"), ErrorCode.INTERNAL),
        ],
    )
    def test_passing_trouble_is_tried_again(self, told, error, code):
        dummy().refuse_feedback(error)
        send()
        told.refresh_from_db()
        assert (told.status, told.attempt_count, told.error_code) == (FeedbackStatus.QUEUED, 1, code)
        assert str(error) in told.error_message
        assert told.due_at is not None
        assert timedelta(0) <= told.due_at - timezone.now() + timedelta(seconds=1) <= timedelta(seconds=31)
        make_due()
        send()
        told.refresh_from_db()
        assert (told.status, told.error_code, told.error_message) == (FeedbackStatus.ACCEPTED, "", "")

    def test_retries_run_out(self, told):
        dummy().refuse_feedback(*[ProviderThrottled("slower")] * (MAX_ATTEMPTS + 1))
        for _ in range(MAX_ATTEMPTS + 1):
            make_due()
            send()
        told.refresh_from_db()
        assert (told.status, told.attempt_count) == (FeedbackStatus.REFUSED, MAX_ATTEMPTS)
        assert len(dummy().feedback) == MAX_ATTEMPTS

    def test_provider_says_when_to_come_back(self, told):
        dummy().refuse_feedback(ProviderThrottled("slower", retry_after=7200))
        send()
        told.refresh_from_db()
        assert told.due_at is not None
        assert told.due_at > timezone.now() + timedelta(seconds=7000)

    def test_provider_that_is_not_configured_any_more(self, told, settings):
        only_other = {"other": settings.IMGMOD["PROVIDERS"]["default"]}
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": only_other, "FIELDS": []}
        send()
        told.refresh_from_db()
        assert (told.status, told.error_code) == (FeedbackStatus.QUEUED, ErrorCode.CONFIGURATION)
        assert 'There is no provider "default"' in told.error_message

    def test_worker_that_dies_leaves_it_to_another(self, told, monkeypatch):
        def die(*args: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(DummyProvider, "send_feedback", die)
        with pytest.raises(KeyboardInterrupt):
            send()
        monkeypatch.undo()
        assert send() == 0
        fast_forward(LEASE.total_seconds() + 1)
        assert send() == 1
        told.refresh_from_db()
        assert told.status == FeedbackStatus.ACCEPTED

    def test_message_that_kills_each_worker_is_given_up(self, told):
        Feedback.objects.update(attempt_count=MAX_ATTEMPTS)
        send()
        told.refresh_from_db()
        assert (told.status, told.error_code) == (FeedbackStatus.REFUSED, ErrorCode.INTERNAL)
        assert "the worker died each time" in told.error_message
        assert dummy().feedback == []


class TestOutage:
    def test_waits_at_no_cost_while_the_circuit_is_open(self, told):
        open_circuit(retry_at=ago(minutes=-5))
        assert send() == 0
        told.refresh_from_db()
        assert (told.status, told.attempt_count) == (FeedbackStatus.QUEUED, 0)
        assert dummy().feedback == []
        ProviderState.objects.all().delete()
        assert send() == 1
        assert len(dummy().feedback) == 1

    @pytest.mark.parametrize("error", [ProviderUnavailable("down"), ProviderAuthError("wrong key")])
    def test_as_a_probe_that_fails_it_costs_nothing_either(self, told, error):
        open_circuit(retry_at=ago(seconds=1))
        dummy().refuse_feedback(error)
        send()
        told.refresh_from_db()
        assert (told.status, told.attempt_count, told.error_code) == (FeedbackStatus.QUEUED, 0, error.code)
        assert ProviderState.objects.get().circuit == Circuit.OPEN

    def test_as_a_probe_that_is_answered_it_closes_the_circuit(self, told):
        open_circuit(retry_at=ago(seconds=1))
        assert send() == 1
        assert ProviderState.objects.get().circuit == Circuit.CLOSED

    def test_outage_for_days_loses_nothing(self, told):
        dummy().refuse_feedback(*[ProviderUnavailable("down")] * 40)
        for _ in range(41):
            fast_forward(3600)
            send()
        told.refresh_from_db()
        assert told.status == FeedbackStatus.ACCEPTED
