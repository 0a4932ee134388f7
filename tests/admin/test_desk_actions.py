"""What is done at the review desk: by plain forms, and by its script, which sends the same."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from django_imgmod.admin.review import forms
from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Decision, Exposure, ModerationRecord
from tests.admin.desking import BY_SCRIPT, DESK, run_out, text_of, user_of


def said(response) -> list[str]:
    """What the page that a plain form leads to tells."""
    assert response.status_code == 200
    return [str(message).strip("\u2068\u2069") for message in response.context["messages"]]


def fresh(record: ModerationRecord) -> ModerationRecord:
    return ModerationRecord.objects.get(pk=record.pk)


def seen(*records: ModerationRecord) -> str:
    return " ".join(f"{record.public_id}:{record.version}" for record in records)


def holders(*records: ModerationRecord) -> list[int | None]:
    return [fresh(record).claimed_by_id for record in records]


def fields_of(page: str) -> dict[str, str]:
    """What the decision form of a page sends by itself."""
    form = re.search(r'<form class="imgmod-decision".*?</form>', page, re.DOTALL)[0]
    return dict(re.findall(r'<input type="hidden" name="(query|seen|keys)" value="([^"]*)"', form))


class Desk:
    """A moderator's browser without a script: it sends what the page's own form holds."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def post(self, name: str, **fields):
        return self.client.post(f"{DESK}{name}/", fields, follow=True)

    def claim(self, query: str = "") -> str:
        return text_of(self.post("claim", query=query))

    def answer(self, page: str, name: str = "decide", **fields):
        return self.post(name, **{**fields_of(page.replace("&amp;", "&")), **fields})

    def reveal(self, page: str):
        form = re.search(r'<form [^>]*/review/revealed/".*?</form>', page, re.DOTALL)[0].replace("&amp;", "&")
        fields = dict(re.findall(r'<input type="hidden" name="(query|public_id)" value="([^"]*)"', form))
        return self.post("revealed", **fields, shown="grey")


@pytest.fixture
def desk(reviewer):
    return Desk(reviewer)


