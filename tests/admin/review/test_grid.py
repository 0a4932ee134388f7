"""The page that decides about many pictures at once: as a plain form, without a script."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from django_imgmod.choices import Lane, Outcome, RiskLevel, Status
from django_imgmod.models import Decision, DetectedLabel, Exposure, Feedback, ModerationRecord, ReviewPreference
from django_imgmod.services.review.preferences import Preferences, save_preferences
from tests.backdated import ago, make_record

DESK = "/admin/django_imgmod/moderationrecord/review/"
PAGE = f"{DESK}grid/"
REVIEW, ESCALATED = "review_moderationrecord", "review_escalated_moderationrecord"
SCRIPT = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db


@pytest.fixture
def reviewer(client_of) -> Client:
    return client_of(REVIEW)


@pytest.fixture
def user(reviewer) -> User:
    return User.objects.get(pk=reviewer.session["_auth_user_id"])


@pytest.fixture
def other(client_of) -> User:
    return User.objects.get(pk=client_of(REVIEW).session["_auth_user_id"])


def make_waiting(count: int = 1, **columns: Any) -> list[ModerationRecord]:
    """Insert records of low risk that wait, the oldest first."""
    given = {"status": Status.IN_REVIEW, "risk_level": RiskLevel.LOW, "top_label": "harbour", **columns}
    return [make_record(**{"created_at": ago(hours=count - number), **given}) for number in range(count)]


def shown(response) -> list[ModerationRecord]:
    return [cell.record for cell in response.context["cells"]]


def form_of(response) -> dict[str, Any]:
    """Return what the page's form sends as it stands."""
    context = response.context
    given = {"query": context["query"], "seen": context["seen"], "last": context["last"]}
    return {**given, "selected": [], "selected_outcome": "block", "rest_outcome": "pass"}


@pytest.fixture
def decide(reviewer) -> Callable[..., Any]:
    """Return a function that opens the page, ticks some boxes, perhaps lets something happen, and decides."""

    def answer(*selected: ModerationRecord, meanwhile: Callable[[], Any] | None = None, **fields: Any) -> Any:
        form = form_of(reviewer.get(PAGE, fields.pop("at", {})))
        if meanwhile:
            meanwhile()
        keys = [str(record.public_id) for record in selected]
        return reviewer.post(PAGE, {**form, "selected": keys, **fields}, follow=True)

    return answer


def statuses(records: list[ModerationRecord]) -> list[str]:
    return [ModerationRecord.objects.get(pk=record.pk).status for record in records]


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


class TestAccess:
    @pytest.mark.parametrize("lane", [Lane.ESCALATED, Lane.APPEALED])
    def test_other_queues_are_decided_on_cards_where_their_words_are(self, client_of, lane):
        (record,) = make_waiting(lane=lane)
        client = client_of(REVIEW, ESCALATED)
        assert client.get(PAGE, {"lane": lane})["Location"] == f"{DESK}?lane={lane}"
        form = {"query": f"lane={lane}", "seen": f"{record.public_id}:{record.version}", "rest_outcome": "block"}
        assert client.post(PAGE, form)["Location"] == f"{DESK}?lane={lane}"
        assert statuses([record]) == [Status.IN_REVIEW]
        page = text_of(client.get(PAGE))
        assert f"{PAGE}?lane={lane}" not in page

    def test_leads_those_of_another_queue_there(self, client_of):
        client = client_of(ESCALATED)
        assert client.get(PAGE)["Location"] == f"{DESK}?lane=escalated"
        assert PAGE not in text_of(client.get(DESK))

    def test_forms_must_be_the_sites_own(self, user):
        records = make_waiting(2)
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        assert client.post(PAGE, form_of(client.get(PAGE))).status_code == 403
        assert statuses(records) == [Status.IN_REVIEW] * 2

    def test_looking_changes_nothing(self, reviewer):
        make_waiting(3)
        before = list(ModerationRecord.objects.order_by("pk").values())
        reviewer.get(PAGE, {"shown": "colour", "done": str(uuid.uuid4()), "batch": str(uuid.uuid4())})
        assert list(ModerationRecord.objects.order_by("pk").values()) == before
        assert not Exposure.objects.exists()


