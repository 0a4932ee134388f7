from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from django_imgmod.choices import Circuit, ErrorCode, FeedbackStatus, Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.management import overview
from django_imgmod.models import CallbackReceipt, Decision, Feedback, ModerationRecord, ProviderState
from tests.backdated import ago, make_history, make_judged, make_record

pytestmark = pytest.mark.django_db(databases=["default", "other"])


def status(*arguments: str, **options: Any) -> tuple[list[str], int, str]:
    """Return the lines that the command prints, its exit code, and what it says on the way out."""
    output = io.StringIO()
    complaint, code = "", 0
    try:
        call_command("imgmod_status", *arguments, stdout=output, no_color=True, **options)
    except CommandError as error:
        complaint, code = str(error), error.returncode
    return output.getvalue().splitlines(), code, complaint


def line_with(text: str, lines: list[str]) -> str:
    (line,) = [line for line in lines if text in line]
    return " ".join(line.split())


def problems() -> list[tuple[str, str]]:
    report = json.loads("\n".join(status("--json")[0]))
    return [(problem["code"], problem["text"]) for problem in report["problems"]]


class TestText:
    def test_of_an_empty_site(self):
        lines, code, _ = status()
        assert code == 0
        assert lines[0] == "All well."
        assert line_with("pending", lines) == "pending 0 -"
        assert line_with("default", lines) == "default closed 0 0 0 - -"
        assert line_with("feedback", lines) == "feedback 0 queued (0 failing), 0 refused"
        assert line_with("callbacks", lines) == "callbacks 0 not processed yet, 0 failed"

    def test_tells_counts_and_ages(self):
        make_judged(verdict_at=ago(seconds=90))
        make_record(created_at=ago(minutes=3), due_at=ago(minutes=-1), attempt_count=1)
        make_record(created_at=ago(minutes=2), lease_until=ago(minutes=-4))
        make_record(status=Status.IN_REVIEW, risk_level=RiskLevel.MEDIUM, created_at=ago(hours=50))
        lines, _, _ = status()
        assert lines[0] == "All well."
        assert line_with("pending", lines) == "pending 2 3 min"
        assert line_with("in_review", lines) == "in_review 1 2 days"
        assert line_with("passed", lines) == "passed 1 -"
        assert re.fullmatch(r"default closed 2 0 1 3 min 9\d s ago", line_with("default", lines))

    def test_says_first_what_is_wrong_and_then_what_to_do(self):
        make_record(created_at=ago(minutes=20))
        lines, code, _ = status()
        assert code == 0
        assert lines[:3] == [
            "1 thing needs you:",
            '- No verdict has come from "default" for 20 min. Waiting: 1.',
            "  -> See that imgmod_worker runs; imgmod_doctor --canary says what fails.",
        ]

    def test_fits_a_terminal_whatever_it_has_to_say(self, settings, monkeypatch):
        alias = "a" * 50
        backend = settings.IMGMOD["PROVIDERS"]["default"]
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": backend, alias: backend}}
        make_record(provider=alias, created_at=ago(days=400), lease_until=ago(days=-1))
        make_record(provider="b" * 50, created_at=ago(days=400))
        make_judged(provider=alias, verdict_at=ago(days=300))
        ProviderState.objects.create(
            provider=alias,
            circuit=Circuit.HALF_OPEN,
            failure_count=1_000_000,
            error_message="first line\nsecond line \x1b[2J" + "of a very long message " * 30,
        )
        monkeypatch.setattr(overview, "_number", lambda tally: "10,000,000")
        lines, _, _ = status("--fail-if-older-than=1s", "--fail-if-review-older-than=1s")
        assert lines[0] == "5 things need you:"
        assert max(map(len, lines)) < 80
        assert not [line for line in lines if not line.isprintable()]
        assert line_with("half_open", lines).startswith("aaaaaaa… ")

    def test_counts_settled_records_to_the_last_if_so_asked(self, monkeypatch):
        monkeypatch.setattr("django_imgmod.management.commands.imgmod_status.LIMIT", 2)
        for _ in range(3):
            make_judged()
        assert line_with("passed", status()[0]) == "passed 2+ -"
        assert line_with("passed", status("--exact")[0]) == "passed 3 -"

    def test_is_silent_if_so_asked(self):
        make_record(created_at=ago(minutes=20))
        assert status(verbosity=0) == ([], 0, "")
        lines, code, complaint = status("--fail-if-older-than=1m", verbosity=0)
        assert (lines, code) == ([], 1)
        assert complaint