class TestWithoutScript:
    def test_sixty_pictures_are_cleared_one_after_the_other(self, waiting, desk):
        records = [waiting() for _ in range(6)]
        page = desk.claim()
        for number in range(1, 7):
            assert f"Picture {number} of 6" in page
            page = text_of(desk.answer(page, outcome=("pass", "block")[number % 2]))
        assert "Nothing waits" in page
        assert {fresh(record).status for record in records} == {Status.PASSED, Status.BLOCKED}

    def test_what_was_skipped_is_counted_once(self, waiting, desk):
        for _ in range(3):
            waiting()
        page = desk.claim()
        for number in (1, 2, 3):
            assert f"Picture {number} of 3" in page
            page = text_of(desk.answer(page, "skip"))
        assert "3 pictures still wait: you skipped them" in page

    def test_decision_keeps_reason_and_comment(self, waiting, desk):
        record = waiting(file_name="photos/cat.jpg")
        page = desk.claim()
        response = desk.answer(page, outcome="block", reason_code="other", comment="A dog in disguise")
        assert said(response) == ["Blocked cat.jpg."]
        decision = Decision.objects.get(record=record)
        assert (decision.reason_code, decision.comment) == ("other", "A dog in disguise")
        assert decision.decided_by == user_of(desk.client)

    def test_missing_comment_loses_nothing(self, waiting, desk):
        record = waiting()
        response = desk.answer(desk.claim(), outcome="block", reason_code="other")
        page = text_of(response, 422)
        assert "needs a comment" in page
        assert re.search(r'value="other"[^>]* checked', page)
        assert fresh(record).status == Status.IN_REVIEW
        refused = desk.answer(page, outcome="block", reason_code="nonsense", comment="<kept>")
        assert "&lt;kept&gt;</textarea>" in text_of(refused, 422)

    def test_decision_after_the_claim_ran_out_counts_where_nobody_was_faster(self, waiting, desk):
        record = waiting(file_name="photos/cat.jpg")
        page = desk.claim()
        run_out(record)
        assert said(desk.answer(page, outcome="block")) == ["Blocked cat.jpg."]
        assert fresh(record).status == Status.BLOCKED

    def test_decision_about_what_a_colleague_holds_by_now_counts_too(self, waiting, desk, client_of):
        record = waiting(file_name="photos/cat.jpg")
        page = desk.claim()
        run_out(record)
        colleague = Desk(client_of("review_moderationrecord"))
        theirs = colleague.claim()
        assert "cat.jpg" in theirs
        assert said(desk.answer(page, outcome="block")) == ["Blocked cat.jpg."]
        [told] = said(colleague.answer(theirs, outcome="pass"))
        assert re.fullmatch(r"cat\.jpg: Decided meanwhile by user-\w+: Blocked\.", told)
        assert fresh(record).status == Status.BLOCKED

    @pytest.mark.parametrize("name", ["decide", "escalate"])
    def test_decision_after_somebody_was_faster_is_refused_in_words(self, waiting, desk, client_of, name):
        record = waiting(file_name="photos/cat.jpg")
        page = desk.claim()
        run_out(record)
        colleague = Desk(client_of("review_moderationrecord"))
        colleague.answer(colleague.claim(), outcome="pass")
        [told] = said(desk.answer(page, name, outcome="block"))
        assert re.fullmatch(r"cat\.jpg: Decided meanwhile by user-\w+: Passed\.", told)
        assert fresh(record).status == Status.PASSED
        assert Decision.objects.count() == 1

    def test_missing_comment_after_the_claim_ran_out_loses_nothing(self, waiting, desk):
        skipped, record = waiting(), waiting()
        page = text_of(desk.answer(desk.claim(), "skip"))
        run_out(record)
        response = desk.answer(page, outcome="block", reason_code="other")
        page = text_of(response, 422)
        assert fields_of(page)["seen"] == seen(record)
        assert re.search(r'value="other"[^>]* checked', page)
        assert holders(record) == [user_of(desk.client).pk]
        # Nor the way back to what was skipped.
        assert f'name="public_id" value="{skipped.public_id}"' in page

    def test_missing_comment_about_what_somebody_took_says_so(self, waiting, desk, client_of):
        record = waiting()
        page = desk.claim()
        run_out(record)
        Desk(client_of("review_moderationrecord")).claim()
        page = text_of(desk.answer(page, outcome="block", reason_code="other"), 422)
        assert "somebody else holds it, or it was decided about" in page
        assert "imgmod-decision" not in page

    def test_picture_is_shown_after_the_claim_ran_out(self, waiting, desk):
        skipped, record = waiting(), waiting()
        page = text_of(desk.answer(desk.claim(), "skip"))
        run_out(record)
        response = desk.reveal(page)
        assert fields_of(text_of(response))["seen"] == seen(record)
        assert response.context["card"].shown == "grey"
        assert holders(record) == [user_of(desk.client).pk]
        assert f'name="public_id" value="{skipped.public_id}"' in text_of(response)

    def test_picture_that_somebody_took_is_not_shown_and_that_is_said(self, waiting, desk, client_of):
        record = waiting()
        page = desk.claim()
        run_out(record)
        colleague = client_of("review_moderationrecord")
        Desk(colleague).claim()
        response = desk.reveal(page)
        assert said(response) == ["That picture is not to be had: somebody else holds it, or it was decided about."]
        assert holders(record) == [user_of(colleague).pk]
        assert not Exposure.objects.exists()

    def test_same_picture_forty_times_is_one_decision(self, waiting, desk):
        records = [waiting(sha256="a" * 64) for _ in range(40)]
        assert said(desk.answer(desk.claim(), outcome="block")) == ["Blocked 40."]
        assert {fresh(record).status for record in records} == {Status.BLOCKED}
        assert len(set(Decision.objects.values_list("batch", flat=True))) == 1

    def test_skipped_card_is_free_and_the_queue_goes_on_behind_it(self, waiting, desk):
        first, second = waiting(file_name="photos/first.jpg"), waiting(file_name="photos/second.jpg")
        response = desk.answer(desk.claim(), "skip")
        page = text_of(response)
        assert "second.jpg" in page
        assert holders(first, second) == [None, user_of(desk.client).pk]
        # The way back to what was skipped.
        assert f'name="public_id" value="{first.public_id}"' in page
        assert "first.jpg" in text_of(desk.post("claim", query="lane=first", public_id=str(first.public_id)))

    def test_graver_picture_that_arrives_after_a_skip_comes_next(self, waiting, desk):
        for name in ("first", "second", "third"):
            waiting(file_name=f"photos/{name}.jpg", sha256="a" * 64 if name == "first" else "")
        waiting(file_name="photos/same.jpg", sha256="a" * 64)
        page = text_of(desk.answer(desk.claim(), "skip"))
        assert "second.jpg" in page
        waiting(file_name="photos/grave.jpg", risk_level=RiskLevel.HIGH)
        names = []
        for _ in range(3):
            page = text_of(desk.answer(page, "skip"))
            names.append(re.search(r'data-file="([^"]*)"|$', page)[1])
        assert names == ["grave.jpg", "third.jpg", None]
        assert "5 pictures still wait: you skipped them" in page
        again = re.search(r'name="query" value="([^"]*)"[^<]*<button[^<]*Begin again', page)[1]
        assert "grave.jpg" in desk.claim(again.replace("&amp;", "&"))

    def test_more_skips_than_are_remembered_lead_on_behind_the_first(self, waiting, desk, monkeypatch):
        monkeypatch.setattr(forms, "MAX_SKIPPED", 2)
        for number in range(5):
            waiting(file_name=f"photos/{number}.jpg")
        page, names = desk.claim(), []
        while (match := re.search(r'data-file="([^"]*)"', page)) and len(names) < 9:
            names.append(match[1])
            page = text_of(desk.answer(page, "skip"))
        assert names == [f"{number}.jpg" for number in range(5)]
        assert "You are through" in page

    def test_escalated_card_goes_to_its_lane_with_the_comment(self, waiting, desk):
        record = waiting(file_name="photos/cat.jpg")
        assert said(desk.answer(desk.claim(), "escalate", comment="Art?")) == ["Escalated cat.jpg."]
        assert fresh(record).lane == Lane.ESCALATED
        assert Decision.objects.get(record=record).comment == "Art?"

    def test_last_decision_is_taken_back_and_its_card_is_there_again(self, waiting, desk):
        first = waiting(file_name="photos/first.jpg")
        waiting(file_name="photos/second.jpg")
        page = text_of(desk.answer(desk.claim(), outcome="block"))
        assert "second.jpg" in page
        response = desk.post("undo", query="lane=first")
        assert said(response) == ["Taken back: first.jpg."]
        assert f'data-id="{first.public_id}"' in text_of(response)
        assert set(ModerationRecord.objects.values_list("status", flat=True)) == {Status.IN_REVIEW}

    def test_any_of_the_last_decisions_is_taken_back(self, waiting, desk):
        records = [waiting() for _ in range(3)]
        page = desk.claim()
        for _ in records:
            page = text_of(desk.answer(page, outcome="pass"))
        batches = re.findall(r'name="batch" value="([^"]*)"', page)
        assert len(batches) == 3
        desk.post("undo", batch=batches[2])
        assert [fresh(record).status for record in records] == [Status.IN_REVIEW, Status.PASSED, Status.PASSED]

    def test_nothing_to_take_back_is_said(self, desk):
        assert said(desk.post("undo")) == ["There is nothing of yours to take back."]
        assert said(desk.post("undo", batch=str(uuid.uuid4()))) == ["There is nothing of yours to take back."]

    def test_break_gives_everything_back(self, waiting, desk):
        records = [waiting(sha256="a" * 64) for _ in range(3)]
        desk.claim()
        assert None not in holders(*records)
        response = desk.post("release", query="lane=first&number=7")
        assert "Rest as long as you like" in said(response)[0]
        assert holders(*records) == [None] * 3

    def test_claiming_twice_holds_one_card(self, waiting, desk):
        records = [waiting(), waiting()]
        desk.claim()
        desk.claim()
        assert holders(*records).count(None) == 1

    def test_revealed_picture_is_counted(self, waiting, desk):
        waiting()
        desk.claim()
        desk.post("revealed", shown="grey")
        assert Exposure.objects.get(user=user_of(desk.client)).revealed_count == 1

    def test_break_is_proposed(self, waiting, desk, settings):
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"BREAK_AFTER": 2}}
        assert said(desk.post("revealed")) == []
        assert said(desk.post("revealed")) == ["You have looked at 2 pictures today. Is it time for a break?"]


