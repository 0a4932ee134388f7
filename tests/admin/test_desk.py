"""The page of the review desk: who sees it, and what it tells."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.admin.review import desk
from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import DetectedLabel, ModerationRecord
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.review.batches import Seen, decide_batch
from django_imgmod.services.review.escalation import escalate
from tests.admin.desking import BY_SCRIPT, DESK, LIST, run_out, text_of, user_of
from tests.hostapp.models import Photo

HOSTILE = "\"'><script>alert(1)</script>{{ request }}"


def heading_of(response) -> str:
    return words(re.search(r'<h2 id="imgmod-heading".*?</h2>', text_of(response), re.DOTALL)[0])


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", html).split())


def claim(client: Client, query: str = "", **fields) -> str:
    """Claim a card as somebody without a script, and return its page."""
    return text_of(client.post(f"{DESK}claim/", {"query": query, **fields}, follow=True))


def part(client: Client, query: str = "", **fields):
    """Claim a card as the script does; the answer is that card alone."""
    return client.post(f"{DESK}claim/", {"query": query, **fields}, **BY_SCRIPT)


class TestAccess:
    """What somebody sees of it; who is refused what stands in one table, ``review/test_roles.py``."""

    def test_one_permission_shows_the_lanes_that_are_its_own(self, client_of):
        def tabs(*codenames: str) -> list[str]:
            page = text_of(client_of(*codenames).get(DESK))
            return re.findall(r'review/\?lane=(\w+)"', page[: page.index("</nav>", page.index("imgmod-tabs"))])

        assert tabs("review_moderationrecord") == ["first", "appealed"]
        assert tabs("review_escalated_moderationrecord") == ["escalated"]
        assert tabs("review_moderationrecord", "review_escalated_moderationrecord") == [*Lane.values]

    def test_a_lane_of_others_is_refused_in_words(self, client_of):
        response = part(client_of("review_moderationrecord"), "lane=escalated")
        assert "You have no permission" in text_of(response, 403)

    def test_holder_of_the_second_permission_alone_finds_the_desk(self, client_of):
        client = client_of("review_escalated_moderationrecord")
        assert LIST in text_of(client.get("/admin/"))
        assert DESK in text_of(client.get(LIST))


class TestWaysIn:
    def test_record_list_says_how_many_wait(self, waiting, reviewer):
        for _ in range(3):
            waiting()
        waiting(lane=Lane.APPEALED)
        assert f'<a href="{DESK}">Review images (3 waiting)</a>' in text_of(reviewer.get(LIST))

    def test_record_list_offers_nothing_to_whoever_may_not_decide(self, waiting, viewer):
        waiting()
        assert DESK not in text_of(viewer.get(LIST))

    def test_record_in_review_is_taken_to_the_desk(self, waiting, reviewer, viewer):
        waiting(risk_level=RiskLevel.HIGH)
        record = waiting(file_name="photos/mine.jpg", risk_level=RiskLevel.LOW)
        page = f"{LIST}{record.pk}/change/"
        assert f'formaction="{DESK}claim/"' in text_of(reviewer.get(page))
        assert "formaction" not in text_of(viewer.get(page))
        # What the button of that page's form sends.
        assert "mine.jpg" in claim(reviewer, public_id=str(record.public_id))

    def test_settled_record_is_not(self, make_record, reviewer):
        record = make_record(status=Status.BLOCKED)
        assert "formaction" not in text_of(reviewer.get(f"{LIST}{record.pk}/change/"))


class TestCard:
    def test_reads_as_a_screen_reader_says_it(self, waiting, reviewer):
        record = waiting(top_label="porn", uploaded_by=User.objects.create_user("eve"))
        DetectedLabel.objects.create(record=record, label="porn", confidence="62.40", risk_level="high")
        waiting()
        claim(reviewer)
        assert heading_of(reviewer.get(DESK)) == "Picture 1 of 2, porn 62, uploader new"

    def test_tells_in_words_what_is_known(self, waiting, make_record, reviewer):
        eve = User.objects.create_user("eve")
        for status in (Status.PASSED, Status.PASSED, Status.BLOCKED):
            make_record(status=status, uploaded_by=eve)
        record = waiting(
            uploaded_by=eve, reason="medium risk: gun 71", image_format="GIF", width=640, height=480, frame_count=12
        )
        DetectedLabel.objects.create(
            record=record, label="gun", confidence=71, description="A pistol", source="ocr", frame_index=3
        )
        DetectedLabel.objects.create(record=record, label="knife", confidence=None)
        page = words(claim(reviewer))
        for told in (
            "gun A pistol frame 4, seen by ocr",
            "knife",
            "not given",
            "medium risk: gun 71",
            "Judged bydefault",
            "GIF, 640 x 480, 12 frames",
            "eve (2 passed, 1 blocked)",
            f"Photo {record.object_id}, image",
            "Frames in which something was seen",
        ):
            assert told in page

    def test_marks_the_parts_in_which_something_was_seen(self, waiting, reviewer):
        record = waiting(width=4000, height=200, frame_count=3)
        for number, frame_index in enumerate((0, 2)):
            DetectedLabel.objects.create(
                record=record, label=f"{number}", frame_index=frame_index, regions=[[0.25, 0.5, 0.125, 0.1]]
            )
        DetectedLabel.objects.create(record=record, label="everywhere")
        page = claim(reviewer)
        assert words(page).count("marked in the picture") == 2
        assert 'viewBox="0 0 4000 200"' in page
        assert page.count('<rect x="1000" y="100" width="500" height="20"/>') == 2
        # Of the third frame, which is not the one that is shown first.
        assert page.count("imgmod-mark-elsewhere") == 1

    def test_marks_nothing_in_a_picture_of_unknown_size(self, waiting, reviewer):
        record = waiting(width=None, height=None)
        DetectedLabel.objects.create(record=record, label="a", regions=[[0.25, 0.5, 0.125, 0.1]])
        page = claim(reviewer)
        assert "imgmod-marks" not in page
        assert "marked in the picture" not in words(page)

    def test_leads_to_the_object(self, waiting, client_of):
        photo = Photo.objects.create(title="Mine")
        waiting(object_id=str(photo.pk))
        # The site of the tests knows no photos; users it knows.
        page = claim(client_of("review_moderationrecord", "view_photo"))
        assert str(photo) in page

    def test_same_picture_is_one_card(self, waiting, reviewer):
        for number in range(4):
            waiting(sha256="a" * 64, uploaded_by=User.objects.create_user(f"user {number % 3}"[:6] + str(number)))
        page = words(claim(reviewer))
        assert "4 uploads, 4 people: the same picture, or nearly" in page

    def test_looks_like_what_one_decided(self, waiting, reviewer):
        for _ in range(2):
            before = waiting(sha256="b" * 64)
            seen = [Seen(before.public_id, before.version)]
            decide_batch(user_of(reviewer), seen, Outcome.BLOCK, using="default")
        waiting(sha256="b" * 64)
        page = words(claim(reviewer))
        assert "Looks like 2 that you blocked" in page
        assert "the same picture" in page

    def test_appeal_comes_with_the_first_decision_and_the_editors_words(self, waiting, reviewer, client_of):
        record = waiting()
        other = user_of(client_of("review_moderationrecord"))
        seen = [Seen(record.public_id, record.version)]
        decide_batch(other, seen, Outcome.BLOCK, reason_code="sexual", comment="Too much skin", using="default")
        ModerationRecord.objects.filter(pk=record.pk).update(created_at=timezone.now() - timedelta(days=8))
        record.refresh_from_db()
        appeal(record, by=User.objects.create_user("eve"), text="It is a cat.")
        page = words(claim(reviewer, "lane=appealed"))
        for told in ("It is a cat.", f"Blocked by {other}", "Nudity or sexual content", "Too much skin", "0 minutes"):
            assert told in page
        # Once, and not by its code as the record has it.
        assert record.reason.startswith("sexual")
        assert record.reason not in page
        assert "Overturn" in page
        assert "Uphold" in page

    def test_escalation_comes_with_its_comment(self, waiting, reviewer, client_of):
        record = waiting()
        moderator = user_of(reviewer)
        escalate(moderator, [Seen(record.public_id, record.version)], comment="Is this art?", using="default")
        page = words(claim(client_of("review_escalated_moderationrecord"), "lane=escalated"))
        assert f"Escalated by {moderator}" in page
        assert "Is this art?" in page
        assert "Escalate E" not in page

    def test_picture_is_not_sent_before_it_is_asked_for(self, waiting, reviewer):
        waiting()
        page = claim(reviewer)
        assert re.findall(r'<img class="(imgmod-\w+)"', page) == ["imgmod-veil"]
        shown = text_of(reviewer.post(f"{DESK}revealed/", {"shown": "grey"}, follow=True))
        assert re.findall(r'<img class="(imgmod-\w+)"', shown) == ["imgmod-seen"]
        assert "imgmod-look-grey" in shown
        coloured = text_of(reviewer.post(f"{DESK}revealed/", {"shown": "colour"}, follow=True))
        assert "imgmod-look-grey" not in coloured

    @pytest.mark.parametrize("wish", ["1", "true", "Colour", "grey colour"])
    def test_any_other_wish_shows_nothing(self, waiting, reviewer, wish):
        waiting()
        claim(reviewer)
        page = text_of(reviewer.get(DESK, {"shown": wish}))
        assert 'class="imgmod-veil"' in page
        assert 'class="imgmod-seen"' not in page

    def test_harmless_picture_is_shown(self, waiting, reviewer):
        record = waiting(risk_level=RiskLevel.LOW)
        DetectedLabel.objects.create(record=record, label="qrcode", confidence=99, risk_level="low")
        page = claim(reviewer)
        assert re.findall(r'<img class="(imgmod-\w+)"', page) == ["imgmod-seen"]
        assert "imgmod-look-grey" not in page

    def test_nothing_from_outside_runs(self, waiting, reviewer):
        eve = User.objects.create_user(HOSTILE[:100])
        record = waiting(
            file_name=f"photos/{HOSTILE}.jpg", reason=HOSTILE, top_label=HOSTILE, object_id=HOSTILE, uploaded_by=eve
        )
        DetectedLabel.objects.create(
            record=record, label=HOSTILE, description=HOSTILE, source=HOSTILE[:50], confidence=1, frame_index=0
        )
        escalate(user_of(reviewer), [Seen(record.public_id, record.version)], comment=HOSTILE, using="default")
        Permission.objects.get(codename="review_escalated_moderationrecord").user_set.add(user_of(reviewer))
        for page in (
            claim(reviewer, "lane=escalated"),
            text_of(part(reviewer, "lane=escalated", public_id=str(record.public_id))),
            text_of(reviewer.post(f"{DESK}undo/", {"query": "lane=escalated"}, **BY_SCRIPT)),
            text_of(reviewer.get(DESK, {"lane": "first", "label": HOSTILE[:60], "reason": HOSTILE})),
            text_of(reviewer.get(DESK, {"lane": HOSTILE}), 400),
            text_of(reviewer.post(f"{DESK}decide/", {"outcome": HOSTILE, "seen": HOSTILE}, **BY_SCRIPT), 400),
        ):
            assert "<script>alert" not in page
            assert "&lt;script&gt;" in page

    def test_page_has_nothing_inline(self, waiting, reviewer):
        waiting()
        page = claim(reviewer)
        desk = page[page.index('id="imgmod-desk"') : page.index("</main>")]
        assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:", desk)

    def test_enter_in_a_field_decides_nothing(self, waiting, reviewer):
        waiting()
        form = re.search(r'<form class="imgmod-decision".*?</form>', claim(reviewer), re.DOTALL)[0]
        first = re.search(r'<(?:button|input)[^>]*type="submit"[^>]*>', form)[0]
        assert "disabled" in first


class TestStatements:
    def count(self, client: Client) -> int:
        """How many statements the next card costs."""
        with CaptureQueriesContext(connection) as statements:
            assert "imgmod-decision" in text_of(part(client))
        return len(statements)

    def test_next_card_costs_the_same_whatever_is_on_it(self, waiting, make_record, reviewer):
        def card(labels: int, members: int, sha256: str, uploads: int) -> None:
            uploader = User.objects.create_user(sha256[:10])
            for _ in range(uploads):
                make_record(uploaded_by=uploader)
            for _ in range(members):
                record = waiting(sha256=sha256, uploaded_by=uploader, risk_level=RiskLevel.HIGH, perceptual_hash="-")
            for number in range(labels):
                DetectedLabel.objects.create(record=record, label=f"label {number}", confidence=1, frame_index=number)

        card(1, 2, "a" * 64, 0)
        card(1, 2, "b" * 64, 0)
        card(40, 30, "c" * 64, 20)
        for _ in range(50):
            waiting(risk_level=RiskLevel.LOW, perceptual_hash="-")
        self.count(reviewer)  # the first card of a process also fills the cache of content types
        assert self.count(reviewer) == self.count(reviewer)

    def test_what_waits_is_counted_once_an_answer(self, waiting, client_of):
        def counts(ask: Callable[[], Any]) -> int:
            with CaptureQueriesContext(connection) as statements:
                assert ask().status_code == 200
            counting = [one["sql"] for one in statements if "COUNT(" in one["sql"]]
            # What one decided last is little.
            return sum("imgmod_decision" not in sql for sql in counting)

        client = client_of("review_moderationrecord", "review_escalated_moderationrecord")
        for lane in Lane:
            record = waiting(lane=lane)
        claim(client, "lane=appealed")
        sent = {"query": "lane=appealed", "seen": f"{record.public_id}:{record.version}", "outcome": "pass"}
        assert counts(lambda: client.get(f"{DESK}?lane=appealed")) == 1
        assert counts(lambda: client.post(f"{DESK}decide/", sent, **BY_SCRIPT)) == 1
        assert counts(lambda: client.get(f"{DESK}?lane=appealed")) == 1


class TestFilters:
    def test_narrow_what_is_dealt(self, waiting, reviewer):
        wanted = waiting(risk_level=RiskLevel.LOW, file_name="photos/wanted.jpg", reason="because of a gun")
        DetectedLabel.objects.create(record=wanted, label="gun")
        waiting(risk_level=RiskLevel.HIGH)
        for query in (
            "risk_level=low",
            "label=gun",
            "reason=of+a+gun",
            "model=hostapp.Photo&order=oldest",
        ):
            assert "wanted.jpg" in claim(reviewer, query), query
            reviewer.post(f"{DESK}release/", {})

    def test_are_kept_in_the_form(self, reviewer):
        page = text_of(reviewer.get(f"{DESK}?lane=first&risk_level=low&label=gun&waiting=24"))
        assert '<option value="low" selected>' in page
        assert 'value="gun"' in page
        assert "(a filter is set)" in page

    @pytest.mark.parametrize(
        "query",
        [
            "lane=nowhere",
            "risk_level=deadly",
            "order=random",
            "waiting=-1",
            "model=auth.User",
            "provider=nobody",
            "skipped=1,2",
            "skipped=1.-2",
            "skipped=99999999999999999999",
            "after=here",
            "after=1_2026-01-01T00:00:00%2B00:00_99999999999999999999",
            "after=1_2026-13-01T00:00:00%2B00:00_1",
            "after=1_2026-01-01T00:00:00_1",
            "after=9_2026-01-01T00:00:00%2B00:00_1",
            "number=0",
            "number=99999999999999999999",
            "card=1",
            "back=x",
            "label=a%00b",
        ],
    )
    def test_what_cannot_be_is_refused_in_words(self, reviewer, query):
        page = text_of(reviewer.get(f"{DESK}?{query}"), 400)
        assert "imgmod-tabs" in page
        response = part(reviewer, query)
        assert words(text_of(response, 400))


class TestNothing:
    def test_empty_queue_says_what_would_come(self, reviewer):
        assert heading_of(reviewer.get(DESK)) == "Nothing waits"
        assert "Appeals come here" in text_of(reviewer.get(f"{DESK}?lane=appealed"))

    def test_start_says_how_many_wait(self, waiting, reviewer):
        waiting()
        waiting()
        assert heading_of(reviewer.get(DESK)) == "2 pictures wait for you"

    @pytest.mark.parametrize("query", ["", "lane=first&risk_level=medium"])
    def test_what_a_lost_browser_held_waits_again(self, waiting, reviewer, query):
        records = [waiting(risk_level=RiskLevel.MEDIUM) for _ in range(3)]
        for _ in range(2):
            part(reviewer)
        run_out(*records[:2])
        assert heading_of(reviewer.get(f"{DESK}?{query}")) == "3 pictures wait for you"
        for number in (1, 2, 3):
            claimed = text_of(part(reviewer, f"number={number}"))
            assert f"Picture {number} of 3" in claimed

    def test_filter_that_leaves_nothing_can_be_removed(self, waiting, reviewer):
        waiting()
        page = reviewer.get(f"{DESK}?lane=first&label=gun")
        assert heading_of(page) == "Nothing that the filter lets through"
        assert "Remove the filter" in text_of(page)

    def test_more_than_are_counted_is_said(self, waiting, reviewer, monkeypatch):
        monkeypatch.setattr(desk, "MAX_COUNT", 2)
        for _ in range(2):
            waiting()
        assert heading_of(reviewer.get(DESK)) == "2 pictures wait for you"
        waiting()
        assert heading_of(reviewer.get(DESK)) == "More than 2 pictures wait for you"

    def test_own_uploads_are_for_others(self, waiting, reviewer):
        waiting(uploaded_by=user_of(reviewer))
        assert heading_of(reviewer.get(DESK)) == "Nothing that you may decide about"

    def test_what_colleagues_hold_is_said(self, waiting, reviewer, client_of):
        waiting()
        claim(client_of("review_moderationrecord"))
        assert heading_of(reviewer.get(DESK)) == "All of them are in good hands"
        assert "in good hands" in text_of(part(reviewer))

    def test_what_was_skipped_waits_at_the_end(self, waiting, reviewer):
        record = waiting()
        page = claim(reviewer)
        keys = re.search(r'name="keys" value="([^"]*)"', page)[1]
        sent = {"seen": f"{record.public_id}:{record.version}", "keys": keys}
        end = reviewer.post(f"{DESK}skip/", sent, follow=True)
        assert heading_of(end) == "You are through"
        assert "Begin again" in text_of(end)
        waiting()
        # As after a break: what was skipped is not all.
        assert heading_of(reviewer.get(f"{DESK}?lane=first&skipped={keys}")) == "2 pictures wait for you"


def test_unknown_card_is_not_to_be_had(reviewer):
    response = part(reviewer, public_id=str(uuid.uuid4()))
    assert "not to be had" in text_of(response, 409)
