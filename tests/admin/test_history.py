"""What the page of a record tells of the people who decided about it, and that nobody rewrites it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_imgmod.choices import ErrorCode, FeedbackStatus, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, Decision, DetectedLabel, Feedback, ModerationRecord
from django_imgmod.services.decisions import decide
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.batches import decide_batch, undo_batch
from django_imgmod.services.review.escalation import escalate
from tests.review.moderating import ESCALATED, FIRST, make_moderator, seen

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def anna() -> User:
    return make_moderator("anna", FIRST, ESCALATED)


@pytest.fixture
def record(make_record: Callable[..., ModerationRecord]) -> ModerationRecord:
    return make_record(status=Status.IN_REVIEW, risk_level=RiskLevel.MEDIUM, version=4, perceptual_hash="-")


def page_of(record: ModerationRecord) -> str:
    return reverse("admin:django_imgmod_moderationrecord_change", args=[record.pk])


@pytest.fixture
def history(viewer: Client, record: ModerationRecord) -> Callable[[], list[list[str]]]:
    """Return a function that reads the rows of what people decided: the cells of each, as text."""

    def read() -> list[list[str]]:
        page = viewer.get(page_of(record)).content.decode()
        table = page.split('id="decisions-group"')[1].split("</table>")[0].split("<tbody")[1]
        rows = [re.findall(r"<td[^>]*field-[^>]*>(.*?)</td>", row, re.DOTALL) for row in table.split("<tr")[1:]]
        text = [[unescape(re.sub(r"<[^>]+>", " ", cell)).strip() for cell in cells] for cells in rows]
        return [cells for cells in text if cells]

    return read


def test_decision(history, anna, record):
    decide_batch(anna, seen(record), Outcome.BLOCK, reason_code="other", comment="not ours", using="default")
    [[when, who, what, reason, comment, version, taken_back, told]] = history()
    assert when
    assert (who, what, reason, comment) == ("anna", "Block", "Something else", "not ours")
    assert (" ".join(version.split()), taken_back) == ("version 4: In review policy default: not judged", "-")
    assert told.startswith("default: Queued until ")


def test_verdict_that_was_seen_stays_in_the_history_whatever_came_after(history, anna, record):
    def judge(level: RiskLevel, label: str, confidence: str | None, year: int) -> None:
        ModerationRecord.objects.filter(pk=record.pk).update(
            risk_level=level,
            top_label=label,
            top_confidence=confidence,
            verdict_at=datetime(year, 5, 17, 12, tzinfo=UTC),
            policy=f"policy of {year}",
        )

    judge(RiskLevel.HIGH, "porn", "97.50", 2024)
    batch = decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
    judge(RiskLevel.NONE, HOSTILE, None, 2025)
    undo_batch(anna, batch.id, using="default")
    judge(RiskLevel.LOW, "calm", "1", 2026)
    undone, decided = (" ".join(cells[5].split()) for cells in history())
    assert re.fullmatch(r"version 4: In review policy policy of 2024: High, porn 97\.5, May 17, 2024.*", decided)
    assert re.fullmatch(
        rf"version 5: Blocked policy policy of 2025: None, {re.escape(HOSTILE)}, May 17, 2025.*", undone
    )


def test_message_of_the_group_covers_the_others(history, anna, record, make_record):
    ModerationRecord.objects.filter(pk=record.pk).update(sha256="a" * 64)
    first = make_record(status=Status.IN_REVIEW, sha256="a" * 64, perceptual_hash="-")
    batch = decide_batch(anna, seen(first, record), Outcome.BLOCK, using="default")
    assert history()[0][7] == "The message about the same picture, decided at once with it, covers this."
    undo_batch(anna, batch.id, using="default")
    assert [cells[7] for cells in history()] == ["-", "-"]


def test_decision_that_was_taken_back(history, anna, record):
    batch = decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
    undo_batch(anna, batch.id, using="default")
    undone, decided = history()
    assert undone[1:3] == ["anna", "Taken back: Block"]
    assert undone[5].startswith("version 5: Blocked ")
    assert decided[2] == "Block"
    assert decided[6].startswith("anna, ")
    assert (decided[7], undone[7]) == ("default: Withdrawn", "-")


def test_escalation_is_called_so(history, anna, record):
    batch = escalate(anna, seen(record), comment="legal?", using="default")
    undo_batch(anna, batch.id, using="default")
    undone, escalated = history()
    assert (escalated[2], escalated[4], undone[2]) == ("Escalated", "legal?", "Taken back: Escalated")
    assert undone[5].startswith("version 5: In review, Escalated ")


def test_decision_to_look_again_is_no_escalation(history, anna, record):
    decide(record, Outcome.PASS, decided_by=anna)
    decide(record, Outcome.REVIEW, decided_by=anna)
    assert history()[0][2] == "Review"


def test_decision_of_somebody_who_is_gone(history, record):
    decide(record, Outcome.PASS, decided_by=None)
    assert history()[0][1] == "-"


def test_decision_of_an_earlier_release(history, anna, record):
    Decision.objects.create(record=record, outcome=Outcome.PASS, decided_by=anna, reason_code="ours")
    [[*_, reason, comment, version, taken_back, told]] = history()
    assert (reason, comment, version, taken_back, told) == ("ours", "-", "-", "-", "-")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"status": FeedbackStatus.ACCEPTED}, "alibaba: Accepted"),
        ({"status": FeedbackStatus.REFUSED, "error_message": "no such task"}, "alibaba: Refused (no such task)"),
        ({"status": FeedbackStatus.REFUSED, "error_code": ErrorCode.PROTOCOL}, "alibaba: Refused (Answer not under"),
        ({"status": FeedbackStatus.UNSUPPORTED}, "alibaba: Unsupported"),
        ({"status": FeedbackStatus.REFUSED, "error_message": HOSTILE}, f"alibaba: Refused ({HOSTILE})"),
    ],
)
def test_receipts_of_the_provider(history, viewer, anna, record, columns, words):
    decision = Decision.objects.create(record=record, outcome=Outcome.PASS, decided_by=anna)
    Feedback.objects.create(decision=decision, provider="alibaba", **columns)
    page = viewer.get(page_of(record)).content.decode()
    assert HOSTILE not in page
    assert unescape(page).find(words) > 0


def test_second_look(viewer, anna, record, settings):
    settings.TIME_ZONE = "America/Chicago"
    decide(record, Outcome.BLOCK, decided_by=anna)
    Decision.objects.update(decided_at=datetime(2026, 2, 3, 22, 17, tzinfo=UTC))
    appeal(record_now(record), by=User.objects.create_user("editor"), text=f"My cat. {HOSTILE}")
    page = viewer.get(page_of(record)).content.decode()
    group = page.split('id="appeal-group"')[1]
    assert HOSTILE not in page
    for told in ("editor", "My cat.", "Block (Feb. 3, 2026, 4:17 p.m.)"):
        assert told in group


def test_frames_are_counted_as_at_the_desk(viewer, record):
    DetectedLabel.objects.create(record=record, label="gun", frame_index=2)
    DetectedLabel.objects.create(record=record, label="knife")
    group = viewer.get(page_of(record)).content.decode().split('id="detected_labels-group"')[1].split("</table>")[0]
    assert re.findall(r'<td class="field-frame">\s*<p>(.*?)</p>', group) == ["3", "-"]


def record_now(record: ModerationRecord) -> ModerationRecord:
    return ModerationRecord.objects.get(pk=record.pk)


def test_queries_do_not_grow(viewer, anna, record):
    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            viewer.get(page_of(record))
        return len(captured)

    def add() -> None:
        batch = decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
        undo_batch(anna, batch.id, using="default")

    add()
    cost()
    once = cost()
    add()
    add()
    assert cost() == once


class TestNobodyRewritesIt:
    def test_no_page_of_its_own(self):
        assert not {Decision, Feedback, Appeal} & set(admin.site._registry)

    @pytest.mark.parametrize("field", ["comment", "outcome", "DELETE"])
    def test_form_of_the_record_changes_nothing(self, anna, record, field):
        decision = decide(record, Outcome.BLOCK, decided_by=anna, comment="ours")
        before = list(Decision.objects.values())
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        formset: dict[str, Any] = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 1, "0-id": decision.pk, "0-record": record.pk}
        data = {f"decisions-{key}": value for key, value in formset.items()}
        client.post(page_of(record), {**data, f"decisions-0-{field}": "pass"})
        assert list(Decision.objects.values()) == before