class TestRaces:
    def test_second_of_two_moderators_is_told_and_moves_on(self, waiting, desk, client_of):
        record = waiting(file_name="photos/cat.jpg")
        waiting(file_name="photos/next.jpg")
        page = desk.claim()
        other = client_of("review_moderationrecord")
        other.post(f"{DESK}decide/", {"seen": seen(record), "outcome": "block"}, **BY_SCRIPT)
        response = desk.answer(page, outcome="pass")
        assert "cat.jpg" in said(response)[0]
        assert "next.jpg" in text_of(response)
        assert fresh(record).status == Status.BLOCKED

    def test_what_a_race_skipped_of_many_is_named(self, waiting, reviewer):
        same = [waiting(sha256="a" * 64) for _ in range(3)]
        sent = seen(*same)
        ModerationRecord.objects.filter(pk=same[1].pk).update(version=7)
        response = reviewer.post(f"{DESK}decide/", {"seen": sent, "outcome": "block"}, **BY_SCRIPT)
        page = text_of(response)
        assert "Blocked 2." in page
        assert same[1].file_name.rpartition("/")[2] in re.search(r'id="imgmod-problems".*?</ul>', page, re.DOTALL)[0]

    def test_two_moderators_get_different_cards(self, waiting, reviewer, client_of):
        waiting()
        waiting()
        pages = [
            text_of(client.post(f"{DESK}claim/", {}, **BY_SCRIPT))
            for client in (reviewer, client_of("review_moderationrecord"))
        ]
        first, second = (fields_of(page)["seen"] for page in pages)
        assert first != second

    def test_own_upload_is_refused_in_words(self, waiting, reviewer):
        record = waiting(uploaded_by=user_of(reviewer))
        response = reviewer.post(f"{DESK}decide/", {"seen": seen(record), "outcome": "pass"}, **BY_SCRIPT)
        assert "You uploaded this image yourself" in text_of(response, 409)
        assert fresh(record).status == Status.IN_REVIEW


