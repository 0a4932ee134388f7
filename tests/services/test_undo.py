"""A decision that is taken back: what shows, what stays in the history, what the provider learns of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from django_imgmod.choices import FeedbackStatus, Lane, Outcome, RiskLevel, Status
from django_imgmod.exceptions import RecordConflict
from django_imgmod.models import Decision, Feedback, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict
from django_imgmod.services import decisions
from django_imgmod.services.decisions import decide, take_back, undo
from django_imgmod.services.feedback import GRACE, send_due_feedback
from django_imgmod.services.transitions import change_status
from django_imgmod.services.verdicts import STATUS_OF_OUTCOME
from django_imgmod.shortcuts import is_image_visible
from django_imgmod.signals import decision_made, image_blocked, image_held, image_passed
from tests.hostapp.models import Photo
from tests.timetravel import fast_forward

pytestmark = pytest.mark.django_db(databases=["default", "other"])

VERDICTS = {
    Status.IN_REVIEW: RiskLevel.MEDIUM,
    Status.PASSED: RiskLevel.NONE,
    Status.BLOCKED: RiskLevel.HIGH,
}


@pytest.fixture
def moderator(django_user_model):
    return django_user_model.objects.create_user("moderator")


@pytest.fixture
def judged(picture, django_capture_on_commit_callbacks) -> Callable[[Status], ModerationRecord]:
    """Return a function that uploads a picture whose verdict leads to the given status."""

    def upload(status: Status) -> ModerationRecord:
        verdict = Verdict(risk_level=VERDICTS[status], detections=(Detection(label="harbour", confidence=60),))
        dummy().script(verdict)
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image=picture())
        return current()

    return upload


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def current() -> ModerationRecord:
    return ModerationRecord.objects.current().get()


def is_shown() -> bool:
    return is_image_visible(Photo.objects.get(), "image")


def told() -> list[Outcome]:
    """Send all that is due once the time of grace is over; return all that the provider was ever told."""
    fast_forward(GRACE.total_seconds())
    send_due_feedback(using="default")
    return [message.outcome for message in dummy().feedback]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(status, outcome) for status in VERDICTS for outcome in Outcome if STATUS_OF_OUTCOME[outcome] != status],
)
def test_all_is_as_it_was(judged, moderator, status, outcome):
    record = judged(status)
    reason, was_shown = record.reason, is_shown()
    decision = decide(record, outcome, decided_by=moderator, comment="sure")
    taken_back = undo(decision, undone_by=moderator)
    record = current()
    assert (record.status, record.reason, is_shown()) == (status, reason, was_shown)
    assert (taken_back.undoes, taken_back.decided_by) == (decision, moderator)
    assert Decision.objects.count() == 2
    assert told() == []
    assert [message.status for message in Feedback.objects.all()] == [FeedbackStatus.WITHDRAWN]


def test_what_the_person_saw_is_kept(judged, moderator):
    record = judged(Status.IN_REVIEW)
    version = record.version
    decision = decide(record, Outcome.BLOCK, decided_by=moderator)
    decision.refresh_from_db()
    assert (decision.version, decision.status_before) == (version, Status.IN_REVIEW)
    assert decision.reason_before == "medium risk: harbour 60.00"


def test_provider_that_knows_is_told_what_holds_again(judged, moderator):
    record = judged(Status.IN_REVIEW)
    decide(record, Outcome.PASS, decided_by=moderator)
    wrong = decide(current(), Outcome.BLOCK, decided_by=moderator)
    assert told() == [Outcome.PASS, Outcome.BLOCK]
    undo(wrong, undone_by=moderator)
    assert told() == [Outcome.PASS, Outcome.BLOCK, Outcome.PASS]


def test_provider_that_knows_is_told_nothing_where_a_person_has_to_look_again(judged, moderator):
    decision = decide(judged(Status.IN_REVIEW), Outcome.BLOCK, decided_by=moderator)
    assert told() == [Outcome.BLOCK]
    undo(decision, undone_by=moderator)
    assert told() == [Outcome.BLOCK]
    assert Feedback.objects.get().status == FeedbackStatus.ACCEPTED


def test_provider_that_may_know_is_told_what_holds_again(judged, moderator):
    """The attempt had begun, and nobody knows how it ended."""
    wrong = decide(judged(Status.PASSED), Outcome.BLOCK, decided_by=moderator)
    Feedback.objects.update(attempt_count=1)
    undo(wrong, undone_by=moderator)
    assert told() == [Outcome.PASS]


def test_attempt_that_is_under_way_does_not_bring_it_back(judged, moderator, monkeypatch):
    decision = decide(judged(Status.IN_REVIEW), Outcome.BLOCK, decided_by=moderator)

    def undone_meanwhile(*args: Any) -> None:
        undo(decision, undone_by=moderator)

    monkeypatch.setattr(DummyProvider, "send_feedback", undone_meanwhile)
    fast_forward(GRACE.total_seconds())
    send_due_feedback(using="default")
    assert Feedback.objects.get().status == FeedbackStatus.WITHDRAWN
    assert current().status == Status.IN_REVIEW


def test_one_after_the_other(judged, moderator):
    first = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
    second = decide(current(), Outcome.BLOCK, decided_by=moderator)
    with pytest.raises(RecordConflict):
        undo(first, undone_by=moderator)
    undo(second, undone_by=moderator)
    assert current().status == Status.PASSED
    undo(first, undone_by=moderator)
    assert current().status == Status.IN_REVIEW


def test_once(judged, moderator):
    decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
    undo(decision, undone_by=moderator)
    with pytest.raises(RecordConflict):
        undo(decision, undone_by=moderator)
    assert Decision.objects.count() == 2


def test_picture_that_was_replaced_stays_so(judged, moderator, picture, django_capture_on_commit_callbacks):
    """But the decision counts for its bytes no more, nor is anybody told of it."""
    decision = decide(judged(Status.IN_REVIEW), Outcome.BLOCK, decided_by=moderator)
    photo = Photo.objects.get()
    photo.image = picture(2)
    photo.save()
    taken_back = undo(decision, undone_by=moderator)
    assert (taken_back.undoes, taken_back.outcome) == (decision, Outcome.REVIEW)
    assert ModerationRecord.objects.get(pk=decision.record_id).status == Status.SUPERSEDED
    assert told() == []
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
    assert ModerationRecord.objects.latest("pk").status == Status.IN_REVIEW
    with pytest.raises(RecordConflict):
        undo(decision, undone_by=moderator)


def test_two_take_back_the_same_of_a_picture_that_was_replaced(judged, moderator, picture):
    decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
    photo = Photo.objects.get()
    photo.image = picture(2)
    photo.save()
    record = ModerationRecord.objects.get(pk=decision.record_id)
    undo(decision, undone_by=moderator)
    with pytest.raises(RecordConflict):
        take_back(decision, record, undone_by=moderator, batch=uuid.uuid4())
    assert Decision.objects.count() == 2


def test_next_upload_of_the_bytes_is_not_settled_by_it(judged, moderator, picture, django_capture_on_commit_callbacks):
    decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
    undo(decision, undone_by=moderator)
    with django_capture_on_commit_callbacks(execute=True):
        Photo.objects.create(image=picture())
    assert ModerationRecord.objects.latest("pk").status == Status.IN_REVIEW


class TestWhatItSettled:
    """Later uploads of the same bytes, settled by the decision while it stood."""

    @pytest.fixture
    def again(self, picture, django_capture_on_commit_callbacks) -> Callable[[], ModerationRecord]:
        """Return a function that uploads the picture once more."""

        def upload() -> ModerationRecord:
            with django_capture_on_commit_callbacks(execute=True):
                Photo.objects.create(image=picture())
            return ModerationRecord.objects.latest("pk")

        return upload

    @pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.BLOCK])
    def test_waits_for_people(self, judged, moderator, again, outcome):
        decision = decide(judged(Status.IN_REVIEW), outcome, decided_by=moderator)
        later = again()
        assert later.status == STATUS_OF_OUTCOME[outcome]
        undo(decision, undone_by=moderator)
        later.refresh_from_db()
        assert (later.status, later.lane, later.settled_at) == (Status.IN_REVIEW, Lane.FIRST, None)
        assert later.reason == "what was decided before about the same picture was taken back"
        assert not is_image_visible(Photo.objects.latest("pk"), "image")

    def test_waits_though_the_picture_was_replaced(self, judged, moderator, again, picture):
        decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
        later = again()
        photo = Photo.objects.earliest("pk")
        photo.image = picture(2)
        photo.save()
        undo(decision, undone_by=moderator)
        later.refresh_from_db()
        assert later.status == Status.IN_REVIEW

    def test_that_somebody_decided_about_since_stays(self, judged, moderator, again):
        decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
        later = again()
        for outcome in (Outcome.BLOCK, Outcome.PASS):
            decide(later, outcome, decided_by=moderator)
        # Even where the words are the same.
        ModerationRecord.objects.filter(pk=later.pk).update(reason="the same picture was decided before: pass")
        undo(decision, undone_by=moderator)
        later.refresh_from_db()
        assert later.status == Status.PASSED

    def test_that_has_the_verdict_alone_from_it_stays(self, judged, moderator, again):
        first = judged(Status.PASSED)
        later = again()
        assert (later.status, later.reused_from) == (Status.PASSED, first)
        blocked = decide(first, Outcome.BLOCK, decided_by=moderator)
        undo(decide(first, Outcome.PASS, decided_by=moderator), undone_by=moderator)
        undo(blocked, undone_by=moderator)
        later.refresh_from_db()
        assert later.status == Status.PASSED

    def test_that_changes_at_this_moment_is_passed_over(self, judged, moderator, again, monkeypatch):
        decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
        faster, other = again(), again()

        def change(record: ModerationRecord, *args: Any, **changes: Any) -> None:
            if record == faster:
                ModerationRecord.objects.filter(pk=faster.pk).update(status=Status.BLOCKED, version=99)
            change_status(record, *args, **changes)

        monkeypatch.setattr(decisions, "change_status", change)
        undo(decision, undone_by=moderator)
        statuses = [ModerationRecord.objects.get(pk=record.pk).status for record in (faster, other)]
        assert statuses == [Status.BLOCKED, Status.IN_REVIEW]

    def test_is_bounded(self, judged, moderator, again, monkeypatch, caplog):
        monkeypatch.setattr(decisions, "MAX_RELEASED", 1)
        decision = decide(judged(Status.IN_REVIEW), Outcome.PASS, decided_by=moderator)
        later = [again(), again()]
        undo(decision, undone_by=moderator)
        assert [ModerationRecord.objects.get(pk=record.pk).status for record in later] == [
            Status.IN_REVIEW,
            Status.PASSED,
        ]
        assert "release=incomplete" in caplog.text


def test_image_in_the_shadow_steps_back_into_it(judged, moderator):
    record = judged(Status.BLOCKED)
    ModerationRecord.objects.update(is_shadow=True)
    record.refresh_from_db()
    decision = decide(record, Outcome.REVIEW, decided_by=moderator)
    assert not current().is_shadow
    undo(decision, undone_by=moderator)
    assert current().is_shadow


def test_decision_of_an_earlier_release_is_looked_at_again(judged, moderator):
    """It does not say what was before it."""
    decision = decide(judged(Status.PASSED), Outcome.BLOCK, decided_by=moderator)
    Decision.objects.update(status_before="", reason_before=None, version=None)
    decision.refresh_from_db()
    undo(decision, undone_by=moderator)
    assert current().status == Status.IN_REVIEW


@pytest.mark.parametrize(
    ("status", "signal"),
    [(Status.IN_REVIEW, image_held), (Status.PASSED, image_passed)],
)
def test_host_is_told(judged, moderator, django_capture_on_commit_callbacks, status, signal):
    decision = decide(judged(status), Outcome.BLOCK, decided_by=moderator)
    received: list[Any] = []

    def listen(sender: Any, **arguments: Any) -> None:
        received.append((arguments["signal"], arguments["record"].status))

    for each in (decision_made, image_held, image_passed, image_blocked):
        each.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            undo(decision, undone_by=moderator)
    finally:
        for each in (decision_made, image_held, image_passed, image_blocked):
            each.disconnect(listen)
    assert received == [(decision_made, status), (signal, status)]
