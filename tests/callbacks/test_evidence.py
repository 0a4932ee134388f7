"""What comes late, twice, in another order or for other bytes: kept, and nothing is changed by it."""

from __future__ import annotations

from typing import Any

import pytest

from django_imgmod.choices import Outcome, ReceiptOutcome, RiskLevel, Status
from django_imgmod.models import CallbackReceipt, DetectedLabel, ModerationRecord
from django_imgmod.services.decisions import decide
from tests.callbacks.forms import ALIASES, DATA_IDS, DUMMY, STORED, authentic

pytestmark = [pytest.mark.django_db(databases=["default", "other"]), pytest.mark.parametrize("alias", ALIASES)]


def send(alias: str, *risk_levels: str | None) -> list[str]:
    """Send callbacks, all of which are taken; return what became of each so far."""
    assert [authentic(alias, risk_level).request().send() for risk_level in risk_levels] == [STORED] * len(risk_levels)
    return list(CallbackReceipt.objects.order_by("pk").values_list("outcome", flat=True))


def row(record: ModerationRecord) -> dict[str, Any]:
    return ModerationRecord.objects.filter(pk=record.pk).values().get()


def test_ten_times_is_one_change(waiting, alias):
    assert send(alias, "high") == [ReceiptOutcome.APPLIED]
    before, labels = row(waiting[alias]), list(DetectedLabel.objects.values())
    assert before["status"] == Status.BLOCKED
    assert len(labels) == (0 if alias == DUMMY else 1)
    assert send(alias, *["high"] * 9) == [ReceiptOutcome.APPLIED, *[ReceiptOutcome.REPEATED] * 9]
    assert (row(waiting[alias]), list(DetectedLabel.objects.values())) == (before, labels)


@pytest.mark.parametrize("levels", [("high", "none"), ("none", "high"), ("medium", "none")])
def test_second_verdict_changes_nothing(waiting, alias, levels):
    send(alias, levels[0])
    before = row(waiting[alias])
    outcomes = [ReceiptOutcome.APPLIED, ReceiptOutcome.LATE, ReceiptOutcome.REPEATED]
    assert send(alias, levels[1], levels[0]) == outcomes
    assert row(waiting[alias]) == before


def test_news_of_the_beginning_after_the_end_changes_nothing(waiting, alias):
    send(alias, "medium")
    before = row(waiting[alias])
    assert send(alias, None) == [ReceiptOutcome.APPLIED, ReceiptOutcome.LATE]
    assert row(waiting[alias]) == before


def test_in_its_order_both_are_applied(waiting, alias):
    assert send(alias, None, "medium") == [ReceiptOutcome.APPLIED, ReceiptOutcome.APPLIED]
    assert row(waiting[alias])["status"] == Status.IN_REVIEW


@pytest.mark.parametrize("risk_level", ["high", "none", None])
def test_after_a_person_has_decided(waiting, alias, risk_level, django_user_model):
    send(alias, "medium")
    record = ModerationRecord.objects.get(pk=waiting[alias].pk)
    outcome = Outcome.PASS if risk_level == "high" else Outcome.BLOCK
    decide(record, outcome, decided_by=django_user_model.objects.create_user("moderator"))
    before = row(record)
    assert send(alias, risk_level)[1] == ReceiptOutcome.LATE
    assert send(alias, "medium")[2] == ReceiptOutcome.REPEATED
    assert row(record) == before


@pytest.mark.parametrize("risk_level", ["high", "none", None])
def test_for_bytes_that_are_there_no_more(waiting, alias, risk_level):
    """What it says is written to the old record, which concerns nobody any more, and to no other."""
    record = waiting[alias]
    superseded = {"status": Status.SUPERSEDED, "current_key": None, "due_at": None}
    ModerationRecord.objects.filter(pk=record.pk).update(**superseded)
    others = ModerationRecord.objects.exclude(pk=record.pk)
    before = list(others.order_by("pk").values())
    assert send(alias, risk_level) == [ReceiptOutcome.LATE]
    after = row(record)
    assert {name: after[name] for name in superseded} == superseded
    assert after["risk_level"] == {"high": RiskLevel.HIGH, "none": RiskLevel.NONE, None: ""}[risk_level]
    assert list(others.order_by("pk").values()) == before


def test_for_a_record_that_is_gone(waiting, alias):
    waiting[alias].delete()
    assert send(alias, "high") == [ReceiptOutcome.FAILED]
    assert DATA_IDS[alias] in CallbackReceipt.objects.get().error_message
    assert not ModerationRecord.objects.exclude(status=Status.SUBMITTED).exists()