class TestByScript:
    def post(self, client: Client, name: str, **fields):
        return client.post(f"{DESK}{name}/", fields, **BY_SCRIPT)

    def test_parts_say_that_they_are_parts(self, waiting, reviewer):
        waiting()
        for name, fields in (("claim", {}), ("undo", {}), ("decide", {"outcome": "?"})):
            response = self.post(reviewer, name, **fields)
            assert response.headers["X-Imgmod-Desk"] == "parts"
            assert "<html" not in response.content.decode()

    def test_answer_brings_the_news_and_no_card(self, waiting, reviewer):
        record = waiting(file_name="photos/cat.jpg")
        waiting()
        page = text_of(self.post(reviewer, "decide", seen=seen(record), outcome="pass"))
        assert "Passed cat.jpg." in page
        for part in ('id="imgmod-notice"', 'id="imgmod-last"', 'id="imgmod-tabs"', "data-imgmod-undo"):
            assert part in page
        assert "imgmod-decision" not in page
        # The script claims for itself, ahead of time.
        assert not ModerationRecord.objects.filter(claimed_by__isnull=False).exists()

    def test_two_cards_are_held(self, waiting, reviewer):
        records = [waiting(), waiting(), waiting()]
        cards = [text_of(self.post(reviewer, "claim", query=f"number={number}")) for number in (1, 2)]
        assert "Picture 1 of 3" in cards[0]
        assert "Picture 2 of 3" in cards[1]
        assert holders(*records).count(None) == 1

    def test_decision_that_lands_while_the_next_card_is_counted_changes_no_number(self, waiting, reviewer):
        decided, *_ = waiting(), waiting(), waiting()
        self.post(reviewer, "claim")

        statements: list[str] = []

        def decide_once_counted(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
            statements.append(sql)
            if sum("COUNT(" in one for one in statements[:-1]) == 1:
                statements.clear()
                ModerationRecord.objects.filter(pk=decided.pk).update(status=Status.BLOCKED, claimed_by=None)
            return execute(sql, *rest)

        with connection.execute_wrapper(decide_once_counted):
            assert "Picture 2 of 3" in text_of(self.post(reviewer, "claim", query="number=2"))

    def test_card_of_a_window_that_is_gone_comes_back_at_the_end(self, waiting, reviewer):
        lost, held = waiting(), waiting()
        for _ in range(2):
            self.post(reviewer, "claim")
        page = text_of(self.post(reviewer, "claim", held=str(held.public_id)))
        assert fields_of(page)["seen"] == seen(lost)
        both = f"{held.public_id} {lost.public_id}"
        assert "imgmod-decision" not in text_of(self.post(reviewer, "claim", held=both))

    def test_undo_brings_the_card_back(self, waiting, reviewer):
        record = waiting(file_name="photos/cat.jpg")
        self.post(reviewer, "decide", seen=seen(record), outcome="block")
        page = text_of(self.post(reviewer, "undo"))
        assert "Taken back: cat.jpg." in page
        assert fields_of(page)["seen"] == seen(fresh(record))
        assert holders(record) == [user_of(reviewer).pk]

    def test_heartbeat_renews_and_names_what_is_lost(self, waiting, reviewer, client_of):
        mine, expired, taken, decided = (waiting() for _ in range(4))
        self.post(reviewer, "claim")
        ModerationRecord.objects.filter(pk=taken.pk).update(
            claimed_by=user_of(client_of("review_moderationrecord")),
            claimed_until=timezone.now() + timedelta(hours=1),
        )
        self.post(reviewer, "decide", seen=seen(decided), outcome="pass")
        ids = " ".join(str(record.public_id) for record in (mine, expired, taken, decided))
        response = self.post(reviewer, "heartbeat", ids=ids)
        assert json.loads(text_of(response))["lost"] == sorted(str(one.public_id) for one in (taken, decided))
        assert holders(mine, expired) == [user_of(reviewer).pk] * 2

    def test_closed_page_gives_its_cards_back_and_no_others(self, waiting, reviewer):
        first, second = waiting(), waiting()
        for _ in range(2):
            self.post(reviewer, "claim")
        assert self.post(reviewer, "release", ids=str(first.public_id)).status_code == 204
        assert holders(first, second) == [None, user_of(reviewer).pk]

    def test_reveals_are_counted_together(self, reviewer, settings):
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"BREAK_AFTER": 10}}
        assert self.post(reviewer, "revealed", count=7).status_code == 204
        assert "Is it time for a break?" in text_of(self.post(reviewer, "revealed", count=3))
        assert Exposure.objects.get(user=user_of(reviewer)).revealed_count == 10

    def test_refused_answer_says_why(self, waiting, reviewer):
        record = waiting()
        response = self.post(reviewer, "decide", seen=seen(record), outcome="block", reason_code="other")
        assert "needs a comment" in text_of(response, 422)


