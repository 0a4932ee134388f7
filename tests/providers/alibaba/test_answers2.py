"""What Image Moderation 2.0 answers, from recorded shapes to any JSON in place of any part."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_imgmod.choices import ErrorCode, Outcome, RiskLevel
from django_imgmod.exceptions import (
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
)
from django_imgmod.policy import Policy
from django_imgmod.providers.alibaba.answers import MAX_DETECTIONS, UNREADABLE, Judged
from django_imgmod.providers.alibaba.answers2 import read_accepted2, read_answer2, read_callback2
from django_imgmod.results import Verdict

from .strange import all_under, json_values, nested, variations

VECTORS = Path(__file__).parents[2] / "vectors"
WHERE = 'Provider "cloud" (green-cip.example/)'


def recorded(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())["response_given"]["body"]
    return body


def judged(payload: Any) -> Judged:
    return read_answer2(payload, where=WHERE)


def verdict_of(**data: Any) -> Verdict:
    answer = judged({"Code": 200, "Msg": "OK", "Data": {"DataId": "d1", "ReqId": "r1", **data}}).answer
    assert isinstance(answer, Verdict)
    return answer


def seen(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [(one.label, one.confidence, one.risk_level, one.frame_index) for one in verdict.detections]


def label(name: str, confidence: Any = None, **rest: Any) -> dict[str, Any]:
    return {"Label": name, "Confidence": confidence, **rest}


class TestVerdict:
    def test_nothing_found_is_none_without_detections(self):
        one = judged(recorded("v2-DescribeImageModerationResult-1"))
        assert (one.data_id, one.reference) == ("img123", "A07B3DB9-D762-5C56-95B1-8EC55CF176D2")
        assert one.answer == Verdict(risk_level=RiskLevel.NONE, raw=one.answer.raw)

    def test_labels_are_detections(self):
        verdict = judged(recorded("v2-ImageModeration-2")).verdict()
        assert verdict.risk_level == RiskLevel.HIGH
        assert seen(verdict)[:2] == [
            ("pornographic_adultContent", 98.22, RiskLevel.HIGH, None),
            ("violent_explosion_lib", 81.0, RiskLevel.MEDIUM, None),
        ]
        assert verdict.detections[1].description == "Fire, smoke or explosion, matched in a custom library"

    def test_unknown_label_is_kept_with_the_words_of_the_provider(self):
        [one] = verdict_of(RiskLevel="medium", Result=[label("new_thing", 50, Description="A new\nthing")]).detections
        assert (one.label, one.description, one.risk_level) == ("new_thing", "A new thing", None)

    @pytest.mark.parametrize("word", ["severe", "", None, 0, ["none"], {"none": "none"}])
    def test_unknown_or_missing_level_is_unknown_and_says_so(self, word):
        verdict = verdict_of(RiskLevel=word, Result=[label("nonLabel")])
        assert verdict.risk_level == RiskLevel.UNKNOWN
        assert [one.label for one in verdict.detections] == [UNREADABLE]

    def test_worst_level_that_is_named_anywhere_wins(self):
        frames = json.dumps([{"Result": [label("b", 2, RiskLevel="high")]}])
        assert verdict_of(RiskLevel="none", Result=[label("a", 1, RiskLevel="medium")]).risk_level == RiskLevel.MEDIUM
        assert verdict_of(RiskLevel="none", Result=[label("a", 1)], Frame=frames).risk_level == RiskLevel.HIGH
        assert verdict_of(RiskLevel="low", Result=[], Frame='[{"riskLevel":"x"}]').risk_level == RiskLevel.UNKNOWN
        assert verdict_of(RiskLevel="high", Result=[label("a", 1, RiskLevel="low")]).risk_level == RiskLevel.HIGH

    def test_label_of_nothing_is_no_detection_but_its_level_counts(self):
        verdict = verdict_of(RiskLevel="none", Result=[label("nonLabel", 99, RiskLevel="high")])
        assert (verdict.risk_level, verdict.detections) == (RiskLevel.HIGH, ())

    @pytest.mark.parametrize(
        ("level", "name"),
        [
            ("none", "totally_newThing"),
            ("none", "pornographic_adultContent"),
            ("none", "violent_explosion_lib"),
            ("none", "sexual_cleavage_tii"),
            ("low", "totally_newThing"),
        ],
    )
    @pytest.mark.parametrize("place", ["image", "frame"])
    def test_label_that_nobody_graded_is_not_passed(self, level, name, place):
        labels = [label(name, 99)]
        parts = {"Result": labels} if place == "image" else {"Result": [], "Frame": json.dumps([{"Result": labels}])}
        verdict = verdict_of(RiskLevel=level, **parts)
        assert verdict.risk_level == RiskLevel.UNKNOWN
        assert seen(verdict) == [(name, 99.0, RiskLevel.UNKNOWN, None)]
        assert Policy().judge(verdict).outcome == Outcome.REVIEW

    @pytest.mark.parametrize("other", [label("sexual_cleavage", 20, RiskLevel="low"), label("nonLabel")])
    def test_what_stands_beside_it_grades_no_label(self, other):
        verdict = verdict_of(RiskLevel="none", Result=[other, label("pornographic_adultContent", 99)])
        assert verdict.risk_level == RiskLevel.UNKNOWN

    @pytest.mark.parametrize(
        ("level", "one"),
        [
            ("low", label("sexual_cleavage", 20)),
            ("none", label("totally_newThing", 20, RiskLevel="none")),
            ("none", label("totally_newThing", 20, RiskLevel="low")),
            ("none", label("nonLabel_lib", 83)),
            ("none", label("nonLabel")),
        ],
    )
    def test_label_that_is_graded_as_harmless_is_passed(self, level, one):
        verdict = verdict_of(RiskLevel=level, Result=[one], Ext=TestExtras.EXT)
        assert verdict.risk_level in (RiskLevel.NONE, RiskLevel.LOW)
        assert Policy().judge(verdict).outcome == Outcome.PASS

    def test_label_without_a_level_is_as_bad_as_the_image(self):
        frames = json.dumps([{"RiskLevel": "high", "Result": [label("b", 2)]}, {"Result": [label("nonLabel")]}])
        verdict = verdict_of(RiskLevel="none", Result=[], Frame=frames)
        assert (verdict.risk_level, seen(verdict)) == (RiskLevel.HIGH, [("b", 2.0, None, 0)])

    def test_exempted_picture_is_shown_without_risk(self):
        verdict = verdict_of(RiskLevel="none", Result=[label("nonLabel_lib", 83)])
        assert verdict.risk_level == RiskLevel.NONE
        assert seen(verdict) == [("nonLabel_lib", 83.0, RiskLevel.NONE, None)]

    @pytest.mark.parametrize("given", [None, -1, 100.1, math.nan, math.inf, 10**400, "98", "", True, [98], {"a": 98}])
    def test_confidence_that_is_none_counts_as_sure(self, given):
        assert seen(verdict_of(RiskLevel="high", Result=[label("a", given)])) == [("a", None, None, None)]

    @pytest.mark.parametrize(("given", "kept"), [(0, 0.0), (100, 100.0), (98.22, 98.22), (59.996, 60.0)])
    def test_confidence_is_0_to_100_with_two_decimals(self, given, kept):
        assert seen(verdict_of(RiskLevel="high", Result=[label("a", given)])) == [("a", kept, None, None)]

    @pytest.mark.parametrize("result", ["nonLabel", {}, 5, [None], [[]], [{}], [label("")], [label(" ")], [label(7)]])
    def test_labels_that_cannot_be_read_are_unknown(self, result):
        verdict = verdict_of(RiskLevel="none", Result=result)
        assert verdict.risk_level == RiskLevel.UNKNOWN
        assert [one.label for one in verdict.detections] == [UNREADABLE]

    def test_same_label_twice_is_one_detection(self):
        assert (
            len(verdict_of(RiskLevel="high", Result=[label("a", 80), label("a", 80), label("a", 70)]).detections) == 2
        )

    def test_labels_without_end_are_bounded_and_never_cleaner(self):
        labels = [label(f"a_{number}", 1, RiskLevel="low") for number in range(MAX_DETECTIONS)]
        verdict = verdict_of(RiskLevel="low", Result=[*labels, label("b", 2, RiskLevel="high")])
        assert (verdict.risk_level, verdict.detections[0].label) == (RiskLevel.HIGH, "b")
        assert verdict.detections[-1].label == UNREADABLE
        assert len(verdict.detections) == MAX_DETECTIONS + 1
        assert verdict_of(RiskLevel="low", Result=labels).risk_level == RiskLevel.LOW


class TestFrames:
    def test_frames_are_numbered_and_keep_the_words_of_the_whole(self):
        verdict = verdict_of(
            RiskLevel="high",
            Result=[label("sexual_cleavage", 80, RiskLevel="medium"), label("contraband_drug", 90, RiskLevel="high")],
            Frame=json.dumps(
                [
                    {"result": [{"label": "nonLabel"}], "tepmUrl": "http://h/1.jpg?s3cr3t"},
                    {"Result": [label("sexual_cleavage", 80), label("sexual_cleavage", 20)], "TempUrl": "http://h/2"},
                    {"Result": [label("contraband_drug", 85)]},
                ]
            ),
        )
        assert seen(verdict) == [
            ("contraband_drug", 90.0, RiskLevel.HIGH, None),
            ("sexual_cleavage", 80.0, RiskLevel.MEDIUM, 1),
            ("sexual_cleavage", 20.0, RiskLevel.MEDIUM, 1),
            ("contraband_drug", 85.0, RiskLevel.HIGH, 2),
        ]
        assert verdict.raw["Data"]["Frame"][0] == {"result": [{"label": "nonLabel"}]}
        assert verdict.raw["Data"]["Frame"][1].keys() == {"Result"}

    def test_single_frame_is_the_image(self):
        frame = json.dumps([{"Result": [label("a", 80)]}])
        assert seen(verdict_of(RiskLevel="high", Result=[label("a", 80)], Frame=frame)) == [("a", 80.0, None, None)]

    def test_frame_that_is_weaker_hides_nothing(self):
        frame = json.dumps([{"Result": [label("a", 80, RiskLevel="low")]}])
        verdict = verdict_of(RiskLevel="high", Result=[label("a", 80, RiskLevel="high")], Frame=frame)
        assert ("a", 80.0, RiskLevel.HIGH, None) in seen(verdict)

    @pytest.mark.parametrize("given", ["[", "5", '[{"Result":[', "[NaN]", "[" * 100_000, 5, {"a": 1}, "[null]", [[]]])
    def test_frames_that_cannot_be_read_are_unknown(self, given):
        verdict = verdict_of(RiskLevel="none", Result=[label("nonLabel")], Frame=given)
        assert verdict.risk_level == RiskLevel.UNKNOWN

    @pytest.mark.parametrize("given", [None, "", "[]", []])
    def test_no_frames_are_no_matter(self, given):
        assert verdict_of(RiskLevel="none", Result=[label("nonLabel")], Frame=given).risk_level == RiskLevel.NONE

    def test_half_a_frame_leaves_no_temporary_url_in_raw(self):
        verdict = verdict_of(RiskLevel="none", Frame='[{"TempUrl":"http:\\/\\/h\\/1.jpg?Signature=s3cr3t')
        assert "1.jpg" not in json.dumps(verdict.raw)


class TestExtras:
    EXT = {
        "CustomImage": [{"ImageId": "123456", "LibId": "lib0001", "LibName": "Custom library A"}],
        "TextInImage": {
            "OcrResult": [{"Text": "buy here", "Location": {"X": 1}}, {"Text": "cheap"}],
            "RiskWord": ["w1", "w2"],
            "CustomText": [{"LibId": "l", "LibName": "n", "KeyWords": "k"}],
        },
        "PublicFigure": [{"FigureId": "7", "FigureName": "Somebody"}],
        "LogoData": [{"Location": {"X": 1}, "Logo": [{"Confidence": 9, "Label": "l", "Name": "Brand"}]}],
    }

    def test_people_see_what_was_matched_and_read(self):
        verdict = verdict_of(RiskLevel="none", Result=[label("nonLabel")], Ext=self.EXT)
        assert {(one.label, one.source, one.description) for one in verdict.detections} == {
            ("info_customImage", "customImage", 'Matched: picture 123456 of library "Custom library A" (lib0001)'),
            ("info_textInImage", "textInImage", "Text in the image: buy here; cheap"),
            ("info_textInImage", "textInImage", "Risky words in the image: w1; w2"),
            ("info_textInImage", "textInImage", 'Matched known words: "k" of library "n" (l)'),
            ("info_publicFigure", "publicFigure", "Public figure: Somebody (7)"),
            ("info_logoData", "logoData", "Logo: Brand (l)"),
        }
        assert {one.risk_level for one in verdict.detections} == {RiskLevel.NONE}
        assert verdict.risk_level == RiskLevel.NONE
        assert verdict.raw["Data"]["Ext"] == self.EXT

    def test_places_are_in_pixels_of_the_picture(self):
        def at(number: int) -> dict[str, Any]:
            return {"Location": {"X": number, "Y": 2, "W": 3, "H": 4}}

        ext = {
            "LogoData": [{**at(1), "Logo": [{"Label": "l", "Name": "a"}]}, {**at(2), "Logo": [{"Name": "b"}]}],
            "PublicFigure": [{"FigureName": "c", "Location": [at(3)["Location"], at(4)["Location"]]}],
            "OcrResult": [{**at(5), "Text": "every line"}],
            "TextInImage": {
                "OcrResult": [
                    {**at(6), "Text": "Buy CHEAP here"},
                    {**at(7), "Text": "nothing of it"},
                    {**at(8), "Text": "call us"},
                ],
                "RiskWord": ["cheap"],
                "CustomText": [{"LibName": "nothing", "KeyWords": "x, call"}],
            },
        }
        verdict = verdict_of(RiskLevel="high", Ext=ext)
        places = {
            one.description.split(":")[0]: [each.left for each in one.pixel_regions] for one in verdict.detections
        }
        # Of the text those lines alone that hold the words.
        assert places == {
            "Logo": [1, 2],
            "Public figure": [3, 4],
            "Text in the image": [],
            "Risky words in the image": [6],
            "Matched known words": [8],
        }
        one = next(one for one in verdict.detections if one.source == "logoData")
        assert one.pixel_regions[0] == (1, 2, 3, 4)

    @pytest.mark.parametrize(("count", "is_told"), [(0, True), (1, True), (2, False)])
    def test_in_which_of_several_frames_it_is_nobody_says(self, count, is_told):
        ext = {"LogoData": [{"Location": {"X": 1, "Y": 2, "W": 3, "H": 4}, "Logo": [{"Name": "a"}]}]}
        frames = json.dumps([{"Result": [label("nonLabel")], "RiskLevel": "none"}] * count)
        verdict = verdict_of(RiskLevel="none", Frame=frames, Ext=ext)
        assert [bool(one.pixel_regions) for one in verdict.detections] == [is_told]

    def test_older_spelling_is_read_as_well(self):
        ext = recorded("v2-DescribeImageResultExt-1")["Data"]
        verdict = verdict_of(RiskLevel="none", Ext=ext)
        assert "Risky words in the image: w" in [one.description for one in verdict.detections]
        assert "Text in the image: a" in [one.description for one in verdict.detections]

    def test_what_was_read_is_bounded_and_without_signatures(self):
        text = ["see https://h/p?Signature=s3cr3t", *map(str, range(1000))]
        [one] = verdict_of(RiskLevel="none", Ext={"TextInImage": {"OcrDatas": text}}).detections
        assert one.description.startswith("Text in the image: see https://h/p?…; 0; 1;")
        assert len(one.description) <= 255

    @pytest.mark.parametrize("ext", [None, "x", [1], {}, {"CustomImage": 5}, {"TextInImage": []}, {"LogoData": [{}]}])
    def test_extras_that_say_nothing_change_nothing(self, ext):
        assert verdict_of(RiskLevel="none", Ext=ext).detections == ()


class TestErrors:
    def test_processing_is_no_verdict_yet(self):
        assert judged(recorded("v2-DescribeImageModerationResult-2")).answer is None
        assert judged(recorded("v2-DescribeImageModerationResult-2")).verdict() is None

    @pytest.mark.parametrize(
        ("code", "error", "kept"),
        [
            (403, ProviderThrottled, ErrorCode.THROTTLED),
            (406, ProviderRefused, ErrorCode.TOO_LARGE),
            (408, ProviderAuthError, ErrorCode.AUTHENTICATION),
            ("nonsense", ProviderProtocolError, ErrorCode.PROTOCOL),
            (True, ProviderProtocolError, ErrorCode.PROTOCOL),
            (999, ProviderProtocolError, ErrorCode.PROTOCOL),
        ],
    )
    @pytest.mark.parametrize("place", ["request", "result"])
    def test_code_is_an_error_at_both_levels_whatever_stands_beside_it(self, code, error, kept, place):
        data = {"DataId": "d1", "RiskLevel": "none", "Result": [label("nonLabel")]}
        payload = {"Code": code, "Data": data} if place == "request" else {"Code": 200, "Data": {**data, "Code": code}}
        one = judged(payload)
        assert isinstance(one.answer, error)
        assert (one.data_id, one.answer.code) == ("d1", kept)
        with pytest.raises(error):
            one.verdict()

    def test_message_quotes_the_provider_without_signatures(self):
        answer = judged({"Code": 404, "Msg": "cannot fetch https://h/p?Signature=s3cr3t"}).answer
        assert str(answer).startswith(WHERE)
        assert "https://h/p?…" in str(answer)

    @pytest.mark.parametrize(
        "payload",
        [None, [], "x", 5, {}, {"Code": 200}, {"Code": 200, "Data": None}, {"Code": 200, "Data": "x"}, {"Data": {}}],
    )
    def test_answer_without_a_result_is_not_understood(self, payload):
        assert isinstance(judged(payload).answer, ProviderProtocolError)

    def test_level_beside_data_that_cannot_be_read_is_not_believed(self):
        answer = judged({"Code": 200, "Data": "x", "RiskLevel": "none"}).answer
        assert isinstance(answer, ProviderProtocolError)


class TestAccepted:
    def test_reference_is_the_req_id(self):
        assert read_accepted2(recorded("v2-ImageAsyncModeration-2"), where=WHERE) == "REQ-2"

    @pytest.mark.parametrize("payload", [None, {}, {"Code": 200}, {"Code": 200, "Data": {"ReqId": ""}}])
    def test_acceptance_without_a_reference_is_not_understood(self, payload):
        with pytest.raises(ProviderProtocolError):
            read_accepted2(payload, where=WHERE)

    def test_refusal_is_raised(self):
        with pytest.raises(ProviderThrottled):
            read_accepted2({"Code": 403, "Data": {"ReqId": "r"}}, where=WHERE)


class TestCallback:
    DATA = recorded("v2-DescribeImageModerationResult-1")["Data"]

    @pytest.mark.parametrize("content", [DATA, {"Code": 200, "Msg": "OK", "Data": DATA}, {"Data": DATA}])
    def test_whole_envelope_and_data_alone_say_the_same(self, content):
        text = json.dumps(content)
        parts = read_callback2({"ReqId": "r", "Checksum": "c", "Content": text})
        assert (parts.data_id, parts.checksum, parts.content) == ("img123", "c", text)
        one = judged(parts.element)
        assert (one.data_id, one.verdict().risk_level, one.verdict().detections) == ("img123", RiskLevel.NONE, ())

    def test_error_names_its_picture_as_well(self):
        parts = read_callback2({"Checksum": "c", "Content": '{"Code":404,"Msg":"x","Data":{"DataId":"d1"}}'})
        assert parts.data_id == "d1"
        assert isinstance(judged(parts.element).answer, ProviderError)

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "x",
            "[]",
            "{}",
            "NaN",
            "[" * 100_000,
            '{"a":' * 100_000,
            "1" * 5000,
            '{"DataId":""}',
            '{"DataId":5}',
            '{"DataId":["d"]}',
            '{"DataId":"a\\u0000b"}',
            '{"DataId":"\\ud800"}',
            f'{{"DataId":"{"d" * 129}"}}',
            '{"DataId":"d","Data":{}}',
            '{"DataId":"d","Data":"x"}',
            '{"DataId":"d","x":NaN}',
            f'{{"DataId":"d","x":"{"y" * 3_000_000}"}}',
        ],
    )
    def test_what_is_no_callback_is_a_value_error(self, content):
        with pytest.raises(ValueError):  # noqa: PT011 - any of them, and no other
            read_callback2({"ReqId": "r", "Checksum": "c", "Content": content})

    @pytest.mark.parametrize("fields", [{}, {"Checksum": "c"}, {"Content": "{}"}, {"Checksum": 1, "Content": "{}"}])
    def test_missing_or_wrong_fields_are_a_value_error(self, fields):
        with pytest.raises(ValueError, match="checksum and a content"):
            read_callback2(fields)


SECRET = "s3cr3t"
WHOLE = {
    "Code": 200,
    "Msg": f"OK http://h/?{SECRET}",
    "RequestId": "R",
    "Data": {
        "DataId": "d1",
        "ReqId": "r1",
        "RiskLevel": "low",
        "Result": [label("nonLabel"), label("sexual_cleavage", 12.5, RiskLevel="low", Description="x")],
        "Frame": json.dumps([{"Result": [label("nonLabel")], "TempUrl": f"http://h/{SECRET}?a"}] * 2),
        "FrameNum": 2,
        "Ext": {**TestExtras.EXT, "LogoData": [f"http://u:{SECRET}@h/?{SECRET}"]},
    },
}
PARSED_FRAMES = {**WHOLE, "Data": {**WHOLE["Data"], "Frame": json.loads(WHOLE["Data"]["Frame"])}}
CLEAN = {RiskLevel.NONE, RiskLevel.LOW}


def assert_not_cleaner_than_it_says(payload: Any, answer: Any) -> None:
    if isinstance(answer, ProviderError):
        return
    if answer is None:
        assert payload["Code"] in (280, "280")
        return
    assert isinstance(answer, Verdict)
    if answer.risk_level in CLEAN:
        data = payload.get("Data", payload) if payload.get("Data") is not None else payload
        assert str(data["RiskLevel"]).lower() in ("none", "low")
        words = [*all_under(data.get("Result"), "risklevel"), *all_under(data.get("Frame"), "risklevel")]
        assert {str(word).lower() for word in words if word not in (None, "")} <= {"none", "low"}
        assert isinstance(data.get("Result") or [], list)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(variations(WHOLE, PARSED_FRAMES, WHOLE["Data"]) | json_values)
def test_any_json_is_a_verdict_that_was_given_or_an_error(payload):
    one = judged(payload)
    assert_not_cleaner_than_it_says(payload, one.answer)
    if isinstance(one.answer, Verdict):
        assert SECRET not in json.dumps(one.answer.raw)
    assert SECRET not in str(one)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["Checksum", "Content", "ReqId"]), json_values) | st.just({}), variations(WHOLE))
def test_any_callback_has_parts_or_is_a_value_error(fields, content):
    for given_fields in (fields, {"Checksum": "c", **fields, "Content": json.dumps(content)}):
        try:
            parts = read_callback2(given_fields)
        except ValueError:
            continue
        assert_not_cleaner_than_it_says(parts.element, judged(parts.element).answer)
        assert judged(parts.element).data_id == parts.data_id


def test_nesting_without_end_is_only_cut():
    verdict = verdict_of(RiskLevel="none", Ext={"TextInImage": {"OcrDatas": nested(5000)}}, Other=nested(5000))
    assert verdict.risk_level == RiskLevel.NONE
    assert len(json.dumps(verdict.raw)) < 1000
