"""What a provider tells us unasked: stored, applied once, and never against what is already settled."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_imgmod.choices import Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.models import CallbackReceipt, DetectedLabel, DetectedLabelQuerySet, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Callback, Detection, Submission, Verdict
from django_imgmod.services import callbacks
from django_imgmod.services.callbacks import apply_receipt, receive_callback
from django_imgmod.services.decisions import decide
from django_imgmod.services.sweep import sweep
from django_imgmod.services.verdicts import apply_verdict
from django_imgmod.signals import image_blocked, verdict_received
from tests.backdated import ago
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(databases=["default", "other"])

HIGH = Verdict(risk_level=RiskLevel.HIGH, detections=(Detection(label="a", confidence=90),))
BODY = "checksum=1&content=2"


@pytest.fixture(autouse=True)
def commit(django_capture_on_commit_callbacks) -> Callable[[], Any]:
    """Run what waits for the commit as soon as the block ends."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def upload(commit, picture) -> Callable[..., ModerationRecord]:
    def save(using: str = "default") -> ModerationRecord:
        with commit():
            Photo(image=picture()).save(using=using)
        return ModerationRecord.objects.using(using).latest("pk")

    return save


@pytest.fixture
def submitted(upload, settings) -> ModerationRecord:
    """A record whose provider has accepted it and will answer in its own time."""
    options = {"is_asynchronous": True, "delay": 3600}
    backend = "django_imgmod.providers.dummy.DummyProvider"
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    record: ModerationRecord = upload()
    assert record.status == Status.SUBMITTED
    return record


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def call_back(record: ModerationRecord, verdict: Verdict = HIGH) -> CallbackReceipt:
    return receive_callback("default", BODY, Callback(data_id=str(record.public_id), verdict=verdict))


def facts(record: ModerationRecord) -> tuple[str, str, int]:
    record.refresh_from_db()
    return record.status, record.risk_level, record.version


class TestApplied:
    def test_settles_its_record(self, submitted, commit):
        with commit():
            receipt = call_back(submitted)
        receipt.refresh_from_db()
        assert (receipt.outcome, receipt.error_message) == (ReceiptOutcome.APPLIED, "")
        assert (receipt.record, receipt.provider, receipt.body) == (submitted, "default", BODY)
        submitted.refresh_from_db()
        assert (submitted.status, submitted.risk_level) == (Status.BLOCKED, RiskLevel.HIGH)
        assert [str(label) for label in submitted.detected_labels.all()] == ["a 90.00"]
        assert submitted.due_at is None

    def test_costs_few_statements(self, submitted, commit):
        ContentType.objects.clear_cache()
        ContentType.objects.get_for_model(Photo)
        with CaptureQueriesContext(connection) as captured, commit():
            call_back(submitted)
        verbs = [query["sql"].partition(" ")[0] for query in captured.captured_queries]
        kinds = Counter(verb for verb in verbs if verb not in ("SAVEPOINT", "RELEASE"))
        # The record is looked for in each database, before it is read; and who waits for it in its own.
        assert kinds == {"SELECT": 3, "INSERT": 2, "UPDATE": 2}

    def test_nobody_asks_for_the_answer_any_more(self, submitted, monkeypatch):
        call_back(submitted)
        monkeypatch.delattr(DummyProvider, "fetch")
        ModerationRecord.objects.filter(due_at__isnull=False).update(due_at=ago(seconds=1))
        assert list(sweep()) == []

    def test_is_stored_before_anything_is_done(self, submitted, monkeypatch):
        def die(record: ModerationRecord, verdict: Verdict) -> bool:
            raise KeyboardInterrupt

        monkeypatch.setattr(callbacks, "apply_verdict", die)
        with pytest.raises(KeyboardInterrupt):
            call_back(submitted)
        receipt = CallbackReceipt.objects.get()
        assert (receipt.outcome, receipt.body, receipt.record) == (ReceiptOutcome.RECEIVED, BODY, None)

    def test_record_may_be_in_any_database(self, upload):
        dummy().script(RuntimeError("not now"))
        record = upload(using="other")
        receipt = call_back(record)
        assert CallbackReceipt.objects.using("other").get() == receipt
        assert not CallbackReceipt.objects.exists()
        assert ModerationRecord.objects.using("other").get().status == Status.BLOCKED

    def test_body_that_no_database_takes_is_kept_as_far_as_it_can_be(self, submitted):
        receipt = receive_callback(
            "default",
            "a\x00b\ud800",
            Callback(data_id=str(submitted.public_id), verdict=Verdict(risk_level=RiskLevel.LOW)),
        )
        receipt.refresh_from_db()
        assert receipt.outcome == ReceiptOutcome.APPLIED
        assert receipt.body.startswith("a")


