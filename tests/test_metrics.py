"""What Prometheus reads, by Prometheus' own parser, and who may read it."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from django_imgmod.choices import Circuit, FeedbackStatus, Outcome, ReceiptOutcome, Status
from django_imgmod.metrics import ImgmodCollector, MetricsView
from django_imgmod.models import CallbackReceipt, Decision, Feedback, ProviderState
from tests.backdated import ago, make_judged, make_record

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TOKEN = "correct horse battery staple"


def get(authorization: str | None = f"Bearer {TOKEN}", *, method: str = "get", **initkwargs: Any) -> HttpResponse:
    headers = {} if authorization is None else {"Authorization": authorization}
    request = getattr(RequestFactory(), method)("/metrics/", headers=headers)
    return MetricsView.as_view(**{"token": TOKEN, **initkwargs})(request)


def scrape() -> dict[tuple[str, ...], float]:
    """Return the samples by name and label."""
    response = get()
    assert response.status_code == 200
    families = text_string_to_metric_families(response.content.decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def by_label(samples: dict[tuple[str, ...], float], name: str) -> dict[str, float]:
    return {labels[0]: value for (found, *labels), value in samples.items() if found == name}


class TestSamples:
    def test_of_an_empty_site(self):
        samples = scrape()
        assert {name for name, *_ in samples} == {
            "imgmod_records",
            "imgmod_oldest_undecided_age_seconds",
            "imgmod_oldest_in_review_age_seconds",
            "imgmod_feedback",
            "imgmod_feedback_failing",
            "imgmod_callbacks",
            "imgmod_due",
            "imgmod_leased",
            "imgmod_circuit_open",
            "imgmod_silence_seconds",
            "imgmod_no_verdict_alarm",
        }
        assert set(samples.values()) == {0}

    def test_of_records(self):
        make_record(status=Status.PENDING, created_at=ago(minutes=20), lease_until=ago(minutes=-1))
        make_record(status=Status.SUBMITTED, created_at=ago(minutes=1), using="other")
        make_record(status=Status.IN_REVIEW, created_at=ago(days=1))
        verdict_at = make_judged(verdict_at=ago(minutes=30)).verdict_at
        samples = scrape()
        assert by_label(samples, "imgmod_records") == {"pending": 1, "submitted": 1, "in_review": 1}
        assert 1200 <= samples["imgmod_oldest_undecided_age_seconds",] < 1260
        assert 86400 <= samples["imgmod_oldest_in_review_age_seconds",] < 86460
        assert (samples["imgmod_due", "default"], samples["imgmod_leased", "default"]) == (1, 1)
        assert samples["imgmod_last_verdict_timestamp_seconds", "default"] == pytest.approx(verdict_at.timestamp())
        assert 1200 <= samples["imgmod_silence_seconds", "default"] < 1260
        assert samples["imgmod_no_verdict_alarm", "default"] == 1

    @pytest.mark.parametrize(("circuit", "is_open"), [(Circuit.CLOSED, 0), (Circuit.OPEN, 1), (Circuit.HALF_OPEN, 1)])
    def test_of_the_circuit(self, circuit, is_open):
        ProviderState.objects.create(provider="default", circuit=circuit)
        assert scrape()["imgmod_circuit_open", "default"] == is_open

    def test_of_feedback_and_callbacks(self):
        user = User.objects.create_user("moderator")
        decision = Decision.objects.create(record=make_judged(), outcome=Outcome.PASS, decided_by=user)
        for status in FeedbackStatus:
            Feedback.objects.create(decision=decision, provider="default", status=status, error_code="protocol")
        for outcome in ReceiptOutcome:
            CallbackReceipt.objects.create(provider="default", body="{}", outcome=outcome)
        samples = scrape()
        assert samples["imgmod_feedback", "queued"] == samples["imgmod_feedback", "refused"] == 1
        assert samples["imgmod_feedback_failing",] == 1
        assert samples["imgmod_callbacks", "received"] == samples["imgmod_callbacks", "failed"] == 1

    def test_labels_are_bounded_by_the_settings(self):
        for number in range(5):
            make_record(provider=f"old-{number}")
        samples = scrape()
        assert by_label(samples, "imgmod_due") == {"default": 0, "other": 5}

    def test_statements_do_not_grow_with_the_rows(self):
        def statement_count() -> int:
            with (
                CaptureQueriesContext(connections["default"]) as default,
                CaptureQueriesContext(connections["other"]) as other,
            ):
                get()
            return len(default) + len(other)

        def fill(count: int) -> None:
            for using in ("default", "other"):
                for _ in range(count):
                    make_judged(using=using)
                    make_record(using=using)

        fill(1)
        # As read_status() without the settled records; see tests/services/test_status.py.
        assert statement_count() == 2 * 8 + 1
        fill(20)
        assert statement_count() == 2 * 8 + 1


class TestAccess:
    @pytest.mark.parametrize(
        "authorization",
        [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer caf\xe9"],
    )
    def test_without_the_token_is_refused(self, authorization, django_assert_num_queries):
        with django_assert_num_queries(0):
            response = get(authorization)
        assert (response.status_code, response.content) == (401, b"")
        assert response["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize("token", [None, ""])
    @pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer None"])
    def test_where_no_token_was_set_is_refused_to_everybody(self, token, authorization):
        response = get(authorization, token=token)
        assert response.status_code == 403
        assert b"as_view(token=...)" in response.content

    def test_can_be_decided_by_the_site(self, rf):
        class StaffMetricsView(MetricsView):
            def may_read(self, request: HttpRequest) -> bool:
                return request.user.is_staff

        request = rf.get("/metrics/")
        answers = []
        for is_staff in (False, True):
            request.user = User(is_staff=is_staff)
            answers.append(StaffMetricsView.as_view()(request).status_code)
        assert answers == [403, 200]

    def test_is_not_hidden_behind_a_login_that_a_scraper_cannot_pass(self):
        assert MetricsView.as_view(token=TOKEN).login_required is False

    def test_answer_is_in_the_text_format_and_not_to_be_kept(self):
        response = get()
        assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "no-store" in response["Cache-Control"]

    def test_nothing_but_reading(self):
        assert get(method="post").status_code == 405
        assert get(method="head").status_code == 200


class TestCollector:
    def test_can_be_registered_without_reading_the_databases(self, django_assert_num_queries):
        registry = CollectorRegistry(auto_describe=True)
        with django_assert_num_queries(0):
            registry.register(ImgmodCollector())
        make_record()
        assert registry.get_sample_value("imgmod_due", {"provider": "default"}) == 1

    def test_without_the_package_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
        monkeypatch.delitem(sys.modules, "prometheus_client")
        with pytest.raises(ImproperlyConfigured, match=r'pip install "django-imgmod\[prometheus\]"'):
            get()