class TestPage:
    def test_shows_low_risks_unless_something_else_is_asked_for(self, reviewer):
        (low,) = make_waiting()
        (medium,) = make_waiting(risk_level=RiskLevel.MEDIUM)
        assert shown(reviewer.get(PAGE)) == [low]
        assert shown(reviewer.get(PAGE, {"risk_level": "medium"})) == [medium]
        assert shown(reviewer.get(PAGE, {"lane": "first"})) == [medium, low]

    def test_tells_each_picture_in_words(self, reviewer):
        (record,) = make_waiting(object_id="boat")
        DetectedLabel.objects.create(record=record, label="ad_text", confidence=31, risk_level=RiskLevel.LOW)
        DetectedLabel.objects.create(record=record, label="nudity", confidence=62, risk_level=RiskLevel.MEDIUM)
        told = text_of(reviewer.get(PAGE))
        name = told[told.index('<label for="imgmod-cell-1">') : told.index("</label>", told.index("imgmod-cell-1"))]
        order = [name.index(words) for words in ("Picture 1 of 1", "nudity", "62", "ad_text", "31", "Low", "boat.png")]
        assert order == sorted(order)

    def test_holds_no_picture_that_could_be_seen_until_it_is_asked_for(self, reviewer):
        make_waiting(2)
        page = text_of(reviewer.get(PAGE))
        assert page.count('class="imgmod-veil"') == 2
        assert "imgmod-seen" not in page

    def test_shows_what_its_moderator_does_not_want_hidden(self, reviewer, user):
        ReviewPreference.objects.create(user=user, choices={"blur": False, "grey": True, "is_always_protected": False})
        make_waiting()
        page = text_of(reviewer.get(PAGE))
        assert 'class="imgmod-seen"' in page
        assert "imgmod-look-grey" in page

    def test_is_as_long_as_its_moderator_likes(self, reviewer, user):
        make_waiting(30)
        assert len(shown(reviewer.get(PAGE))) == 24
        ReviewPreference.objects.create(user=user, choices={"grid_size": 48})
        assert len(shown(reviewer.get(PAGE))) == 30

    def test_goes_on_behind_the_last_picture(self, reviewer):
        records = make_waiting(30)
        first = reviewer.get(PAGE)
        second = reviewer.get(f"{PAGE}?{first.context['next_query']}")
        assert shown(first) + shown(second) == records
        assert not second.context["next_query"]
        assert shown(reviewer.get(f"{PAGE}?{second.context['first_query']}")) == shown(first)

    def test_leaves_out_what_others_have_on_their_cards(self, reviewer, user, other):
        later, earlier = timezone.now() + timedelta(minutes=2), timezone.now() - timedelta(minutes=2)
        make_waiting(claimed_by=other, claimed_until=later)
        (lapsed,) = make_waiting(claimed_by=other, claimed_until=earlier)
        (mine,) = make_waiting(claimed_by=user, claimed_until=later)
        assert {record.pk for record in shown(reviewer.get(PAGE))} == {lapsed.pk, mine.pk}

    def test_leaves_out_what_its_moderator_may_not_decide(self, reviewer, user):
        make_waiting(uploaded_by=user)
        assert shown(reviewer.get(PAGE)) == []

    @pytest.mark.parametrize(("has_single_keys", "state"), [(True, " checked"), (False, "")])
    def test_single_keys_are_a_box_to_tick(self, reviewer, user, has_single_keys, state):
        save_preferences(user, Preferences(has_single_keys=has_single_keys))
        assert f'<input type="checkbox" data-imgmod-toggle-keys{state}>' in text_of(reviewer.get(PAGE))

    @pytest.mark.parametrize("parameters", [{"risk_level": "no such"}, {"after": "1_2_3"}, {"lane": "no such"}])
    def test_refuses_an_address_that_means_nothing(self, reviewer, parameters):
        assert reviewer.get(PAGE, parameters).status_code == 400

    def test_escapes_what_comes_from_outside(self, reviewer):
        (record,) = make_waiting(object_id=SCRIPT, top_label=SCRIPT)
        DetectedLabel.objects.create(record=record, label=SCRIPT)
        page = text_of(reviewer.get(PAGE))
        assert SCRIPT not in page
        assert escape(SCRIPT) in page

    def test_has_nothing_inline(self, reviewer):
        make_waiting(2)
        page = text_of(reviewer.get(PAGE))
        assert "style=" not in page
        assert "onclick" not in page

    def test_needs_as_many_statements_for_24_pictures_as_for_one(self, reviewer):
        def count_statements() -> int:
            with CaptureQueriesContext(connection) as statements:
                reviewer.get(PAGE)
            return len(statements)

        for record in make_waiting():
            DetectedLabel.objects.create(record=record, label="harbour")
        count_statements()  # the first look of a process fills what is kept
        with_one = count_statements()
        for record in make_waiting(23):
            DetectedLabel.objects.create(record=record, label="harbour")
        assert count_statements() == with_one


