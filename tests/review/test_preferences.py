"""What hides a picture: the choices of a person over those of the site, and what cannot be read as protection."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import JSONField

from django_imgmod.choices import RiskLevel
from django_imgmod.models import DetectedLabel, ModerationRecord, ReviewPreference
from django_imgmod.reviewing import Protection
from django_imgmod.services.review.cards import MAX_LABELS
from django_imgmod.services.review.preferences import (
    Preferences,
    preferences_of,
    save_preferences,
    site_preferences,
    veil_for,
)

OPEN = Protection(blur=False, grey=False)
VEILED = Protection(blur=True, grey=True)
PROTECTED = Preferences()
CHOSEN = Preferences(blur=False, grey=True, is_always_protected=False, has_single_keys=False, grid_size=96)


def veil(*labels: Any, risk_level: str = RiskLevel.MEDIUM, **choices: Any) -> Protection:
    """Return what hides a picture with these labels, each a word or a word with its level."""
    detected = [
        DetectedLabel(label=label[0], risk_level=label[1]) if isinstance(label, tuple) else DetectedLabel(label=label)
        for label in labels
    ]
    preferences = Preferences(**{"is_always_protected": False, **choices})
    return veil_for(ModerationRecord(risk_level=risk_level), detected, preferences)


@pytest.fixture
def moderator(db: None) -> User:
    return User.objects.create_user("moderator")


class TestSite:
    def test_default_is_to_protect_but_not_what_is_harmless(self):
        assert site_preferences() == Preferences(is_always_protected=False)

    def test_chooses_for_whoever_did_not(self, moderator, settings):
        settings.IMGMOD = {"REVIEW": {"PROTECTION": {"blur": False}}}
        assert preferences_of(moderator) == Preferences(blur=False, grey=True, is_always_protected=False)

    @pytest.mark.parametrize("review", [{"PROTECTION": {"blur": "no"}}, {"PROTECTON": {}}, [], None])
    def test_choice_that_cannot_be_read_protects(self, moderator, settings, review):
        settings.IMGMOD = {"REVIEW": review}
        assert preferences_of(moderator) == PROTECTED
        assert veil("ad_ad") == VEILED


@pytest.mark.django_db
class TestPerson:
    def test_beats_the_site(self, moderator, settings):
        save_preferences(moderator, CHOSEN)
        settings.IMGMOD = {"REVIEW": {"PROTECTION": {"blur": True, "grey": False}}}
        assert preferences_of(moderator) == CHOSEN

    def test_chooses_for_nobody_else(self, moderator):
        save_preferences(User.objects.create_user("another"), CHOSEN)
        assert preferences_of(moderator) == site_preferences()

    def test_can_choose_again_and_give_the_choice_back(self, moderator):
        save_preferences(moderator, CHOSEN)
        save_preferences(moderator, PROTECTED)
        assert preferences_of(moderator) == PROTECTED
        assert ReviewPreference.objects.count() == 1
        save_preferences(moderator, None)
        assert preferences_of(moderator) == site_preferences()
        assert not ReviewPreference.objects.exists()

    def test_is_read_in_one_query(self, moderator, django_assert_num_queries):
        save_preferences(moderator, CHOSEN)
        with django_assert_num_queries(1):
            preferences_of(moderator)

    @pytest.mark.parametrize("stored", [{}, [], "blur", 7, {"blur": None}, {"Blur": False}, [["blur", False]]])
    def test_choices_that_are_none_protect(self, moderator, stored, settings):
        settings.IMGMOD = {"REVIEW": {"PROTECTION": {"blur": False, "grey": False}}}
        ReviewPreference.objects.create(user=moderator, choices=stored)
        assert preferences_of(moderator) == PROTECTED

    @pytest.mark.parametrize("odd", [0, "", "false", None, [], {}, 0.0])
    @pytest.mark.parametrize("name", ["blur", "grey", "is_always_protected"])
    def test_one_that_cannot_be_read_protects_and_the_others_count(self, moderator, name, odd):
        readable = {"blur": False, "grey": False, "is_always_protected": False, "has_single_keys": False}
        ReviewPreference.objects.create(user=moderator, choices={**readable, name: odd})
        assert preferences_of(moderator) == Preferences(**{**readable, name: True})

    @pytest.mark.parametrize("odd", [0, -24, 10**9, "24", None, True, 24.0, [24]])
    def test_size_of_a_page_is_one_of_those_offered(self, moderator, odd):
        ReviewPreference.objects.create(user=moderator, choices={"grid_size": odd})
        assert preferences_of(moderator).grid_size == 24

    def test_damaged_json_protects(self, moderator, monkeypatch, settings):
        settings.IMGMOD = {"REVIEW": {"PROTECTION": {"blur": False, "grey": False}}}
        save_preferences(moderator, CHOSEN)

        def fail(*args: Any) -> None:
            raise ValueError("no JSON")

        monkeypatch.setattr(JSONField, "from_db_value", fail)
        assert preferences_of(moderator) == PROTECTED


class TestVeil:
    @pytest.mark.parametrize(
        "labels",
        [
            *(["sexual_partialNudity"], ["violent_blood"], ["self_harm"], ["something_new"], []),
            *(["ad_ad", "sexual_partialNudity"], ["qrcode_qrcode", "something_new"], ["Ad_ad"]),
        ],
    )
    def test_hides_what_is_harmful_or_not_known(self, labels):
        assert veil(*labels) == VEILED

    @pytest.mark.parametrize("labels", [["ad_ad"], ["qrcode_qrcode"], ["qrcode_qrcode", "ad_ad"], ["logo_brand"]])
    @pytest.mark.parametrize("level", [RiskLevel.HIGH, RiskLevel.MEDIUM, RiskLevel.LOW])
    def test_leaves_advertising_and_codes_alone(self, labels, level):
        assert veil(*labels, risk_level=level) == OPEN

    def test_hides_what_was_not_judged(self):
        assert veil("ad_ad", risk_level="") == VEILED

    def test_hides_what_was_judged_in_words_that_are_not_known(self):
        assert veil("ad_ad", risk_level=RiskLevel.UNKNOWN) == VEILED
        assert veil("ad_ad", ("qrcode_qrcode", RiskLevel.UNKNOWN)) == VEILED

    def test_more_labels_than_are_read_protect(self):
        assert veil(*["ad_ad"] * (MAX_LABELS - 1)) == OPEN
        assert veil(*["ad_ad"] * MAX_LABELS) == VEILED

    def test_follows_the_list_of_the_site(self, settings):
        settings.IMGMOD = {"REVIEW": {"UNPROTECTED_LABELS": ["quality_*"]}}
        assert veil("quality_meaningless") == OPEN
        assert veil("ad_ad") == VEILED

    @pytest.mark.parametrize("blur", [True, False])
    @pytest.mark.parametrize("grey", [True, False])
    def test_is_as_the_person_wants_it(self, blur, grey):
        assert veil("sexual_partialNudity", blur=blur, grey=grey) == Protection(blur=blur, grey=grey)
        assert veil("ad_ad", blur=blur, grey=grey, is_always_protected=True) == Protection(blur=blur, grey=grey)

    def test_is_there_where_nothing_can_be_read(self):
        assert veil_for(ModerationRecord(risk_level="low"), [DetectedLabel(label="ad_ad")], Preferences()) == VEILED
