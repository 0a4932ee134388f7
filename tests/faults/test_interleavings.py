"""Everything that can happen to one image, in every order: the short form of ``tests.faults.interleavings``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from hypothesis.stateful import run_state_machine_as_test

from django_imgmod.models import Decision, Feedback, ModerationRecord
from django_imgmod.models.records import ModerationRecordQuerySet
from django_imgmod.services import callbacks, decisions
from django_imgmod.services.transitions import change_status

from . import interleavings
from .machine import ImageMachine, profile
from .play import SETTINGS, Play, Violation, moderator

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shared_connection(settings: Any) -> Iterator[None]:
    """Workers are threads that use the connection of the test, one at a time."""
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    moderator.cache_clear()
    connection.inc_thread_sharing()
    yield
    connection.dec_thread_sharing()


@pytest.fixture
def play() -> Iterator[Play]:
    play = Play(moderator())
    yield play
    play.close()


@pytest.mark.parametrize("first", interleavings.SWIFT)
def test_every_interleaving_of_four(first):
    figures = interleavings.play_all("swift", 4, [first])
    assert figures["covered"] == 6**3
    assert figures["played"]


@pytest.mark.parametrize("second", ["die", "expire", "callback"])
def test_every_interleaving_of_four_with_workers_that_die(second):
    """Before a worker has come there is nothing for the others to do."""
    figures = interleavings.play_all("slow", 4, ["work", second])
    assert figures["covered"] == 11**2
    assert figures["played"]


def test_any_longer_interleaving():
    run_state_machine_as_test(ImageMachine, settings=profile(count=30, length=12))


def played(play: Play, *steps: tuple[Any, ...]) -> None:
    for name, *arguments in steps:
        assert getattr(play, name)(*arguments)


def test_callback_before_the_answer_and_again_after_it(play):
    played(play, ("work",), ("callback", 0), ("end", 0, "answer"), ("callback", 0))
    assert ModerationRecord.objects.get().status == "in_review"
    assert [outcome for _, outcome in play.model.receipts] == ["applied", "repeated"]
    assert ModerationRecord.objects.get().reference == "reference-1"


def test_worker_that_was_too_slow_answers_after_the_next_one(play):
    played(play, ("work",), ("expire",), ("work",), ("end", 1, "answer"), ("end", 0, "answer"))
    record = ModerationRecord.objects.get()
    assert (record.status, record.version, record.reference) == ("submitted", 2, "reference-1")


def test_decision_about_what_was_seen_before_the_replacement(play):
    played(play, ("work",), ("callback", 0), ("look",), ("save", "b"), ("decide", "pass"))
    assert [record.status for record in ModerationRecord.objects.order_by("pk")] == ["superseded", "pending"]
    assert not Decision.objects.exists()


def test_message_that_two_workers_send(play):
    played(play, ("work",), ("callback", 0), ("look",), ("decide", "block"), ("send",), ("expire",), ("send",))
    played(play, ("end", 1, "fail"), ("end", 1, "answer"))
    assert Feedback.objects.get().status == "accepted"


def test_feedback_names_the_submission_also_where_it_was_spared_twice(play):
    """Each new upload of the same bytes takes over the decision about the last one."""
    played(play, ("work",), ("callback", 0), ("look",), ("decide", "block"))
    for outcome in ("pass", "block"):
        played(play, ("save", "b"), ("save", "a"), ("work",), ("look",), ("decide", outcome))
    data_id = str(ModerationRecord.objects.earliest("pk").public_id)
    assert [message.payload["data_id"] for message in Feedback.objects.order_by("pk")] == [data_id] * 3


class TestWhatTheComparisonSees:
    """A comparison that never fails says nothing: each of these faults is found."""

    def test_lease_that_nobody_respects(self, play, monkeypatch):
        played(play, ("work",))
        monkeypatch.setattr(ModerationRecordQuerySet, "due", lambda records: records.filter(due_at__isnull=False))
        with pytest.raises(Violation, match="call: predicted , found submit"):
            play.work()

    def test_verdict_that_overrides_a_person(self, play, monkeypatch):
        def overwrite(record: ModerationRecord, verdict: Any) -> bool:
            ModerationRecord.objects.filter(pk=record.pk).update(status="in_review", version=F("version") + 1)
            return False

        played(play, ("work",), ("callback", 0), ("look",), ("decide", "block"))
        monkeypatch.setattr(callbacks, "apply_verdict", overwrite)
        with pytest.raises(Violation, match="A person is overridden"):
            play.callback(0)

    def test_what_was_played_is_told(self, monkeypatch):
        monkeypatch.setattr(callbacks, "apply_verdict", lambda record, verdict: False)
        with pytest.raises(Violation) as found:
            interleavings.play_all("swift", 3)
        assert found.value.__notes__ == ["Sequence (swift): submit answer, callback"]

    def test_decision_about_another_version(self, play, monkeypatch):
        def change(record: ModerationRecord, status: Any, **changes: Any) -> None:
            record.refresh_from_db(fields=["version", "status"])
            change_status(record, status, **changes)

        monkeypatch.setattr(decisions, "change_status", change)
        played(play, ("work",), ("callback", 0), ("look",), ("look",), ("decide", "block"))
        with pytest.raises(Violation, match=r"error: predicted RecordConflict, found \."):
            play.decide("pass")

    def test_change_that_does_not_count(self, play):
        ModerationRecord.objects.update(status="passed")
        with pytest.raises(Violation, match="No arrow leads from pending, version 1 to passed, 1"):
            play.look() and play.decide("pass")
