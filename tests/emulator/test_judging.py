from __future__ import annotations

import pytest
from PIL import Image, ImageEnhance

from django_imgmod.canary import LEVELS, canary_png, draw_canary
from django_imgmod.choices import ErrorCode, RiskLevel
from django_imgmod.emulator import judging
from django_imgmod.emulator.judging import Judge
from django_imgmod.emulator.memory import MAX_LESSONS, Memory, look_at
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.providers.alibaba.labels import FEEDBACK_SCENES, SCENES, describe1
from django_imgmod.providers.local.detectors import Findings
from django_imgmod.providers.local.options import EngineOptions
from django_imgmod.results import Detection
from tests.providers.pictures import encoded, exif_orientation, landscape, qr_code, with_codes

CANARY = canary_png("high")
HARMLESS = encoded(landscape())
WITH_CODE = encoded(with_codes(landscape(), (qr_code("https://example.com", 200), (10, 10))))


@pytest.fixture
def judge() -> Judge:
    """Without the engine: it looks for canaries alone."""
    return Judge(has_engine=False)


class Suspicious:
    """In the place of a detector: it has a suspicion about every picture."""

    name = "sexual"
    evaluates = ("everything",)
    preferred_side = 64
    version = "1"
    detections: tuple[Detection, ...] = ()

    def __init__(self, options: EngineOptions) -> None:
        pass

    def detect(self, picture: Image.Image) -> Findings:
        return Findings(detections=self.detections, raw={"confidence": 3.25})


@pytest.fixture
def suspect(monkeypatch):
    """Return a function that makes a judge which sees just this."""

    def make(*detections: Detection) -> Judge:
        monkeypatch.setattr(judging, "DEFAULT_DETECTORS", (f"{__name__}.Suspicious",))
        monkeypatch.setattr(Suspicious, "detections", detections)
        return Judge()

    return make


def sexual(level: RiskLevel | None, confidence: float | None, label: str = "sexual_partialNudity") -> Detection:
    return Detection(label=label, confidence=confidence, description="Skin", risk_level=level)


def names(judge: Judge, content: bytes) -> list[str]:
    return [label.name for label in judge.judge(content).labels]


# What is seen


