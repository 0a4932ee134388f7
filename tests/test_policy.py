from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_imgmod.choices import Outcome, PolicyMode, RiskLevel
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.policy import parse_policy
from django_imgmod.results import Detection, Verdict


def judge(options: dict[str, Any], verdict: Verdict) -> tuple[str, str]:
    ruling = parse_policy("test", options).judge(verdict)
    return ruling.outcome.value, ruling.reason


def seen(label: str, confidence: float | None = 50, risk_level: RiskLevel | None = None) -> Detection:
    return Detection(label=label, confidence=confidence, risk_level=risk_level)


class TestRisk:
    @pytest.mark.parametrize(
        ("level", "outcome", "reason"),
        [
            (RiskLevel.HIGH, "block", "high risk, without a label of its own"),
            (RiskLevel.MEDIUM, "review", "medium risk, without a label of its own"),
            (RiskLevel.LOW, "pass", "low risk, without a label of its own"),
            (RiskLevel.NONE, "pass", "no risk found"),
            (RiskLevel.UNKNOWN, "review", "unknown risk, without a label of its own"),
        ],
    )
    def test_default_mapping(self, level, outcome, reason):
        assert judge({}, Verdict(risk_level=level)) == (outcome, reason)

    def test_reason_names_label_and_confidence(self):
        verdict = Verdict(risk_level=RiskLevel.MEDIUM, detections=(seen("qrcode_qrcode", 99),))
        assert judge({}, verdict) == ("review", "medium risk: qrcode_qrcode 99.00")

    def test_reason_says_what_was_looked_for(self):
        verdict = Verdict(risk_level=RiskLevel.NONE, evaluated=("sexual content", "QR codes"))
        assert judge({}, verdict) == ("pass", "no risk found (looked for: sexual content, QR codes)")

    def test_other_mapping(self):
        assert judge({"risk": {"low": "review"}}, Verdict(risk_level=RiskLevel.LOW))[0] == "review"
        assert judge({"risk": {"low": "review"}}, Verdict(risk_level=RiskLevel.HIGH))[0] == "block"

    def test_level_of_the_detection_comes_before_that_of_the_verdict(self):
        verdict = Verdict(
            risk_level=RiskLevel.HIGH,
            detections=(seen("a", risk_level=RiskLevel.LOW), seen("b", risk_level=RiskLevel.HIGH)),
        )
        assert judge({}, verdict) == ("block", "high risk: b 50.00")

    def test_worst_detection_wins(self):
        verdict = Verdict(
            risk_level=RiskLevel.MEDIUM,
            detections=(
                seen("a", risk_level=RiskLevel.LOW),
                seen("b", risk_level=RiskLevel.MEDIUM),
                seen("c", risk_level=RiskLevel.NONE),
            ),
        )
        assert judge({}, verdict) == ("review", "medium risk: b 50.00")

    def test_whole_image_worse_than_its_parts_is_believed(self):
        verdict = Verdict(risk_level=RiskLevel.HIGH, detections=(seen("a", risk_level=RiskLevel.LOW),))
        assert judge({}, verdict)[0] == "block"

    def test_unknown_level_of_a_detection_never_passes(self):
        verdict = Verdict(risk_level=RiskLevel.NONE, detections=(seen("new_thing", risk_level=RiskLevel.UNKNOWN),))
        options = {"risk": dict.fromkeys(("high", "medium", "low", "none"), "pass")}
        assert judge(options, verdict) == ("review", "unknown risk: new_thing 50.00")


