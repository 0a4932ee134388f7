"""What failed is tried again when somebody says so, and nothing else is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from django_imgmod.choices import ErrorCode, Outcome, Status
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Verdict
from django_imgmod.services import retries
from django_imgmod.services.decisions import decide
from django_imgmod.services.submission import work
from django_imgmod.services.verdicts import apply_verdict
from tests.hostapp.models import Document, Photo, UuidPhoto

pytestmark = pytest.mark.django_db(databases=["default", "other"])

REFUSAL = ProviderRefused("Too dark.")


def run(*args: str, **options: Any) -> list[str]:
    output = StringIO()
    call_command("imgmod_retry", *args, stdout=output, **options)
    return output.getvalue().splitlines()


def dummy(alias: str = "default") -> DummyProvider:
    provider = providers[alias]
    assert isinstance(provider, DummyProvider)
    return provider


def statuses() -> list[str]:
    return list(ModerationRecord.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture
def fail(picture) -> Callable[..., ModerationRecord]:
    """Return a function that saves a picture whose judgement fails, and returns its record."""

    def save(number: int = 1, *, error: Exception = REFUSAL, model: Any = Photo, using: str = "default", **fields: Any):
        obj = model(**(fields or {"image": picture(number)}))
        obj.save(using=using)
        record = ModerationRecord.objects.using(using).latest("pk")
        dummy(record.provider).script(error)
        work(record.public_id, using=using)
        record.refresh_from_db()
        assert record.error_code
        return record

    return save


class TestFailed:
    def test_what_ended_in_on_error_is_opened_anew(self, fail, picture):
        failed = fail(1)
        fail(2, error=ProviderRefused("Broken.", code=ErrorCode.DAMAGED))
        fail(3)
        Photo.objects.create(image=picture(4))
        lines = run("--failed")
        assert lines == ["        2 Refused by the provider", "        1 Damaged picture", "Tried again: 3."]
        assert statuses() == [Status.SUPERSEDED] * 3 + [Status.PENDING] + [Status.PASSED] * 3
        # What was wrong with it can still be read.
        failed.refresh_from_db()
        assert (failed.status, failed.error_code) == (Status.SUPERSEDED, ErrorCode.REFUSED)
        assert run("--failed") == ["Tried again: 0."]

    def test_what_waits_for_its_next_attempt_is_tried_now(self, fail):
        record = fail(error=RuntimeError("the engine broke"))
        assert record.due_at > timezone.now()
        assert run("--failed")[-1] == "Tried again: 1."
        record.refresh_from_db()
        assert (record.status, record.error_code, record.attempt_count) == (Status.PASSED, "", 1)

    def test_answer_that_could_not_be_fetched_is_asked_for_now(self, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
        Photo.objects.create(image=picture())
        ModerationRecord.objects.update(
            status=Status.SUBMITTED,
            reference="default-1",
            error_code=ErrorCode.UNAVAILABLE,
            attempt_count=7,
            due_at=timezone.now() + timedelta(hours=1),
        )
        assert run("--failed")[-1] == "Tried again: 1."
        record = ModerationRecord.objects.get()
        assert (record.status, record.reference, record.attempt_count) == (Status.SUBMITTED, "default-1", 0)
        assert ModerationRecord.objects.due().exists()

    def test_what_fails_again_is_left_for_another_time(self, fail):
        fail(1)
        fail(2, error=RuntimeError("the engine broke"))
        dummy().script(REFUSAL, REFUSAL, "none")
        assert run("--failed")[-1] == "Tried again: 2."
        assert statuses() == [Status.SUPERSEDED, Status.IN_REVIEW, Status.IN_REVIEW]

    def test_dispatcher_does_the_work(self, fail, settings):
        fail()
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
        run("--failed")
        assert statuses() == [Status.SUPERSEDED, Status.PENDING]

    def test_shadow_stays_a_shadow(self, fail):
        fail()
        ModerationRecord.objects.update(is_shadow=True)
        run("--failed")
        assert ModerationRecord.objects.current().get().is_shadow

    @pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.BLOCK])
    def test_decision_of_a_person_stands(self, fail, outcome):
        record = fail()
        decide(record, outcome, decided_by=None)
        assert run("--failed") == ["Tried again: 0."]

    def test_decision_that_comes_between_stands(self, fail, monkeypatch):
        fail()
        retry = retries.retry

        def decide_and_retry(record: ModerationRecord, target: Any) -> uuid.UUID | None:
            decide(ModerationRecord.objects.get(), Outcome.PASS, decided_by=None)
            return retry(record, target)

        monkeypatch.setattr(retries, "retry", decide_and_retry)
        assert run("--failed") == ["Tried again: 0."]
        assert statuses() == [Status.PASSED]

    def test_record_that_is_being_worked_on_is_left_alone(self, fail):
        record = fail(error=RuntimeError("the engine broke"))
        leased = {"lease_until": timezone.now() + timedelta(minutes=1), "lease_owner": "somebody"}
        ModerationRecord.objects.update(**leased)
        assert run("--failed") == ["Tried again: 0."]
        record.refresh_from_db()
        assert record.due_at > timezone.now()

    def test_verdict_that_came_too_late_is_used(self, fail):
        record = fail()
        apply_verdict(ModerationRecord.objects.get(), Verdict(risk_level="low"))
        record.refresh_from_db()
        assert (record.status, record.risk_level) == (Status.IN_REVIEW, "low")
        calls = len(dummy().calls)
        run("--failed")
        assert statuses() == [Status.SUPERSEDED, Status.PASSED]
        assert len(dummy().calls) == calls

    def test_object_that_names_another_file_by_now(self, fail, picture):
        fail()
        other = Photo._meta.get_field("image").storage.save("other.png", picture(2))
        Photo.objects.update(image=other)
        assert run("--failed") == ["Tried again: 0."]
        assert ModerationRecord.objects.current().get().file_name == other

    def test_object_that_is_gone(self, fail):
        fail()
        Photo.objects.all()._raw_delete("default")
        run("--failed")
        assert statuses() == [Status.SUPERSEDED]

    def test_statements_do_not_grow_with_what_did_not_fail(self, picture, django_assert_max_num_queries):
        for number in range(20):
            Photo.objects.create(image=picture(number))
        ModerationRecord.objects.update(status=Status.PASSED)
        # Django remembers content types from now on.
        run("--failed")
        with django_assert_max_num_queries(25):
            run("--failed")


class TestSelection:
    def test_dry_run_changes_nothing(self, fail):
        fail()
        before = list(ModerationRecord.objects.values())
        assert run("--failed", "--dry-run") == ["        1 Refused by the provider", "Found: 1."]
        assert list(ModerationRecord.objects.values()) == before

    def test_since(self, fail):
        old, new = fail(1), fail(2)
        ModerationRecord.objects.filter(pk=old.pk).update(created_at=F("created_at") - timedelta(hours=3))
        assert run("--failed", "--since=2h")[-1] == "Tried again: 1."
        old.refresh_from_db()
        new.refresh_from_db()
        assert (old.status, new.status) == (Status.IN_REVIEW, Status.SUPERSEDED)

    def test_field(self, fail, picture):
        fail(1)
        fail(2, model=UuidPhoto)
        fail(model=Document, scan=picture(3))
        assert run("--failed", "--field=hostapp.UuidPhoto.image", "--field=hostapp.Document.scan", "--dry-run")[-1] == (
            "Found: 2."
        )

    def test_provider(self, fail, settings):
        dummy_path = "django_imgmod.providers.dummy.DummyProvider"
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {"default": {"BACKEND": dummy_path}, "second": {"BACKEND": dummy_path}},
            "FIELDS": {"__all__": {}, "hostapp.UuidPhoto.image": {"provider": "second"}},
        }
        fail(1)
        fail(2, model=UuidPhoto)
        assert run("--failed", "--provider=second", "--dry-run")[-1] == "Found: 1."
        with pytest.raises(CommandError, match=r'There is no provider "third"\. Providers are: default, second'):
            run("--failed", "--provider=third")

    def test_public_ids(self, fail, picture):
        one, two = fail(1), fail(2)
        Photo.objects.create(image=picture(3))
        healthy = ModerationRecord.objects.latest("pk")
        unknown = uuid.uuid4()
        lines = run(str(two.public_id), str(healthy.public_id), str(unknown))
        left = [line.split(".")[0] for line in lines if line.startswith("Left alone")]
        assert left == [f"Left alone: {public_id}" for public_id in sorted([healthy.public_id, unknown])]
        assert lines[-1] == "Tried again: 1."
        one.refresh_from_db()
        two.refresh_from_db()
        assert (one.status, two.status) == (Status.IN_REVIEW, Status.SUPERSEDED)

    def test_other_database(self, fail):
        fail(using="other")
        assert run("--failed") == ["Tried again: 0."]
        assert run("--failed", "--database=other")[-1] == "Tried again: 1."
        assert ModerationRecord.objects.using("other").current().get().status == Status.PASSED

    def test_field_that_is_no_longer_watched(self, fail, settings):
        fail()
        settings.IMGMOD = {**settings.IMGMOD, "EXCLUDE": ["hostapp.Photo"]}
        assert run("--failed") == ["Tried again: 0."]

    @pytest.mark.parametrize("options", [[], ["--failed", str(uuid.uuid4())]])
    def test_what_is_meant_must_be_said(self, options):
        with pytest.raises(CommandError, match="Name public ids, or give --failed"):
            run(*options)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--failed", "--since=soon"], "no length of time"),
            (["7"], "invalid UUID"),
            (["--failed", "--field=a.B.c"], "Not watched: a.B.c"),
        ],
    )
    def test_senseless_options_are_refused(self, options, words):
        with pytest.raises(CommandError, match=words):
            run(*options)
