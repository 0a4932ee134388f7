"""Verdicts that stay away are noticed, told once, and nothing else is taken for that."""

from __future__ import annotations

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Circuit, ErrorCode, Status
from django_imgmod.models import ModerationRecord, ProviderState
from django_imgmod.services import alarms, probe
from django_imgmod.services.alarms import check_alarms
from tests.backdated import ago, make_history, make_judged, make_record

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def logged(caplog):
    """Return a function that gives what was logged of alarms since it was last called, with its level."""
    caplog.set_level(logging.INFO, "django_imgmod")

    def take() -> list[tuple[str, str]]:
        lines = [(record.levelname, record.getMessage()) for record in caplog.records]
        caplog.clear()
        return [line for line in lines if line[1].startswith("alarm=")]

    return take


def judge(record: ModerationRecord) -> None:
    columns = {"status": Status.PASSED, "risk_level": "none", "due_at": None, "verdict_at": timezone.now()}
    ModerationRecord.objects.using(record._state.db).filter(pk=record.pk).update(**columns)


class TestBegin:
    def test_is_told_once(self, logged):
        last = make_judged(verdict_at=ago(days=1))
        since = make_record(created_at=ago(minutes=16)).created_at
        make_record()
        assert check_alarms() == ["default"]
        assert check_alarms() == ["default"]
        text = "alarm=no_verdict provider=default waiting=2 since={} last_verdict={} usual=-"
        times = [moment.isoformat(timespec="seconds") for moment in (since, last.verdict_at)]
        assert logged() == [("ERROR", text.format(*times))]
        assert abs(timezone.now() - ProviderState.objects.get().alarmed_at) < timedelta(minutes=1)

    def test_by_somebody_who_was_a_moment_slower_is_not_told_again(self, logged, monkeypatch):
        make_record(created_at=ago(minutes=16))
        begin = alarms._begin

        def begin_second(workload):
            ProviderState.objects.create(provider="default", alarmed_at=ago(seconds=1))
            begin(workload)

        monkeypatch.setattr(alarms, "_begin", begin_second)
        check_alarms()
        assert logged() == []

    def test_keeps_what_else_is_known_of_the_provider(self):
        ProviderState.objects.create(provider="default", circuit=Circuit.OPEN, failure_count=9)
        make_record(created_at=ago(minutes=16))
        check_alarms()
        state = ProviderState.objects.get()
        assert (state.circuit, state.failure_count, state.alarmed_at is None) == (Circuit.OPEN, 9, False)

    def test_in_another_database(self):
        make_record(created_at=ago(minutes=16), using="other")
        assert check_alarms() == ["default"]
        assert ProviderState.objects.using("default").get().alarmed_at is not None

    def test_of_one_provider_is_not_hidden_by_the_verdicts_of_another(self):
        make_record(created_at=ago(minutes=16), provider="cloud")
        make_judged()
        assert check_alarms() == ["cloud"]

    def test_is_not_hidden_by_verdicts_that_were_reused(self):
        own = make_judged(verdict_at=ago(days=1))
        make_record(created_at=ago(minutes=16))
        make_judged(reused_from=own)
        assert check_alarms() == ["default"]

    @pytest.mark.parametrize(
        "columns",
        [
            {"attempt_count": 3, "error_code": ErrorCode.UNAVAILABLE},
            {"attempt_count": 0, "error_code": ErrorCode.UNAVAILABLE},
            {"status": Status.SUBMITTED},
        ],
        ids=["tried again later", "held by an open circuit", "asked for later"],
    )
    def test_does_not_wait_for_records_to_be_due(self, columns):
        make_record(created_at=ago(minutes=16), due_at=ago(minutes=-30), **columns)
        assert check_alarms() == ["default"]


class TestUsual:
    def test_slow_provider_is_given_four_times_as_long_as_usual(self, logged):
        make_history(30, pause=timedelta(hours=1), wait=timedelta(minutes=10), until=ago(hours=2))
        record = make_record(created_at=ago(minutes=39))
        assert check_alarms() == []
        ModerationRecord.objects.filter(pk=record.pk).update(created_at=ago(minutes=41))
        assert check_alarms() == ["default"]
        ((_, line),) = logged()
        assert line.endswith(" usual=600.0")

    def test_quick_provider_is_given_five_minutes(self):
        make_history(30, pause=timedelta(hours=1), wait=timedelta(seconds=1), until=ago(hours=2))
        record = make_record(created_at=ago(minutes=4))
        assert check_alarms() == []
        ModerationRecord.objects.filter(pk=record.pk).update(created_at=ago(minutes=6))
        assert check_alarms() == ["default"]

    def test_unknown_provider_is_given_a_quarter_of_an_hour(self):
        make_record(created_at=ago(minutes=14))
        assert check_alarms() == []


