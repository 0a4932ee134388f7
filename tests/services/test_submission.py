"""From a pending record to its outcome, whatever happens on the way."""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.canary import canary_png
from django_imgmod.choices import ErrorCode, Outcome, RiskLevel, Status
from django_imgmod.exceptions import (
    ProviderAuthError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.models import DetectedLabel, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, PixelRegion, Region, Verdict
from django_imgmod.services import backoff, submission
from django_imgmod.services.decisions import decide
from django_imgmod.services.sweep import sweep
from django_imgmod.services.verdicts import apply_verdict
from tests.backdated import make_judged
from tests.hostapp.models import Document, Photo, UuidPhoto

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture(autouse=True)
def commit(django_capture_on_commit_callbacks):
    """Run what waits for the commit as soon as the block ends."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def upload(commit, picture):
    """Return a function that saves a photo, lets it be judged, and returns its record."""

    def save(file: Any = None, model: Any = Photo, **kwargs: Any) -> ModerationRecord:
        with commit():
            model.objects.create(image=file or picture(), **kwargs)
        return latest()

    return save


def latest() -> ModerationRecord:
    return ModerationRecord.objects.latest("pk")


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def make_due(record: ModerationRecord) -> None:
    ModerationRecord.objects.filter(pk=record.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def configure(settings: Any, **changes: Any) -> None:
    settings.IMGMOD = {**settings.IMGMOD, **changes}


def use_asynchronous_provider(settings: Any, **options: Any) -> None:
    backend = "django_imgmod.providers.dummy.DummyProvider"
    configure(settings, PROVIDERS={"default": {"BACKEND": backend, "OPTIONS": {"is_asynchronous": True, **options}}})


class TestVerdict:
    @pytest.mark.parametrize(
        ("level", "status"),
        [
            ("high", Status.BLOCKED),
            ("medium", Status.IN_REVIEW),
            ("low", Status.PASSED),
            ("none", Status.PASSED),
            ("unknown", Status.IN_REVIEW),
        ],
    )
    def test_risk_level_decides(self, upload, level, status):
        dummy().script(level)
        record = upload()
        assert (record.status, record.risk_level) == (status, level)
        assert record.verdict_at is not None
        assert (record.settled_at is None) == (status == Status.IN_REVIEW)

    def test_what_is_kept(self, upload, picture):
        file = picture()
        dummy().script(
            Verdict(
                risk_level=RiskLevel.MEDIUM,
                detections=(
                    Detection(label="sexual_a", confidence=12.344, risk_level=RiskLevel.LOW),
                    Detection(label="qrcode_qrcode", confidence=99, description="QR code", source="qr"),
                ),
                evaluated=("sexual content", "QR codes"),
                raw={"score": 0.1},
            )
        )
        record = upload(file)
        assert record.reason == "medium risk: qrcode_qrcode 99.00"
        assert (record.top_label, str(record.top_confidence)) == ("qrcode_qrcode", "99.00")
        assert record.evaluated == ["sexual content", "QR codes"]
        assert record.raw == {"score": 0.1}
        assert (record.image_format, record.width, record.height, record.frame_count) == ("PNG", 48, 32, 1)
        assert record.byte_count == file.size
        assert len(record.sha256) == 64
        labels = [str(label) for label in record.detected_labels.order_by("pk")]
        assert labels == ["sexual_a 12.34", "qrcode_qrcode 99.00"]

    def test_enormous_answer_is_kept_in_part(self, upload):
        dummy().script(Verdict(risk_level=RiskLevel.NONE, raw={"answer": "x" * 1_000_000}))
        assert len(str(upload().raw)) < 100_000

    def test_canaries(self, upload):
        assert upload(ContentFile(canary_png("high"), "high.png")).status == Status.BLOCKED
        record = upload(ContentFile(canary_png("medium"), "medium.png"))
        assert (record.status, record.top_label) == (Status.IN_REVIEW, "canary_medium")

    def test_policy_of_the_field(self, commit, picture):
        dummy().script("low")
        with commit():
            Document.objects.create(scan=picture())
        assert (latest().status, latest().policy) == (Status.IN_REVIEW, "strict")

    def test_policy_that_is_gone_passes_nothing(self, commit, picture, settings, caplog):
        with commit():
            Document.objects.create(scan=picture())
            configure(settings, POLICIES={})
        assert latest().status == Status.IN_REVIEW
        assert "strict" in caplog.text

    def test_superseded_while_in_flight(self, commit, picture, monkeypatch):
        """The picture is replaced while its provider judges it: the old verdict must not reach the new bytes."""
        answers = iter(["high", "none"])

        def submit(self: DummyProvider, source: Any) -> Any:
            level = next(answers)
            if level == "high":
                photo = Photo.objects.get()
                photo.image = picture(2)
                photo.save()
            self.script(level)
            return original(self, source)

        original = DummyProvider.submit
        monkeypatch.setattr(DummyProvider, "submit", submit)
        with commit():
            Photo.objects.create(image=picture())
        old, new = ModerationRecord.objects.order_by("pk")
        assert (old.status, old.risk_level) == (Status.SUPERSEDED, "high")
        assert (new.status, new.risk_level) == (Status.PASSED, "none")

    @pytest.mark.parametrize("outcome", [Outcome.BLOCK, Outcome.PASS])
    def test_no_verdict_overrides_a_person(self, upload, outcome, django_user_model):
        dummy().script("medium")
        decide(upload(), outcome, decided_by=django_user_model.objects.create_user("moderator"))
        before = latest()
        for level in (RiskLevel.NONE, RiskLevel.HIGH):
            assert not apply_verdict(latest(), Verdict(risk_level=level))
        assert (latest().status, latest().version) == (before.status, before.version)

    def test_late_verdict_changes_nothing_but_is_kept_once(self, commit, upload, settings):
        use_asynchronous_provider(settings, delay=60)
        record = upload()
        stale = ModerationRecord.objects.get()
        Photo.objects.all().delete()
        for level in (RiskLevel.HIGH, RiskLevel.LOW):
            verdict = Verdict(risk_level=level, detections=(Detection(label="a"),))
            assert not apply_verdict(stale, verdict)
        record.refresh_from_db()
        assert (record.status, record.risk_level) == (Status.SUPERSEDED, RiskLevel.HIGH)
        assert DetectedLabel.objects.count() == 1


class TestSameBytes:
    def test_verdict_is_reused(self, upload, picture):
        dummy().script("medium")
        first = upload(picture(1, name="first.png"))
        second = upload(picture(1, name="second.png"))
        assert len(dummy().calls) == 1
        assert second.reused_from == first
        assert (second.status, second.risk_level, second.sha256) == (Status.IN_REVIEW, "medium", first.sha256)

    def test_places_of_labels_are_kept_and_reused(self, upload):
        regions = (Region(0.1, 0.25, 1 / 3, 0.5), Region(0, 0, 1, 1))
        verdict = Verdict(risk_level=RiskLevel.LOW, detections=(Detection(label="a", regions=regions),))
        dummy().script(replace(verdict, detections=(*verdict.detections, Detection(label="b"))))
        for record in (upload(), upload(model=UuidPhoto)):
            places = dict(record.detected_labels.values_list("label", "regions"))
            assert places == {"a": [[0.1, 0.25, 0.3333, 0.5], [0, 0, 1, 1]], "b": None}
        assert len(dummy().calls) == 1

    @pytest.mark.parametrize("is_asynchronous", [True, False])
    def test_places_in_pixels_become_parts_of_what_was_judged(self, upload, settings, is_asynchronous):
        if is_asynchronous:
            use_asynchronous_provider(settings)
        # Of a picture of 48 x 32.
        found = (PixelRegion(12, 8, 6, 4), PixelRegion(36, 24, 500, 500), PixelRegion(48, 0, 1, 1))
        detections = (Detection(label="a", regions=(Region(0, 0, 1, 1),), pixel_regions=found), Detection(label="b"))
        dummy().script(Verdict(risk_level=RiskLevel.LOW, detections=detections))
        for model in (Photo, UuidPhoto):
            upload(model=model)
            list(sweep())
            places = dict(latest().detected_labels.values_list("label", "regions"))
            assert places == {"a": [[0, 0, 1, 1], [0.25, 0.25, 0.125, 0.125], [0.75, 0.75, 0.25, 0.25]], "b": None}
        assert len(dummy().calls) == 1

    @pytest.mark.parametrize("is_asynchronous", [True, False])
    def test_places_in_pixels_of_nobody_knows_what_are_not_kept(self, upload, settings, monkeypatch, is_asynchronous):
        if is_asynchronous:
            use_asynchronous_provider(settings)
        submit = DummyProvider.submit
        monkeypatch.setattr(DummyProvider, "submit", lambda *given: replace(submit(*given), size=None))
        detection = Detection(label="a", pixel_regions=(PixelRegion(12, 8, 6, 4),))
        dummy().script(Verdict(risk_level=RiskLevel.LOW, detections=(detection,)))
        upload()
        list(sweep())
        [label] = latest().detected_labels.all()
        assert (label.label, label.regions) == ("a", None)

    def test_late_verdict_says_where_too(self, upload, settings):
        use_asynchronous_provider(settings)
        record = upload()
        ModerationRecord.objects.filter(pk=record.pk).update(status=Status.SUPERSEDED, current_key=None)
        record = latest()
        detection = Detection(label="a", pixel_regions=(PixelRegion(12, 8, 6, 4),))
        assert not apply_verdict(record, Verdict(risk_level=RiskLevel.LOW, detections=(detection,)))
        assert [label.regions for label in record.detected_labels.all()] == [[[0.25, 0.25, 0.125, 0.125]]]

    def test_labels_are_reused(self, upload):
        dummy().script(Verdict(risk_level=RiskLevel.HIGH, detections=(Detection(label="a", confidence=80),)))
        upload()
        second = upload(model=UuidPhoto)
        assert [str(label) for label in second.detected_labels.all()] == ["a 80.00"]
        assert second.reason == "high risk: a 80.00"

    def test_copy_that_was_judged_is_said(self, upload, commit, django_user_model):
        first = upload()
        ModerationRecord.objects.update(judged_as="a JPEG copy of 8 x 8 pixels")
        assert upload().judged_as == "a JPEG copy of 8 x 8 pixels"
        with commit():
            decide(latest(), Outcome.BLOCK, decided_by=django_user_model.objects.create_user("moderator"))
        third = upload()
        assert (third.judged_as, third.status) == ("a JPEG copy of 8 x 8 pixels", Status.BLOCKED)
        assert first.pk != third.pk

    def test_a_persons_decision_is_reused(self, upload, commit, django_user_model):
        dummy().script("high")
        first = upload()
        with commit():
            decide(first, Outcome.PASS, decided_by=django_user_model.objects.create_user("moderator"))
        second = upload()
        assert (second.status, second.reused_from) == (Status.PASSED, first)
        assert second.reason == "the same picture was decided before: pass"
        assert second.risk_level == "high"

    def test_decision_about_a_picture_that_no_provider_could_judge(self, upload, commit, django_user_model):
        dummy().script(ProviderRefused("too odd"))
        first = upload()
        with commit():
            decide(first, Outcome.BLOCK, decided_by=django_user_model.objects.create_user("moderator"))
        second = upload()
        assert (second.status, second.reused_from, second.risk_level) == (Status.BLOCKED, first, "")
        assert len(dummy().calls) == 1

    def test_decision_under_another_policy_is_not(self, upload, commit, picture, django_user_model):
        dummy().script("low")
        first = upload()
        with commit():
            decide(first, Outcome.BLOCK, decided_by=django_user_model.objects.create_user("moderator"))
        with commit():
            Document.objects.create(scan=picture())
        assert latest().status == Status.IN_REVIEW
        assert len(dummy().calls) == 1

    def test_error_is_not_reused(self, upload):
        dummy().script(ProviderRefused("no"), "none")
        assert upload().status == Status.IN_REVIEW
        assert upload().status == Status.PASSED

    def test_verdict_of_another_service_is_not(self, upload, settings):
        upload()
        backend = "django_imgmod.providers.dummy.DummyProvider"
        configure(settings, PROVIDERS={"default": {"BACKEND": backend, "OPTIONS": {"risk_level": "high"}}})
        assert upload().status == Status.BLOCKED

    def test_replaced_by_the_same_picture(self, upload, commit, picture):
        first = upload()
        photo = Photo.objects.get()
        photo.image = picture()
        with commit():
            photo.save()
        assert latest().reused_from == first
        assert len(dummy().calls) == 1

    def test_is_looked_for_by_the_digest_alone(self, upload):
        """Of a table that fills up a database has no statistics: by provider or status it may read all of it."""
        for number in range(50):
            make_judged(sha256=f"{number:064}")
        with CaptureQueriesContext(connection) as queries:
            upload()
        statements = [query["sql"] for query in queries if re.match("SELECT .* WHERE .*sha256. = ", query["sql"])]
        assert len(statements) == 2, "before it is judged, and after that for those who wait"
        for statement in statements:
            with connection.cursor() as cursor:
                cursor.execute(f"{connection.ops.explain_query_prefix()} {statement}")
                plan = str(cursor.fetchall())
            assert "imgmod_record_sha256" in plan, plan


class TestSameBytesAtTheSameTime:
    def test_second_waits_for_the_first(self, upload, commit, settings):
        use_asynchronous_provider(settings, delay=60, risk_level="medium")
        first, second = upload(), upload(model=UuidPhoto)
        assert (first.status, second.status) == (Status.SUBMITTED, Status.PENDING)
        assert (second.attempt_count, second.error_code) == (0, "")
        make_due(first)
        with commit():
            list(sweep())
        second.refresh_from_db()
        assert (second.status, second.reused_from) == (Status.IN_REVIEW, first)
        assert len(dummy().calls) == 1

    def test_many_wait(self, picture, commit, settings):
        use_asynchronous_provider(settings, delay=60)
        with commit():
            photos = [Photo.objects.create(image=picture()) for _ in range(80)]
        first = ModerationRecord.objects.earliest("pk")
        make_due(first)
        with commit():
            list(sweep(limit=1))
        while list(sweep()):
            pass
        statuses = ModerationRecord.objects.values_list("status", "error_code").distinct()
        assert list(statuses) == [(Status.PASSED, "")]
        assert ModerationRecord.objects.count() == len(photos)
        assert len(dummy().calls) == 1

    def test_first_is_deleted_meanwhile(self, upload, settings):
        use_asynchronous_provider(settings, delay=60)
        upload()
        second = upload(model=UuidPhoto)
        Photo.objects.all().delete()
        make_due(second)
        list(sweep())
        second.refresh_from_db()
        assert second.status == Status.SUBMITTED

    def test_first_cannot_be_judged(self, upload, commit, settings):
        use_asynchronous_provider(settings, delay=60)
        dummy().script(ProviderRefused("no"))
        first, second = upload(), upload(model=UuidPhoto)
        make_due(first)
        with commit():
            list(sweep())
        second.refresh_from_db()
        assert second.status == Status.SUBMITTED
        assert len(dummy().calls) == 2


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ProviderUnavailable("no answer"), ErrorCode.UNAVAILABLE),
            (ProviderThrottled("slower"), ErrorCode.THROTTLED),
            (RuntimeError("a fault of ours"), ErrorCode.INTERNAL),
        ],
    )
    def test_passing_trouble_is_tried_again(self, upload, error, code):
        dummy().script(error, "none")
        record = upload()
        assert (record.status, record.error_code, record.attempt_count) == (Status.PENDING, code, 1)
        assert str(error) in record.error_message
        assert record.due_at is not None
        assert record.due_at > timezone.now()
        assert list(sweep()) == []
        make_due(record)
        assert list(sweep()) == [record]
        record.refresh_from_db()
        assert (record.status, record.error_code, record.error_message) == (Status.PASSED, "", "")

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (ProviderRefused("too large", code=ErrorCode.TOO_LARGE), ErrorCode.TOO_LARGE),
            (ProviderAuthError("wrong key"), ErrorCode.AUTHENTICATION),
            (ProviderProtocolError("gibberish"), ErrorCode.PROTOCOL),
        ],
    )
    def test_lasting_trouble_ends_in_review(self, upload, error, code):
        dummy().script(error)
        record = upload()
        assert (record.status, record.error_code, record.risk_level) == (Status.IN_REVIEW, code, "")
        assert record.reason == f"could not be judged: {error}"

    def test_on_error_may_block(self, commit, picture):
        dummy().script(ProviderRefused("no"))
        with commit():
            Document.objects.create(scan=picture())
        assert latest().status == Status.BLOCKED

    @pytest.mark.parametrize("error", [ProviderThrottled("slower"), RuntimeError("broken")])
    def test_retries_run_out(self, upload, error):
        dummy().script(*[error] * backoff.MAX_ATTEMPTS)
        record = upload()
        for _ in range(backoff.MAX_ATTEMPTS - 1):
            record.refresh_from_db()
            assert record.status == Status.PENDING
            make_due(record)
            list(sweep())
        record.refresh_from_db()
        assert (record.status, record.attempt_count) == (Status.IN_REVIEW, backoff.MAX_ATTEMPTS)
        assert record.error_code
        assert list(sweep()) == []

    def test_provider_says_when_to_come_back(self, upload):
        dummy().script(ProviderThrottled("slower", retry_after=7200))
        due_at = upload().due_at
        assert due_at is not None
        assert due_at > timezone.now() + timedelta(seconds=7000)

    def test_provider_that_is_not_configured(self, commit, picture, settings):
        with commit():
            Photo.objects.create(image=picture())
            configure(settings, PROVIDERS={"other": settings.IMGMOD["PROVIDERS"]["default"]})
        record = latest()
        assert (record.status, record.error_code) == (Status.PENDING, ErrorCode.CONFIGURATION)
        assert 'There is no provider "default"' in record.error_message

    def test_unexpected_error_is_logged_with_its_traceback(self, upload, caplog):
        dummy().script(RuntimeError("a fault of ours"))
        record = upload()
        [entry] = [entry for entry in caplog.records if entry.exc_info]
        assert str(record.public_id) in entry.getMessage()

    @pytest.mark.django_db(transaction=True)
    def test_broken_dispatcher_does_not_reach_the_user(self, picture, settings, caplog):
        configure(settings, DISPATCHER="tests.services.test_submission.does_not_exist")
        Photo.objects.create(image=picture())
        assert latest().status == Status.PENDING
        assert "does_not_exist" in caplog.text

    def test_picture_that_kills_its_worker_ends_in_review(self, upload):
        """A worker that is killed cannot say so: only the count of what was begun does."""
        dummy().script(ProviderUnavailable("down"))
        record = upload()
        for _ in range(backoff.MAX_ATTEMPTS - 1):
            make_due(record)
            assert submission.claim(record.public_id, using="default") is not None
            ModerationRecord.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        make_due(record)
        list(sweep())
        record.refresh_from_db()
        assert (record.status, record.error_code) == (Status.IN_REVIEW, ErrorCode.INTERNAL)
        assert "the worker died" in record.reason
        assert len(dummy().calls) == 1

    def test_worker_that_was_too_slow_leaves_the_next_ones_lease_alone(self, upload):
        dummy().script(ProviderUnavailable("down"))
        record = upload()
        make_due(record)
        slow = submission.claim(record.public_id, using="default")
        ModerationRecord.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        next_one = submission.claim(record.public_id, using="default")
        assert slow is not None
        assert next_one is not None
        submission._fail(slow, ErrorCode.UNAVAILABLE, "at last")
        record.refresh_from_db()
        assert record.lease_owner == next_one.lease_owner

    @pytest.mark.parametrize(
        "answer",
        [
            ProviderRefused("NUL \x00, half a pair \ud800"),
            RuntimeError("NUL \x00"),
            Verdict(risk_level=RiskLevel.MEDIUM, raw={"a\x00": ["b\x00", float("nan"), "\ud800"]}),
            Verdict(
                risk_level=RiskLevel.MEDIUM, detections=(Detection(label="a\x00", description="\x00", source="\ud800"),)
            ),
        ],
    )
    def test_text_that_no_database_takes_is_kept_as_far_as_it_can_be(self, upload, answer):
        dummy().script(answer)
        record = upload()
        assert record.status == (Status.PENDING if isinstance(answer, RuntimeError) else Status.IN_REVIEW)

    def test_lease_of_a_worker_that_died_expires(self, upload):
        dummy().script(ProviderUnavailable("down"))
        record = upload()
        make_due(record)
        assert submission.claim(record.public_id, using="default") is not None
        assert submission.claim(record.public_id, using="default") is None
        ModerationRecord.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert list(sweep()) == [record]


class TestFiles:
    def test_missing_file_is_superseded_work(self, commit, picture, media_root, caplog):
        with commit():
            photo = Photo.objects.create(image=picture())
            Path(photo.image.path).unlink()
        assert (latest().status, latest().error_code) == (Status.SUPERSEDED, "")
        assert not [entry for entry in caplog.records if entry.levelno >= logging.WARNING]

    def test_storage_that_fails_is_tried_again(self, commit, picture, monkeypatch):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise PermissionError("the disk is gone")

        with commit():
            photo = Photo.objects.create(image=picture())
            monkeypatch.setattr(photo.image.storage, "open", fail)
        assert (latest().status, latest().error_code) == (Status.PENDING, ErrorCode.STORAGE)
        assert "the disk is gone" in latest().error_message

    def test_storage_that_quotes_a_signed_url_gives_nothing_away(self, commit, picture, monkeypatch, caplog):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise OSError("403 GET https://bucket.example/a.png?X-Amz-Signature=s3cr3t")

        with commit():
            photo = Photo.objects.create(image=picture())
            monkeypatch.setattr(photo.image.storage, "open", fail)
        assert "403 GET https://bucket.example/a.png?…" in latest().error_message
        assert "s3cr3t" not in latest().error_message + caplog.text

    def test_file_that_is_too_large_is_not_read(self, upload, monkeypatch):
        monkeypatch.setattr(DummyProvider, "max_bytes", 100)
        record = upload()
        assert (record.status, record.error_code) == (Status.IN_REVIEW, ErrorCode.TOO_LARGE)
        assert "100 bytes" in record.reason
        assert record.file_name in record.reason
        assert dummy().calls == []

    @pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
    def test_header_of_something_else_is_no_obstacle(self, upload, content):
        """What the bytes are is for the provider to say; only the facts stay empty."""
        record = upload(ContentFile(content, "odd.png"))
        assert (record.image_format, record.width) == ("", None)


class TestAsynchronousProvider:
    def test_accepted_then_judged(self, upload, settings):
        use_asynchronous_provider(settings, delay=60, risk_level="high")
        record = upload()
        assert (record.status, record.reference) == (Status.SUBMITTED, "default-1")
        assert list(sweep()) == []
        make_due(record)
        assert list(sweep()) == [record]
        assert latest().status == Status.BLOCKED

    def test_answer_that_is_not_there_yet(self, upload, settings, monkeypatch):
        use_asynchronous_provider(settings)
        monkeypatch.setattr(DummyProvider, "fetch", lambda self, reference: None)
        record = upload()
        list(sweep())
        record.refresh_from_db()
        assert (record.status, record.attempt_count) == (Status.SUBMITTED, 0)
        assert record.due_at is not None
        assert record.due_at > timezone.now()

    def test_answer_that_never_comes_ends_in_review(self, upload, settings, monkeypatch):
        use_asynchronous_provider(settings)
        monkeypatch.setattr(DummyProvider, "fetch", lambda self, reference: None)
        upload()
        ModerationRecord.objects.update(submitted_at=timezone.now() - submission.MAX_WAIT - timedelta(minutes=1))
        list(sweep())
        assert (latest().status, latest().error_code) == (Status.IN_REVIEW, ErrorCode.UNAVAILABLE)

    def test_first_answer_after_days_without_asking_is_not_the_last(self, upload, settings, monkeypatch):
        use_asynchronous_provider(settings)
        monkeypatch.setattr(DummyProvider, "fetch", lambda self, reference: None)
        record = upload()
        now = timezone.now()
        ModerationRecord.objects.update(
            submitted_at=now - submission.MAX_WAIT - timedelta(hours=1), due_at=now - timedelta(hours=1)
        )
        list(sweep())
        assert (latest().status, latest().error_code) == (Status.SUBMITTED, "")
        make_due(record)
        list(sweep())
        assert (latest().status, latest().error_code) == (Status.IN_REVIEW, ErrorCode.UNAVAILABLE)

    def test_error_while_asking(self, upload, settings):
        use_asynchronous_provider(settings)
        dummy().script(ProviderUnavailable("down"))
        record = upload()
        list(sweep())
        record.refresh_from_db()
        assert (record.status, record.error_code) == (Status.SUBMITTED, ErrorCode.UNAVAILABLE)