class TestRepeatedOrLate:
    def test_repetition_changes_nothing_and_is_told_to_nobody(self, submitted, commit):
        heard = []

        def listen(sender: Any, signal: Any, **kwargs: Any) -> None:
            heard.append(signal)

        verdict_received.connect(listen)
        image_blocked.connect(listen)
        try:
            outcomes = []
            for _ in range(3):
                with commit():
                    outcomes.append(call_back(submitted).outcome)
        finally:
            verdict_received.disconnect(listen)
            image_blocked.disconnect(listen)
        assert outcomes == [ReceiptOutcome.APPLIED, ReceiptOutcome.REPEATED, ReceiptOutcome.REPEATED]
        assert heard == [verdict_received, image_blocked]
        assert DetectedLabel.objects.count() == 1
        assert CallbackReceipt.objects.count() == 3

    @pytest.mark.parametrize(
        "other",
        [
            Verdict(risk_level=RiskLevel.NONE),
            Verdict(risk_level=RiskLevel.HIGH),
            replace(HIGH, risk_level=RiskLevel.MEDIUM),
            replace(HIGH, detections=(Detection(label="b", confidence=90),)),
            replace(HIGH, detections=(Detection(label="a", confidence=90.01),)),
            replace(HIGH, detections=(Detection(label="a", confidence=90, risk_level=RiskLevel.LOW),)),
            replace(HIGH, detections=(Detection(label="a", confidence=90, frame_index=1),)),
            replace(HIGH, detections=HIGH.detections * 2),
            replace(HIGH, evaluated=("faces",)),
        ],
    )
    def test_another_verdict_after_the_first_is_late_and_changes_nothing(self, submitted, other):
        call_back(submitted)
        before, labels = facts(submitted), list(DetectedLabel.objects.values())
        assert call_back(submitted, other).outcome == ReceiptOutcome.LATE
        assert call_back(submitted).outcome == ReceiptOutcome.REPEATED
        assert (facts(submitted), list(DetectedLabel.objects.values())) == (before, labels)

    def test_same_verdict_in_other_words_is_a_repetition(self, submitted):
        labels = [Detection(label="x" * 500, confidence=1 / 3, description="one"), Detection(label="\x00")]
        call_back(submitted, Verdict(risk_level=RiskLevel.LOW, detections=tuple(labels), raw={"RequestId": 1}))
        labels[0] = replace(labels[0], description="two")
        again = Verdict(risk_level=RiskLevel.LOW, detections=tuple(reversed(labels)), raw={"RequestId": 2})
        assert call_back(submitted, again).outcome == ReceiptOutcome.REPEATED

    def test_repetition_after_a_decision_is_one(self, submitted, django_user_model):
        call_back(submitted)
        submitted.refresh_from_db()
        decide(submitted, Outcome.PASS, decided_by=django_user_model.objects.create_user("moderator"))
        assert call_back(submitted).outcome == ReceiptOutcome.REPEATED
        assert call_back(submitted, Verdict(risk_level=RiskLevel.NONE)).outcome == ReceiptOutcome.LATE
        assert facts(submitted)[:2] == (Status.PASSED, RiskLevel.HIGH)

    def test_after_the_same_answer_was_fetched_it_is_a_repetition(self, submitted, commit):
        with commit():
            apply_verdict(submitted, HIGH)
        assert call_back(submitted).outcome == ReceiptOutcome.REPEATED

    def test_after_another_answer_was_fetched_it_is_late(self, submitted, commit):
        ModerationRecord.objects.update(due_at=ago(seconds=1))
        list(sweep())
        before = facts(submitted)
        assert before[0] == Status.PASSED
        assert call_back(submitted).outcome == ReceiptOutcome.LATE
        assert facts(submitted) == before
        assert not DetectedLabel.objects.exists()

    def test_for_a_picture_that_was_replaced_it_is_evidence(self, submitted):
        Photo.objects.all().delete()
        # What was kept and not applied is not repeated either.
        assert [call_back(submitted).outcome for _ in range(2)] == [ReceiptOutcome.LATE] * 2
        assert facts(submitted)[:2] == (Status.SUPERSEDED, RiskLevel.HIGH)
        assert [str(label) for label in submitted.detected_labels.all()] == ["a 90.00"]

    def test_does_not_override_a_person(self, upload, django_user_model):
        dummy().script(ProviderRefused("too odd"))
        record = upload()
        decide(record, Outcome.PASS, decided_by=django_user_model.objects.create_user("moderator"))
        assert [call_back(record).outcome for _ in range(2)] == [ReceiptOutcome.LATE] * 2
        assert facts(record)[:2] == (Status.PASSED, RiskLevel.HIGH)