class TestDecision:
    def test_blocks_the_selected_and_passes_the_rest(self, decide, user):
        records = make_waiting(4)
        response = decide(records[1])
        assert statuses(records) == [Status.PASSED, Status.BLOCKED, Status.PASSED, Status.PASSED]
        assert {decision.decided_by for decision in Decision.objects.all()} == {user}
        assert "4 pictures were decided." in text_of(response)

    def test_is_what_was_chosen_for_each(self, decide):
        records = make_waiting(3)
        decide(records[0], selected_outcome="pass", rest_outcome="block", reason_code="sexual", comment="All of them")
        assert statuses(records) == [Status.PASSED, Status.BLOCKED, Status.BLOCKED]
        blocked = Decision.objects.filter(outcome=Outcome.BLOCK)
        assert {(decision.reason_code, decision.comment) for decision in blocked} == {("sexual", "All of them")}

    def test_may_leave_some_in_the_queue_and_goes_on_behind_them(self, decide):
        records = make_waiting(26)
        response = decide(records[0], rest_outcome="")
        assert statuses(records) == [Status.BLOCKED] + [Status.IN_REVIEW] * 25
        assert shown(response) == records[24:]

    def test_leads_to_the_next_ones_of_the_same_kind(self, decide):
        records = make_waiting(26, risk_level=RiskLevel.MEDIUM)
        response = decide(at={"risk_level": "medium"})
        assert shown(response) == records[24:]

    def test_touches_nothing_that_was_not_on_the_page(self, decide):
        records = make_waiting(2)
        late: list[ModerationRecord] = []
        decide(records[0], meanwhile=lambda: late.extend(make_waiting(created_at=ago(days=9))))
        assert statuses(late) == [Status.IN_REVIEW]

    def test_ignores_a_box_that_was_not_on_the_page(self, decide):
        make_waiting(2)
        (elsewhere,) = make_waiting(risk_level=RiskLevel.HIGH)
        decide(elsewhere)
        assert statuses([elsewhere]) == [Status.IN_REVIEW]

    def test_names_what_somebody_was_faster_about(self, decide, other):
        records = make_waiting(3)

        def change() -> None:
            ModerationRecord.objects.filter(pk=records[2].pk).update(
                status=Status.BLOCKED, version=records[2].version + 1
            )
            Decision.objects.create(
                record=records[2], outcome=Outcome.BLOCK, decided_by=other, version=records[2].version
            )

        told = text_of(decide(meanwhile=change))
        assert statuses(records) == [Status.PASSED, Status.PASSED, Status.BLOCKED]
        assert "2 pictures were decided." in told
        assert f"{records[2].file_name.removeprefix('photos/')}: Decided meanwhile by {other.username}" in told

    def test_without_any_outcome_is_refused_and_the_ticks_stay(self, decide, reviewer):
        records = make_waiting(2)
        response = decide(records[1], selected_outcome="", rest_outcome="")
        assert response.status_code == 400
        assert "Nothing was to be decided." in response.content.decode()
        assert [cell.is_selected for cell in response.context["cells"]] == [False, True]

    def test_that_lacks_a_comment_is_refused_as_a_whole(self, decide):
        records = make_waiting(2)
        response = decide(records[0], reason_code="other", comment=" ")
        assert response.status_code == 400
        assert "needs a comment" in response.content.decode()
        assert statuses(records) == [Status.IN_REVIEW] * 2
        assert [cell.is_selected for cell in response.context["cells"]] == [True, False]

    @pytest.mark.parametrize(
        "fields",
        [
            {"seen": "nonsense"},
            {"seen": ""},
            {"selected": ["nonsense"]},
            {"rest_outcome": "review"},
            {"last": "nonsense", "rest_outcome": ""},
            {"query": "risk_level=nonsense"},
        ],
    )
    def test_that_no_page_sends_is_refused(self, reviewer, fields):
        records = make_waiting(2)
        form = form_of(reviewer.get(PAGE))
        assert reviewer.post(PAGE, {**form, **fields}).status_code == 400
        assert statuses(records) == [Status.IN_REVIEW] * 2