class TestMalformed:
    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("decide", {}),
            ("decide", {"outcome": "review"}),
            ("decide", {"outcome": "pass", "seen": ""}),
            ("decide", {"outcome": "pass", "seen": "x:1"}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}"}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}:-1"}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}:{2**31}"}),
            ("decide", {"outcome": "pass", "seen": " ".join(f"{uuid.uuid4()}:1" for _ in range(501))}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}:1", "comment": "x" * 2001}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}:1", "comment": "\0"}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}:1", "reason_code": "x" * 51}),
            ("decide", {"outcome": "pass", "seen": f"{uuid.uuid4()}:1", "query": "lane=x"}),
            ("escalate", {"seen": "\0"}),
            ("skip", {"seen": f"{uuid.uuid4()}:1"}),
            ("skip", {"seen": f"{uuid.uuid4()}:1", "keys": "1_2_3"}),
            ("skip", {"seen": f"{uuid.uuid4()}:1", "keys": ".".join("1" * 251)}),
            ("claim", {"public_id": "1"}),
            ("claim", {"held": "1"}),
            ("undo", {"batch": "1"}),
            ("release", {"ids": "1"}),
            ("heartbeat", {"ids": "x" * 5}),
            ("revealed", {"count": "many"}),
            ("revealed", {"count": "0"}),
            ("revealed", {"shown": "naked"}),
        ],
    )
    def test_is_refused_in_words(self, waiting, reviewer, name, fields):
        record = waiting()
        before = ModerationRecord.objects.filter(pk=record.pk).values().get()
        plain = text_of(reviewer.post(f"{DESK}{name}/", fields), 400)
        assert "imgmod-problems" in plain
        assert "Back to the desk" in plain
        by_script = text_of(reviewer.post(f"{DESK}{name}/", fields, **BY_SCRIPT), 400)
        assert re.search(r"<li dir=\"auto\">\s*\S", by_script)
        assert ModerationRecord.objects.filter(pk=record.pk).values().get() == before

    def test_unknown_records_are_named_as_gone(self, reviewer):
        sent = {"seen": f"{uuid.uuid4()}:1", "outcome": "pass"}
        assert "imgmod-problems" in text_of(reviewer.post(f"{DESK}decide/", sent, **BY_SCRIPT), 409)

    @pytest.mark.parametrize("key", ["9" * 19, "9" * 70])
    def test_key_that_no_record_can_have(self, reviewer, key):
        sent = {"seen": f"{uuid.uuid4()}:1", "keys": key}
        assert reviewer.post(f"{DESK}skip/", sent).status_code == 400