class TestUnknown:
    @pytest.mark.parametrize("data_id", ["6f2b6a3e-3b57-4a0e-9f0a-0d8f5a0c1e11", "not one of ours", ""])
    def test_record_that_does_not_exist_leaves_a_receipt(self, data_id):
        receipt = receive_callback("default", BODY, Callback(data_id=data_id, verdict=HIGH))
        receipt.refresh_from_db()
        assert (receipt.outcome, receipt.record, receipt.body) == (ReceiptOutcome.FAILED, None, BODY)
        assert f'There is no record {data_id} of provider "default"' in receipt.error_message

    def test_record_of_another_provider_is_none_of_its_business(self, submitted):
        receipt = receive_callback("other", BODY, Callback(data_id=str(submitted.public_id), verdict=HIGH))
        assert (receipt.outcome, receipt.record) == (ReceiptOutcome.FAILED, None)
        assert facts(submitted)[0] == Status.SUBMITTED


class TestBeforeTheAnswerToTheSubmission:
    """A provider may call back before its own answer to the submission has arrived."""

    @pytest.fixture
    def record(self, upload, monkeypatch, caplog) -> ModerationRecord:
        caplog.set_level(logging.INFO, "django_imgmod")
        submit = DummyProvider.submit

        def call_back_first(self: DummyProvider, source: Any) -> Submission:
            pending = ModerationRecord.objects.get(public_id=source.data_id)
            assert pending.status == Status.PENDING
            assert call_back(pending).outcome == ReceiptOutcome.APPLIED
            return Submission(reference=submit(self, source).reference, poll_after=60)

        monkeypatch.setattr(DummyProvider, "submit", call_back_first)
        record: ModerationRecord = upload()
        return record

    def test_callback_settles_it(self, record):
        assert (record.status, record.risk_level, record.error_code) == (Status.BLOCKED, RiskLevel.HIGH, "")
        assert (record.due_at, record.lease_until, record.lease_owner) == (None, None, "")
        assert list(sweep()) == []

    def test_answer_to_the_submission_is_no_trouble(self, record, caplog):
        # It was told while the fixture made the record.
        entries = caplog.get_records("setup")
        assert [entry.getMessage() for entry in entries if entry.levelno >= logging.WARNING] == []
        assert any(f"work=overtaken record={record.public_id}" in entry.getMessage() for entry in entries)


class TestFailureWhileApplying:
    def test_is_kept_and_can_be_applied_again(self, submitted, monkeypatch, caplog):
        def fail(*args: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(callbacks, "apply_verdict", fail)
        receipt = call_back(submitted)
        receipt.refresh_from_db()
        assert (receipt.outcome, receipt.error_message) == (ReceiptOutcome.FAILED, "OSError: the disk is full")
        assert facts(submitted)[0] == Status.SUBMITTED
        [entry] = [entry for entry in caplog.records if entry.exc_info]
        assert str(submitted.public_id) in entry.getMessage()
        monkeypatch.undo()

        apply_receipt(receipt, Callback(data_id=str(submitted.public_id), verdict=HIGH))
        receipt.refresh_from_db()
        assert (receipt.outcome, receipt.error_message) == (ReceiptOutcome.APPLIED, "")
        assert facts(submitted)[0] == Status.BLOCKED

    def test_failure_of_the_database_in_the_middle_undoes_the_half(self, submitted, monkeypatch):
        """Status and labels are written together, so that applying it again finds the record as it was."""

        def fail(*args: Any, **kwargs: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(DetectedLabelQuerySet, "bulk_create", fail)
        assert call_back(submitted).outcome == ReceiptOutcome.FAILED
        assert facts(submitted)[:2] == (Status.SUBMITTED, "")