class TestSamePicture:
    def make(self, other: User) -> tuple[list[ModerationRecord], ModerationRecord]:
        same = make_waiting(3, sha256="a" * 64)
        ModerationRecord.objects.filter(pk=same[0].pk).update(uploaded_by=other)
        return same, make_waiting(created_at=ago(minutes=1))[0]

    def test_is_one_tile_with_its_count(self, reviewer, other):
        same, single = self.make(other)
        response = reviewer.get(PAGE)
        assert shown(response) == [same[0], single]
        assert [cell.uploads for cell in response.context["cells"]] == ["3 uploads, 1 person", ""]
        page = text_of(response)
        assert page.count("3 uploads, 1 person") == 1
        assert page.index('for="imgmod-cell-1"') < page.index("3 uploads") < page.index('for="imgmod-cell-2"')

    def test_is_decided_with_all_its_uploads(self, reviewer, other):
        same, single = self.make(other)
        response = reviewer.get(PAGE)
        [tile, _single] = response.context["cells"]
        # One of the uploads was replaced meanwhile.
        ModerationRecord.objects.filter(pk=same[1].pk).update(version=7)
        told = text_of(reviewer.post(PAGE, {**form_of(response), "selected": [tile.ids]}, follow=True))
        assert statuses([*same, single]) == [Status.BLOCKED, Status.IN_REVIEW, Status.BLOCKED, Status.PASSED]
        assert f"{same[1].file_name.removeprefix('photos/')}: It has changed since it was shown." in told
        assert Feedback.objects.filter(decision__record__in=same).count() == 1

    def test_stays_ticked_and_is_one_picture_that_was_looked_at(self, decide, reviewer, user, other):
        self.make(other)
        response = reviewer.get(PAGE)
        form = {**form_of(response), "selected": [response.context["cells"][0].ids], "shown": "grey"}
        again = reviewer.post(PAGE, form)
        assert [cell.is_selected for cell in again.context["cells"]] == [True, False]
        assert Exposure.objects.get(user=user).revealed_count == 2


class TestUndo:
    def test_takes_back_one_outcome_of_the_page(self, decide, reviewer):
        records = make_waiting(3)
        response = decide(records[0])
        blocked, passed = sorted(response.context["done"], key=lambda batch: batch.count)
        assert (blocked.outcome, passed.outcome, passed.count) == (Outcome.BLOCK, Outcome.PASS, 2)
        fields = {"query": response.context["query"], "batch": passed.id, "done": response.context["done_ids"]}
        told = text_of(reviewer.post(PAGE, fields, follow=True))
        assert statuses(records) == [Status.BLOCKED, Status.IN_REVIEW, Status.IN_REVIEW]
        assert "2 decisions were taken back." in told
        assert "1 picture blocked" in told

    def test_is_of_ones_own_decisions_alone(self, decide, client_of):
        (record,) = make_waiting()
        response = decide()
        (done,) = response.context["done"]
        told = client_of(REVIEW).post(PAGE, {"query": "", "batch": done.id}, follow=True).content.decode()
        assert statuses([record]) == [Status.PASSED]
        assert "nothing of yours" in told

    def test_of_nothing_is_refused(self, reviewer):
        assert reviewer.post(PAGE, {"batch": "nonsense"}).status_code == 400


class TestLooking:
    @pytest.mark.parametrize(("shown_as", "is_grey"), [("grey", True), ("colour", False)])
    def test_shows_all_and_counts_them(self, decide, user, shown_as, is_grey):
        records = make_waiting(3)
        page = text_of(decide(records[1], shown=shown_as))
        assert page.count('class="imgmod-seen"') == 3
        assert ("imgmod-look-grey" in page) is is_grey
        assert Exposure.objects.get(user=user).revealed_count == 3
        assert statuses(records) == [Status.IN_REVIEW] * 3

    def test_proposes_a_break_after_many(self, decide, settings):
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"BREAK_AFTER": 3}}
        records = make_waiting(3)
        assert "You have looked at 3 pictures today. Is it" in text_of(decide(records[1], shown="grey"))
        settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"BREAK_AFTER": 100}}
        assert "time for a break" not in text_of(decide(records[1], shown="grey"))

    def test_keeps_what_was_chosen(self, decide):
        records = make_waiting(2)
        response = decide(records[1], shown="grey", selected_outcome="pass", comment="Half a sentence")
        assert [cell.is_selected for cell in response.context["cells"]] == [False, True]
        page = text_of(response)
        assert 'value="Half a sentence"' in page
        assert '<option value="pass" selected>' in page