class TestLeaving:
    """What a page sends while it is closed: it is done, and nothing is claimed for a page that is gone."""

    @pytest.mark.parametrize("name", ["decide", "escalate", "skip"])
    def test_answer_is_taken_and_no_card_claimed(self, waiting, reviewer, name):
        record, other = waiting(), waiting()
        sent = {**fields_of(Desk(reviewer).claim()), "outcome": "block", "leaving": "1"}
        assert reviewer.post(f"{DESK}{name}/", sent).status_code == 204
        assert holders(record, other) == [None, None]
        assert (fresh(record).status, fresh(record).lane) == {
            "decide": (Status.BLOCKED, Lane.FIRST),
            "escalate": (Status.IN_REVIEW, Lane.ESCALATED),
            "skip": (Status.IN_REVIEW, Lane.FIRST),
        }[name]

    def test_what_is_taken_back_waits_for_anybody(self, waiting, reviewer):
        record = waiting()
        Desk(reviewer).answer(Desk(reviewer).claim(), outcome="block")
        assert reviewer.post(f"{DESK}undo/", {"leaving": "1"}).status_code == 204
        assert fresh(record).status == Status.IN_REVIEW
        assert holders(record) == [None]


ACTIONS = ("claim", "decide", "escalate", "skip", "undo", "release", "heartbeat", "revealed")


@pytest.mark.parametrize("name", ACTIONS)
def test_action_needs_the_token_of_a_page_of_ours(reviewer, waiting, name):
    record = waiting()
    before = ModerationRecord.objects.filter(pk=record.pk).values().get()
    client = Client(enforce_csrf_checks=True)
    client.cookies = reviewer.cookies
    sent = {"seen": seen(record), "outcome": "pass", "public_id": str(record.public_id)}
    assert client.post(f"{DESK}{name}/", sent).status_code == 403
    assert ModerationRecord.objects.filter(pk=record.pk).values().get() == before


def test_page_has_the_token(reviewer, waiting):
    waiting()
    client = Client(enforce_csrf_checks=True)
    client.cookies = reviewer.cookies
    page = text_of(client.get(DESK))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]*)"', page)[1]
    response = client.post(f"{DESK}claim/", {"csrfmiddlewaretoken": token}, **BY_SCRIPT)
    assert "imgmod-decision" in text_of(response)
    assert Outcome.PASS in text_of(response)


def test_every_form_has_the_token(reviewer, waiting):
    for _ in range(3):
        waiting()
    client = Desk(reviewer)
    start = text_of(reviewer.get(DESK))
    page = client.claim()
    parts = [
        start,
        page,
        text_of(reviewer.post(f"{DESK}decide/", {**fields_of(page), "outcome": "pass"}, **BY_SCRIPT)),
        text_of(reviewer.post(f"{DESK}undo/", {}, **BY_SCRIPT)),
        client.claim(),
        text_of(client.answer(client.claim(), outcome="block")),
    ]
    for part in parts:
        desk = part.partition('id="imgmod-desk"')[2] or part
        forms = re.findall(r'<form[^>]*method="post".*?</form>', desk, re.DOTALL)
        assert forms
        assert all('name="csrfmiddlewaretoken"' in form for form in forms)
