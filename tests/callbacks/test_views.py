"""The address that providers call: what is authentic is kept and applied once, all else leaves no trace."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import DatabaseError
from django.test import Client
from django.urls import get_resolver, reverse

from django_imgmod.choices import ReceiptOutcome, Status
from django_imgmod.models import CallbackReceipt, ModerationRecord
from django_imgmod.seeds import callback_seed
from django_imgmod.services.periodic import run_periodic
from tests.callbacks.forms import FORM, no_sql
from tests.hostapp.models import Photo

URL = "/imgmod/callbacks/default/"

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def submitted(settings: Any, picture: Any, django_capture_on_commit_callbacks: Any) -> ModerationRecord:
    """A record whose provider has accepted it and will call back."""
    options = {"is_asynchronous": True, "delay": 3600}
    backend = "django_imgmod.providers.dummy.DummyProvider"
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
    record = ModerationRecord.objects.get()
    assert record.status == Status.SUBMITTED
    return record


def body_for(record: ModerationRecord, risk_level: str = "high") -> str:
    data_id = str(record.public_id)
    seed = callback_seed("default", data_id)
    return urlencode({"data_id": data_id, "seed": seed, "risk_level": risk_level})


def post(body: str | bytes, url: str = URL, content_type: str = FORM) -> int:
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    return client.post(url, body, content_type=content_type).status_code


def status_of(record: ModerationRecord) -> str:
    return ModerationRecord.objects.get(pk=record.pk).status


class TestAuthentic:
    def test_is_kept_and_applied(self, submitted):
        assert post(body_for(submitted)) == 200
        assert status_of(submitted) == Status.BLOCKED
        assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.APPLIED

    def test_needs_no_login_where_all_else_does(self, submitted, settings):
        own = ["django.contrib.sessions.middleware.SessionMiddleware"]
        own += [f"django.contrib.auth.middleware.{name}Middleware" for name in ("Authentication", "LoginRequired")]
        settings.MIDDLEWARE = own
        assert post(body_for(submitted)) == 200
        assert status_of(submitted) == Status.BLOCKED

    def test_repeated_is_kept_and_changes_nothing(self, submitted):
        assert [post(body_for(submitted)), post(body_for(submitted)), post(body_for(submitted, "none"))] == [200] * 3
        assert status_of(submitted) == Status.BLOCKED
        outcomes = CallbackReceipt.objects.order_by("pk").values_list("outcome", flat=True)
        assert list(outcomes) == [ReceiptOutcome.APPLIED, ReceiptOutcome.REPEATED, ReceiptOutcome.LATE]

    def test_for_a_picture_that_was_replaced_is_evidence(self, submitted, picture):
        photo = Photo.objects.get()
        photo.image = picture(1)
        photo.save()
        assert post(body_for(submitted, "none")) == 200
        assert status_of(submitted) == Status.SUPERSEDED
        assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.LATE
        assert not ModerationRecord.objects.filter(status=Status.PASSED).exists()

    def test_without_a_verdict_has_the_record_asked_for(self, submitted):
        data_id = str(submitted.public_id)
        assert post(urlencode({"data_id": data_id, "seed": callback_seed("default", data_id)})) == 200
        before = submitted.due_at
        submitted.refresh_from_db()
        assert submitted.due_at < before

    def test_waits_for_the_worker_where_that_does_the_work(self, submitted, settings):
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}
        assert post(body_for(submitted)) == 200
        assert status_of(submitted) == Status.SUBMITTED
        run_periodic()
        assert status_of(submitted) == Status.BLOCKED

    def test_of_the_secret_key_before_the_last_change(self, submitted, settings):
        body = body_for(submitted)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "another"
        assert post(body) == 200
        settings.SECRET_KEY_FALLBACKS = []
        assert post(body) == 400

    def test_that_cannot_be_stored_is_asked_for_again(self, submitted, monkeypatch):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise DatabaseError("gone")

        monkeypatch.setattr("django_imgmod.services.callbacks.insert_receipt", fail)
        assert post(body_for(submitted)) == 500

    def test_that_cannot_be_applied_is_kept_for_later(self, submitted, monkeypatch):
        def fail(*args: Any, **kwargs: Any) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr("django_imgmod.services.callbacks.apply_verdict", fail)
        assert post(body_for(submitted)) == 200
        assert CallbackReceipt.objects.get().outcome == ReceiptOutcome.FAILED


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", FORM),
            (b"seed=%ff&data_id=%ff", FORM),
            (b"\xff\xfe", FORM),
            (b'{"data_id": "1"}', "application/json"),
            (b"--x--", "multipart/form-data; boundary=x"),
            (b"a" * 3_000_000, FORM),
            (b"&".join(b"a=1" for _ in range(5000)), FORM),
        ],
    )
    def test_noise(self, submitted, body, content_type):
        assert post(body, content_type=content_type) == 400
        assert not CallbackReceipt.objects.exists()

    def test_answer_and_log_give_nothing_away(self, submitted, caplog):
        seed = callback_seed("default", str(submitted.public_id))
        body = body_for(submitted).replace(seed, "secret-guess")
        answer = Client().post(URL, body, content_type=FORM)
        assert (answer.status_code, answer.content) == (400, b"")
        [entry] = [entry for entry in caplog.records if entry.name == "django_imgmod"]
        assert entry.levelno == logging.WARNING
        assert "secret-guess" not in caplog.text
        assert seed not in caplog.text

    def test_unknown_provider(self, submitted):
        assert post(body_for(submitted), url="/imgmod/callbacks/nobody/") == 400

    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
    def test_other_methods(self, submitted, method):
        with no_sql():
            answer = Client().generic(method, URL, body_for(submitted), FORM)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_address_is_the_documented_one_and_the_only_one_exempt():
    assert reverse("django_imgmod:callback", args=["default"]) == URL
    [[resolver]] = [[one] for one in get_resolver().url_patterns if getattr(one, "app_name", "") == "django_imgmod"]
    exempt = [pattern.name for pattern in resolver.url_patterns if getattr(pattern.callback, "csrf_exempt", False)]
    assert exempt == ["callback"]
