"""What waits, by the API: in its order, claimed, decided about many at once, and taken back."""

from __future__ import annotations

import uuid

import pytest

from django_imgmod.choices import Lane, RiskLevel, Status
from django_imgmod.models import Decision, ModerationRecord
from django_imgmod.services.review.claims import claim_one
from tests.backdated import ago, make_judged
from tests.rest.asking import ids, ids_of, read
from tests.review.moderating import ESCALATED, FIRST, make_waiting, now

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.urls")]


def seen(*records: ModerationRecord) -> list[dict[str, object]]:
    return [{"public_id": str(record.public_id), "version": record.version} for record in records]


def statuses(*records: ModerationRecord) -> list[str]:
    return [now(record).status for record in records]


@pytest.fixture
def queue(db) -> list[ModerationRecord]:
    """What waits, in the order by risk, then age."""
    levels = [RiskLevel.HIGH, "", RiskLevel.MEDIUM, RiskLevel.MEDIUM, RiskLevel.LOW]
    ages = [1, 2, 5, 4, 3]
    # Without hashes, so that nothing is looked for in files.
    return [
        make_waiting(risk_level=level, created_at=ago(hours=age), perceptual_hash="-")
        for level, age in zip(levels, ages, strict=True)
    ]


ORDERS = {"risk": (0, 1, 2, 3, 4), "oldest": (2, 3, 4, 1, 0), "newest": (0, 1, 4, 3, 2)}


class TestList:
    @pytest.mark.parametrize("order", ORDERS)
    def test_pages_follow_the_order_both_ways(self, anna, queue, order):
        wanted = ids_of(queue[number] for number in ORDERS[order])
        page = read(anna.get("queue/", order=order, page_size=2))
        found = [ids(page)]
        while page["next"]:
            page = read(anna.get(page["next"]))
            found.append(ids(page))
        assert found == [wanted[:2], wanted[2:4], wanted[4:]]
        assert ids(read(anna.get(page["previous"]))) == wanted[2:4]

    def test_only_what_is_theirs_to_decide_is_listed(self, anna, client_of, queue):
        own = make_waiting(uploaded_by=anna.user)
        escalated = make_waiting(lane=Lane.ESCALATED)
        make_judged()
        other = client_of(FIRST, ESCALATED)
        for record, user in ((queue[0], other.user), (queue[1], anna.user)):
            claim_one(user, record.public_id, using="default")
        # What another holds is left to them; what one holds oneself is not.
        assert ids(read(anna.get("queue/"))) == ids_of(queue[1:])
        assert str(own.public_id) in ids(read(other.get("queue/")))
        assert ids(read(other.get("queue/", lane="escalated"))) == ids_of([escalated])
        assert read(anna.get("queue/", lane="escalated"), 403)["code"] == "permission"

    def test_first_lane_that_is_open_is_the_default(self, client_of, queue):
        record = make_waiting(lane=Lane.ESCALATED)
        assert ids(read(client_of(ESCALATED).get("queue/"))) == ids_of([record])

    def test_filters_are_those_of_the_desk(self, anna, queue):
        found = read(
            anna.get("queue/", risk_level="medium", older_than_hours=4, reason="harbour", model="hostapp.Photo")
        )
        assert ids(found) == ids_of(queue[2:4])
        assert ids(read(anna.get("queue/", label="boat"))) == []


class TestClaim:
    def test_each_gets_another_card(self, anna, client_of, queue):
        bert = client_of(FIRST)
        cards = [read(person.post("queue/claim/"))["card"] for person in (anna, bert)]
        assert [card["record"]["public_id"] for card in cards] == ids_of(queue[:2])
        assert now(queue[0]).claimed_by == anna.user
        assert cards[0]["members"] == seen(queue[0])

    def test_same_bytes_are_one_card_that_is_decided_at_once(self, anna):
        records = [make_waiting(sha256="a" * 64, perceptual_hash="-") for _ in range(3)]
        members = read(anna.post("queue/claim/"))["card"]["members"]
        assert members == seen(*records)
        answer = read(anna.post("decisions/", outcome="block", records=members))
        assert [receipt["is_done"] for receipt in answer["receipts"]] == [True] * 3

    def test_named_card_is_claimed_and_renewed(self, anna, client_of, queue):
        for _ in range(2):
            card = read(anna.post("queue/claim/", public_id=str(queue[3].public_id)))["card"]
            assert card["record"]["public_id"] == str(queue[3].public_id)
        problem = read(client_of(FIRST).post("queue/claim/", public_id=str(queue[3].public_id)), 409)
        assert "somebody else holds it" in problem["detail"]

    def test_skipped_card_is_given_back_and_the_next_one_lies_behind_it(self, anna, queue):
        card = read(anna.post("queue/claim/"))["card"]["record"]["public_id"]
        assert read(anna.post("queue/release/", public_ids=[card])) == {"released_count": 1}
        found = read(anna.post("queue/claim/", after=card))["card"]["record"]["public_id"]
        assert found == str(queue[1].public_id)
        assert now(queue[0]).claimed_by is None

    def test_break_gives_everything_back(self, anna, queue):
        for _ in range(2):
            anna.post("queue/claim/")
        assert read(anna.post("queue/release/")) == {"released_count": 2}

    def test_part_of_the_queue_is_claimed_from(self, anna, queue):
        claimed = anna.post("queue/claim/?risk_level=low&order=newest")
        assert read(claimed)["card"]["record"]["public_id"] == str(queue[4].public_id)

    def test_nothing_that_is_free_is_no_card(self, anna):
        assert read(anna.post("queue/claim/")) == {"card": None}