class TestLabels:
    LEVELS = {"labels": {"sexual_*": {"review": 60, "block": 95}}}

    @pytest.mark.parametrize(
        ("confidence", "outcome", "reason"),
        [
            (59.99, "pass", 'rule "sexual_*" (below its thresholds): sexual_partialNudity 59.99'),
            (60, "review", 'rule "sexual_*" (review from 60): sexual_partialNudity 60.00'),
            (94.99, "review", 'rule "sexual_*" (review from 60): sexual_partialNudity 94.99'),
            (95, "block", 'rule "sexual_*" (block from 95): sexual_partialNudity 95.00'),
            (None, "block", 'rule "sexual_*" (block from 95): sexual_partialNudity (no confidence given)'),
        ],
    )
    def test_thresholds(self, confidence, outcome, reason):
        verdict = Verdict(risk_level=RiskLevel.HIGH, detections=(seen("sexual_partialNudity", confidence),))
        assert judge(self.LEVELS, verdict) == (outcome, reason)

    def test_label_without_risk_or_confidence_of_its_own_is_no_exception(self):
        """Such as what a provider merely names: who writes a rule for that means it."""
        verdict = Verdict(risk_level=RiskLevel.NONE, detections=(seen("info_customImage", None, RiskLevel.NONE),))
        assert judge({"labels": {"info_customImage": {"block": 50}}}, verdict)[0] == "block"

    def test_rule_decides_alone(self):
        """Neither the detection's level nor the whole image's counts where a rule speaks."""
        verdict = Verdict(risk_level=RiskLevel.HIGH, detections=(seen("sexual_partialNudity", 10, RiskLevel.HIGH),))
        assert judge(self.LEVELS, verdict)[0] == "pass"

    def test_only_block(self):
        options = {"labels": {"a": {"block": 50}}}
        for confidence, outcome in ((49, "pass"), (50, "block")):
            assert judge(options, Verdict(risk_level=RiskLevel.LOW, detections=(seen("a", confidence),)))[0] == outcome

    @pytest.mark.parametrize(
        ("label", "pattern"),
        [("sexual_a", "sexual_a"), ("sexual_abc", "sexual_a*"), ("sexual_x", "sexual_*"), ("violent_x", "*")],
    )
    def test_most_specific_rule(self, label, pattern):
        options = {
            "labels": {name: {"review": 0} for name in ("*", "sexual_*", "sexual_a", "sexual_a*", "sexual_a?????????")}
        }
        reason = judge(options, Verdict(risk_level=RiskLevel.LOW, detections=(seen(label),)))[1]
        assert f'rule "{pattern}"' in reason

    def test_patterns_are_case_sensitive(self):
        options = {"labels": {"QR*": "ignore"}}
        assert judge(options, Verdict(risk_level=RiskLevel.MEDIUM, detections=(seen("qr_code"),)))[0] == "review"

    def test_ignore(self):
        options = {"labels": {"qrcode_*": "ignore"}}
        verdict = Verdict(risk_level=RiskLevel.MEDIUM, detections=(seen("qrcode_qrcode", 99),))
        assert judge(options, verdict) == ("pass", "ignored: qrcode_qrcode 99.00")
        both = Verdict(
            risk_level=RiskLevel.MEDIUM, detections=(seen("qrcode_qrcode"), seen("other", risk_level=RiskLevel.MEDIUM))
        )
        assert judge(options, both) == ("review", "medium risk: other 50.00")

    def test_ignoring_one_label_does_not_hide_what_it_does_not_explain(self):
        options = {"labels": {"qrcode_*": "ignore"}}
        detections = (seen("qrcode_qrcode", 99, RiskLevel.MEDIUM), seen("violence", 40, RiskLevel.LOW))
        assert judge(options, Verdict(risk_level=RiskLevel.HIGH, detections=detections))[0] == "block"
        assert judge(options, Verdict(risk_level=RiskLevel.MEDIUM, detections=detections))[0] == "pass"

    def test_ignoring_every_label_does_not_hide_an_unknown_level(self):
        verdict = Verdict(risk_level=RiskLevel.UNKNOWN, detections=(seen("qrcode_qrcode"),))
        assert judge({"labels": {"*": "ignore"}}, verdict)[0] == "review"


class TestNeverPassedByAccident:
    levels = st.sampled_from(RiskLevel)
    detections = st.lists(
        st.builds(
            Detection,
            label=st.sampled_from(["a", "ab", "b_c"]),
            confidence=st.none() | st.floats(0, 100),
            risk_level=st.none() | levels,
        ),
        max_size=4,
    ).map(tuple)

    @given(verdict=st.builds(Verdict, risk_level=levels, detections=detections))
    def test_without_rules_the_outcome_is_at_least_that_of_every_level(self, verdict):
        order = [Outcome.PASS, Outcome.REVIEW, Outcome.BLOCK]
        least = {
            RiskLevel.HIGH: Outcome.BLOCK,
            RiskLevel.MEDIUM: Outcome.REVIEW,
            RiskLevel.UNKNOWN: Outcome.REVIEW,
            RiskLevel.LOW: Outcome.PASS,
            RiskLevel.NONE: Outcome.PASS,
        }
        outcome = parse_policy("test", {}).judge(verdict).outcome
        for level in (verdict.risk_level, *(detection.risk_level for detection in verdict.detections)):
            if level is not None:
                assert order.index(outcome) >= order.index(least[level])


class TestParsing:
    def test_defaults(self):
        policy = parse_policy("default", {})
        assert (policy.mode, policy.on_error, policy.is_shadow) == (PolicyMode.ENFORCE, Outcome.REVIEW, False)
        assert parse_policy("s", {"mode": "shadow"}).is_shadow

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ([], "must be a dict"),
            ({"risks": {}}, "unknown keys: 'risks'"),
            ({"mode": "dry-run"}, '"mode" of policy "test" must be one of enforce, shadow'),
            ({"on_error": "pass"}, "must be one of review, block, not 'pass'"),
            ({"risk": {"severe": "block"}}, "must be one of high, medium, low, none, not 'severe'"),
            ({"risk": {"unknown": "pass"}}, "must be one of high, medium, low, none, not 'unknown'"),
            ({"risk": {"low": "allow"}}, "must be one of pass, review, block, not 'allow'"),
            ({"risk": ["low"]}, "must be a dict"),
            ({"labels": ["a"]}, "must be a dict"),
            ({"labels": {"a": "drop"}}, "not 'drop'"),
            ({"labels": {"a": {}}}, "not {}"),
            ({"labels": {"a": {"pass": 3}}}, "not {'pass': 3}"),
            ({"labels": {"a": {"review": 101}}}, "a number from 0 to 100, not 101"),
            ({"labels": {"a": {"review": "60"}}}, "a number from 0 to 100, not '60'"),
            ({"labels": {"a": {"review": True}}}, "a number from 0 to 100, not True"),
            ({"labels": {"a": {"review": 90, "block": 80}}}, 'must not begin above "block"'),
            ({"labels": {"": "ignore"}}, "non-empty string"),
        ],
    )
    def test_errors_name_the_policy_and_the_mend(self, options, words):
        with pytest.raises(ImgmodConfigurationError) as error:
            parse_policy("test", options)
        assert words in str(error.value)
        assert '"test"' in str(error.value)
