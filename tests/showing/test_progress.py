"""What the editor of an image is told of it, in which words, and what is never told."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from django_imgmod.choices import ErrorCode, Lane, Outcome, Status
from django_imgmod.models import DetectedLabel, ModerationRecord
from django_imgmod.services.decisions import decide, undo
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.escalation import escalate
from django_imgmod.services.showing.progress import Progress, progress_of
from tests.backdated import make_record
from tests.review.moderating import make_moderator, make_waiting, now, seen

pytestmark = pytest.mark.django_db

COMMENT = "the usual troublemaker"


@pytest.fixture
def moderator() -> User:
    return make_moderator("Judge Judy")


def told(record: ModerationRecord) -> str:
    progress = progress_of(now(record))
    return " ".join(filter(None, [progress.message, progress.reason]))


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "message", "is_settled", "shadow_message"),
        [
            ("pending", "Being checked, and not public yet.", False, "Public, and still being checked."),
            ("submitted", "Being checked, and not public yet.", False, "Public, and still being checked."),
            ("in_review", "Held until somebody has looked at it, and not public yet.", False, "Checked, and public."),
            ("blocked", "Blocked. It is not shown to anybody.", True, "Checked, and public."),
            ("passed", "Checked, and public.", True, "Checked, and public."),
            ("superseded", "Replaced or removed since.", True, "Replaced or removed since."),
        ],
    )
    @pytest.mark.parametrize("is_shadow", [False, True])
    def test_words(self, status, message, is_settled, shadow_message, is_shadow):
        progress = progress_of(make_record(status=status, is_shadow=is_shadow))
        is_public = status == "passed" or (is_shadow and status != "superseded")
        assert (progress.status, progress.is_public, progress.is_settled) == (status, is_public, is_settled)
        assert progress.message == (shadow_message if is_shadow else message)
        # A shadow is nobody's matter: what is public has no reason not to be.
        assert bool(progress.reason) == (not is_public and status in ("in_review", "blocked"))
        assert progress.may_appeal == (status == "blocked" and not is_shadow)

    @pytest.mark.parametrize(
        ("setting", "expected"),
        [
            (
                "hide",
                Progress(status=None, is_public=False, is_settled=False, message="Not checked yet, and not public."),
            ),
            (
                "show",
                Progress(status=None, is_public=True, is_settled=True, message="Public. It has not been checked."),
            ),
        ],
    )
    def test_nothing_is_recorded(self, settings, setting, expected):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": setting}
        assert progress_of(None) == expected


class TestReason:
    @pytest.mark.parametrize("status", [Status.IN_REVIEW, Status.BLOCKED])
    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            (ErrorCode.NOT_AN_IMAGE, "The file is no picture of a kind that can be checked. Another one may be."),
            (ErrorCode.DAMAGED, "The file is damaged. Save the picture anew, and upload that."),
            (ErrorCode.TOO_LARGE, "The picture is too large to be checked. A smaller one may do."),
            *(
                (code, "It could not be checked by itself.")
                for code in ErrorCode
                if code not in ("not_an_image", "damaged", "too_large")
            ),
        ],
    )
    def test_of_what_could_not_be_judged(self, status, code, reason):
        """What is wrong with the site or its provider is not the editor's matter, nor theirs to mend."""
        record = make_record(
            status=status, error_code=code, error_message="403 from 10.0.0.7", reason="403 from 10.0.0.7"
        )
        assert progress_of(record).reason == reason

    def test_while_it_is_tried_again_nothing_is_said(self):
        assert progress_of(make_record(error_code=ErrorCode.UNAVAILABLE, error_message="timeout")).reason == ""

    def test_of_a_verdict(self):
        assert progress_of(make_record(status="blocked", reason="high: sexual 99.1")).reason == (
            "The check found something that may not be shown."
        )
        assert (
            progress_of(make_record(status="in_review", reason="medium: sexual 61")).reason == "The check was not sure."
        )

    @pytest.mark.parametrize(
        ("reason_code", "reason"),
        [
            ("advertising", "Advertising or spam"),
            ("", "Somebody who looked at it decided so."),
            ("no_longer_in_the_list", "Somebody who looked at it decided so."),
        ],
    )
    @pytest.mark.parametrize("error_code", ["", ErrorCode.TOO_LARGE])
    def test_of_a_person(self, moderator, reason_code, reason, error_code):
        record = make_waiting(error_code=error_code)
        decide(record, Outcome.BLOCK, decided_by=moderator, reason_code=reason_code, comment=COMMENT)
        assert told(record) == f"Blocked. It is not shown to anybody. {reason}"

    def test_of_the_site_in_its_own_words(self, settings, moderator):
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"REASONS": {"cat": "No cats, please"}}}
        record = make_waiting()
        decide(record, Outcome.BLOCK, decided_by=moderator, reason_code="cat")
        assert progress_of(now(record)).reason == "No cats, please"

    def test_of_a_decision_about_the_same_bytes(self, moderator):
        first = make_waiting()
        decide(first, Outcome.BLOCK, decided_by=moderator, reason_code="hate")
        assert progress_of(make_record(status="blocked", reused_from=first)).reason == "Hate or harassment"
        assert progress_of(make_record(status="blocked")).reason == "The check found something that may not be shown."

    def test_of_its_own_decision_first(self, moderator):
        first = make_waiting()
        own = make_waiting(reused_from=first)
        decide(own, Outcome.BLOCK, decided_by=moderator, reason_code="quality")
        decide(first, Outcome.BLOCK, decided_by=moderator, reason_code="hate")
        assert progress_of(now(own)).reason == "Not what belongs here"

    def test_of_a_decision_that_was_taken_back(self, moderator):
        record = make_record(status="blocked")
        undo(decide(record, Outcome.PASS, decided_by=moderator), undone_by=moderator)
        assert progress_of(now(record)).reason == "The check found something that may not be shown."
        sent_back = decide(now(record), Outcome.REVIEW, decided_by=moderator)
        blocked = decide(now(record), Outcome.BLOCK, decided_by=moderator, reason_code="hate")
        assert progress_of(now(record)).reason == "Hate or harassment"
        for decision in (blocked, sent_back):
            undo(decision, undone_by=moderator)
        assert told(record) == "Blocked. It is not shown to anybody. The check found something that may not be shown."


