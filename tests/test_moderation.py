"""What the developer of a host project sees of its tests. The examples of the docs run in tests/test_documented.py."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.dispatch import Signal
from django.test import SimpleTestCase, override_settings
from django.utils import timezone

from django_imgmod import dispatch, signals
from django_imgmod.choices import Circuit, ErrorCode, FeedbackStatus, Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.exceptions import ImgmodConfigurationError, ProviderRefused
from django_imgmod.models import CallbackReceipt, Feedback, ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.alibaba import ImageModeration2Provider
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection
from django_imgmod.seeds import callback_seed
from django_imgmod.services.decisions import decide
from django_imgmod.services.showing.waits import expected_wait
from django_imgmod.testing import Moderation, canary_png, settling
from django_imgmod.testing.provider import ScriptedProvider
from django_imgmod.validators import HighRiskValidator

from .backdated import make_history
from .hostapp.models import Document, Photo

# Without credentials it could judge nothing, with them it would reach another machine.
ALIBABA = {"BACKEND": "django_imgmod.providers.alibaba.ImageModeration2Provider"}


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seconds: float) -> None:
        assert seconds == 0, f"Something waits for {seconds} seconds."

    monkeypatch.setattr(time, "sleep", refuse)


@pytest.fixture
def imgmod() -> Iterator[Moderation]:
    with Moderation() as moderation:
        yield moderation


def save(content: bytes = b"a picture", model: Any = Photo, field: str = "image") -> ModerationRecord:
    """Save a picture and return its record."""
    obj = model.objects.create(**{field: ContentFile(content, name="picture.png")})
    return ModerationRecord.objects.get(object_id=str(obj.pk), field_name=field, current_key__isnull=False)


@contextmanager
def heard(signal: Signal, then: Callable[[ModerationRecord], object] = lambda record: None) -> Iterator[list[Any]]:
    """Give the list of what a signal tells, and do something each time."""
    told = []

    def receiver(record: ModerationRecord, **kwargs: Any) -> None:
        told.append(record)
        then(record)

    signal.connect(receiver)
    try:
        yield told
    finally:
        signal.disconnect(receiver)


def status(record: ModerationRecord) -> Status:
    record.refresh_from_db()
    return Status(record.status)


@pytest.mark.django_db
class TestAnswers:
    def test_are_given_one_by_one_in_the_order_of_the_pictures(self, imgmod):
        for level in ("high", "medium", "none"):
            imgmod.next(level)
        records = [save(content) for content in (b"1", b"2", b"3", b"4")]
        assert {status(record) for record in records} == {Status.PENDING}
        imgmod.settle()
        assert [status(record) for record in records] == [
            Status.BLOCKED,
            Status.IN_REVIEW,
            Status.PASSED,
            Status.PASSED,
        ]
        assert [source.content for source in imgmod.submissions] == [b"1", b"2", b"3", b"4"]
        assert [source.data_id for source in imgmod.submissions] == [str(record.public_id) for record in records]

    @pytest.mark.parametrize("level", ["high", "medium"])
    def test_canary_says_itself_what_it_is(self, imgmod, level):
        record = save(canary_png(level))
        imgmod.settle()
        record.refresh_from_db()
        assert record.risk_level == level

    @pytest.mark.parametrize(
        ("labels", "level", "top"),
        [
            ({"sexual_nudity": 93.5, "logo": 20}, RiskLevel.HIGH, ("sexual_nudity", 93.5)),
            ({"logo": None}, RiskLevel.HIGH, ("logo", None)),
            (["logo"], RiskLevel.HIGH, ("logo", None)),
            ("logo", RiskLevel.HIGH, ("logo", None)),
            ({}, RiskLevel.NONE, ("", None)),
            (
                [
                    Detection(label="logo", confidence=99, risk_level=RiskLevel.MEDIUM),
                    Detection(label="weapon", confidence=60, risk_level=RiskLevel.HIGH),
                ],
                RiskLevel.HIGH,
                ("weapon", 60),
            ),
        ],
    )
    def test_with_labels(self, imgmod, labels, level, top):
        imgmod.verdict(labels=labels)
        record = save()
        imgmod.settle()
        record.refresh_from_db()
        assert (record.risk_level, (record.top_label, record.top_confidence)) == (level, top)

    def test_with_labels_and_a_risk_level(self, imgmod):
        imgmod.verdict(labels={"logo": 93.5}, risk_level="low")
        record = save()
        imgmod.settle()
        assert (status(record), record.risk_level) == (Status.PASSED, RiskLevel.LOW)

    def test_are_judged_by_the_policies_of_the_site(self, imgmod, settings):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "POLICIES": {"default": {"labels": {"logo": {"review": 50, "block": 95}}}},
        }
        imgmod.verdict(labels={"logo": 93.5})
        record = save()
        imgmod.settle()
        assert status(record) == Status.IN_REVIEW

    def test_failure_is_tried_again(self, imgmod):
        imgmod.fail(times=3)
        imgmod.next("high")
        record = save()
        imgmod.settle()
        assert (status(record), len(imgmod.submissions)) == (Status.BLOCKED, 4)

    @pytest.mark.parametrize(
        ("model", "field", "outcome"), [(Photo, "image", Status.IN_REVIEW), (Document, "scan", Status.BLOCKED)]
    )
    def test_failure_for_good_ends_as_the_policy_says(self, imgmod, model, field, outcome):
        imgmod.fail(ProviderRefused("It has too many pixels."))
        record = save(model=model, field=field)
        imgmod.settle()
        assert (status(record), record.error_message) == (outcome, "It has too many pixels.")

    def test_outage_holds_everything_and_uses_nothing_up(self, imgmod):
        imgmod.is_down = True
        imgmod.next("high")
        records = [save(b"%d" % number) for number in range(3)]
        imgmod.settle()
        assert [(status(record), record.error_code) for record in records] == [
            (Status.PENDING, ErrorCode.UNAVAILABLE)
        ] * 3
        assert ProviderState.objects.get().circuit == Circuit.OPEN
        imgmod.is_down = False
        imgmod.settle()
        assert [status(record) for record in records] == [Status.BLOCKED, Status.PASSED, Status.PASSED]

    def test_later_ones_wait_to_be_released(self, imgmod):
        imgmod.next("high", later=True)
        record = save()
        imgmod.settle()
        imgmod.settle()
        assert status(record) == Status.SUBMITTED
        imgmod.release()
        imgmod.is_down = True
        imgmod.settle()
        assert status(record) == Status.SUBMITTED
        imgmod.is_down = False
        imgmod.settle()
        assert status(record) == Status.BLOCKED

    def test_serve_all_pictures_of_the_same_bytes(self, imgmod):
        imgmod.next("high", later=True)
        records = [save(), save()]
        imgmod.settle()
        assert [status(record) for record in records] == [Status.SUBMITTED, Status.PENDING]
        imgmod.deliver_callback(records[0])
        imgmod.settle()
        assert [status(record) for record in records] == [Status.BLOCKED] * 2
        assert len(imgmod.submissions) == 1

    def test_left_behind_fail_the_test(self):
        with pytest.raises(AssertionError, match="2 of the queued answers: high risk, ProviderUnavailable"):  # noqa: PT012, SIM117
            with Moderation() as imgmod:
                imgmod.next("high")
                imgmod.fail()
        assert isinstance(providers["default"], DummyProvider)

    def test_left_behind_hide_no_other_failure(self):
        with pytest.raises(ZeroDivisionError), Moderation() as imgmod:  # noqa: PT012
            imgmod.next("high")
            _ = 1 / 0

    def test_misspelt_level_is_an_error(self, imgmod):
        with pytest.raises(ValueError, match=r"no risk level 'hihg'\. There are: high, medium"):
            imgmod.next("hihg")


class TestSwap:
    @pytest.mark.django_db(transaction=True)
    def test_judges_at_once_after_a_commit(self, imgmod, settings):
        dispatcher = "django_imgmod.dispatch.SweepDispatcher"
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": dispatcher}
        imgmod.next("high")
        assert status(save()) == Status.BLOCKED

    @pytest.mark.django_db
    def test_holds_for_every_provider_whatever_happens_to_the_settings(self, imgmod, settings):
        entries = {"default": ALIBABA, "other": ALIBABA}
        settings.IMGMOD = {"PROVIDERS": entries, "FIELDS": {"hostapp.Photo.image": {"provider": "other"}}}
        imgmod.next("high")
        record = save()
        imgmod.settle()
        assert (status(record), record.provider) == (Status.BLOCKED, "other")
        with pytest.raises(ImgmodConfigurationError, match='no provider "third"'):
            _ = providers["third"]

    def test_is_undone_in_whatever_order_the_settings_are(self, settings):
        changed = override_settings(IMGMOD={"PROVIDERS": {"default": ALIBABA}})
        with Moderation():
            changed.enable()
            assert isinstance(providers["default"], ScriptedProvider)
        assert isinstance(providers["default"], ImageModeration2Provider)
        changed.disable()
        assert type(providers["default"]) is DummyProvider
        assert dispatch.dispatcher_class().__name__ == "InlineDispatcher"
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
        assert dispatch.dispatcher_class().__name__ == "SweepDispatcher"

    @pytest.mark.django_db
    def test_leaves_nothing_in_the_cache_of_the_site(self):
        validate = HighRiskValidator("hostapp.Photo.image")
        upload = ContentFile(b"a picture", name="a.png")
        with Moderation() as imgmod:
            imgmod.next("high")
            with pytest.raises(ValidationError, match="refused"):
                validate(upload)
            assert expected_wait(save()) is None
        make_history(20, pause=timedelta(0), wait=timedelta(minutes=5), until=timezone.now())
        with Moderation() as imgmod:
            validate(upload)
            assert len(imgmod.submissions) == 1
            assert expected_wait(save()) == timedelta(minutes=5)

    def test_works_only_while_it_is_entered(self):
        moderation = Moderation()
        for act in (moderation.settle, lambda: moderation.deliver_callback(ModerationRecord())):
            with pytest.raises(RuntimeError, match="enter the moderation"):
                act()
        with moderation, pytest.raises(RuntimeError, match="entered already"), moderation:
            pass


@pytest.mark.django_db
class TestCallback:
    def submitted(self, imgmod: Moderation) -> ModerationRecord:
        imgmod.verdict(labels={"sexual_nudity": 93.5}, later=True)
        record = save()
        imgmod.settle()
        assert status(record) == Status.SUBMITTED
        return record

    def test_brings_the_verdict(self, imgmod):
        record = self.submitted(imgmod)
        assert imgmod.deliver_callback(record).status_code == 200
        assert (status(record), record.top_label) == (Status.BLOCKED, "sexual_nudity")

    def test_is_told_by_the_signals(self, imgmod):
        record = self.submitted(imgmod)
        with heard(signals.image_blocked) as told:
            imgmod.deliver_callback(record)
        assert told == [record]

    def test_changes_nothing_when_it_is_repeated(self, imgmod):
        record = self.submitted(imgmod)
        imgmod.deliver_callback(record)
        version = ModerationRecord.objects.get().version
        assert imgmod.deliver_callback(record).status_code == 200
        assert ModerationRecord.objects.get().version == version
        assert CallbackReceipt.objects.order_by("pk").last().outcome == ReceiptOutcome.REPEATED

    def test_changes_nothing_when_it_is_forged(self, imgmod):
        record = self.submitted(imgmod)
        assert imgmod.deliver_callback(record, tamper=True).status_code == 400
        imgmod.settle()
        assert status(record) == Status.SUBMITTED
        assert not CallbackReceipt.objects.exists()

    def test_may_be_forged_for_any_record(self, imgmod):
        assert imgmod.deliver_callback(save(), tamper=True).status_code == 400

    def test_goes_through_the_middleware_over_tls(self, imgmod, settings):
        settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", *settings.MIDDLEWARE]
        settings.SECURE_SSL_REDIRECT = True
        assert imgmod.deliver_callback(self.submitted(imgmod)).status_code == 200

    def test_needs_a_submission(self, imgmod):
        with pytest.raises(ValueError, match=r"picture.*\.png.*, which is pending.*call settle\(\)"):
            imgmod.deliver_callback(save())

    def test_needs_the_address_in_the_urls(self, imgmod, settings):
        record = self.submitted(imgmod)
        settings.ROOT_URLCONF = "tests.admin.urls"
        with pytest.raises(ImgmodConfigurationError, match=re.escape('include("django_imgmod.urls")')):
            imgmod.deliver_callback(record)


@pytest.mark.django_db
class TestSettle:
    def test_applies_callbacks_that_wait(self, imgmod):
        imgmod.next("high", later=True)
        record = save()
        imgmod.settle()
        fields = {"data_id": record.public_id, "seed": callback_seed("default", str(record.public_id))}
        CallbackReceipt.objects.create(provider="default", body=urlencode(fields))
        imgmod.settle()
        assert status(record) == Status.BLOCKED

    def test_tells_the_provider_what_was_decided(self, imgmod, django_user_model):
        imgmod.next("medium")
        record = save()
        imgmod.settle()
        decide(ModerationRecord.objects.get(), Outcome.BLOCK, decided_by=django_user_model.objects.create_user("one"))
        imgmod.is_down = True
        imgmod.settle()
        assert (Feedback.objects.get().status, list(imgmod.feedback)) == (FeedbackStatus.QUEUED, [])
        imgmod.is_down = False
        imgmod.settle()
        assert Feedback.objects.get().status == FeedbackStatus.ACCEPTED
        [message] = imgmod.feedback
        assert (message.data_id, message.outcome) == (str(record.public_id), Outcome.BLOCK)

    def test_does_not_wait_for_a_provider_that_asks_to_be_left_alone(self, imgmod):
        far = timezone.now() + timedelta(hours=1)
        ProviderState.objects.create(provider="default", circuit=Circuit.OPEN, retry_at=far, next_call_at=far)
        record = save()
        ModerationRecord.objects.update(due_at=far)
        imgmod.settle()
        assert status(record) == Status.PASSED

    def test_leaves_the_dates_that_people_see(self, imgmod):
        imgmod.fail()
        imgmod.next("none", later=True)
        record = save()
        imgmod.settle()
        created_at, submitted_at = record.created_at, ModerationRecord.objects.get().submitted_at
        imgmod.release()
        imgmod.settle()
        record.refresh_from_db()
        assert (record.created_at, record.submitted_at) == (created_at, submitted_at)

    def test_sends_the_signals_once_and_in_time(self, imgmod, django_capture_on_commit_callbacks):
        counts = []
        records = [save(b"1"), save(b"2")]
        with (
            heard(signals.image_passed, lambda record: counts.append(len(imgmod.submissions))) as told,
            django_capture_on_commit_callbacks(execute=True),
        ):
            imgmod.settle()
        # Each before the next picture is judged, as it is where transactions commit.
        assert (told, counts) == (records, [1, 2])

    def test_judges_what_receivers_save(self, imgmod):
        def thumbnail(record: ModerationRecord) -> None:
            if Photo.objects.count() < 3:
                save(b"thumbnail %d" % record.pk)

        with heard(signals.image_passed, thumbnail) as told:
            save()
            imgmod.settle()
        assert [status(record) for record in told] == [Status.PASSED] * 3

    def test_says_so_when_there_is_no_end_of_it(self, imgmod, monkeypatch):
        monkeypatch.setattr(settling, "MAX_ROUNDS", 3)
        numbers = iter(range(100))
        with heard(signals.image_passed, lambda record: save(b"%d" % next(numbers))):
            save()
            with pytest.raises(RuntimeError, match="After 3 rounds there is still work"):
                imgmod.settle()


@pytest.mark.django_db(databases=["default", "other"])
def test_settles_every_database_that_the_test_may_use(imgmod):
    for using in ("default", "other"):
        Photo.objects.using(using).create(image=ContentFile(using.encode(), name="picture.png"))
    imgmod.settle()
    for using in ("default", "other"):
        assert ModerationRecord.objects.using(using).get().status == Status.PASSED


class WithoutDatabaseTest(SimpleTestCase):
    def test_says_what_is_missing(self) -> None:
        with Moderation() as moderation, self.assertRaisesMessage(AssertionError, "Database queries to 'default'"):
            moderation.settle()
