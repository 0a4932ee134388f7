"""The page of a moderator's own choices."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from django_imgmod.models import ReviewPreference
from django_imgmod.services.review.preferences import Preferences, preferences_of, save_preferences

URL = "/admin/django_imgmod/moderationrecord/review/preferences/"
DESK = "/admin/django_imgmod/moderationrecord/review/"
FORM = {"blur": "on", "has_single_keys": "on", "grid_size": "48"}
CHOSEN = Preferences(blur=True, grey=False, is_always_protected=False, has_single_keys=True, grid_size=48)


@pytest.fixture
def moderator(db: None) -> User:
    user = User.objects.create_user("moderator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="review_moderationrecord"))
    return user


@pytest.fixture
def browser(moderator: User) -> Client:
    client = Client()
    client.force_login(moderator)
    return client


def html_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.content.decode())


def checked(response: Any) -> set[str]:
    """Return the names of the boxes that are ticked."""
    boxes = re.findall(r'<input type="checkbox"[^>]*>', html_of(response))
    return {re.search(r'name="(\w+)"', box)[1] for box in boxes if " checked" in box}


class TestAccess:
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_anonymous_is_sent_to_the_login(self, db, method):
        response = getattr(Client(), method)(URL, FORM)
        assert response.status_code == 302
        assert "/login/" in response["Location"]

    @pytest.mark.parametrize("method", ["get", "post"])
    @pytest.mark.parametrize("codenames", [[], ["view_moderationrecord"], ["change_reviewpreference"]])
    def test_staff_who_may_not_review_are_refused(self, client_of: Callable[..., Client], method, codenames):
        assert getattr(client_of(*codenames), method)(URL, FORM).status_code == 403
        assert not ReviewPreference.objects.exists()

    @pytest.mark.parametrize("codename", ["review_moderationrecord", "review_escalated_moderationrecord"])
    def test_reviewer_of_any_queue_may_choose(self, client_of: Callable[..., Client], codename):
        client = client_of(codename)
        assert client.get(URL).status_code == 200
        assert client.post(URL, FORM).status_code == 302
        assert ReviewPreference.objects.count() == 1

    @pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
    def test_nothing_else_is_answered(self, browser, method):
        assert getattr(browser, method)(URL).status_code == 405

    def test_form_of_another_site_is_refused(self, moderator):
        client = Client(enforce_csrf_checks=True)
        client.force_login(moderator)
        assert client.post(URL, FORM).status_code == 403
        assert not ReviewPreference.objects.exists()


class TestPage:
    def test_looking_changes_nothing(self, browser):
        browser.get(URL)
        assert not ReviewPreference.objects.exists()

    def test_shows_what_holds_now(self, browser, moderator):
        assert checked(browser.get(URL)) == {"blur", "grey", "has_single_keys"}
        save_preferences(moderator, CHOSEN)
        response = browser.get(URL)
        assert checked(response) == {"blur", "has_single_keys"}
        assert '<option value="48" selected>' in html_of(response)

    def test_says_that_the_evidence_is_mixed(self, browser):
        assert "mixed" in html_of(browser.get(URL))

    def test_every_field_is_named_and_explained(self, browser):
        html = html_of(browser.get(URL))
        for name in ("blur", "grey", "is_always_protected", "has_single_keys", "grid_size"):
            assert f'for="id_{name}"' in html
        for described in re.findall(r'aria-describedby="(\w+)"', html):
            assert f'id="{described}"' in html

    def test_has_nothing_inline(self, browser):
        form = html_of(browser.get(URL)).partition('<form method="post">')[2].partition("</form>")[0]
        assert form
        assert not re.search(r"<script|<style| style=| on\w+=", form)


class TestSaving:
    def test_is_for_oneself_and_leads_back_to_the_desk(self, browser, moderator):
        response = browser.post(URL, FORM)
        assert response.status_code == 302
        assert response["Location"] == DESK
        assert preferences_of(moderator) == CHOSEN
        assert list(ReviewPreference.objects.values_list("user", flat=True)) == [moderator.pk]

    def test_user_cannot_be_chosen(self, browser, moderator):
        another = User.objects.create_user("another")
        browser.post(URL, {**FORM, "user": another.pk, "user_id": another.pk})
        assert list(ReviewPreference.objects.values_list("user", flat=True)) == [moderator.pk]

    def test_is_told(self, browser):
        assert "Your choices are kept." in html_of(browser.post(URL, {**FORM, "next": URL}, follow=True))

    def test_leads_back_to_where_one_was(self, browser):
        there = f"{DESK}?lane=appealed&order=oldest"
        assert f'value="{there.replace("&", "&amp;")}"' in html_of(browser.get(URL, {"next": there}))
        assert browser.post(URL, {**FORM, "next": there})["Location"] == there

    @pytest.mark.parametrize(
        "elsewhere",
        [
            *(
                "https://evil.example/",
                "//evil.example/",
                "/\\evil.example",
                "javascript:alert(1)",
                "http:///evil.example",
            ),
            *("\x01//evil.example", "data:text/html,x", "https:evil.example"),
        ],
    )
    def test_leads_to_no_other_site(self, browser, elsewhere):
        assert browser.post(URL, {**FORM, "next": elsewhere})["Location"] == DESK
        assert "evil" not in html_of(browser.get(URL, {"next": elsewhere}))

    @pytest.mark.parametrize("nowhere", ["foo", "24", "?x", "#x", "review/", "."])
    def test_what_is_no_path_leads_to_the_desk(self, browser, moderator, nowhere):
        assert browser.post(URL, {**FORM, "next": nowhere})["Location"] == DESK
        assert preferences_of(moderator) == CHOSEN

    def test_gives_the_choice_back_to_the_site(self, browser, moderator):
        save_preferences(moderator, CHOSEN)
        assert browser.post(URL, {"reset": "1"}).status_code == 302
        assert not ReviewPreference.objects.exists()

    @pytest.mark.parametrize("given", [{}, {"grid_size": "7"}, {"grid_size": "many"}, {"grid_size": ["24", "x"]}])
    def test_what_is_wrong_is_named_and_nothing_is_kept(self, browser, given):
        html = html_of(browser.post(URL, given))
        assert "Please correct the error below." in html
        assert "errorlist" in html
        assert not ReviewPreference.objects.exists()