class TestSecondLook:
    def test_once(self, moderator):
        record = make_waiting()
        decide(record, Outcome.BLOCK, decided_by=moderator, reason_code="hate", comment=COMMENT)
        assert progress_of(now(record)).may_appeal
        appeal(now(record), by=None, text="It is a painting.")
        progress = progress_of(now(record))
        assert progress.message == "A second look was asked for. It is not public until somebody has decided."
        assert (progress.reason, progress.may_appeal, progress.is_settled) == ("", False, False)
        decide(now(record), Outcome.BLOCK, decided_by=make_moderator("bob"))
        assert not progress_of(now(record)).may_appeal
        assert "Blocked." in told(record)

    def test_escalation_is_no_matter_of_the_editor(self, moderator):
        record = make_waiting()
        before = told(record)
        escalate(moderator, seen(record), comment=COMMENT, using="default")
        assert now(record).lane == Lane.ESCALATED
        assert told(record) == before


class TestSecrets:
    @pytest.mark.parametrize("outcome", [None, *Outcome])
    @pytest.mark.parametrize("see_labels", [False, True])
    def test_never_who_decided_nor_what_was_written(self, settings, moderator, outcome, see_labels):
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": see_labels}}
        record = make_record(status="passed" if outcome == Outcome.REVIEW else "in_review", reason="see /srv/secret")
        if outcome:
            decide(record, outcome, decided_by=moderator, comment=COMMENT)
        else:
            escalate(moderator, seen(record), comment=COMMENT, using="default")
        text = repr(progress_of(now(record)))
        assert not [word for word in (COMMENT, "Judge Judy", "secret", str(record.public_id)) if word in text]

    @pytest.mark.parametrize("options", [{}, {"SEE_LABELS": False}, {"SEE_LABELS": True}])
    def test_labels_only_where_the_site_says_so(self, settings, options, django_assert_num_queries):
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": options}
        record = make_record(status="in_review")
        for label, confidence, description in (
            ("low", "12.30", ""),
            ("sure", None, "Quite sure"),
            ("high", "91.00", ""),
        ):
            DetectedLabel.objects.create(
                record=record, label=label, confidence=confidence, description=description, risk_level="high"
            )
        assert progress_of(record).labels == (
            (("Quite sure", None), ("high", Decimal("91.00")), ("low", Decimal("12.30")))
            if any(options.values())
            else ()
        )
