"""The life of a record: which status may follow which, over all pairs."""

from __future__ import annotations

import itertools

import pytest

from django_imgmod.choices import Outcome, Status
from django_imgmod.exceptions import InvalidTransition, RecordConflict
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.services.decisions import decide
from django_imgmod.services.transitions import change_status

from .hostapp.models import Photo

pytestmark = pytest.mark.django_db

# As drawn in the documentation. Whatever is current can be superseded.
DRAWN = {
    ("pending", "submitted"),
    ("pending", "passed"),
    ("pending", "in_review"),
    ("pending", "blocked"),
    ("submitted", "passed"),
    ("submitted", "in_review"),
    ("submitted", "blocked"),
    ("in_review", "passed"),
    ("in_review", "blocked"),
    ("passed", "blocked"),
    ("blocked", "passed"),
    ("passed", "in_review"),
    ("blocked", "in_review"),
    *((status, "superseded") for status in ("pending", "submitted", "in_review", "passed", "blocked")),
}


@pytest.fixture
def record(picture):
    Photo.objects.create(image=picture())
    return ModerationRecord.objects.get()


def put(record: ModerationRecord, status: Status) -> ModerationRecord:
    """Write a status past the rules, as the starting point of a test."""
    key = None if status == Status.SUPERSEDED else record.current_key
    ModerationRecord.objects.update(status=status, current_key=key)
    record.refresh_from_db()
    return record


@pytest.mark.parametrize(("current", "requested"), [*itertools.product(Status, Status)])
def test_every_pair(record, current, requested):
    put(record, current)
    if (current, requested) in DRAWN:
        change_status(record, requested)
        assert ModerationRecord.objects.get().status == requested
        return
    with pytest.raises(InvalidTransition) as error:
        change_status(record, requested)
    assert f'"{current}"' in str(error.value)
    assert f'"{requested}"' in str(error.value)
    assert ModerationRecord.objects.get().status == current


def test_a_change_counts_in_the_version_and_settles(record):
    change_status(record, Status.PASSED, reason="because")
    assert record.version == 2
    stored = ModerationRecord.objects.get()
    assert (stored.version, stored.reason, stored.due_at) == (2, "because", None)
    assert stored.settled_at is not None
    change_status(record, Status.IN_REVIEW)
    assert ModerationRecord.objects.get().settled_at is None


def test_of_two_that_race_one_wins(record):
    other = ModerationRecord.objects.get()
    change_status(record, Status.PASSED)
    with pytest.raises(RecordConflict):
        change_status(other, Status.BLOCKED)
    assert ModerationRecord.objects.get().status == Status.PASSED


class TestDecisions:
    @pytest.fixture
    def moderator(self, django_user_model):
        return django_user_model.objects.create_user("moderator")

    @pytest.mark.parametrize(
        ("current", "outcome", "status"),
        [
            (Status.IN_REVIEW, Outcome.PASS, Status.PASSED),
            (Status.IN_REVIEW, Outcome.BLOCK, Status.BLOCKED),
            (Status.PASSED, Outcome.BLOCK, Status.BLOCKED),
            (Status.BLOCKED, Outcome.PASS, Status.PASSED),
            (Status.BLOCKED, Outcome.REVIEW, Status.IN_REVIEW),
        ],
    )
    def test_decision_moves_the_record(self, record, moderator, current, outcome, status):
        decision = decide(put(record, current), outcome, decided_by=moderator, comment="a closer look")
        stored = ModerationRecord.objects.get()
        assert (stored.status, stored.reason) == (status, "a closer look")
        assert Decision.objects.get() == decision
        assert (decision.decided_by, decision.outcome) == (moderator, outcome)

    def test_refused_decision_leaves_no_trace(self, record, moderator):
        with pytest.raises(InvalidTransition):
            decide(put(record, Status.SUPERSEDED), Outcome.PASS, decided_by=moderator)
        assert not Decision.objects.exists()

    def test_second_of_two_moderators_is_told(self, record, moderator):
        put(record, Status.IN_REVIEW)
        other = ModerationRecord.objects.get()
        decide(record, Outcome.BLOCK, decided_by=moderator)
        with pytest.raises(RecordConflict):
            decide(other, Outcome.PASS, decided_by=moderator)
        assert Decision.objects.count() == 1
        assert ModerationRecord.objects.get().status == Status.BLOCKED

    def test_decision_about_another_version_is_refused(self, record, moderator):
        put(record, Status.IN_REVIEW)
        with pytest.raises(RecordConflict):
            decide(record, Outcome.PASS, decided_by=moderator, version=record.version - 1)
        assert ModerationRecord.objects.get().status == Status.IN_REVIEW
