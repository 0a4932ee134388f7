"""An editor's wish for a second look: by somebody else, once, and what comes of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from django_imgmod.choices import Lane, Outcome, Status
from django_imgmod.exceptions import RecordConflict, ReviewRefused
from django_imgmod.models import Appeal, Decision, ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.registry import all_watched_fields
from django_imgmod.services.retries import Selection, retry_failed
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.batches import decide_batch, undo_batch
from django_imgmod.services.review.escalation import escalate
from django_imgmod.services.review.lanes import Refusal, may_decide
from django_imgmod.services.review.queue import QueueFilter, waiting
from django_imgmod.shortcuts import is_image_visible
from django_imgmod.signals import decision_made, image_held
from tests.hostapp.models import Photo
from tests.review.moderating import ESCALATED, FIRST, end_of_grace, make_moderator, make_waiting, now, seen

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def bob() -> User:
    return make_moderator("bob")


@pytest.fixture
def editor(django_user_model) -> User:
    return django_user_model.objects.create_user("editor")


@pytest.fixture
def blocked(anna) -> ModerationRecord:
    """A record that Anna blocked."""
    record = make_waiting()
    decide_batch(anna, seen(record), Outcome.BLOCK, comment="not ours", using="default")
    return now(record)


def outcomes_told() -> list[Outcome]:
    end_of_grace()
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return [message.outcome for message in provider.feedback]


class TestAppealing:
    def test_waits_for_a_second_look(self, blocked, anna, editor):
        made = appeal(blocked, by=editor, text=" It is\x00 my cat. ")
        record = now(blocked)
        assert (record.status, record.lane) == (Status.IN_REVIEW, Lane.APPEALED)
        assert (record.reason, record.settled_at, record.version) == ("not ours", None, blocked.version + 1)
        made = Appeal.objects.get(pk=made.pk)
        assert (made.record, made.appealed_by, made.resolution) == (record, editor, None)
        assert made.text == "It is\N{REPLACEMENT CHARACTER} my cat."
        assert made.decision == Decision.objects.get()

    def test_against_a_verdict(self, editor):
        made = appeal(make_waiting(status=Status.BLOCKED), by=editor)
        assert (made.decision, made.text) == (None, "")
        assert not Decision.objects.exists()

    def test_against_a_decision_about_the_same_bytes(self, anna, editor, picture, django_capture_on_commit_callbacks):
        """Who decided about another upload of them has decided about this one."""
        provider = providers["default"]
        assert isinstance(provider, DummyProvider)
        provider.script("medium")
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image=picture())
        first = ModerationRecord.objects.get()
        decide_batch(anna, seen(first), Outcome.BLOCK, using="default")
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image=picture())
        later = ModerationRecord.objects.latest("pk")
        assert later.status == Status.BLOCKED
        assert appeal(later, by=editor).decision == first.decisions.get()
        assert "your own" in decide_batch(anna, seen(later), Outcome.PASS, using="default").receipts[0].problem

    def test_against_the_decision_that_settled_it_though_that_was_overturned(self, anna, bob, editor):
        first = make_waiting()
        decide_batch(anna, seen(first), Outcome.BLOCK, using="default")
        decision = first.decisions.get()
        later = make_waiting(status=Status.BLOCKED, reused_from=first)
        decide_batch(bob, seen(first), Outcome.PASS, using="default")
        assert appeal(later, by=editor).decision == decision

    def test_not_against_what_was_taken_back(self, anna, editor):
        record = make_waiting(status=Status.BLOCKED)
        batch = decide_batch(anna, seen(record), Outcome.PASS, using="default")
        undo_batch(anna, batch.id, using="default")
        assert appeal(now(record), by=editor).decision is None

    @pytest.mark.parametrize("status", [status for status in Status if status != Status.BLOCKED])
    def test_only_of_what_is_blocked(self, editor, status):
        record = make_waiting(status=status)
        with pytest.raises(ReviewRefused, match="not blocked"):
            appeal(record, by=editor)
        assert now(record).version == 1
        assert not Appeal.objects.exists()

    def test_not_of_what_is_blocked_in_the_shadow(self, editor):
        record = make_waiting(status=Status.BLOCKED, is_shadow=True)
        with pytest.raises(ReviewRefused, match="not blocked"):
            appeal(record, by=editor)

    def test_once_a_record(self, blocked, bob, editor):
        appeal(blocked, by=editor)
        with pytest.raises(ReviewRefused, match="not blocked"):
            appeal(now(blocked), by=editor)
        decide_batch(bob, seen(blocked), Outcome.BLOCK, using="default")
        with pytest.raises(ReviewRefused, match="already"):
            appeal(now(blocked), by=editor)
        assert (Appeal.objects.count(), now(blocked).status) == (1, Status.BLOCKED)

    def test_changed_since(self, blocked, bob, editor):
        decide_batch(bob, seen(blocked), Outcome.PASS, using="default")
        with pytest.raises(RecordConflict):
            appeal(blocked, by=editor)
        ModerationRecord.objects.all().delete()
        with pytest.raises(RecordConflict):
            appeal(blocked, by=editor)

    def test_too_long(self, blocked, editor):
        with pytest.raises(ReviewRefused, match="2001"):
            appeal(blocked, by=editor, text="x" * 2001)

    def test_host_is_told(self, blocked, editor, django_capture_on_commit_callbacks):
        heard: list[Any] = []

        def listen(sender: Any, *, signal: Any, record: ModerationRecord, **arguments: Any) -> None:
            heard.append((signal, record.lane))

        for signal in (image_held, decision_made):
            signal.connect(listen)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                appeal(blocked, by=editor)
        finally:
            for signal in (image_held, decision_made):
                signal.disconnect(listen)
        assert heard == [(image_held, Lane.APPEALED)]

    def test_image_stays_hidden_and_so_do_other_uploads(
        self, anna, editor, picture, django_capture_on_commit_callbacks
    ):
        provider = providers["default"]
        assert isinstance(provider, DummyProvider)
        provider.script("medium")
        with django_capture_on_commit_callbacks(execute=True):
            photo = Photo.objects.create(image=picture())
        record = ModerationRecord.objects.get()
        decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
        appeal(now(record), by=editor)
        assert not is_image_visible(photo, "image")
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image=picture())
        assert ModerationRecord.objects.latest("pk").status == Status.BLOCKED

    def test_deadlock_is_repeated(self, blocked, editor, transactional_db):
        """All of it, from the record as it was."""
        writes: list[str] = []

        def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith("INSERT") and "imgmod_appeal" in sql:
                writes.append(sql)
                if len(writes) == 1:
                    raise OperationalError(1213, "Deadlock found when trying to get lock")
            return run(sql, params, many, context)

        with connection.execute_wrapper(execute):
            appeal(blocked, by=editor)
        assert (len(writes), now(blocked).version) == (2, blocked.version + 1)


class TestSecondLook:
    @pytest.mark.parametrize(("outcome", "status"), [(Outcome.PASS, Status.PASSED), (Outcome.BLOCK, Status.BLOCKED)])
    def test_closes_the_appeal(self, blocked, bob, editor, outcome, status):
        appeal(blocked, by=editor)
        decide_batch(bob, seen(blocked), outcome, using="default")
        decision = Decision.objects.latest("pk")
        assert (now(blocked).status, now(blocked).lane) == (status, Lane.FIRST)
        assert Appeal.objects.get().resolution == decision
        assert (decision.lane_before, decision.status_before) == (Lane.APPEALED, Status.IN_REVIEW)
        assert outcomes_told() == [Outcome.BLOCK, outcome]

    def test_that_upholds_without_a_word_keeps_the_first_reason(self, blocked, bob, editor):
        appeal(blocked, by=editor)
        upheld = decide_batch(bob, seen(blocked), Outcome.BLOCK, using="default")
        assert now(blocked).reason == "not ours"
        undo_batch(bob, upheld.id, using="default")
        decide_batch(bob, seen(blocked), Outcome.BLOCK, comment="still not", using="default")
        assert now(blocked).reason == "still not"

    def test_that_upholds_after_an_escalation_keeps_the_first_reason(self, blocked, bob, editor):
        appeal(blocked, by=editor)
        escalate(bob, seen(blocked), using="default")
        decide_batch(make_moderator("senior", ESCALATED), seen(blocked), Outcome.BLOCK, using="default")
        assert now(blocked).reason == "not ours"

    def test_that_overturns_does_not_keep_it(self, blocked, bob, editor):
        appeal(blocked, by=editor)
        decide_batch(bob, seen(blocked), Outcome.PASS, using="default")
        assert now(blocked).reason == "decided: pass"

    @pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.BLOCK])
    def test_taken_back_is_open_again(self, blocked, bob, editor, outcome):
        appeal(blocked, by=editor)
        batch = decide_batch(bob, seen(blocked), outcome, using="default")
        assert undo_batch(bob, batch.id, using="default").decided_count == 1
        assert (now(blocked).status, now(blocked).lane) == (Status.IN_REVIEW, Lane.APPEALED)
        assert Appeal.objects.get().resolution is None
        decide_batch(bob, seen(blocked), Outcome.BLOCK, using="default")
        assert Appeal.objects.get().resolution == Decision.objects.latest("pk")

    def test_is_not_by_who_decided(self, blocked, anna, bob, editor):
        appeal(blocked, by=editor)
        assert (
            "your own decision" in decide_batch(anna, seen(blocked), Outcome.PASS, using="default").receipts[0].problem
        )
        assert "your own decision" in escalate(anna, seen(blocked), using="default").receipts[0].problem
        assert decide_batch(bob, seen(blocked), Outcome.PASS, using="default").decided_count == 1

    def test_is_not_by_who_appealed(self, blocked, bob, settings):
        appeal(blocked, by=bob)
        assert may_decide(bob, now(blocked)) == Refusal.OWN_DECISION
        assert not waiting(QueueFilter(lane=Lane.APPEALED), user=bob, using="default").exists()
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"MAY_DECIDE_OWN": True}}
        assert may_decide(bob, now(blocked)) is None
        assert waiting(QueueFilter(lane=Lane.APPEALED), user=bob, using="default").exists()

    def test_is_not_by_who_decided_after_an_escalation_either(self, bob, editor):
        senior = make_moderator("senior", FIRST, ESCALATED)
        record = make_waiting()
        decide_batch(senior, seen(record), Outcome.BLOCK, using="default")
        appeal(now(record), by=editor)
        escalate(bob, seen(record), using="default")
        batch = decide_batch(senior, seen(record), Outcome.BLOCK, using="default")
        assert "your own decision" in batch.receipts[0].problem

    def test_first_decision_is_not_taken_back_any_more(self, anna, bob, editor):
        record = make_waiting()
        batch = decide_batch(anna, seen(record), Outcome.BLOCK, using="default")
        appeal(now(record), by=editor)
        undone = undo_batch(anna, batch.id, using="default")
        assert [receipt.problem for receipt in undone.receipts] == ["The editor asked for a second look meanwhile."]
        decide_batch(bob, seen(record), Outcome.BLOCK, using="default")
        undone = undo_batch(anna, batch.id, using="default")
        assert [receipt.problem for receipt in undone.receipts] == ["Decided meanwhile by bob: Blocked."]
        assert now(record).status == Status.BLOCKED

    def test_moderator_who_saw_it_before_the_appeal_is_told(self, blocked, bob, editor):
        shown = seen(blocked)
        appeal(blocked, by=editor)
        batch = decide_batch(bob, shown, Outcome.PASS, using="default")
        assert [receipt.problem for receipt in batch.receipts] == ["The editor asked for a second look meanwhile."]

    def test_picture_that_is_replaced_meanwhile_waits_no_more(self, anna, editor, picture):
        photo = Photo.objects.create(image=picture())
        ModerationRecord.objects.update(status=Status.BLOCKED)
        record = ModerationRecord.objects.get()
        appeal(record, by=editor)
        photo.image = picture(2)
        photo.save()
        assert (now(record).status, now(record).lane) == (Status.SUPERSEDED, Lane.FIRST)
        assert Appeal.objects.get().resolution is None

    def test_failed_record_that_is_appealed_is_not_tried_again(self, editor, picture):
        """Another record would take its place, and the editor's words be lost."""
        Photo.objects.create(image=picture())
        ModerationRecord.objects.update(status=Status.BLOCKED, error_code="unavailable")
        record = ModerationRecord.objects.get()
        appeal(record, by=editor)
        assert list(retry_failed(Selection(fields=list(all_watched_fields())), using="default")) == []
        assert now(record).status == Status.IN_REVIEW