class TestNoAlarm:
    @pytest.fixture(autouse=True)
    def none(self, logged):
        yield
        assert check_alarms() == []
        assert logged() == []

    def test_on_an_empty_site(self):
        pass

    def test_in_a_quiet_night(self):
        make_history(30, pause=timedelta(minutes=1), wait=timedelta(seconds=1), until=ago(hours=9))

    def test_for_the_first_upload_of_the_morning(self):
        make_history(30, pause=timedelta(minutes=1), wait=timedelta(seconds=1), until=ago(hours=9))
        make_record(created_at=ago(seconds=20))

    def test_for_a_long_queue_while_verdicts_come(self):
        make_history(30, pause=timedelta(seconds=2), wait=timedelta(days=2), until=ago(seconds=2))
        make_record(created_at=ago(days=2))

    def test_for_one_picture_that_cannot_be_judged_while_others_are(self):
        make_record(created_at=ago(hours=1), attempt_count=5, error_code=ErrorCode.STORAGE)
        make_judged(verdict_at=ago(minutes=1))

    def test_for_what_was_only_put_off(self):
        make_record(created_at=ago(hours=1), due_at=ago(minutes=-1))

    def test_for_people_who_take_their_time(self):
        make_record(status=Status.IN_REVIEW, created_at=ago(days=9))


class TestEnd:
    @pytest.fixture
    def record(self, logged):
        record = make_record(created_at=ago(minutes=16))
        check_alarms()
        logged()
        return record

    @pytest.mark.parametrize("end", [judge, ModerationRecord.delete], ids=["verdict", "nothing waits any more"])
    def test_is_told_once(self, record, logged, end):
        since = ProviderState.objects.get().alarmed_at.isoformat(timespec="seconds")
        end(record)
        assert check_alarms() == check_alarms() == []
        assert logged() == [("INFO", f"alarm=over provider=default since={since}")]
        assert ProviderState.objects.get().alarmed_at is None

    def test_comes_with_the_first_verdict_though_others_still_wait(self, record):
        make_record(created_at=ago(minutes=16))
        judge(record)
        assert check_alarms() == []

    def test_is_followed_by_a_new_alarm_should_verdicts_stay_away_again(self, record, logged):
        judge(record)
        check_alarms()
        logged()
        ModerationRecord.objects.update(verdict_at=ago(minutes=20))
        make_record(created_at=ago(minutes=16))
        check_alarms()
        assert [level for level, _ in logged()] == ["ERROR"]


def test_canary_that_is_judged_does_not_hide_that_nothing_else_is(monkeypatch, logged):
    """Neither while it is there nor afterwards."""
    make_record(created_at=ago(minutes=16))
    check_alarms()
    logged()
    seen = []
    work_on = probe.work_on
    monkeypatch.setattr(
        probe, "work_on", lambda *args, **kwargs: (work_on(*args, **kwargs), seen.append(check_alarms()))
    )
    call_command("imgmod_doctor", "--canary", verbosity=0, stdout=StringIO())
    assert seen == [["default"]] * 2
    assert check_alarms() == ["default"]
    assert logged() == []


def test_statements_do_not_grow_with_the_rows():
    def statement_count() -> int:
        with (
            CaptureQueriesContext(connections["default"]) as default,
            CaptureQueriesContext(connections["other"]) as other,
        ):
            check_alarms()
        return len(default) + len(other)

    def fill(count: int) -> None:
        for using in ("default", "other"):
            for _ in range(count):
                make_judged(using=using)
                make_record(using=using)

    fill(1)
    # Of each database: its providers, 2, and of each provider the work and the verdicts. And the states.
    assert statement_count() == 2 * (2 + 2) + 1
    fill(30)
    assert statement_count() == 2 * (2 + 2) + 1
    ModerationRecord.objects.update(created_at=ago(hours=1), verdict_at=None)
    ModerationRecord.objects.using("other").update(verdict_at=None)
    assert check_alarms() == ["default"]
    assert statement_count() == 2 * (2 + 2) + 1