@pytest.mark.parametrize("has_engine", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_canary_is_flagged_with_and_without_the_engine(level, has_engine):
    judgement = Judge(has_engine=has_engine).judge(canary_png(level))
    assert judgement.risk_level == level
    (label,) = judgement.labels
    assert label.name == {"high": "pornographic_adultContent", "medium": "sexual_partialNudity"}[level]
    assert label.confidence == 100
    assert label.description == "Test picture of django-imgmod"
    for scene in FEEDBACK_SCENES:
        assert judgement.scenes[scene].suggestion == {"high": "block", "medium": "review"}[level]
        assert judgement.scenes[scene].rate == 100


def test_canary_is_found_in_other_guises(judge):
    turned = draw_canary("high").transpose(Image.Transpose.ROTATE_90)
    for content in (
        encoded(turned, "JPEG", exif=exif_orientation(6)),
        encoded(draw_canary("high").resize((100, 100)), "WEBP", quality=30),
        encoded(draw_canary("high"), "TIFF"),
        encoded(draw_canary("high"), "ICO", sizes=[(256, 256)]),
    ):
        assert judge.judge(content).risk_level == "high"


def test_nothing_seen(judge):
    judgement = judge.judge(HARMLESS)
    assert judgement.risk_level == "none"
    assert judgement.labels == (("nonLabel", None, "Nothing found", "none"),)
    assert {(result.suggestion, result.label) for result in judgement.scenes.values()} == {("pass", "normal")}


def test_every_scene_has_a_result(judge):
    for content in (HARMLESS, CANARY):
        assert set(judge.judge(content).scenes) == set(SCENES)


def test_qr_code():
    judgement = Judge().judge(WITH_CODE)
    assert judgement.risk_level == "medium"
    assert judgement.labels == (("pt_qrCode", 99.0, "QR code: https://example.com", "medium"),)
    assert judgement.codes == ("https://example.com",)
    assert judgement.scenes["qrcode"] == ("review", "qrcode", 99.0)
    assert judgement.scenes["porn"].suggestion == "pass"


@pytest.mark.parametrize(
    ("seen", "risk_level", "result"),
    [
        (sexual(RiskLevel.HIGH, 91.5, "pornographic_adultContent"), "high", ("block", "porn", 91.5)),
        (sexual(RiskLevel.MEDIUM, 50), "medium", ("review", "sexy", 50)),
        # How sure it is to pass.
        (sexual(RiskLevel.LOW, 25), "low", ("pass", "sexy", 75)),
        (sexual(None, 60), "medium", ("review", "sexy", 60)),
        (sexual(RiskLevel.UNKNOWN, None), "medium", ("review", "sexy", 50)),
    ],
)
def test_sexual_content(suspect, seen, risk_level, result):
    judgement = suspect(seen).judge(HARMLESS)
    assert judgement.risk_level == risk_level
    assert judgement.labels == ((seen.label, seen.confidence, "Skin", risk_level),)
    assert judgement.scenes["porn"] == result
    assert {judgement.scenes[scene].suggestion for scene in SCENES if scene != "porn"} == {"pass"}


def test_gravest_decides_and_comes_first(suspect):
    judgement = suspect(
        sexual(RiskLevel.LOW, 99), sexual(RiskLevel.HIGH, 81, "pornographic_adultContent"), sexual(RiskLevel.MEDIUM, 40)
    ).judge(HARMLESS)
    assert judgement.risk_level == "high"
    assert [(label.name, label.confidence, label.risk_level) for label in judgement.labels] == [
        ("pornographic_adultContent", 81, "high"),
        ("sexual_partialNudity", 40, "medium"),
    ]
    assert judgement.scenes["porn"] == ("block", "porn", 81)


def test_what_has_no_words_is_flagged_everywhere(suspect):
    judgement = suspect(Detection(label="site_gloom", confidence=70, risk_level=RiskLevel.HIGH)).judge(HARMLESS)
    assert (judgement.risk_level, judgement.labels[0].name) == ("high", "site_gloom")
    assert {judgement.scenes[scene].suggestion for scene in FEEDBACK_SCENES} == {"block"}


def test_rate_of_what_was_looked_for_and_not_found(suspect):
    assert suspect().judge(HARMLESS).scenes["porn"] == ("pass", "normal", 96.75)


def test_labels_are_those_of_their_scenes(judge):
    for level in LEVELS:
        for scene, result in judge.judge(canary_png(level)).scenes.items():
            assert result.label == "normal" or describe1(scene, result.label)


def test_missing_extra_leaves_the_canaries(monkeypatch):
    monkeypatch.setattr(judging, "find_spec", lambda name: None)
    judge = Judge()
    assert not judge.has_engine
    assert judge.looks_for == ("canaries",)
    assert judge.judge(CANARY).risk_level == "high"
    assert judge.judge(WITH_CODE).risk_level == "none"


def test_engine_says_what_it_looks_for():
    assert Judge().looks_for == ("sexual content", "QR codes", "canaries")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", ErrorCode.NOT_AN_IMAGE), (b"words", ErrorCode.NOT_AN_IMAGE), (HARMLESS[:3000], ErrorCode.DAMAGED)],
)
def test_what_cannot_be_decoded_is_refused(judge, content, code):
    for ask in (judge.judge, lambda content: judge.learn(content, "pass", ["porn"])):
        with pytest.raises(ProviderRefused) as caught:
            ask(content)
        assert caught.value.code == code


# What was told


def test_told_to_pass(judge):
    judge.learn(CANARY, "pass", FEEDBACK_SCENES)
    judgement = judge.judge(CANARY)
    assert judgement.risk_level == "none"
    assert judgement.labels == (("nonLabel_lib", 100, "Matched in a library of exempted images", "none"),)
    assert {judgement.scenes[scene] for scene in FEEDBACK_SCENES} == {("pass", "normal", 100)}


def test_told_to_block(judge):
    judge.learn(HARMLESS, "block", ["porn"], "sexy")
    judgement = judge.judge(HARMLESS)
    assert judgement.risk_level == "high"
    assert [label.name for label in judgement.labels] == ["sexual_suggestiveContent_lib"]
    assert (judgement.labels[0].confidence, judgement.labels[0].risk_level) == (100, "high")
    assert judgement.scenes["porn"] == ("block", "sexy", 100)
    assert judgement.scenes["terrorism"].suggestion == "pass"


@pytest.mark.parametrize(
    ("scene", "label", "label1", "label2"),
    [
        ("porn", "", "porn", "pornographic_adultContent_lib"),
        ("porn", "normal", "porn", "pornographic_adultContent_lib"),
        ("porn", "weapon", "porn", "pornographic_adultContent_lib"),
        ("terrorism", "weapon", "weapon", "violent_gunKnives_lib"),
        ("terrorism", "gamble", "gamble", "contraband_gamble_lib"),
        ("terrorism", "carcrash", "carcrash", "violent_horrificContent_lib"),
        ("ad", "qrcode", "qrcode", "pt_qrCode_lib"),
        ("ad", "", "ad", "pt_toDirectContact_tii_lib"),
    ],
)
def test_label_of_what_was_told(judge, scene, label, label1, label2):
    judge.learn(HARMLESS, "block", [scene], label)
    judgement = judge.judge(HARMLESS)
    assert [label.name for label in judgement.labels] == [label2]
    assert judgement.labels[0].description
    assert judgement.scenes[scene].label == label1


