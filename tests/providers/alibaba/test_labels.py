import pytest

from django_imgmod.choices import RiskLevel
from django_imgmod.providers.alibaba import labels

STRANGE = ["severe", "", " none", "pa\u017fs", None, 0, True, [], {}, ["none"], {"none": 1}, float("nan")]


@pytest.mark.parametrize("word", ["high", "medium", "low", "none", "None", "HIGH"])
def test_risk_levels_are_those_of_the_provider_in_any_case(word):
    assert labels.risk_level_of(word) == RiskLevel(word.lower())


@pytest.mark.parametrize("word", [*STRANGE, "pass", "unknown"])
def test_any_other_risk_level_is_unknown(word):
    assert labels.risk_level_of(word) == RiskLevel.UNKNOWN


@pytest.mark.parametrize(
    ("word", "level"),
    [("block", RiskLevel.HIGH), ("review", RiskLevel.MEDIUM), ("pass", RiskLevel.NONE), ("Block", RiskLevel.HIGH)],
)
def test_suggestions_are_levels(word, level):
    assert labels.level_of_suggestion(word) == level


@pytest.mark.parametrize("word", [*STRANGE, "none", "passed"])
def test_any_other_suggestion_is_unknown(word):
    assert labels.level_of_suggestion(word) == RiskLevel.UNKNOWN


def test_only_labels_of_nothing_are_nothing():
    assert labels.is_nothing("nonLabel")
    assert labels.is_nothing("normal")
    assert not labels.is_nothing("nonLabel_lib")
    assert not labels.is_nothing("porn")


@pytest.mark.parametrize(
    ("label", "description"),
    [
        ("pornographic_adultContent", "Explicit pornography"),
        ("pornographic_adultContent_tii", "Explicit pornography, found in text in the image"),
        ("violent_explosion_lib", "Fire, smoke or explosion, matched in a custom library"),
        ("political_politicalFigure_name_tii", "Name of a politician, found in text in the image"),
        ("contraband_drug_tii_lib", "Drugs, found in text in the image, matched in a custom library"),
        ("nonLabel_lib", "Matched in a library of exempted images"),
        ("religion_cross", "Religion"),
        ("racism_tii", "Racism, found in text in the image"),
        ("brandNew_thing", ""),
        ("brandNew_thing_lib", ""),
        ("", ""),
        ("_lib", ""),
    ],
)
def test_labels_of_2_0_are_explained(label, description):
    assert labels.describe2(label) == description


@pytest.mark.parametrize(
    ("scene", "label", "kept", "description"),
    [
        ("porn", "sexy", "porn_sexy", "Sexually suggestive"),
        ("ad", "politics", "ad_politics", "Political text in the image"),
        ("logo", "Trademark", "logo_trademark", "Trademark"),
        ("logo", "tv", "logo_TV", "Logo of a television station"),
        ("live", "PIP", "live_PIP", "Picture in picture"),
        ("porn", "brandNew", "porn_brandNew", ""),
        ("sface-1", "someone", "sface-1_someone", ""),
    ],
)
def test_labels_of_green_are_told_apart_by_their_scene(scene, label, kept, description):
    assert labels.label1(scene, label) == kept
    assert labels.describe1(scene, label) == description


@pytest.mark.parametrize(
    ("label", "source", "scene"),
    [
        ("porn_sexy", "porn", "porn"),
        ("terrorism_logo", "terrorism", "terrorism"),
        ("qrcode_qrcode", "qrcode", "ad"),
        ("live_smoking", "live", ""),
        ("logo_TV", "logo", ""),
        ("pornographic_adultContent", "", "porn"),
        ("sexual_partialNudity", "", "porn"),
        ("violent_explosion_lib", "", "terrorism"),
        ("contraband_gamble", "", "terrorism"),
        ("contraband_gamble_tii", "", "ad"),
        ("pornographic_adultContent_tii_lib", "", "ad"),
        ("pt_toContactInfo", "", "ad"),
        ("info_customImage", "customImage", ""),
        ("brandNew_tii", "", ""),
        ("", "", ""),
    ],
)
def test_feedback_goes_to_a_scene_that_takes_it(label, source, scene):
    assert labels.feedback_scene(label, source) == scene
    assert scene in ("", *labels.FEEDBACK_SCENES)


@pytest.mark.parametrize(
    ("seen", "scenes", "label"),
    [
        (["porn_sexy"], ["porn"], "sexy"),
        (["qrcode_qrcode"], ["ad"], "qrcode"),
        (["ad_programCode", "ad_ad"], ["ad"], "programCode"),
        (["info_porn", "live_smoking", "terrorism_bloody"], ["terrorism"], "bloody"),
        (["porn_sexy", "ad_politics"], ["porn", "ad"], ""),
        (["porn_sexy", "ad_politics"], ["terrorism", "ad"], "politics"),
        (["porn_brandNew"], ["porn"], ""),
        (["sexual_partialNudity", "logo_brand"], ["porn"], ""),
        ([], ["porn", "terrorism", "ad"], ""),
    ],
)
def test_feedback_names_a_label_only_where_all_its_scenes_have_it(seen, scenes, label):
    assert labels.feedback_label(seen, scenes, is_pass=False) == label
    assert labels.feedback_label(seen, scenes, is_pass=True) == "normal"