class TestProblems:
    def test_circuit(self):
        ProviderState.objects.create(
            provider="default", circuit=Circuit.OPEN, failure_count=8, error_message="The key was refused."
        )
        ((code, text),) = problems()
        assert code == "circuit"
        assert text == '"default" is left alone for a while: 8 calls failed in a row. The key was refused.'

    def test_verdicts_that_stay_away(self):
        make_history(30, pause=timedelta(minutes=1), wait=timedelta(seconds=3), until=ago(minutes=30))
        make_record(created_at=ago(minutes=6))
        assert problems() == [
            ("no_verdict", 'No verdict has come from "default" for 6 min (usually 3 s at most). Waiting: 1.')
        ]

    def test_verdicts_that_stay_away_because_calls_fail_need_no_second_mend(self):
        ProviderState.objects.create(provider="default", circuit=Circuit.OPEN)
        make_record(created_at=ago(minutes=16))
        lines, _, _ = status()
        assert [code for code, _ in problems()] == ["circuit", "no_verdict"]
        assert line_with("as said above", lines) == "-> Its calls fail, as said above: nothing else has to be done."

    def test_work_that_piles_up_though_verdicts_come(self):
        make_record(created_at=ago(minutes=16))
        make_judged()
        assert problems() == [("overdue", 'Work for "default" piles up. Due: 1, the oldest for 16 min.')]

    def test_provider_that_the_settings_forgot(self):
        make_record(provider="old")
        ((code, text),) = problems()
        assert code == "unknown_provider"
        assert text == 'Records wait for "old", which IMGMOD["PROVIDERS"] does not name: 1.'

    def test_feedback_that_cannot_be_sent(self):
        decision = Decision.objects.create(
            record=make_judged(), outcome=Outcome.PASS, decided_by=User.objects.create_user("moderator")
        )
        for status_ in FeedbackStatus:
            Feedback.objects.create(decision=decision, provider="default", status=status_)
        assert problems() == []
        Feedback.objects.create(decision=decision, provider="default", error_code=ErrorCode.UNAVAILABLE)
        assert problems() == [("feedback", "Decisions that could not be told back to the provider yet: 1.")]

    def test_callbacks(self):
        for outcome in ReceiptOutcome:
            CallbackReceipt.objects.create(provider="default", body="{}", outcome=outcome)
        assert problems() == [("callbacks_failed", "Callbacks that could not be processed: 1.")]
        CallbackReceipt.objects.all().update(outcome=ReceiptOutcome.RECEIVED, received_at=ago(minutes=16))
        assert problems() == [("callbacks_waiting", "A callback was stored 16 min ago and is not processed yet.")]


