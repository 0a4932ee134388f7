"""One decision about many records: who gets a receipt of what, what the provider is told, what is taken back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import ErrorCode, FeedbackStatus, Lane, Outcome, RiskLevel, Status
from django_imgmod.exceptions import ReviewRefused
from django_imgmod.models import Appeal, Decision, Feedback, ModerationRecord
from django_imgmod.perceptual import ALGORITHM
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import Detection, Verdict
from django_imgmod.services.decisions import decide
from django_imgmod.services.review import batches
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.batches import Seen, decide_batch, last_batch, last_decisions, undo_batch
from django_imgmod.services.review.escalation import escalate
from django_imgmod.services.verdicts import apply_verdict
from django_imgmod.signals import decision_made, image_blocked
from tests.hostapp.models import Photo
from tests.review.moderating import ESCALATED, FIRST, end_of_grace, make_moderator, make_waiting, now, seen

pytestmark = pytest.mark.django_db(databases=["default", "other"])

SAME = {"sha256": "a" * 64}


@pytest.fixture
def anna() -> User:
    return make_moderator("anna")


@pytest.fixture
def bob() -> User:
    return make_moderator("bob")


def block(user: User, *records: ModerationRecord, **options: Any) -> batches.Batch:
    return decide_batch(user, seen(*records), Outcome.BLOCK, using="default", **options)


def undo(user: User, batch: batches.Batch) -> batches.Batch:
    assert batch.id is not None
    return undo_batch(user, batch.id, using="default")


def told() -> list[tuple[str, Outcome]]:
    """Let the time of grace end; return of which submission the provider was told what."""
    end_of_grace()
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return [(message.data_id, message.outcome) for message in provider.feedback]


def problems(batch: batches.Batch) -> list[str]:
    return [receipt.problem for receipt in batch.receipts]


def hash_of(bits: int) -> str:
    return f"{ALGORITHM}:{bits:064x}"


class TestDeciding:
    def test_each_becomes_what_was_decided(self, anna):
        records = [make_waiting(), make_waiting(), make_waiting()]
        batch = block(anna, *records, reason_code="other", comment=" bad\x00 ")
        assert [receipt.public_id for receipt in batch.receipts] == [record.public_id for record in records]
        assert [receipt.file_name for receipt in batch.receipts] == [record.file_name for record in records]
        assert (batch.decided_count, batch.skipped, problems(batch)) == (3, (), ["", "", ""])
        for record, receipt in zip(records, batch.receipts, strict=True):
            decision = record.decisions.get()
            assert receipt.decision == decision
            assert (decision.batch, decision.decided_by, decision.version) == (batch.id, anna, 1)
            assert (decision.reason_code, decision.comment) == ("other", "bad\N{REPLACEMENT CHARACTER}")
            assert (now(record).status, now(record).reason) == (Status.BLOCKED, "other: bad\N{REPLACEMENT CHARACTER}")

    def test_order_is_that_of_the_card(self, anna):
        records = [make_waiting() for _ in range(4)][::-1]
        batch = block(anna, *records)
        assert [receipt.public_id for receipt in batch.receipts] == [record.public_id for record in records]
        assert list(Decision.objects.order_by("pk").values_list("record", flat=True)) == [r.pk for r in records]

    def test_pass_drops_the_reason(self, anna):
        """It says why an image is blocked; somebody changed their mind after choosing it."""
        record = make_waiting()
        batch = decide_batch(anna, seen(record), Outcome.PASS, reason_code="other", comment="fine", using="default")
        assert batch.decided_count == 1
        assert (record.decisions.get().reason_code, record.decisions.get().comment) == ("", "fine")

    def test_record_leaves_the_queue_and_its_holder(self, anna, bob):
        record = make_waiting(claimed_by=bob, claimed_until=timezone.now() + timedelta(minutes=1))
        block(anna, record)
        assert (now(record).claimed_by, now(record).claimed_until, now(record).lane) == (None, None, Lane.FIRST)

    def test_settled_picture_can_be_overturned(self, anna):
        record = make_waiting(status=Status.PASSED)
        assert block(anna, record).decided_count == 1
        assert now(record).status == Status.BLOCKED

    def test_same_record_named_twice_is_decided_once(self, anna):
        record = make_waiting()
        assert len(block(anna, record, record).receipts) == 1
        assert Decision.objects.count() == 1

    def test_nothing_named(self, anna):
        batch = block(anna)
        assert (batch.id, batch.receipts, batch.decided_count) == (None, (), 0)

    def test_host_is_told_of_each_after_the_commit(self, anna, django_capture_on_commit_callbacks):
        heard: list[tuple[Any, str]] = []

        def listen(sender: Any, *, signal: Any, record: ModerationRecord, **arguments: Any) -> None:
            assert sender is Photo
            heard.append((signal, str(record.public_id)))

        for signal in (decision_made, image_blocked):
            signal.connect(listen)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                records = [make_waiting(), make_waiting()]
                block(anna, *records)
                assert heard == []
        finally:
            for signal in (decision_made, image_blocked):
                signal.disconnect(listen)
        public_ids = [str(record.public_id) for record in records]
        assert heard == [(signal, public_id) for public_id in public_ids for signal in (decision_made, image_blocked)]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"reason_code": "invented"}, "no reason “invented”"),
            ({"reason_code": "other"}, "“Something else” needs a comment"),
            ({"reason_code": "other", "comment": "  "}, "needs a comment"),
            ({"comment": "x" * 2001}, "2001 characters"),
        ],
    )
    def test_what_cannot_be_recorded_is_refused(self, anna, options, words):
        record = make_waiting()
        with pytest.raises(ReviewRefused, match=words):
            block(anna, record, **options)
        assert not Decision.objects.exists()

    def test_reasons_are_the_sites(self, anna, settings):
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"REASONS": {"odd": "Odd"}}}
        with pytest.raises(ReviewRefused):
            block(anna, make_waiting(), reason_code="violence")
        assert block(anna, make_waiting(), reason_code="odd").decided_count == 1

    def test_escalation_is_no_outcome(self, anna):
        with pytest.raises(ReviewRefused, match="escalate"):
            decide_batch(anna, seen(make_waiting()), Outcome.REVIEW, using="default")

    def test_too_many(self, anna):
        many = [Seen(uuid.uuid4(), 1) for _ in range(501)]
        with pytest.raises(ReviewRefused, match="501"):
            decide_batch(anna, many, Outcome.PASS, using="default")
        assert decide_batch(anna, many[1:], Outcome.PASS, using="default").decided_count == 0


class TestLeavingOut:
    """What a race, or the rules, kept from being decided; the rest is."""

    def left_out(self, user: User, record: ModerationRecord, change: Callable[[], object]) -> str:
        """Show a card of two, let something happen to one; return the words of its receipt."""
        other = make_waiting()
        shown = seen(record, other)
        change()
        before = list(ModerationRecord.objects.filter(pk=record.pk).values())
        batch = decide_batch(user, shown, Outcome.PASS, using="default")
        assert list(ModerationRecord.objects.filter(pk=record.pk).values()) == before
        assert (batch.decided_count, now(other).status) == (1, Status.PASSED)
        [skipped] = batch.skipped
        assert (skipped.public_id, skipped.decision) == (record.public_id, None)
        assert skipped.file_name == (record.file_name if before else "")
        return skipped.problem

    def test_decided_meanwhile(self, anna, bob):
        record = make_waiting()
        words = self.left_out(bob, record, lambda: block(anna, record))
        assert words == "Decided meanwhile by anna: Blocked."

    def test_decided_meanwhile_by_somebody_who_is_gone(self, anna, bob):
        record = make_waiting()

        def decide_and_leave() -> None:
            block(anna, record)
            anna.delete()

        assert self.left_out(bob, record, decide_and_leave) == "Decided meanwhile by somebody: Blocked."

    def test_decided_to_the_same_meanwhile(self, anna, bob):
        record = make_waiting()
        words = self.left_out(bob, record, lambda: decide_batch(anna, seen(record), Outcome.PASS, using="default"))
        assert words == "Decided meanwhile by anna: Passed."

    def test_taken_back_meanwhile(self, anna, bob):
        record = make_waiting()
        batch = block(anna, record)
        assert self.left_out(bob, record, lambda: undo(anna, batch)) == "The decision was taken back meanwhile by anna."

    def test_escalated_meanwhile(self, anna, bob):
        record = make_waiting()
        words = self.left_out(bob, record, lambda: escalate(anna, seen(record), using="default"))
        assert words == "Escalated meanwhile by anna."

    def test_replaced_meanwhile(self, anna, picture, django_capture_on_commit_callbacks):
        photo = Photo.objects.create(image=picture())
        ModerationRecord.objects.update(status=Status.IN_REVIEW)
        record = ModerationRecord.objects.get()

        def replace() -> None:
            photo.image = picture(2)
            photo.save()

        words = self.left_out(anna, record, replace)
        assert words == "The picture was replaced or deleted meanwhile."

    def test_gone_meanwhile(self, anna):
        record = make_waiting()
        assert self.left_out(anna, record, lambda: now(record).delete()) == "It is gone."

    def test_verdict_that_came_late(self, anna):
        record = make_waiting(verdict_at=None, risk_level="", error_code=ErrorCode.UNAVAILABLE)
        verdict = Verdict(risk_level=RiskLevel.HIGH, detections=(Detection(label="porn", confidence=97),))
        words = self.left_out(anna, record, lambda: apply_verdict(now(record), verdict))
        assert words == "The provider's verdict came in meanwhile: look at it again."
        assert (now(record).status, now(record).top_label) == (Status.IN_REVIEW, "porn")
        assert decide_batch(anna, seen(record), Outcome.PASS, using="default").decided_count == 1

    def test_changed_otherwise(self, anna):
        record = make_waiting()
        words = self.left_out(anna, record, lambda: ModerationRecord.objects.filter(pk=record.pk).update(version=7))
        assert words == "It has changed since it was shown."

    def test_is_already_what_was_decided(self, anna):
        record = make_waiting(status=Status.PASSED)
        assert "Its status is: Passed." in self.left_out(anna, record, lambda: None)

    def test_that_nobody_has_judged_yet(self, anna):
        record = make_waiting(status=Status.SUBMITTED)
        assert "Its status is: Being judged." in self.left_out(anna, record, lambda: None)

    def test_changed_between_the_look_and_the_write(self, anna, bob, monkeypatch):
        """The row is asked once more as it is written."""
        record, other = make_waiting(), make_waiting()
        shown = seen(record, other)
        really = batches._tell_once_a_picture

        def decided_meanwhile(records: Any) -> Any:
            monkeypatch.undo()
            block(bob, record)
            return really(records)

        monkeypatch.setattr(batches, "_tell_once_a_picture", decided_meanwhile)
        batch = decide_batch(anna, shown, Outcome.PASS, using="default")
        assert problems(batch) == ["Decided meanwhile by bob: Blocked.", ""]
        assert (now(record).status, now(other).status) == (Status.BLOCKED, Status.PASSED)

    def test_own_upload(self, anna):
        record = make_waiting(uploaded_by=anna)
        assert "uploaded this image yourself" in self.left_out(anna, record, lambda: None)

    def test_own_upload_where_the_site_allows_it(self, anna, settings):
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"MAY_DECIDE_OWN": True}}
        assert block(anna, make_waiting(uploaded_by=anna)).decided_count == 1

    def test_lane_of_others(self, anna):
        record = make_waiting(lane=Lane.ESCALATED)
        assert "no permission" in self.left_out(anna, record, lambda: None)
        assert block(make_moderator("carol", ESCALATED), record).decided_count == 1

    def test_appeal_against_ones_own_decision(self, anna, bob):
        record = make_waiting(lane=Lane.APPEALED)
        decision = Decision.objects.create(record=make_waiting(), outcome=Outcome.BLOCK, decided_by=anna)
        Appeal.objects.create(record=record, decision=decision)
        assert "your own decision" in self.left_out(anna, record, lambda: None)
        assert block(bob, record).decided_count == 1

    @pytest.mark.parametrize("who", ["view_moderationrecord", None])
    def test_somebody_to_whom_nothing_is_open_learns_nothing(self, who):
        user = make_moderator("viewer", who) if who else AnonymousUser()
        record = make_waiting()
        for act in (
            lambda: decide_batch(user, seen(record), Outcome.PASS, using="default"),
            lambda: escalate(user, seen(record), using="default"),
            lambda: undo_batch(user, uuid.uuid4(), using="default"),
        ):
            with pytest.raises(ReviewRefused, match="permission"):
                act()
        assert (now(record).status, Decision.objects.count()) == (Status.IN_REVIEW, 0)


class TestFeedback:
    def test_same_bytes_are_told_once(self, anna):
        records = [make_waiting(**SAME) for _ in range(3)]
        block(anna, *records)
        assert told() == [(str(records[0].public_id), Outcome.BLOCK)]

    def test_nearly_the_same_picture_is_told_once(self, anna):
        first, near = make_waiting(perceptual_hash=hash_of(0)), make_waiting(perceptual_hash=hash_of(0b111))
        block(anna, first, near)
        assert told() == [(str(first.public_id), Outcome.BLOCK)]

    def test_different_pictures_of_a_page_are_told_each(self, anna):
        records = [make_waiting(perceptual_hash=hash_of(bits)) for bits in (0, 2**256 - 1)]
        records += [make_waiting(perceptual_hash="-"), make_waiting(), make_waiting(sha256="b" * 64)]
        block(anna, *records)
        assert told() == [(str(record.public_id), Outcome.BLOCK) for record in records]

    def test_first_that_was_decided_speaks_for_the_others(self, anna, bob):
        first, second, third = (make_waiting(**SAME) for _ in range(3))
        shown = seen(first, second, third)
        decide_batch(bob, seen(first), Outcome.PASS, using="default")
        decide_batch(anna, shown, Outcome.BLOCK, using="default")
        assert told() == [(str(first.public_id), Outcome.PASS), (str(second.public_id), Outcome.BLOCK)]

    def test_undo_within_the_grace_tells_nothing(self, anna):
        undo(anna, block(anna, make_waiting(**SAME), make_waiting(**SAME)))
        assert told() == []
        assert Feedback.objects.get().status == FeedbackStatus.WITHDRAWN

    def test_undo_after_the_grace_tells_what_holds_again(self, anna):
        records = [make_waiting(status=Status.PASSED, **SAME) for _ in range(2)]
        batch = block(anna, *records)
        assert len(told()) == 1
        undo(anna, batch)
        assert told() == [(str(records[0].public_id), outcome) for outcome in (Outcome.BLOCK, Outcome.PASS)]

    def test_message_stays_where_its_decision_does(self, anna, bob):
        """Of the others, that are taken back, nothing was told."""
        first, second = make_waiting(**SAME), make_waiting(**SAME)
        batch = block(anna, first, second)
        decide_batch(bob, seen(first), Outcome.PASS, using="default")
        assert [receipt.decision is None for receipt in undo(anna, batch).receipts] == [True, False]
        assert told() == [(str(first.public_id), Outcome.BLOCK), (str(first.public_id), Outcome.PASS)]

    def test_message_goes_with_its_decision(self, anna, bob):
        """The other still stands, of which nothing was told: silence is never wrong."""
        first, second = make_waiting(**SAME), make_waiting(**SAME)
        batch = block(anna, first, second)
        decide_batch(bob, seen(second), Outcome.PASS, using="default")
        undo(anna, batch)
        assert told() == [(str(second.public_id), Outcome.PASS)]

    def test_picture_that_was_replaced_is_told_no_more(self, anna):
        record = make_waiting(**SAME)
        batch = block(anna, record)
        ModerationRecord.objects.update(status=Status.SUPERSEDED, current_key=None)
        assert undo(anna, batch).decided_count == 1
        assert (told(), now(record).status) == ([], Status.SUPERSEDED)


class TestUndo:
    def test_all_is_as_it_was(self, anna):
        records = [make_waiting(), make_waiting(status=Status.PASSED, is_shadow=True), make_waiting()]
        before = [(record.status, record.reason, record.is_shadow, record.lane) for record in records]
        batch = block(anna, *records)
        undone = undo(anna, batch)
        after = [(now(r).status, now(r).reason, now(r).is_shadow, now(r).lane) for r in records]
        assert (after, undone.decided_count) == (before, 3)
        for record, receipt in zip(records, undone.receipts, strict=True):
            first, second = record.decisions.order_by("pk")
            assert (second, second.undoes, second.batch) == (receipt.decision, first, undone.id)

    def test_any_of_the_last(self, anna):
        first, second = make_waiting(), make_waiting()
        earlier, later = block(anna, first), block(anna, second)
        assert undo(anna, earlier).decided_count == 1
        assert (now(first).status, now(second).status) == (Status.IN_REVIEW, Status.BLOCKED)
        assert undo(anna, later).decided_count == 1

    def test_lane_is_given_back(self):
        carol = make_moderator("carol", ESCALATED)
        record = make_waiting(lane=Lane.ESCALATED)
        undo(carol, block(carol, record))
        assert now(record).lane == Lane.ESCALATED

    def test_decision_about_one_record(self, anna):
        record = make_waiting()
        decision = decide(record, Outcome.BLOCK, decided_by=anna)
        assert decision.batch is not None
        undo_batch(anna, decision.batch, using="default")
        assert now(record).status == Status.IN_REVIEW

    def test_once(self, anna):
        batch = block(anna, make_waiting())
        undo(anna, batch)
        again = undo(anna, batch)
        assert (again.id, again.decided_count) == (None, 0)
        assert problems(again) == ["The decision was taken back meanwhile by anna."]

    def test_nobody_takes_back_anothers(self, anna, bob):
        batch = block(anna, make_waiting())
        for user in (bob, User.objects.create_superuser("root")):
            with pytest.raises(ReviewRefused, match="nothing of yours"):
                undo(user, batch)
        assert Decision.objects.count() == 1

    def test_nobody_takes_back_what_was_decided_by_somebody_who_is_gone(self, anna):
        batch = block(anna, make_waiting())
        Decision.objects.update(decided_by=None)
        with pytest.raises(ReviewRefused):
            undo(AnonymousUser(), batch)

    def test_what_takes_back_is_not_taken_back(self, anna):
        undone = undo(anna, block(anna, make_waiting()))
        with pytest.raises(ReviewRefused):
            undo(anna, undone)

    def test_permission_that_was_lost(self):
        carol = make_moderator("carol", FIRST, ESCALATED)
        batch = block(carol, make_waiting(lane=Lane.ESCALATED), make_waiting())
        carol.user_permissions.set(carol.user_permissions.filter(codename=FIRST))
        undone = undo(User.objects.get(pk=carol.pk), batch)
        assert ["no permission" in words for words in problems(undone)] == [True, False]

    def test_changed_since(self, anna, bob):
        records = [make_waiting(), make_waiting(), make_waiting()]
        batch = block(anna, *records)
        decide_batch(bob, seen(records[0]), Outcome.PASS, using="default")
        now(records[1]).delete()
        undone = undo(anna, batch)
        assert problems(undone) == ["Decided meanwhile by bob: Passed.", ""]
        assert now(records[0]).status == Status.PASSED

    def test_deadlock_is_repeated(self, anna, transactional_db):
        records = [make_waiting(status=Status.PASSED, **SAME), make_waiting(status=Status.PASSED, **SAME)]
        batch = self.repeated(lambda: block(anna, *records))
        assert (batch.decided_count, Decision.objects.count(), Feedback.objects.count()) == (2, 2, 1)
        undone = self.repeated(lambda: undo(anna, batch))
        assert (undone.decided_count, Decision.objects.count()) == (2, 4)
        assert {now(record).status for record in records} == {Status.PASSED}

    def repeated(self, call: Callable[[], batches.Batch]) -> batches.Batch:
        """Let the last write of it end in a deadlock, once."""
        writes: list[str] = []

        def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            if sql.startswith("INSERT") and "imgmod_decision" in sql:
                writes.append(sql)
                if len(writes) == 2:
                    raise OperationalError(1213, "Deadlock found when trying to get lock")
            return run(sql, params, many, context)

        with connection.execute_wrapper(execute):
            batch = call()
        assert len(writes) == 4
        return batch


class TestLastDecisions:
    def test_newest_first(self, anna, bob):
        record = make_waiting()
        one = block(anna, record, make_waiting(), make_waiting())
        escalated = escalate(anna, seen(make_waiting()), using="default")
        block(bob, make_waiting())
        passed = decide_batch(anna, seen(make_waiting()), Outcome.PASS, using="default")
        done = last_decisions(anna, using="default")
        assert [entry.id for entry in done] == [passed.id, escalated.id, one.id]
        assert [entry.outcome for entry in done] == [Outcome.PASS, Outcome.REVIEW, Outcome.BLOCK]
        assert (done[2].count, done[2].file_name, done[2].at) == (
            3,
            record.file_name,
            record.decisions.get().decided_at,
        )
        assert {(entry.is_undone, entry.can_undo) for entry in done} == {(False, True)}

    def test_undone(self, anna):
        batch = block(anna, make_waiting(), make_waiting())
        undo(anna, batch)
        [entry] = last_decisions(anna, using="default")
        assert (entry.id, entry.is_undone, entry.can_undo) == (batch.id, True, False)

    def test_undone_in_part(self, anna, bob):
        first, second = make_waiting(), make_waiting()
        batch = block(anna, first, second)
        decide_batch(bob, seen(first), Outcome.PASS, using="default")
        [entry] = last_decisions(anna, using="default")
        assert (entry.is_undone, entry.can_undo) == (False, True)
        undo(anna, batch)
        [entry] = last_decisions(anna, using="default")
        assert (entry.is_undone, entry.can_undo) == (False, False)

    def test_decided_anew_since(self, anna, bob):
        record = make_waiting()
        block(anna, record)
        decide_batch(bob, seen(record), Outcome.PASS, using="default")
        assert not last_decisions(anna, using="default")[0].can_undo

    def test_appealed_against_since(self, anna, bob):
        first, second = make_waiting(), make_waiting()
        batch = block(anna, first, second)
        for record, can_undo in ((first, True), (second, False)):
            appeal(now(record), by=bob)
            [entry] = last_decisions(anna, using="default")
            assert (entry.count, entry.is_undone, entry.can_undo) == (2, False, can_undo)
        assert undo(anna, batch).decided_count == 0

    def test_bounded(self, anna, django_assert_num_queries):
        for _ in range(4):
            block(anna, *[make_waiting(**SAME) for _ in range(3)])
        with django_assert_num_queries(3):
            assert [entry.count for entry in last_decisions(anna, limit=3, using="default")] == [3, 3, 3]

    def test_batches_that_are_longer_than_what_is_read_at_once(self, anna, monkeypatch):
        monkeypatch.setattr(batches, "_PORTION", 2)
        made = [block(anna, *[make_waiting(**SAME) for _ in range(5)]) for _ in range(3)]
        done = last_decisions(anna, using="default")
        assert [entry.id for entry in done] == [batch.id for batch in made[::-1]]
        assert [entry.count for entry in done] == [5, 5, 5]

    def test_of_nobody(self, anna):
        assert last_decisions(anna, using="default") == []


class TestWhatItSettled:
    def test_waits_for_people(self, anna):
        record, other = make_waiting(**SAME), make_waiting()
        batch = decide_batch(anna, seen(record, other), Outcome.PASS, using="default")
        settled = {"status": Status.PASSED, "reason": "the same picture was decided before: pass", **SAME}
        later = make_waiting(reused_from=record, **settled)
        elsewhere = make_waiting(reused_from=make_waiting(), **settled)
        undone = undo(anna, batch)
        assert [receipt.public_id for receipt in undone.receipts] == [record.public_id, other.public_id]
        assert (now(later).status, now(elsewhere).status) == (Status.IN_REVIEW, Status.PASSED)

    def test_stays_where_nothing_could_be_taken_back(self, anna, bob):
        record = make_waiting(**SAME)
        batch = decide_batch(anna, seen(record), Outcome.PASS, using="default")
        later = make_waiting(
            status=Status.PASSED, reason="the same picture was decided before: pass", reused_from=record, **SAME
        )
        decide_batch(bob, seen(record), Outcome.BLOCK, using="default")
        undo(anna, batch)
        assert now(later).status == Status.PASSED


class TestLastBatch:
    def test_one_after_the_other_until_nothing_is_left(self, anna, bob):
        block(bob, make_waiting())
        made = [block(anna, make_waiting(), make_waiting()) for _ in range(12)]
        undone = []
        while (batch := last_batch(anna, using="default")) is not None:
            undo_batch(anna, batch, using="default")
            undone.append(batch)
        assert undone == [batch.id for batch in made[::-1]]

    def test_leaves_out_what_is_not_theirs_to_take_back_any_more(self, anna, bob):
        first, decided_anew, appealed = make_waiting(), make_waiting(), make_waiting()
        oldest = block(anna, first)
        block(anna, decided_anew)
        block(anna, appealed)
        decide_batch(bob, seen(decided_anew), Outcome.PASS, using="default")
        appeal(now(appealed), by=bob)
        assert last_batch(anna, using="default") == oldest.id

    def test_finds_what_is_undone_in_part_and_what_was_replaced(self, anna, bob):
        replaced, first, second = make_waiting(), make_waiting(), make_waiting()
        escalated = escalate(anna, seen(replaced), using="default")
        ModerationRecord.objects.filter(pk=replaced.pk).update(status=Status.SUPERSEDED, current_key=None)
        assert last_batch(anna, using="default") == escalated.id
        batch = block(anna, first, second)
        decide_batch(bob, seen(first), Outcome.PASS, using="default")
        assert last_batch(anna, using="default") == batch.id

    def test_of_nobody(self, anna):
        assert last_batch(anna, using="default") is None


class TestCost:
    def statements(self, call: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as captured:
            call()
        return sum(not query["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")) for query in captured)

    def test_two_statements_a_record(self, anna):
        few, many = ([make_waiting(**SAME) for _ in range(count)] for count in (2, 12))
        few_seen, many_seen = seen(*few), seen(*many)
        anna.has_perm(FIRST)
        cost = self.statements(lambda: decide_batch(anna, few_seen, Outcome.BLOCK, using="default"))
        assert cost == 1 + 2 * 2 + 2
        cost = self.statements(lambda: decide_batch(anna, many_seen, Outcome.BLOCK, using="default"))
        assert cost == 1 + 2 * 12 + 2

    def test_two_statements_a_record_that_is_taken_back(self, anna):
        few, many = (block(anna, *[make_waiting(**SAME) for _ in range(count)]) for count in (2, 12))
        anna.has_perm(FIRST)
        assert self.statements(lambda: undo(anna, few)) == 4 + 2 * 2 + 2
        assert self.statements(lambda: undo(anna, many)) == 4 + 2 * 12 + 2

    def test_one_commit_and_nothing_after_it(self, anna, transactional_db):
        shown = seen(make_waiting(), make_waiting())
        with CaptureQueriesContext(connection) as captured:
            decide_batch(anna, shown, Outcome.PASS, using="default")
        statements = [query["sql"] for query in captured]
        assert statements.count("COMMIT") == 1
        # Nor is anything asked afterwards, to tell the host.
        assert statements[-1] == "COMMIT"
