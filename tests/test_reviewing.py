"""What a site may say about its review desk."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext_lazy

from django_imgmod.conf import imgmod_settings
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import Decision
from django_imgmod.reviewing import DEFAULT_REASONS, MAX_CODE_LENGTH, Protection, Reason, ReviewOptions, parse_review


def test_nothing_said(settings):
    assert "REVIEW" not in settings.IMGMOD
    assert imgmod_settings.review == ReviewOptions()
    assert imgmod_settings.review.reasons == DEFAULT_REASONS


def test_everything_said(settings):
    review = {
        "REASONS": {"spam": "Spam", "other": {"label": "Something else", "comment": True}, "odd": {"label": "Odd"}},
        "PROTECTION": {"blur": False},
        "UNPROTECTED_LABELS": ["cat_*"],
        "CLAIM_SECONDS": 30,
        "MAY_DECIDE_OWN": True,
        "BREAK_AFTER": None,
    }
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": review}
    assert imgmod_settings.review == ReviewOptions(
        reasons=(Reason("spam", "Spam"), Reason("other", "Something else", needs_comment=True), Reason("odd", "Odd")),
        protection=Protection(blur=False, grey=True),
        unprotected_labels=("cat_*",),
        claim_seconds=30,
        may_decide_own=True,
        break_after=None,
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("REASONS", {}),
        ("REASONS", ["spam"]),
        ("REASONS", "spam"),
        ("REASONS", {str(number): "x" for number in range(10)}),
        ("REASONS", {"": "Nothing"}),
        ("REASONS", {"x" * 51: "Long"}),
        ("REASONS", {7: "Seven"}),
        ("REASONS", {"spam": {"comment": True}}),
        ("REASONS", {"spam": {"label": "Spam", "comments": True}}),
        ("REASONS", {"spam": {"label": "Spam", "comment": "yes"}}),
        ("REASONS", {"spam": {}}),
        ("REASONS", {"spam": None}),
        ("REASONS", {"spam": ""}),
        ("REASONS", {"spam": ["Spam"]}),
        ("REASONS", {"spam": {"label": 7}}),
        ("PROTECTION", True),
        ("PROTECTION", {"gray": True}),
        ("PROTECTION", {"blur": 1}),
        ("UNPROTECTED_LABELS", "ad_*"),
        ("UNPROTECTED_LABELS", [1]),
        ("UNPROTECTED_LABELS", None),
        ("CLAIM_SECONDS", 29),
        ("CLAIM_SECONDS", 3601),
        ("CLAIM_SECONDS", 60.0),
        ("CLAIM_SECONDS", True),
        ("CLAIM_SECONDS", "60"),
        ("MAY_DECIDE_OWN", 1),
        ("MAY_DECIDE_OWN", None),
        ("BREAK_AFTER", 0),
        ("BREAK_AFTER", True),
        ("BREAK_AFTER", "never"),
    ],
)
def test_what_cannot_be_used_is_named(settings, key, value):
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {key: value}}
    with pytest.raises(ImgmodConfigurationError, match=rf'IMGMOD\["REVIEW"\]\["{key}"\] must be '):
        _ = imgmod_settings.review


def test_unknown_keys_are_named():
    with pytest.raises(ImgmodConfigurationError, match=r"unknown keys: 'BLUR'\. Known are: REASONS, "):
        parse_review({"BLUR": True})


def test_code_fits_where_decisions_keep_it():
    assert Decision._meta.get_field("reason_code").max_length == MAX_CODE_LENGTH


def test_words_of_a_reason_may_be_translated_lazily():
    options = parse_review({"REASONS": {"no": {"label": gettext_lazy("No")}, "yes": gettext_lazy("Yes")}})
    with translation.override("de"):
        assert [str(reason.label) for reason in options.reasons] == ["Nein", "Ja"]


def test_reason_by_its_code():
    options = ReviewOptions()
    other = options.reason("other")
    assert other is not None
    assert other.needs_comment
    assert options.reason("nothing") is None
    assert options.reason("") is None


@pytest.mark.parametrize(
    ("labels", "is_unprotected"),
    [
        (["ad_ad"], True),
        (["pt_logotoSocialNetwork", "qrcode_qrcode", "logo_TV"], True),
        (["ad_ad", "sexual_nudity"], False),
        (["ad_porn"], False),
        (["adult"], False),
        (["AD_ad"], False),
        ([], False),
    ],
)
def test_what_is_harmless_to_look_at(labels: Any, is_unprotected):
    """What nothing is known of is not."""
    assert ReviewOptions().is_unprotected(labels) is is_unprotected
