"""The records by the API: listed, read, and decided about one by one as at the desk."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Appeal, Decision, DetectedLabel, ModerationRecord
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.claims import claim_one
from tests.backdated import ago, make_judged, make_record
from tests.hostapp.models import Photo, UuidPhoto
from tests.rest.asking import Moderator, ids, ids_of, read
from tests.review.moderating import ESCALATED, FIRST, make_waiting, now

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.urls")]


class TestList:
    def test_all_pages_have_each_record_once_in_both_directions(self, anna):
        records = [make_record() for _ in range(7)]
        wanted = ids_of(reversed(records))
        page = read(anna.get("records/", page_size=3))
        found = [ids(page)]
        while page["next"]:
            page = read(anna.get(page["next"]))
            found.append(ids(page))
        assert found == [wanted[:3], wanted[3:6], wanted[6:]]
        back = []
        while page["previous"]:
            page = read(anna.get(page["previous"]))
            back.append(ids(page))
        assert back == [wanted[3:6], wanted[:3]]

    def test_what_comes_and_goes_meanwhile_shifts_no_page(self, anna):
        records = [make_record() for _ in range(5)]
        page = read(anna.get("records/", page_size=2))
        make_record()
        records[3].delete()
        records[4].delete()
        assert ids(read(anna.get(page["next"]))) == ids_of([records[2], records[1]])

    def test_way_back_from_a_page_that_became_empty_is_the_last_page(self, anna):
        records = [make_record() for _ in range(3)]
        page = read(anna.get("records/", page_size=2))
        records[0].delete()
        page = read(anna.get(page["next"]))
        assert (ids(page), page["next"]) == ([], None)
        assert ids(read(anna.get(page["previous"]))) == ids_of([records[2], records[1]])

    def test_links_keep_what_was_asked_for(self, anna):
        wanted = [make_waiting(risk_level=RiskLevel.HIGH) for _ in range(3)]
        make_waiting()
        page = read(anna.get("records/", page_size=2, risk_level="high"))
        assert ids(read(anna.get(page["next"]))) == ids_of(wanted[:1])

    @pytest.mark.parametrize(
        ("parameters", "columns"),
        [
            ({"status": "blocked"}, {"status": Status.BLOCKED}),
            ({"status": "superseded"}, {"status": Status.SUPERSEDED}),
            ({"risk_level": "unknown"}, {"risk_level": RiskLevel.UNKNOWN}),
            ({"risk_level": "high", "status": "blocked"}, {"risk_level": RiskLevel.HIGH, "status": Status.BLOCKED}),
            ({"provider": "second"}, {"provider": "second"}),
            ({"lane": "escalated"}, {"lane": Lane.ESCALATED, "status": Status.IN_REVIEW}),
            ({"reason": "HARB"}, {"reason": "medium risk: harbour 60.00", "status": Status.IN_REVIEW}),
            ({"older_than_hours": "5"}, {"created_at": timezone.now() - timedelta(hours=6)}),
        ],
    )
    def test_filters_leave_the_rest_out(self, anna, settings, parameters, columns):
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {**settings.IMGMOD["PROVIDERS"], "second": settings.IMGMOD["PROVIDERS"]["default"]},
        }
        wanted = make_record(**columns)
        # What has settled lies in the first lane, where nothing of it waits, and keeps its reason.
        make_record(status=Status.PASSED, reason="medium risk: harbour 60.00")
        assert ids(read(anna.get("records/", **parameters))) == ids_of([wanted])

    def test_label_and_model_are_filters(self, anna):
        wanted, other = make_record(), make_record()
        # In two frames, and listed once.
        for frame in (0, 1):
            DetectedLabel.objects.create(record=wanted, label="harbour", frame_index=frame)
        DetectedLabel.objects.create(record=other, label="harbours")
        uuid_type = ContentType.objects.get_for_model(UuidPhoto)
        ModerationRecord.objects.filter(pk=other.pk).update(content_type=uuid_type)
        assert ids(read(anna.get("records/", label="harbour"))) == ids_of([wanted])
        assert ids(read(anna.get("records/", model="hostapp.UuidPhoto"))) == ids_of([other])
        assert ids(read(anna.get("records/", model="hostapp.Photo"))) == ids_of([wanted])

    def test_nothing_settled_waits_in_a_lane(self, anna):
        make_record(status=Status.PASSED)
        assert ids(read(anna.get("records/", lane="first", status="passed"))) == []

    def test_record_of_a_model_that_is_gone_is_told(self, anna):
        record = make_record()
        gone = ContentType.objects.create(app_label="gone", model="photo")
        ModerationRecord.objects.filter(pk=record.pk).update(content_type=gone)
        assert read(anna.get("records/"))["results"][0]["model"] == "gone.photo"


class TestDetail:
    def test_card_tells_what_the_desk_tells(self, anna):
        uploader = User.objects.create_user("ulf")
        photo = Photo.objects.create(title="Harbour")
        record = make_waiting(
            object_id=str(photo.pk), uploaded_by=uploader, top_label="harbour", top_confidence=Decimal("60.00")
        )
        make_judged(uploaded_by=uploader)
        for level, label in ((RiskLevel.LOW, "boat"), (RiskLevel.HIGH, "harbour")):
            DetectedLabel.objects.create(record=record, label=label, risk_level=level, confidence="60.5")
        card = read(anna.get(f"records/{record.public_id}/"))
        assert card["record"]["model"] == "hostapp.Photo"
        assert (card["record"]["top_confidence"], card["record"]["version"]) == (60.0, 1)
        assert [(label["label"], label["confidence"]) for label in card["labels"]] == [
            ("harbour", 60.5),
            ("boat", 60.5),
        ]
        assert card["uploader"] == {
            "name": "ulf",
            "is_new": False,
            "passed_count": 1,
            "blocked_count": 0,
            "waiting_count": 0,
        }
        assert card["object_text"] == str(photo)
        assert (card["appeal"], card["decisions"], card["refusal"]) == (None, [], "")

    def test_history_and_appeal_are_told(self, anna, client_of):
        record = make_waiting()
        read(client_of(FIRST).decide(record, "block", reason_code="hate", comment="Look"))
        read(client_of(FIRST).post(f"records/{record.public_id}/decide/", outcome="pass", version=2))
        read(client_of(FIRST).post(f"records/{record.public_id}/decide/", outcome="block", version=3))
        appeal(now(record), by=None, text="It is art")
        card = read(anna.get(f"records/{record.public_id}/"))
        assert [decision["outcome"] for decision in card["decisions"]] == ["block", "pass", "block"]
        assert card["decisions"][-1]["reason_code"] == "hate"
        assert card["appeal"]["text"] == "It is art"
        assert card["appeal"]["is_open"] is True

    def test_own_upload_says_why_not(self, anna):
        record = make_waiting(uploaded_by=anna.user)
        assert "uploaded this image yourself" in read(anna.get(f"records/{record.public_id}/"))["refusal"]

    def test_raw_answer_is_told_to_nobody(self, client_of):
        root = client_of(is_superuser=True)
        record = make_waiting(raw={"secret": "xyzzy"}, evaluated=["xyzzy"])
        for address in ("records/", "queue/", f"records/{record.public_id}/"):
            assert "xyzzy" not in root.get(address).content.decode()


class TestDecide:
    def test_block_keeps_reason_and_comment(self, anna):
        record = make_waiting()
        answer = read(anna.decide(record, "block", reason_code="other", comment=" A dog \n"))
        assert (answer["record"]["status"], answer["record"]["version"]) == ("blocked", 2)
        decision = Decision.objects.get(record=record)
        assert (decision.outcome, decision.reason_code, decision.comment) == (Outcome.BLOCK, "other", "A dog")
        assert (decision.decided_by, str(decision.batch)) == (anna.user, answer["batch"])

    def test_settled_record_can_be_turned_round(self, anna):
        record = make_judged()
        read(anna.decide(record, "block"))
        assert now(record).status == Status.BLOCKED

    def test_decision_ends_anybodys_claim(self, anna, client_of):
        record = make_waiting()
        claim_one(client_of(FIRST).user, record.public_id, using="default")
        read(anna.decide(record, "pass"))
        assert now(record).claimed_by is None

    def test_second_of_two_is_told_what_is_there_now(self, anna, client_of):
        record, other = make_waiting(), client_of(FIRST)
        read(other.decide(record, "block"))
        problem = read(anna.decide(record, "pass"), 409)
        assert problem["detail"] == f"Decided meanwhile by {other.user.username}: Blocked."
        assert (problem["code"], problem["record"]["status"], problem["record"]["version"]) == (
            "conflict",
            "blocked",
            2,
        )
        assert Decision.objects.count() == 1

    def test_version_that_was_never_there_conflicts(self, anna):
        record = make_waiting()
        read(anna.post(f"records/{record.public_id}/decide/", outcome="pass", version=7), 409)
        assert now(record).status == Status.IN_REVIEW

    def test_picture_that_is_gone_conflicts(self, anna):
        record = make_record(status=Status.SUPERSEDED)
        problem = read(anna.decide(record, "pass"), 409)
        assert problem["detail"] == "The picture was replaced or deleted meanwhile."

    @pytest.mark.parametrize(
        ("columns", "code"),
        [({"lane": Lane.ESCALATED}, "permission"), ({"lane": Lane.FIRST, "is_own": True}, "own_upload")],
    )
    def test_refusal_says_why_and_changes_nothing(self, anna, columns, code):
        is_own = columns.pop("is_own", False)
        record = make_waiting(uploaded_by=anna.user if is_own else None, **columns)
        for action in ("decide", "escalate"):
            sent = {"outcome": "pass"} if action == "decide" else {}
            problem = read(anna.post(f"records/{record.public_id}/{action}/", version=1, **sent), 403)
            assert problem["code"] == code
        assert (now(record).status, now(record).version) == (Status.IN_REVIEW, 1)

    def test_missing_comment_is_named(self, anna):
        record = make_waiting()
        problem = read(anna.decide(record, "block", reason_code="other"), 400)
        assert "needs a comment" in problem["detail"]
        assert problem["code"] == "refused"
        assert now(record).status == Status.IN_REVIEW


class TestEscalate:
    def test_escalated_record_waits_in_another_lane_with_the_comment(self, anna):
        record = make_waiting()
        answer = read(anna.post(f"records/{record.public_id}/escalate/", version=1, comment="Art?"))
        assert (answer["record"]["status"], answer["record"]["lane"]) == ("in_review", "escalated")
        assert Decision.objects.get(record=record).comment == "Art?"

    def test_what_does_not_wait_is_not_escalated(self, anna):
        record = make_judged()
        problem = read(anna.post(f"records/{record.public_id}/escalate/", version=1), 409)
        assert problem["record"]["status"] == "passed"

    def test_escalated_already_is_said(self, client_of):
        carla = client_of(FIRST, ESCALATED)
        record = make_waiting(lane=Lane.ESCALATED)
        problem = read(carla.post(f"records/{record.public_id}/escalate/", version=1), 409)
        assert problem["detail"] == "It is escalated already."


class TestAppeal:
    @pytest.fixture
    def appealed(self, client_of) -> ModerationRecord:
        record = make_waiting()
        read(client_of(FIRST).decide(record, "block"))
        appeal(now(record), by=None, text="It is art")
        return now(record)

    @pytest.mark.parametrize(("outcome", "status"), [("pass", Status.PASSED), ("block", Status.BLOCKED)])
    def test_appeal_is_overturned_or_upheld_by_somebody_else(self, anna, appealed, outcome, status):
        read(anna.decide(appealed, outcome))
        assert now(appealed).status == status
        assert Appeal.objects.get().resolution.decided_by == anna.user

    def test_own_decision_is_somebody_elses_to_look_at(self, appealed):
        first = Moderator(Decision.objects.get(record=appealed).decided_by)
        assert read(first.decide(appealed, "pass"), 403)["code"] == "own_decision"
        assert ids(read(first.get("queue/", lane="appealed"))) == []


def test_age_is_of_the_records_arrival(anna):
    make_record(created_at=ago(hours=4.9))
    assert ids(read(anna.get("records/", older_than_hours=5))) == []