class TestExitCode:
    @pytest.mark.parametrize(("limit", "code"), [("11m", 0), ("9m", 1)])
    def test_tells_whether_a_record_has_waited_too_long_for_a_verdict(self, limit, code):
        make_record(status=Status.SUBMITTED, created_at=ago(minutes=10), using="other")
        _, given, complaint = status(f"--fail-if-older-than={limit}")
        assert given == code
        if code:
            assert complaint == "The oldest record that waits for a verdict has waited for 10 min, longer than 9 min."

    @pytest.mark.parametrize(("limit", "code"), [("3d", 0), ("1d", 1)])
    def test_tells_whether_a_record_has_waited_too_long_for_a_person(self, limit, code):
        make_record(status=Status.IN_REVIEW, risk_level=RiskLevel.HIGH, created_at=ago(days=2))
        assert status("--fail-if-older-than=1m")[1] == 0
        assert status(f"--fail-if-review-older-than={limit}")[1] == code

    def test_is_1_for_an_alarm_though_the_limit_is_kept(self):
        make_record(created_at=ago(minutes=20))
        assert status()[1] == 0
        _, code, complaint = status("--fail-if-older-than=1h")
        assert code == 1
        assert complaint == 'No verdict has come from "default" for 20 min. Waiting: 1.'

    def test_is_0_for_what_mends_itself(self):
        ProviderState.objects.create(provider="default", circuit=Circuit.OPEN)
        assert status("--fail-if-older-than=1h")[1] == 0

    def test_is_2_where_a_database_cannot_be_read(self):
        def refuse(execute, sql, params, many, context):
            raise OperationalError("server closed the connection")

        with connections["other"].execute_wrapper(refuse):
            lines, code, complaint = status("--fail-if-older-than=1h", "--json")
        assert (lines, code) == ([], 2)
        assert complaint == 'Database "other" cannot be read: server closed the connection'

    def test_is_2_where_a_provider_cannot_be_built(self, settings):
        options = {"BACKEND": "django_imgmod.providers.dummy.DummyProvider", "OPTIONS": {"qpss": 3}}
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": options}}
        lines, code, complaint = status()
        assert (lines, code) == ([], 2)
        assert complaint.startswith("The settings cannot be used")
        assert "qpss" in complaint

    def test_is_2_where_the_settings_cannot_be_read(self, tmp_path):
        """In a process of its own: system checks would end it with 1."""
        (tmp_path / "wrong.py").write_text('from tests.settings import *\n\nIMGMOD = {"PROVIDERS": "local"}\n')
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "wrong",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])]),
        }
        command = [sys.executable, "-m", "django", "imgmod_status"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith('CommandError: The settings cannot be used: IMGMOD["PROVIDERS"] must be')

    def test_of_a_senseless_limit(self):
        with pytest.raises(CommandError, match="no length of time"):
            call_command("imgmod_status", "--fail-if-older-than=soon")


@pytest.mark.django_db(databases=["default", "other"], transaction=True)
def test_database_that_was_not_migrated_is_told_as_such():
    connection = connections["other"]
    table = ModerationRecord._meta.db_table
    recorder = MigrationRecorder(connection)
    applied = recorder.migration_qs.filter(app="django_imgmod").order_by("pk")
    kept = list(applied)
    with connection.schema_editor() as editor:
        editor.alter_db_table(ModerationRecord, table, "set_aside")
    applied.delete()
    try:
        _, code, complaint = status()
    finally:
        with connection.schema_editor() as editor:
            editor.alter_db_table(ModerationRecord, "set_aside", table)
        recorder.migration_qs.bulk_create(kept)
    assert code == 2
    assert complaint.startswith('Database "other": not applied are the migrations django_imgmod.0001_initial, ')
    assert complaint.endswith("Run manage.py migrate --database=other.")


class TestJson:
    def report(self, *arguments: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads("\n".join(status("--json", *arguments)[0]))
        return report

    def test_of_an_empty_site_has_the_keys_that_are_promised(self):
        report = self.report()
        assert datetime.fromisoformat(report.pop("taken_at")) <= timezone.now()
        none = {"count": 0, "is_exact": True}
        assert report == {
            "is_well": True,
            "problems": [],
            "oldest_undecided_seconds": None,
            "oldest_in_review_seconds": None,
            "records": dict.fromkeys(Status.values, none),
            "providers": {
                "default": {
                    "is_configured": True,
                    "circuit": "closed",
                    "failure_count": 0,
                    "retry_at": None,
                    "error_code": "",
                    "error_message": "",
                    "waiting_count": 0,
                    "due_count": 0,
                    "leased_count": 0,
                    "is_exact": True,
                    "oldest_seconds": None,
                    "last_verdict_at": None,
                    "silence_seconds": 0.0,
                    "usual_silence_seconds": None,
                    "alarm_after_seconds": 900.0,
                    "is_alarming": False,
                    "alarmed_at": None,
                }
            },
            "feedback": {"queued": none, "failing": none, "refused": none},
            "callbacks": {"received": none, "failed": none},
        }

    def test_has_times_in_iso_and_ages_in_seconds(self):
        last = make_judged(verdict_at=ago(minutes=30))
        make_record(created_at=ago(minutes=20))
        make_record(status=Status.IN_REVIEW, created_at=ago(minutes=25))
        report = self.report("--fail-if-older-than=10m")
        provider = report["providers"]["default"]
        assert datetime.fromisoformat(provider["last_verdict_at"]) == last.verdict_at
        assert 1200 <= provider["silence_seconds"] == provider["oldest_seconds"] < 1260
        assert report["oldest_undecided_seconds"] == provider["oldest_seconds"]
        assert 1500 <= report["oldest_in_review_seconds"] < 1560
        assert provider["is_alarming"] is True
        assert [problem["code"] for problem in report["problems"]] == ["no_verdict", "undecided_too_old"]
        assert all(problem["mend"] for problem in report["problems"])
