"""A provider that fails is left alone, tried by one call at a time, and taken back when it answers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Circuit, ErrorCode, Status
from django_imgmod.exceptions import (
    ProviderAuthError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.models import ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import ImageSource, Submission
from django_imgmod.services.backoff import MAX_ATTEMPTS
from django_imgmod.services.circuit import FAILURES_TO_OPEN, FIRST_PAUSE, MAX_PAUSE, PROBE
from django_imgmod.services.gate import calling
from django_imgmod.services.sweep import sweep
from tests.backdated import ago
from tests.hostapp.models import Photo, UuidPhoto
from tests.timetravel import fast_forward

# What is saved stays due: the commit that would wake its work never comes, but in the tests of inline saves.
pytestmark = pytest.mark.django_db(databases=["default", "other"])

DOWN = ProviderUnavailable("The data centre is on fire.")
BACKEND = "django_imgmod.providers.dummy.DummyProvider"


@pytest.fixture
def save(picture) -> Callable[..., list[ModerationRecord]]:
    """Return a function that saves so many different photos and returns their records."""
    numbers = iter(range(1000))

    def save_photos(count: int = 1, model: Any = Photo) -> list[ModerationRecord]:
        before = set(ModerationRecord.objects.values_list("pk", flat=True))
        for _ in range(count):
            model.objects.create(image=picture(next(numbers)))
        return list(ModerationRecord.objects.exclude(pk__in=before).order_by("pk"))

    return save_photos


@pytest.fixture
def fail(save) -> Callable[..., None]:
    """Return a function that lets so many pictures, or those that there are, meet these errors one after the other."""

    def meet(*errors: Exception) -> None:
        for error in errors:
            dummy().script(error)
            record = save()[0]
            assert list(sweep()) == [record]
            # Out of the way: it is not due by itself.
            ModerationRecord.objects.filter(pk=record.pk, due_at__isnull=False).update(due_at=ago(days=-1))

    return meet


@pytest.fixture
def outage(fail) -> None:
    """A provider whose circuit has just opened."""
    fail(*[DOWN] * FAILURES_TO_OPEN)
    assert state().circuit == Circuit.OPEN


def dummy(alias: str = "default") -> DummyProvider:
    provider = providers[alias]
    assert isinstance(provider, DummyProvider)
    return provider


def state(provider: str = "default") -> ProviderState:
    return ProviderState.objects.get(provider=provider)


def circuit() -> str:
    return ProviderState.objects.values_list("circuit", flat=True).filter(provider="default").first() or Circuit.CLOSED


def end_pause() -> None:
    ProviderState.objects.update(retry_at=ago(seconds=1))


def make_due() -> None:
    ModerationRecord.objects.filter(due_at__isnull=False).update(due_at=ago(seconds=1))


def attempts(records: list[ModerationRecord]) -> set[tuple[str, int]]:
    rows = ModerationRecord.objects.filter(pk__in=[record.pk for record in records])
    return set(rows.values_list("status", "attempt_count"))


class TestOpening:
    @pytest.mark.parametrize("error", [DOWN, ProviderAuthError("wrong key"), ProviderProtocolError("gibberish")])
    def test_opens_after_a_run_of_outages_and_not_before(self, fail, error):
        fail(*[error] * (FAILURES_TO_OPEN - 1))
        assert circuit() == Circuit.CLOSED
        fail(error)
        assert circuit() == Circuit.OPEN
        assert (state().failure_count, state().error_code) == (FAILURES_TO_OPEN, error.code)
        assert state().error_message == str(error)
        assert state().changed_at is not None

    @pytest.mark.parametrize("answer", ["none", ProviderRefused("too large")])
    def test_an_answer_in_between_ends_the_run(self, fail, save, answer):
        fail(*[DOWN] * (FAILURES_TO_OPEN - 1))
        dummy().script(answer)
        save()
        list(sweep())
        assert (state().failure_count, state().error_code, state().error_message) == (0, "", "")
        fail(*[DOWN] * (FAILURES_TO_OPEN - 1))
        assert circuit() == Circuit.CLOSED
        fail(DOWN)
        assert circuit() == Circuit.OPEN

    @pytest.mark.parametrize("error", [ProviderThrottled("slower"), RuntimeError("a fault of ours")])
    def test_what_is_no_outage_does_not_open_it(self, fail, error):
        fail(*[error] * (FAILURES_TO_OPEN + 1))
        assert circuit() == Circuit.CLOSED

    def test_asking_for_results_in_vain_opens_it_as_well(self, save, settings):
        options = {"is_asynchronous": True}
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": BACKEND, "OPTIONS": options}}}
        dummy().script(*[DOWN] * FAILURES_TO_OPEN)
        records = save(FAILURES_TO_OPEN)
        list(sweep())
        assert attempts(records) == {(Status.SUBMITTED, 0)}
        list(sweep())
        assert circuit() == Circuit.OPEN

    def test_each_change_is_logged_once(self, fail, save, caplog):
        caplog.set_level(logging.INFO, "django_imgmod")
        fail(*[DOWN] * FAILURES_TO_OPEN)
        save(3)
        for _ in range(3):
            end_pause()
            make_due()
            dummy().script(DOWN)
            list(sweep())
        end_pause()
        make_due()
        while list(sweep()):
            pass
        lines = [(entry.levelname, entry.getMessage()) for entry in caplog.records]
        told = [(level, line.split()[0]) for level, line in lines if line.startswith("circuit=") and level != "INFO"]
        assert told == [("ERROR", "circuit=open"), ("WARNING", "circuit=closed")]
        [opened] = [line for level, line in lines if level == "ERROR"]
        assert "provider=default" in opened
        assert "error=unavailable" in opened
        assert str(DOWN) in opened


@pytest.mark.usefixtures("outage")
class TestOpen:
    def test_nothing_is_sent_and_no_attempt_is_used_up(self, save):
        records = save(3)
        assert list(sweep()) == []
        assert len(dummy().calls) == FAILURES_TO_OPEN
        assert attempts(records) == {(Status.PENDING, 0)}

    def test_worker_does_not_even_claim(self, save):
        save(12)
        with CaptureQueriesContext(connections["default"]) as queries:
            assert list(sweep()) == []
        # Two for which providers have records, one for how this one fares.
        assert len(queries) == 3, queries.captured_queries

    def test_inline_save_does_not_call_the_provider(self, save, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            [record] = save()
        record.refresh_from_db()
        assert len(dummy().calls) == FAILURES_TO_OPEN
        assert (record.status, record.attempt_count, record.error_code) == (Status.PENDING, 0, ErrorCode.UNAVAILABLE)
        assert 'Provider "default" failed 8 times in a row and is left alone' in record.error_message
        assert str(DOWN) in record.error_message
        assert record.due_at is not None
        assert record.due_at > timezone.now() + timedelta(seconds=1)
        assert (record.lease_until, record.lease_owner) == (None, "")

    def test_another_provider_is_not_delayed(self, save, settings):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {"default": {"BACKEND": BACKEND}, "second": {"BACKEND": BACKEND}},
            "FIELDS": {"hostapp.Photo.image": {}, "hostapp.UuidPhoto.image": {"provider": "second"}},
        }
        held, judged = save(3), save(3, UuidPhoto)
        assert sorted(record.pk for record in sweep()) == [record.pk for record in judged]
        assert attempts(held) == {(Status.PENDING, 0)}
        assert attempts(judged) == {(Status.PASSED, 1)}
        assert len(dummy("second").calls) == 3


@pytest.mark.usefixtures("outage")
class TestProbe:
    def test_one_record_at_a_time_is_tried(self, save):
        records = save(5)
        for number in range(1, 4):
            end_pause()
            dummy().script(DOWN)
            [tried] = sweep(limit=10)
            assert (tried.status, tried.attempt_count) == (Status.PENDING, 0)
            assert list(sweep(limit=10)) == []
            assert len(dummy().calls) == FAILURES_TO_OPEN + number
        assert attempts(records) == {(Status.PENDING, 0)}

    def test_failed_probe_lengthens_the_pause_up_to_a_limit(self, save):
        save()
        pauses = []
        for _ in range(8):
            end_pause()
            make_due()
            dummy().script(DOWN)
            before = timezone.now()
            list(sweep(limit=1))
            retry_at = state().retry_at
            assert state().circuit == Circuit.OPEN
            assert retry_at is not None
            pauses.append(round((retry_at - before).total_seconds()))
        assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]
        assert (pauses[0], pauses[-1]) == (2 * FIRST_PAUSE.total_seconds(), MAX_PAUSE.total_seconds())

    def test_provider_says_how_long_it_is_away(self, save):
        save()
        end_pause()
        dummy().script(ProviderUnavailable("maintenance", retry_after=1800))
        list(sweep())
        retry_at = state().retry_at
        assert retry_at is not None
        assert retry_at > timezone.now() + timedelta(seconds=1750)

    @pytest.mark.parametrize("error", [ProviderAuthError("wrong key"), ProviderProtocolError("gibberish")])
    def test_failure_that_is_final_elsewhere_is_not_the_pictures_fault(self, save, error):
        records = save()
        end_pause()
        dummy().script(error)
        assert list(sweep()) == records
        records[0].refresh_from_db()
        assert (records[0].status, records[0].attempt_count) == (Status.PENDING, 0)
        assert (records[0].error_code, records[0].error_message) == (error.code, str(error))

    def test_probe_whose_process_died_is_followed_by_another(self, save):
        save()
        end_pause()
        with pytest.raises(KeyboardInterrupt), calling("default"):
            raise KeyboardInterrupt
        assert state().circuit == Circuit.HALF_OPEN
        assert list(sweep()) == []
        retry_at = state().retry_at
        assert retry_at is not None
        assert timedelta(0) < retry_at - timezone.now() <= PROBE
        fast_forward(PROBE.total_seconds() + 1)
        assert [record.status for record in sweep()] == [Status.PASSED]
        assert state().circuit == Circuit.CLOSED

    @pytest.mark.parametrize(
        ("answer", "status"), [("none", Status.PASSED), (ProviderRefused("odd"), Status.IN_REVIEW)]
    )
    def test_answer_closes_it_whatever_it_says_about_the_picture(self, save, answer, status):
        save()
        end_pause()
        dummy().script(answer)
        assert [record.status for record in sweep()] == [status]
        assert state().circuit == Circuit.CLOSED
        assert (state().failure_count, state().retry_at, state().error_message) == (0, None, "")

    def test_all_that_was_held_is_judged_then(self, save):
        save(15)
        end_pause()
        make_due()
        while list(sweep()):
            pass
        assert set(ModerationRecord.objects.values_list("status", "error_code")) == {(Status.PASSED, "")}
        assert ModerationRecord.objects.count() == FAILURES_TO_OPEN + 15


class TestOnePictureOnly:
    @pytest.fixture
    def bad(self, save, monkeypatch) -> ModerationRecord:
        """The record of a picture on which the provider breaks, whenever it gets it."""
        [record] = save()
        submit = DummyProvider.submit

        def break_on_it(self: DummyProvider, source: ImageSource) -> Submission:
            if source.data_id == str(record.public_id):
                raise DOWN
            return submit(self, source)

        monkeypatch.setattr(DummyProvider, "submit", break_on_it)
        return record

    def test_ends_in_on_error_while_others_pass(self, bad, save):
        others = []
        for _ in range(MAX_ATTEMPTS):
            others += save()
            make_due()
            list(sweep())
            assert circuit() == Circuit.CLOSED
        assert attempts(others) == {(Status.PASSED, 1)}
        assert attempts([bad]) == {(Status.IN_REVIEW, MAX_ATTEMPTS)}
        bad.refresh_from_db()
        assert (bad.error_code, bad.risk_level) == (ErrorCode.UNAVAILABLE, "")

    def test_that_opened_the_circuit_alone_does_not_keep_others_from_being_judged(self, bad, save):
        for _ in range(FAILURES_TO_OPEN):
            make_due()
            list(sweep())
        assert circuit() == Circuit.OPEN
        for _ in range(3):
            others = save(1)
            for _ in range(60):
                fast_forward(MAX_PAUSE.total_seconds())
                list(sweep())
            assert attempts(others) == {(Status.PASSED, 1)}
        assert attempts([bad]) == {(Status.IN_REVIEW, MAX_ATTEMPTS)}


class TestThrottling:
    def test_what_the_provider_asks_for_holds_for_all(self, save):
        dummy().script(ProviderThrottled("slower", retry_after=120))
        first, *others = save(4)
        assert len(list(sweep())) == 4
        assert len(dummy().calls) == 1
        assert attempts([first]) == {(Status.PENDING, 1)}
        assert attempts(others) == {(Status.PENDING, 0)}
        for record in ModerationRecord.objects.all():
            assert record.due_at is not None
            assert record.due_at > timezone.now() + timedelta(seconds=110)
            assert record.error_code == ErrorCode.THROTTLED

    def test_all_go_on_when_its_time_is_over(self, save):
        dummy().script(ProviderThrottled("slower", retry_after=120))
        records = save(4)
        list(sweep())
        # The jitter on top, and the backoff of the one that was told.
        fast_forward(120 + 30)
        list(sweep())
        assert attempts(records) <= {(Status.PASSED, 1), (Status.PASSED, 2)}

    def test_throttling_without_a_time_holds_only_its_record(self, save):
        dummy().script(ProviderThrottled("slower"))
        _, *others = save(3)
        list(sweep())
        assert attempts(others) == {(Status.PASSED, 1)}