@pytest.mark.parametrize(
    "change",
    [
        lambda image: encoded(image, "JPEG", quality=50),
        lambda image: encoded(image.resize((400, 300)), "WEBP"),
        lambda image: encoded(image.resize((900, 675)), "PNG"),
        lambda image: encoded(ImageEnhance.Brightness(image).enhance(0.7)),
        lambda image: encoded(image.convert("L")),
    ],
    ids=["JPEG", "smaller", "larger", "darker", "greyscale"],
)
def test_similar_pictures_are_meant_too(judge, change):
    judge.learn(HARMLESS, "block", ["porn"])
    (label,) = judge.judge(change(landscape())).labels
    assert label.name == "pornographic_adultContent_lib"
    assert label.confidence is not None
    assert 87 < label.confidence <= 100


def test_other_pictures_are_not_meant(judge):
    judge.learn(HARMLESS, "block", ["porn"])
    judge.learn(CANARY, "pass", FEEDBACK_SCENES)
    for seed in (2, 3, 5):
        assert names(judge, encoded(landscape(seed=seed))) == ["nonLabel"]
    assert names(judge, canary_png("medium")) == ["sexual_partialNudity"]


def test_flat_picture_is_only_itself(judge):
    white, grey = (encoded(Image.new("RGB", (200, 200), colour)) for colour in ("white", "grey"))
    judge.learn(white, "block", ["porn"])
    assert names(judge, white) == ["pornographic_adultContent_lib"]
    assert names(judge, grey) == ["nonLabel"]
    assert names(judge, HARMLESS) == ["nonLabel"]


def test_last_word_counts(judge):
    judge.learn(HARMLESS, "block", ["porn"])
    judge.learn(encoded(landscape(), "JPEG"), "pass", ["porn"])
    assert names(judge, HARMLESS) == ["nonLabel_lib"]
    judge.learn(HARMLESS, "block", ["porn"], "sexy")
    assert names(judge, HARMLESS) == ["sexual_suggestiveContent_lib"]


def test_scenes_are_told_apart(judge):
    judge.learn(CANARY, "pass", ["terrorism"])
    judgement = judge.judge(CANARY)
    assert judgement.scenes["terrorism"].suggestion == "pass"
    assert judgement.scenes["porn"].suggestion == judgement.scenes["ad"].suggestion == "block"
    # The label belongs to another scene.
    assert judgement.risk_level == "high"


def test_pass_in_one_scene_and_block_in_another(judge):
    judge.learn(CANARY, "pass", ["porn"])
    judge.learn(CANARY, "block", ["ad"], "spam")
    judgement = judge.judge(CANARY)
    assert judgement.scenes["porn"].suggestion == "pass"
    assert judgement.scenes["ad"] == ("block", "spam", 100)
    assert [label.name for label in judgement.labels] == ["pt_toDirectContact_tii_lib"]


def test_qr_code_passes_once_it_is_no_advertisement():
    judge = Judge()
    judge.learn(WITH_CODE, "pass", ["ad"])
    judgement = judge.judge(WITH_CODE)
    assert judgement.labels[0].name == "nonLabel_lib"
    assert judgement.scenes["qrcode"].suggestion == "review"


def test_there_is_no_feedback_about_other_scenes(judge):
    with pytest.raises(ValueError, match="logo"):
        judge.learn(HARMLESS, "block", ["porn", "logo"])
    assert names(judge, HARMLESS) == ["nonLabel"]


def test_judges_do_not_share_what_they_were_told(judge):
    judge.learn(HARMLESS, "block", ["porn"])
    assert names(Judge(has_engine=False), HARMLESS) == ["nonLabel"]


def test_memory_is_bounded_and_forgets_what_is_oldest():
    memory = Memory()
    blank = Image.new("L", (8, 8))
    first, second, other = (look_at(content, blank) for content in (b"first", b"second", b"other"))
    memory.learn(first, "block", ["porn"], "")
    memory.learn(second, "block", ["porn"], "")
    for _ in range(MAX_LESSONS - 1):
        memory.learn(other, "pass", ["porn"], "")
    assert not memory.recall(first)
    assert memory.recall(second)["porn"].suggestion == "block"
