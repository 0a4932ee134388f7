"""The figures that those who watch go by."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Circuit, FeedbackStatus, Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.models import CallbackReceipt, Decision, Feedback, ProviderState
from django_imgmod.services.status import ProviderReport, Snapshot, Tally, read_status
from tests.backdated import ago, make_history, make_judged, make_record

pytestmark = pytest.mark.django_db(databases=["default", "other"])

DATABASES = ("default", "other")


def counts(snapshot: Snapshot) -> dict[str, int]:
    return {status.value: tally.count for status, tally in snapshot.records.items() if tally.count}


def provider(alias: str = "default", **options) -> ProviderReport:
    (report,) = [report for report in read_status(**options).providers if report.alias == alias]
    return report


class TestRecords:
    def test_are_counted_by_status_over_all_databases(self):
        for using in DATABASES:
            for number, status in enumerate(Status, 1):
                for _ in range(number):
                    make_record(status=status, using=using)
        expected = {status.value: 2 * number for number, status in enumerate(Status, 1)}
        assert counts(read_status()) == expected

    def test_none_at_all(self):
        snapshot = read_status()
        assert counts(snapshot) == {}
        assert list(snapshot.records) == [*Status]
        assert (snapshot.oldest_undecided_at, snapshot.oldest_in_review_at) == (None, None)

    def test_settled_ones_are_counted_up_to_a_limit(self):
        for _ in range(3):
            make_record(status=Status.PASSED)
            make_record(status=Status.IN_REVIEW, risk_level=RiskLevel.MEDIUM)
        make_record(status=Status.PASSED, using="other")
        records = read_status(limit=2).records
        assert records[Status.PASSED] == Tally(count=3, is_exact=False)
        assert records[Status.IN_REVIEW].count == 3
        assert records[Status.IN_REVIEW].is_exact
        assert read_status(limit=None).records[Status.PASSED] == Tally(count=4)

    def test_settled_ones_can_be_left_out(self):
        for status in Status:
            make_record(status=status)
        assert counts(read_status(has_settled=False)) == {"pending": 1, "submitted": 1, "in_review": 1}

    def test_oldest_that_waits_for_a_verdict_is_not_the_oldest_that_waits_for_a_person(self):
        make_record(status=Status.PENDING, created_at=ago(hours=1))
        oldest = make_record(status=Status.SUBMITTED, created_at=ago(hours=2), using="other")
        for hours, risk_level in ((3, RiskLevel.MEDIUM), (5, RiskLevel.HIGH), (4, "")):
            make_record(status=Status.IN_REVIEW, risk_level=risk_level, created_at=ago(hours=hours))
        make_record(status=Status.BLOCKED, created_at=ago(days=1))
        snapshot = read_status()
        assert snapshot.oldest_undecided_at == oldest.created_at
        assert round(snapshot.age(snapshot.oldest_in_review_at) / 3600) == 5


class TestProviders:
    def test_due_leased_and_put_off(self):
        make_record(due_at=ago(minutes=3))
        make_record(due_at=ago(minutes=5), lease_until=ago(minutes=1))
        make_record(due_at=ago(minutes=9), lease_until=ago(minutes=-1))
        make_record(due_at=ago(minutes=-7), using="other")
        make_record(due_at=ago(minutes=1), using="other")
        make_judged()
        workload = provider().workload
        assert (workload.waiting_count, workload.due_count, workload.leased_count) == (5, 3, 1)
        assert workload.is_exact
        assert workload.due_since is not None
        assert round((timezone.now() - workload.due_since).total_seconds() / 60) == 5

    def test_each_has_its_own(self, settings):
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {**settings.IMGMOD["PROVIDERS"], "cloud": {"BACKEND": "x"}}}
        make_record()
        make_record(provider="cloud")
        make_record(provider="cloud")
        found = {report.alias: report.workload.due_count for report in read_status().providers}
        assert found == {"default": 1, "cloud": 2}

    def test_huge_backlog_is_not_counted_to_its_end(self):
        for _ in range(4):
            make_record()
        workload = provider(limit=3).workload
        assert (workload.waiting_count, workload.due_count, workload.is_exact) == (3, 3, False)
        assert provider(limit=None).workload.waiting_count == 4

    def test_one_that_the_settings_forgot_is_told_as_long_as_records_wait_for_it(self):
        make_judged(provider="older")
        make_record(provider="old")
        reports = {report.alias: report.is_configured for report in read_status().providers}
        assert reports == {"default": True, "old": False}

    def test_circuit(self):
        assert provider().is_closed
        ProviderState.objects.create(provider="default", circuit=Circuit.OPEN, error_message="no route")
        report = provider()
        assert not report.is_closed
        assert report.state.error_message == "no route"

    def test_last_verdict_is_the_last_in_any_database(self):
        make_judged(verdict_at=ago(minutes=9))
        last = make_judged(verdict_at=ago(minutes=4), using="other")
        assert provider().workload.last_verdict_at == last.verdict_at

    def test_reused_verdict_is_none_of_the_providers(self):
        own = make_judged(verdict_at=ago(hours=4))
        make_judged(verdict_at=ago(minutes=1), reused_from=own)
        assert provider().workload.last_verdict_at == own.verdict_at


class TestUsualSilence:
    def usual(self) -> timedelta | None:
        return provider().workload.usual_silence

    def test_is_not_known_from_a_few_verdicts(self):
        make_history(20, pause=timedelta(minutes=1), wait=timedelta(seconds=3), until=ago(hours=1))
        assert self.usual() is None

    def test_is_the_wait_where_verdicts_come_one_by_one(self):
        make_history(21, pause=timedelta(hours=1), wait=timedelta(seconds=3), until=ago(hours=1))
        assert self.usual() == timedelta(seconds=3)

    def test_is_the_pause_between_verdicts_where_records_stand_in_line(self):
        make_history(21, pause=timedelta(seconds=2), wait=timedelta(days=1), until=ago(hours=1))
        assert self.usual() == timedelta(seconds=2)

    def test_is_not_spoilt_by_one_outage(self):
        make_history(40, pause=timedelta(minutes=1), wait=timedelta(seconds=3), until=ago(hours=1))
        make_judged(created_at=ago(hours=9), verdict_at=ago(minutes=1))
        assert self.usual() == timedelta(seconds=3)

    def test_is_of_the_newest_verdicts(self):
        make_history(100, pause=timedelta(hours=1), wait=timedelta(minutes=9), until=ago(days=2))
        make_history(200, pause=timedelta(minutes=1), wait=timedelta(seconds=3), until=ago(hours=1))
        assert self.usual() == timedelta(seconds=3)


class TestWhatPeopleAndProvidersAreTold:
    @pytest.fixture
    def decision(self):
        user = User.objects.create_user("moderator")
        record = make_record(status=Status.PASSED)
        return Decision.objects.create(record=record, outcome=Outcome.PASS, decided_by=user)

    def test_feedback(self, decision):
        for status in FeedbackStatus:
            Feedback.objects.create(decision=decision, provider="default", status=status)
        Feedback.objects.create(decision=decision, provider="default", error_code="unavailable", due_at=ago(minutes=-1))
        snapshot = read_status()
        assert {key.value: tally.count for key, tally in snapshot.feedback.items()} == {"queued": 2, "refused": 1}
        assert snapshot.failing_feedback_count == 1

    def test_callbacks(self):
        for number, outcome in enumerate(ReceiptOutcome, 1):
            CallbackReceipt.objects.create(
                provider="default", body="{}", outcome=outcome, received_at=ago(minutes=number)
            )
        callbacks = read_status().callbacks
        assert {key.value: tally.count for key, tally in callbacks.items()} == {"received": 1, "failed": 1}
        assert callbacks[ReceiptOutcome.RECEIVED].oldest_at is not None


def statement_count(**options) -> int:
    with (
        CaptureQueriesContext(connections["default"]) as default,
        CaptureQueriesContext(connections["other"]) as other,
    ):
        read_status(**options)
    return len(default) + len(other)


def test_statements_do_not_grow_with_the_rows():
    def fill(count: int) -> None:
        for using in DATABASES:
            for _ in range(count):
                make_judged(using=using)
                for status in Status:
                    make_record(using=using, status=status)

    fill(1)
    # A database: 4 for the records, 2 for feedback, 1 for callbacks, 2 + 2 for its one provider. And the states.
    assert statement_count() == 2 * (4 + 2 + 1 + 4) + 1
    assert statement_count(has_settled=False) == 2 * (1 + 2 + 1 + 4) + 1
    fill(20)
    assert statement_count() == 2 * (4 + 2 + 1 + 4) + 1
