"""Old evidence goes; what is current, decided, referred to or still to be processed stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from itertools import count
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_imgmod.choices import Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.models import CallbackReceipt, Decision, DetectedLabel, ModerationRecord, current_key
from django_imgmod.services import pruning
from tests.hostapp.models import Photo

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOW = timezone.now()
OLD = NOW - timedelta(days=200)
RECENT = NOW - timedelta(days=20)


def run(*args: str, age: str = "180d", **options: Any) -> dict[str, int]:
    """Return how many of what the command says."""
    output = StringIO()
    call_command("imgmod_prune", f"--older-than={age}", *args, stdout=output, **options)
    lines = [line.strip().removesuffix(" gone").removesuffix(" would go") for line in output.getvalue().splitlines()]
    return {name: int(number) for number, _, name in (line.partition(" ") for line in lines) if number != "0"}


@pytest.fixture
def record() -> Callable[..., ModerationRecord]:
    """Return a function that inserts a superseded record with a label and an answer, judged and superseded ``at``."""
    numbers = count(1)

    def insert(at: Any = OLD, *, using: str = "default", **columns: Any) -> ModerationRecord:
        object_id = str(next(numbers))
        if columns.setdefault("status", Status.SUPERSEDED) != Status.SUPERSEDED:
            columns["current_key"] = current_key(Photo, object_id, "image")
        content_type = ContentType.objects.db_manager(using).get_for_model(Photo)
        defaults = {
            "content_type_id": content_type.pk,
            "object_id": object_id,
            "field_name": "image",
            "file_name": f"{object_id}.png",
            "provider": "default",
            "policy": "default",
            "risk_level": RiskLevel.LOW,
            "created_at": at,
            "verdict_at": at,
            "settled_at": at,
            "raw": {"answer": object_id},
        }
        inserted = ModerationRecord.objects.using(using).create(**{**defaults, **columns})
        DetectedLabel.objects.using(using).create(record=inserted, label="a_b")
        return inserted

    return insert


def receipt(outcome: ReceiptOutcome, at: Any = OLD, **columns: Any) -> CallbackReceipt:
    return CallbackReceipt.objects.create(provider="default", body="{}", outcome=outcome, received_at=at, **columns)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["--records"], ["records", "detected labels"]),
        (["--receipts", "--raw"], ["raw answers", "callback receipts"]),
        ([], ["records", "detected labels", "raw answers", "callback receipts"]),
    ],
)
def test_tells_of_what_was_asked_for(kinds, told):
    output = StringIO()
    call_command("imgmod_prune", "--older-than=180d", *kinds, stdout=output)
    assert output.getvalue().splitlines() == [f"        0 {what} gone" for what in told]


class TestRecords:
    def test_superseded_records_go_with_their_labels(self, record):
        kept = record(RECENT)
        for risk_level in ("", *RiskLevel.values):
            record(risk_level=risk_level)
        CallbackReceipt.objects.create(provider="default", body="{}", record=ModerationRecord.objects.last())
        assert run() == {"records": 6, "detected labels": 6}
        assert ModerationRecord.objects.get() == kept
        assert DetectedLabel.objects.get().record == kept
        assert CallbackReceipt.objects.get().record is None

    @pytest.mark.parametrize("status", [status for status in Status if status != Status.SUPERSEDED])
    def test_current_record_is_never_touched(self, record, status):
        current = record(status=status)
        assert run() == {}
        current.refresh_from_db()
        assert current.raw

    def test_age_is_since_it_was_superseded(self, record):
        record(created_at=OLD, settled_at=RECENT)
        assert run("--records") == {}

    def test_what_a_person_decided_about_stays_without_its_answer(self, record):
        decided = record()
        Decision.objects.create(record=decided, outcome=Outcome.BLOCK)
        assert run() == {"raw answers": 1}
        decided.refresh_from_db()
        assert (decided.raw, decided.detected_labels.count(), Decision.objects.count()) == ({}, 1, 1)

    def test_what_another_was_settled_by_stays(self, record):
        origin = record()
        reused = record(status=Status.PASSED, reused_from=origin, raw={})
        assert run("--records") == {}
        reused.refresh_from_db()
        assert reused.reused_from == origin

    def test_origin_goes_once_nobody_refers_to_it(self, record):
        origin = record()
        record(reused_from=origin)
        assert run("--records") == {"records": 1, "detected labels": 1}
        assert run("--records") == {"records": 1, "detected labels": 1}
        assert not ModerationRecord.objects.exists()

    def test_reference_that_comes_between_keeps_the_portion(self, record, monkeypatch):
        origin = record()
        newer = record(status=Status.PASSED, raw={})
        refer = CallbackReceipt.objects.create(provider="default", body="{}", record=origin)
        delete = pruning._delete

        def refer_and_delete(*args: Any) -> Any:
            ModerationRecord.objects.filter(pk=newer.pk).update(reused_from=origin)
            return delete(*args)

        monkeypatch.setattr(pruning, "_delete", refer_and_delete)
        assert run("--records") == {}
        assert origin.detected_labels.count() == 1
        refer.refresh_from_db()
        assert refer.record == origin

    def test_portion_by_portion(self, record, monkeypatch):
        monkeypatch.setattr(pruning, "BATCH", 2)
        for _ in range(7):
            record()
        assert run() == {"records": 7, "detected labels": 7}

    def test_statements_do_not_grow_with_the_records(self, record, django_assert_max_num_queries):
        for _ in range(30):
            record()
        with django_assert_max_num_queries(35):
            run("--records")


class TestRaw:
    def test_only_answers(self, record):
        record()
        record(RECENT)
        record(raw={})
        assert run("--raw") == {"raw answers": 1}
        assert ModerationRecord.objects.filter(raw={}).count() == 2
        assert DetectedLabel.objects.count() == 3

    def test_age_is_since_it_was_judged(self, record):
        record(created_at=OLD, verdict_at=OLD, settled_at=RECENT)
        record(created_at=OLD, verdict_at=RECENT, settled_at=RECENT)
        assert run("--raw") == {"raw answers": 1}


class TestReceipts:
    def test_processed_callbacks_go(self):
        kept = [
            receipt(ReceiptOutcome.FAILED),
            receipt(ReceiptOutcome.RECEIVED),
            receipt(ReceiptOutcome.APPLIED, RECENT),
        ]
        for outcome in (ReceiptOutcome.APPLIED, ReceiptOutcome.REPEATED, ReceiptOutcome.LATE):
            receipt(outcome)
        assert run("--receipts") == {"callback receipts": 3}
        assert list(CallbackReceipt.objects.order_by("pk")) == kept


class TestCommand:
    def test_dry_run_says_what_would_go_and_changes_nothing(self, record):
        record()
        decided = record()
        Decision.objects.create(record=decided, outcome=Outcome.PASS)
        receipt(ReceiptOutcome.LATE)
        expected = {"records": 1, "detected labels": 1, "raw answers": 1, "callback receipts": 1}
        assert run("--dry-run") == expected
        assert (ModerationRecord.objects.exclude(raw={}).count(), CallbackReceipt.objects.count()) == (2, 1)
        assert run() == expected
        assert run() == {}

    def test_kinds_apart(self, record):
        record()
        receipt(ReceiptOutcome.LATE)
        assert run("--receipts", "--raw", "--dry-run") == {"raw answers": 1, "callback receipts": 1}

    def test_other_database(self, record):
        record(using="other")
        assert run() == {}
        assert run("--database=other") == {"records": 1, "detected labels": 1}

    def test_interruption_keeps_what_is_done(self, record, monkeypatch):
        monkeypatch.setattr(pruning, "BATCH", 2)
        for _ in range(6):
            record()
        delete = pruning._delete

        def delete_and_signal(*args: Any) -> Any:
            os.kill(os.getpid(), signal.SIGINT)
            return delete(*args)

        monkeypatch.setattr(pruning, "_delete", delete_and_signal)
        with pytest.raises(CommandError, match="Run the same command again") as caught:
            run()
        assert caught.value.returncode == 130
        assert ModerationRecord.objects.count() == 4

    @pytest.mark.parametrize("options", [[], ["--older-than=180"], ["--older-than=0d"]])
    def test_age_must_be_said(self, options):
        with pytest.raises(CommandError, match="older-than"):
            call_command("imgmod_prune", *options)
