"""Refusing at the form or the serializer: what is of high risk, and nothing that is only uncertain or unjudged."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django import forms
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from django.db.migrations.writer import MigrationWriter
from rest_framework import serializers

from django_imgmod.choices import Outcome, RiskLevel, Status
from django_imgmod.exceptions import (
    ImgmodConfigurationError,
    ProviderAuthError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict
from django_imgmod.services.decisions import decide
from django_imgmod.services.prejudging import recall
from django_imgmod.validators import HighRiskValidator
from tests.backdated import make_judged
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db

DUMMY = "django_imgmod.providers.dummy.DummyProvider"
refuse = HighRiskValidator("hostapp.Photo.image")


class PhotoForm(forms.ModelForm):
    image = forms.ImageField(validators=[refuse])

    class Meta:
        model = Photo
        fields = ["title", "image"]


class PhotoSerializer(serializers.Serializer):
    image = serializers.ImageField(validators=[refuse])


class UrlProvider(DummyProvider):
    wants_url = True


class SmallProvider(DummyProvider):
    max_bytes = 10


@pytest.fixture
def provider() -> DummyProvider:
    found = providers["default"]
    assert isinstance(found, DummyProvider)
    return found


@pytest.fixture
def upload(picture: Any) -> SimpleUploadedFile:
    return SimpleUploadedFile("harbour.png", picture().read(), "image/png")


def configure(settings: Any, *, policy: dict[str, Any] | None = None, **entry: Any) -> None:
    providers_ = {"default": {"BACKEND": DUMMY, **entry}}
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": providers_, "POLICIES": {"default": policy or {}}}


def sha256_of(file: Any) -> str:
    file.seek(0)
    return hashlib.sha256(file.read()).hexdigest()


def is_refused(upload: Any) -> bool:
    try:
        refuse(upload)
    except ValidationError as error:
        return error.code == "high_risk"
    return False


class TestForms:
    def test_high_risk_is_refused_in_words(self, provider, upload):
        provider.script("high")
        form = PhotoForm({}, {"image": upload})
        assert not form.is_valid()
        assert form.errors.as_data()["image"][0].code == "high_risk"
        assert "Please choose another one" in form.errors["image"][0]
        assert not ModerationRecord.objects.exists()

    @pytest.mark.parametrize("level", [RiskLevel.MEDIUM, RiskLevel.LOW, RiskLevel.NONE, RiskLevel.UNKNOWN])
    def test_everything_else_goes_to_its_record(self, provider, upload, level):
        provider.script(level)
        form = PhotoForm({}, {"image": upload})
        assert form.is_valid(), form.errors
        assert form.save().image.size == upload.size
        assert ModerationRecord.objects.get().status == Status.PENDING

    def test_same_bytes_are_asked_about_once(self, provider, upload):
        provider.script("high")
        for _ in range(3):
            assert not PhotoForm({}, {"image": upload}).is_valid()
        again = SimpleUploadedFile("other-name.png", upload.open().read())
        assert is_refused(again)
        assert len(provider.calls) == 1

    def test_validator_of_the_model_field_costs_nothing_more(self, provider, upload, monkeypatch):
        field = Photo._meta.get_field("image")
        # Where Django keeps what it put together of a field's validators: taken away again afterwards.
        monkeypatch.setitem(field.__dict__, "validators", [*field.validators, refuse])
        form = PhotoForm({}, {"image": upload})
        assert form.is_valid()
        photo = form.save()
        assert len(provider.calls) == 1
        # What is stored is its record's.
        provider.script("high")
        cache.clear()
        photo.full_clean()
        assert len(provider.calls) == 1

    def test_field_without_a_file_is_not_judged(self, provider):
        for nothing in (None, False, ""):
            refuse(nothing)
        assert provider.calls == []

    def test_message_is_the_sites(self, provider, upload):
        provider.script("high")
        with pytest.raises(ValidationError, match="No, thank you"):
            HighRiskValidator("hostapp.Photo.image", message="No, thank you.")(upload)


class TestSerializers:
    def test_high_risk_is_refused_in_words(self, provider, upload):
        provider.script("high")
        serializer = PhotoSerializer(data={"image": upload})
        assert not serializer.is_valid()
        assert serializer.errors["image"][0].code == "high_risk"

    def test_what_is_harmless_is_accepted(self, provider, upload):
        assert PhotoSerializer(data={"image": upload}).is_valid()
        assert [source.file_name for source in provider.calls] == ["harbour.png"]


@pytest.mark.parametrize("level", ["high", "none"])
@pytest.mark.parametrize("kind", ["memory", "disk", "plain"])
@pytest.mark.parametrize("position", [0, 7])
def test_file_is_left_where_it_was(provider, picture, level, kind, position):
    content = picture().read()
    if kind == "disk":
        file: Any = TemporaryUploadedFile("a.png", "image/png", len(content), None)
        file.write(content)
    elif kind == "memory":
        file = InMemoryUploadedFile(ContentFile(content), "image", "a.png", "image/png", len(content), None)
    else:
        file = ContentFile(content, name="a.png")
    provider.script(level)
    with file:
        file.seek(position)
        assert is_refused(file) == (level == "high")
        assert file.tell() == position
    assert provider.calls[0].content == content


class TestErrors:
    @pytest.mark.parametrize(
        "error",
        [
            ProviderUnavailable("no answer"),
            ProviderThrottled("slow down", retry_after=60),
            ProviderAuthError("no such key"),
            ProviderRefused("not that"),
            RuntimeError("a fault"),
        ],
    )
    def test_error_neither_refuses_nor_passes(self, provider, upload, error, django_capture_on_commit_callbacks):
        provider.script(error, error, *["high"] * 9)
        form = PhotoForm({}, {"image": upload})
        with django_capture_on_commit_callbacks(execute=True):
            assert form.is_valid()
            form.save()
        record = ModerationRecord.objects.get()
        assert record.status != Status.PASSED
        # Nothing was learnt of the bytes.
        assert recall(provider, record.sha256 or sha256_of(upload)) is None

    def test_provider_that_is_left_alone_is_not_asked(self, provider, picture):
        provider.script(*[ProviderUnavailable("no answer")] * 8, "high")
        for number in range(1, 9):
            refuse(picture(number))
        assert not is_refused(picture(9))
        assert len(provider.calls) == 8

    def test_too_large_a_file_is_not_judged(self, upload, settings):
        configure(settings, BACKEND=f"{__name__}.SmallProvider", OPTIONS={"risk_level": "high"})
        assert not is_refused(upload)
        assert providers["default"].calls == []

    def test_cache_that_fails_costs_calls_and_nothing_else(self, provider, upload, settings):
        settings.CACHES = {"default": {"BACKEND": f"{__name__}.BrokenCache"}}
        provider.script("high", "high")
        assert is_refused(upload)
        assert is_refused(upload)
        assert len(provider.calls) == 2


class BrokenCache:
    def __init__(self, *args: Any) -> None:
        pass

    def get(self, *args: Any) -> None:
        raise ConnectionError("no cache today")

    set = get

    def close(self, **kwargs: Any) -> None:
        pass


class TestPolicies:
    HIGH = Verdict(risk_level=RiskLevel.HIGH, detections=(Detection(label="sexual_cartoon", confidence=99),))

    @pytest.mark.parametrize(
        "policy",
        [{"labels": {"sexual_*": "ignore"}}, {"labels": {"sexual_*": {"review": 10}}}, {"risk": {"high": "review"}}],
    )
    def test_what_the_policy_does_not_block_is_not_refused(self, upload, settings, policy):
        configure(settings, policy=policy)
        providers["default"].script(self.HIGH)
        assert not is_refused(upload)

    def test_uncertain_picture_is_its_records_to_block(self, upload, settings):
        configure(settings, policy={"risk": {"medium": "block"}}, OPTIONS={"risk_level": "medium"})
        assert not is_refused(upload)

    def test_policy_that_only_watches_refuses_nothing_and_asks_nobody(self, upload, settings):
        configure(settings, policy={"mode": "shadow"}, OPTIONS={"risk_level": "high"})
        assert not is_refused(upload)
        assert providers["default"].calls == []

    def test_new_policy_counts_at_once_for_known_bytes(self, provider, upload, settings):
        provider.script("high")
        assert is_refused(upload)
        configure(settings, policy={"risk": {"high": "review"}})
        assert not is_refused(upload)
        assert len(provider.calls) == 1

    def test_other_service_is_asked_itself(self, provider, upload, settings):
        provider.script("high")
        assert is_refused(upload)
        configure(settings, OPTIONS={"risk_level": "low"})
        assert not is_refused(upload)


class TestKnownBytes:
    def judged(self, upload: Any, **columns: Any) -> ModerationRecord:
        return make_judged(sha256=sha256_of(upload), service=providers["default"].service, **columns)

    def test_verdict_that_was_given_before_is_not_asked_for_again(self, provider, upload):
        self.judged(upload, status=Status.BLOCKED, risk_level=RiskLevel.HIGH)
        assert is_refused(upload)
        assert provider.calls == []

    def test_picture_that_a_person_passed_is_not_refused(self, provider, upload, django_user_model):
        record = self.judged(upload, status=Status.BLOCKED, risk_level=RiskLevel.HIGH)
        anna = django_user_model.objects.create_user("anna")
        decide(record, Outcome.PASS, decided_by=anna)
        assert not is_refused(upload)
        decide(record, Outcome.BLOCK, decided_by=anna)
        assert is_refused(upload)
        assert provider.calls == []

    def test_what_else_lies_in_the_cache_is_no_answer(self, provider, upload, monkeypatch):
        monkeypatch.setattr(cache, "get", lambda *given: "none")
        provider.script("high")
        assert is_refused(upload)

    def test_what_was_answered_is_kept_for_the_record(self, provider, upload):
        provider.script("medium")
        refuse(upload)
        known = recall(provider, sha256_of(upload))
        assert known.verdict.risk_level == RiskLevel.MEDIUM
        assert known.reference
        assert recall(provider, "0" * 64) is None


class TestSettings:
    def test_provider_that_answers_later_is_named_with_what_to_do(self, upload, settings):
        configure(settings, OPTIONS={"is_asynchronous": True})
        with pytest.raises(
            ImgmodConfigurationError, match=r'"default" answers later: set its OPTIONS\["is_asynchronous"'
        ):
            refuse(upload)
        assert providers["default"].calls == []

    def test_provider_that_fetches_stored_files_is_named_with_what_to_do(self, upload, settings):
        configure(settings, BACKEND=f"{__name__}.UrlProvider")
        with pytest.raises(ImgmodConfigurationError, match=r'is given stored files: set its OPTIONS\["source"\]'):
            refuse(upload)

    @pytest.mark.parametrize("field", ["hostapp.Nothing.image", "Photo.image", "image", "hostapp.Photo.title", ""])
    def test_field_that_is_not_watched_is_an_error(self, upload, field):
        with pytest.raises(ImgmodConfigurationError, match="HighRiskValidator"):
            HighRiskValidator(field)(upload)

    def test_migrations_can_write_it_down(self):
        text, imports = MigrationWriter.serialize(refuse)
        assert text == "django_imgmod.validators.HighRiskValidator('hostapp.Photo.image')"
        assert imports == {"import django_imgmod.validators"}
        assert refuse == HighRiskValidator("hostapp.Photo.image") != HighRiskValidator("hostapp.Photo.image", "No.")


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_what_a_form_asked_about_is_not_paid_for_again(provider, upload):
    provider.script("medium")
    assert not is_refused(upload)
    Photo.objects.create(image=upload)
    record = ModerationRecord.objects.get()
    assert (record.status, record.risk_level) == (Status.IN_REVIEW, RiskLevel.MEDIUM)
    assert record.reference
    assert len(provider.calls) == 1