class TestDecideMany:
    def test_what_was_overtaken_is_named_and_the_rest_decided(self, anna, client_of):
        first, overtaken, own = make_waiting(), make_waiting(), make_waiting(uploaded_by=anna.user)
        bert = client_of(FIRST)
        read(bert.decide(overtaken, "pass"))
        gone = {"public_id": str(uuid.uuid4()), "version": 1}
        answer = read(anna.post("decisions/", outcome="block", records=[*seen(first, overtaken, own), gone]))
        assert [receipt["is_done"] for receipt in answer["receipts"]] == [True, False, False, False]
        problems = [receipt["problem"] for receipt in answer["receipts"]]
        assert problems[0] == ""
        assert problems[1] == f"Decided meanwhile by {bert.user.username}: Passed."
        assert "uploaded this image yourself" in problems[2]
        assert problems[3] == "It is gone."
        assert statuses(first, overtaken, own) == [Status.BLOCKED, Status.PASSED, Status.IN_REVIEW]

    def test_nothing_done_is_a_conflict(self, anna):
        record = make_waiting(version=3)
        sent = [{**seen(record)[0], "version": 2}]
        problem = read(anna.post("decisions/", outcome="block", records=sent), 409)
        assert problem["receipts"][0]["problem"] == "It has changed since it was shown."

    def test_missing_comment_decides_nothing(self, anna):
        record = make_waiting()
        problem = read(anna.post("decisions/", outcome="block", reason_code="other", records=seen(record)), 400)
        assert "needs a comment" in problem["detail"]
        assert not Decision.objects.exists()


class TestUndo:
    def test_decisions_are_listed_and_taken_back(self, anna):
        records = [make_waiting(), make_waiting()]
        batch = read(anna.post("decisions/", outcome="block", records=seen(*records)))["batch"]
        (told,) = read(anna.get("batches/"))["results"]
        assert (told["batch"], told["outcome"], told["count"], told["can_undo"]) == (batch, "block", 2, True)
        undone = read(anna.post(f"batches/{batch}/undo/"))
        assert [receipt["is_done"] for receipt in undone["receipts"]] == [True, True]
        assert statuses(*records) == [Status.IN_REVIEW] * 2
        assert read(anna.get("batches/"))["results"][0]["is_undone"] is True

    def test_escalation_is_taken_back_alike(self, anna):
        record = make_waiting()
        batch = read(anna.post(f"records/{record.public_id}/escalate/", version=1))["batch"]
        read(anna.post(f"batches/{batch}/undo/"))
        assert now(record).lane == Lane.FIRST

    def test_what_was_decided_since_stays(self, anna, client_of):
        record = make_waiting()
        batch = read(anna.decide(record, "block"))["batch"]
        read(client_of(FIRST).decide(now(record), "pass"))
        problem = read(anna.post(f"batches/{batch}/undo/"), 409)
        assert problem["receipts"][0]["is_done"] is False
        assert "Decided meanwhile" in problem["receipts"][0]["problem"]
        assert now(record).status == Status.PASSED

    def test_nobody_takes_back_what_others_decided(self, anna, client_of):
        record = make_waiting()
        batch = read(anna.decide(record, "block"))["batch"]
        root = client_of(is_superuser=True)
        for person, named in ((root, batch), (anna, uuid.uuid4())):
            read(person.post(f"batches/{named}/undo/"), 404)
        assert now(record).status == Status.BLOCKED


def test_statistics_are_those_of_the_desk(anna, client_of):
    records = [make_waiting(top_label="harbour") for _ in range(7)]
    for record in records[:5]:
        read(anna.decide(record, "block"))
    read(anna.post(f"records/{records[5].public_id}/escalate/", version=1))
    told = read(anna.get("statistics/"))
    today = told["days"][-1]
    assert len(told["days"]) == 30
    assert (today["arrived_count"], today["blocked_count"], today["escalated_count"]) == (7, 5, 1)
    assert [(queue["lane"], queue["count"]) for queue in told["queues"]] == [
        ("first", 1),
        ("escalated", 1),
        ("appealed", 0),
    ]
    assert told["waits"][0]["sample_count"] == 5
    assert told["waits"][0]["median_seconds"] >= 0
    assert told["agreements"] == [
        {
            "label": "harbour",
            "decided_count": 5,
            "blocked_count": 5,
            "blocked_share": 1.0,
            "blocked_after_pass_count": 0,
            "passed_after_block_count": 0,
        }
    ]
    assert told["own"]["decided_count"] == 5
    # Of so few people a median would tell about one of them.
    assert told["team"] == {"people_count": 1, "median_count": None, "median_day_count": None}
    assert read(client_of(FIRST).get("statistics/"))["own"]["decided_count"] == 0
