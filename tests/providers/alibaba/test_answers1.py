"""What Green answers, from recorded shapes to any JSON in place of any part."""

from __future__ import annotations

import json
import math
from contextlib import suppress
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
from django_imgmod.policy import LabelRule, Policy
from django_imgmod.providers.alibaba.answers import UNREADABLE, Judged
from django_imgmod.providers.alibaba.answers1 import (
    by_data_id,
    by_reference,
    read_accepted1,
    read_callback1,
    read_task1,
    read_tasks1,
)
from django_imgmod.results import MAX_REGIONS, Verdict

from .strange import all_under, json_values, nested, variations

VECTORS = Path(__file__).parents[2] / "vectors"
WHERE = 'Provider "green" (green.example/green/image/scan)'
SIX = ("porn", "terrorism", "ad", "qrcode", "live", "logo")


def recorded(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())["response_given"]["body"]
    return body


def result(scene: str, label: str, suggestion: Any, rate: Any = 99.9, **rest: Any) -> dict[str, Any]:
    return {"scene": scene, "label": label, "suggestion": suggestion, "rate": rate, **rest}


def task(*results: Any, **rest: Any) -> dict[str, Any]:
    return {"code": 200, "msg": "OK", "dataId": "d1", "taskId": "t1", "results": list(results), **rest}


def verdict_of(*results: Any, scenes: tuple[str, ...] = ("porn",), **rest: Any) -> Verdict:
    answer = read_task1(task(*results, **rest), scenes=scenes, where=WHERE).answer
    assert isinstance(answer, Verdict)
    return answer


def seen(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [(one.label, one.confidence, one.risk_level) for one in verdict.detections]


PASSED = result("porn", "normal", "pass")


class TestVerdict:
    def test_nothing_found_is_none_without_detections(self):
        [one] = read_tasks1(recorded("v1-ImageSyncScan-1"), scenes=["porn"], where=WHERE)
        assert (one.data_id, one.reference) == ("test-1", "img4wlJcb7p4wH4lAP3111111-123456")
        assert isinstance(one.answer, Verdict)
        assert (one.answer.risk_level, one.answer.detections) == (RiskLevel.NONE, ())
        assert one.answer.evaluated == ("sexual content",)

    def test_worst_suggestion_of_all_scenes_wins(self):
        first, second = read_tasks1(recorded("v1-ImageSyncScan-2"), scenes=SIX, where=WHERE)
        assert isinstance(first.answer, Verdict)
        assert first.answer.risk_level == RiskLevel.HIGH
        assert seen(first.answer) == [
            ("porn_porn", 98.22, RiskLevel.HIGH),
            ("terrorism_bloody", 71.05, RiskLevel.MEDIUM),
            ("ad_npx", 88.1, RiskLevel.HIGH),
            ("qrcode_qrcode", 91.0, RiskLevel.MEDIUM),
            ("logo_TV", 77.7, RiskLevel.MEDIUM),
        ]
        assert [one.source for one in first.answer.detections] == ["porn", "terrorism", "ad", "qrcode", "logo"]
        assert len(first.answer.evaluated) == 6
        assert second.data_id == "second"
        assert isinstance(second.answer, ProviderError)

    @pytest.mark.parametrize(
        ("label", "suggestion", "level", "detections"),
        [
            ("normal", "pass", RiskLevel.NONE, []),
            ("sexy", "review", RiskLevel.MEDIUM, [("porn_sexy", 82.45, RiskLevel.MEDIUM)]),
            ("porn", "block", RiskLevel.HIGH, [("porn_porn", 82.45, RiskLevel.HIGH)]),
        ],
    )
    def test_the_sample_of_2017_01_12(self, label, suggestion, level, detections):
        payload = {
            "code": 200,
            "data": [
                {
                    "code": 200,
                    "dataId": "d1",
                    "msg": "OK",
                    "results": [{"label": label, "rate": 82.45, "scene": "porn", "suggestion": suggestion}],
                    "taskId": "t1",
                    "url": "http://example.com/1.jpg",
                }
            ],
            "msg": "OK",
            "requestId": "R",
        }
        [one] = read_tasks1(payload, scenes=["porn"], where=WHERE)
        assert isinstance(one.answer, Verdict)
        assert (one.answer.risk_level, seen(one.answer)) == (level, detections)

    @pytest.mark.parametrize("rule", ["porn_*", "porn_sexy", "*"])
    @pytest.mark.parametrize(("suggestion", "outcome"), [("pass", Outcome.PASS), ("review", Outcome.BLOCK)])
    def test_label_that_is_passed_is_hit_by_no_rule(self, rule, suggestion, outcome):
        """For want of a confidence it would count as sure: 99.9 is how harmless it is."""
        verdict = verdict_of(result("porn", "sexy", suggestion, 99.9))
        assert Policy(rules=(LabelRule(pattern=rule, block=90),)).judge(verdict).outcome == outcome

    def test_label_that_is_passed_is_kept_in_the_answer_alone(self):
        verdict = verdict_of(result("porn", "sexy", "pass", 99.9))
        assert (verdict.risk_level, verdict.detections) == (RiskLevel.NONE, ())
        assert verdict.evaluated == ("sexual content",)
        assert verdict.raw["results"] == [result("porn", "sexy", "pass", 99.9)]

    def test_label_that_is_passed_in_one_frame_alone(self):
        frames = [{"rate": 99, "suggestion": "pass", "label": "sexy"}, {"rate": 60, "suggestion": "review"}]
        verdict = verdict_of(result("porn", "sexy", "review", 60, frames=frames))
        assert seen(verdict) == [("porn_sexy", 60.0, RiskLevel.MEDIUM)]

    @pytest.mark.parametrize("odd", [("porn", "sexy", "maybe"), ("porn", "sexy", None), ("porn", "newword", "pass")])
    def test_word_that_is_not_known_is_hit_by_rules_as_ever(self, odd):
        verdict = verdict_of(result(*odd))
        assert Policy(rules=(LabelRule(pattern="porn_*", block=90),)).judge(verdict).outcome == Outcome.BLOCK

    @pytest.mark.parametrize("word", ["maybe", "", None, 0, ["pass"], {"pass": 1}, "pass "])
    def test_unknown_suggestion_is_unknown_and_its_rate_no_confidence(self, word):
        verdict = verdict_of(result("porn", "normal", word, 3.5))
        assert verdict.risk_level == RiskLevel.UNKNOWN
        assert seen(verdict) == [("porn_normal", None, RiskLevel.UNKNOWN)]
        assert "not known" in verdict.detections[0].description

    @pytest.mark.parametrize(("scene", "label"), [("porn", "newword"), ("porn", "spam"), ("new", "porn")])
    def test_label_that_its_scene_does_not_have_is_not_passed(self, scene, label):
        verdict = verdict_of(PASSED, result(scene, label, "pass", 99.9))
        assert verdict.risk_level == RiskLevel.UNKNOWN
        assert seen(verdict) == [(f"{scene}_{label}", None, RiskLevel.UNKNOWN)]
        assert "not known" in verdict.detections[0].description
        assert Policy().judge(verdict).outcome == Outcome.REVIEW

    @pytest.mark.parametrize(("suggestion", "level"), [("review", RiskLevel.MEDIUM), ("block", RiskLevel.HIGH)])
    def test_label_that_its_scene_does_not_have_is_as_bad_as_is_suggested(self, suggestion, level):
        assert seen(verdict_of(result("porn", "newword", suggestion))) == [("porn_newword", 99.9, level)]

    @pytest.mark.parametrize(
        ("scene", "label"),
        [("porn", "porn"), ("porn", "Sexy"), ("ad", "programcode"), ("logo", "Trademark"), ("live", "nonLabel")],
    )
    def test_label_that_its_scene_has_is_passed_where_that_is_suggested(self, scene, label):
        verdict = verdict_of(PASSED, result(scene, label, "pass", 99.9))
        assert verdict.risk_level == RiskLevel.NONE
        assert Policy().judge(verdict).outcome == Outcome.PASS

    def test_suspicion_without_a_label_is_a_detection(self):
        verdict = verdict_of(result("porn", "normal", "block", 90))
        assert seen(verdict) == [("porn_normal", 90.0, RiskLevel.HIGH)]

    @pytest.mark.parametrize("rate", [None, -1, 100.5, math.nan, math.inf, "98", True, [98]])
    def test_rate_that_is_none_counts_as_sure(self, rate):
        assert seen(verdict_of(result("porn", "porn", "block", rate))) == [("porn_porn", None, RiskLevel.HIGH)]

    @pytest.mark.parametrize(
        ("results", "level"),
        [
            ([], RiskLevel.UNKNOWN),
            ([PASSED], RiskLevel.UNKNOWN),
            ([PASSED, result("ad", "normal", "pass")], RiskLevel.NONE),
            ([result("porn", "porn", "block")], RiskLevel.HIGH),
            ([PASSED, result("Ad", "normal", "pass")], RiskLevel.UNKNOWN),
        ],
    )
    def test_scene_without_its_result_is_not_clean(self, results, level):
        verdict = verdict_of(*results, scenes=("porn", "ad"))
        assert verdict.risk_level == level
        assert (UNREADABLE in [one.label for one in verdict.detections]) == (level != RiskLevel.NONE)

    def test_only_what_was_answered_was_looked_for(self):
        assert verdict_of(PASSED, scenes=("ad", "porn")).evaluated == ("sexual content",)
        assert verdict_of(result("new", "normal", "pass"), scenes=("new",)).evaluated == ("new",)

    def test_scene_that_nobody_asked_for_counts(self):
        assert verdict_of(PASSED, result("ad", "spam", "review")).risk_level == RiskLevel.MEDIUM

    @pytest.mark.parametrize("results", [None, "pass", {}, 5])
    def test_missing_results_are_not_clean(self, results):
        one = read_task1({**task(), "results": results}, scenes=(), where=WHERE)
        assert isinstance(one.answer, Verdict)
        assert one.answer.risk_level == RiskLevel.UNKNOWN

    @pytest.mark.parametrize("odd", [None, [], "pass", {}, {"suggestion": "pass"}, {**PASSED, "label": None}])
    def test_result_that_cannot_be_read_is_not_clean(self, odd):
        assert verdict_of(PASSED, odd).risk_level == RiskLevel.UNKNOWN

    def test_block_counts_whatever_is_missing_beside_it(self):
        assert verdict_of(PASSED, {"suggestion": "block"}).risk_level == RiskLevel.HIGH

    def test_same_scene_twice_is_as_bad_as_the_worse(self):
        verdict = verdict_of(PASSED, result("porn", "porn", "block", 91))
        assert (verdict.risk_level, seen(verdict)) == (RiskLevel.HIGH, [("porn_porn", 91.0, RiskLevel.HIGH)])


class TestDetails:
    def test_people_see_what_was_found_and_read(self):
        verdict = verdict_of(
            result("porn", "porn", "block", sublabel="adult_toy"),
            result("ad", "spam", "review", hintWordsInfo=[{"context": "cheap"}], ocrData=["buy", "here"]),
            result("qrcode", "qrcode", "review", qrcodeData=["https://h/p?s3cr3t"]),
            result("logo", "TV", "review", logoData=[{"type": "TV", "name": "News", "x": 1, "y": 1, "w": 1, "h": 1}]),
            result("sface-1", "someone", "review", sfaceData=[{"x": 1, "faces": [{"name": "Somebody", "rate": 9}]}]),
        )
        assert [one.description for one in verdict.detections] == [
            "Pornography; In detail: adult_toy",
            "Spam text in the image; Words: cheap; Text in the image: buy; here",
            "QR code; Reads: https://h/p?…",
            "Logo of a television station; Logo: News (TV)",
            "Face: Somebody",
        ]

    def test_what_was_read_where_nothing_was_found_is_no_risk(self):
        verdict = verdict_of(result("porn", "normal", "pass", ocrData=["hello"]))
        assert verdict.risk_level == RiskLevel.NONE
        assert seen(verdict) == [("info_porn", None, RiskLevel.NONE)]
        assert verdict.detections[0].description == "Text in the image: hello"

    @pytest.mark.parametrize(
        "given",
        [{**PASSED, "ocrData": ["hello"]}, {**result("porn", "sexy", "pass"), "ocrData": ["hello"]}],
    )
    def test_what_was_read_can_be_hit_by_a_rule(self, given):
        verdict = verdict_of(given)
        assert seen(verdict) == [("info_porn", None, RiskLevel.NONE)]
        assert Policy(rules=(LabelRule(pattern="info_*", review=50),)).judge(verdict).outcome == Outcome.REVIEW

    def test_places_are_in_pixels_of_the_picture(self):
        code, logo = {"x": 11, "y": 0.5, "w": 402.0, "h": 413.0}, {"type": "TV", "name": "n", "X": 1, "Y": 2, "W": 3}
        verdict = verdict_of(
            result("qrcode", "qrcode", "review", qrcodeLocations=[code, {**code, "x": -4}], programCodeData=[code]),
            result("logo", "TV", "block", logoData=[{**logo, "H": 4}, logo]),
            result("terrorism", "politics", "block", sfaceData=[{**code, "faces": [{"name": "n", "rate": 9}]}]),
            result("porn", "porn", "block"),
        )
        assert {one.source: one.pixel_regions for one in verdict.detections} == {
            "qrcode": ((11, 0.5, 402, 413), (-4, 0.5, 402, 413), (11, 0.5, 402, 413)),
            "logo": ((1, 2, 3, 4),),
            "terrorism": ((11, 0.5, 402, 413),),
            "porn": (),
        }

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"x": value} for value in (None, "1", True, [1], math.nan, math.inf, -math.inf, 10**400, -(10**9))),
            *({"w": 0}, {"w": -1}, {"h": 0}, {"h": math.nan}),
        ],
    )
    def test_what_is_no_rectangle_is_no_place(self, wrong):
        place = {"x": 1, "y": 2, "w": 3, "h": 4, **wrong}
        verdict = verdict_of(result("qrcode", "qrcode", "review", 80, qrcodeLocations=[place]), scenes=("qrcode",))
        assert verdict.risk_level == RiskLevel.MEDIUM
        assert verdict.detections[0].pixel_regions == ()

    def test_places_are_bounded(self):
        places = [{"x": number, "y": 2, "w": 3, "h": 4} for number in range(1000)]
        verdict = verdict_of(result("qrcode", "qrcode", "review", qrcodeLocations=places))
        assert len(next(one for one in verdict.detections if one.source == "qrcode").pixel_regions) == MAX_REGIONS

    def test_what_is_passed_and_what_is_in_one_of_several_frames_has_no_place(self):
        places = [{"x": 1, "y": 2, "w": 3, "h": 4, "name": "n"}]
        verdict = verdict_of(
            result("logo", "TV", "pass", logoData=places),
            result("qrcode", "qrcode", "review", qrcodeLocations=places, frames=[{"rate": 99.9, "url": "http://h/"}]),
        )
        assert [one.pixel_regions for one in verdict.detections if one.source in ("logo", "qrcode")] == [(), ()]

    def test_match_of_a_library_is_shown(self):
        hits = [{"context": "abc", "libCode": "7", "libName": "Ours"}]
        verdict = verdict_of(PASSED, extras={"hitLibInfo": hits})
        assert seen(verdict) == [("info_library", None, RiskLevel.NONE)]
        assert verdict.detections[0].description == 'Matched: "abc" of library "Ours" (7)'
        assert verdict.raw["extras"] == {"hitLibInfo": hits}

    @pytest.mark.parametrize("extras", [None, "x", [], {"hitLibInfo": 5}, {"hitLibInfo": [{}]}])
    def test_extras_that_say_nothing_change_nothing(self, extras):
        assert verdict_of(PASSED, extras=extras).detections == ()

    def test_no_signed_url_is_kept(self):
        frames = [{"rate": 9, "url": "http://h/1?s3cr3t"}]
        verdict = verdict_of({**PASSED, "frames": frames}, url="http://h/?s3cr3t", storedUrl="http://h/?s3cr3t")
        assert "s3cr3t" not in json.dumps(verdict.raw)
        assert verdict.raw["url"] == "http://h/?…"


class TestFrames:
    def test_frames_are_numbered(self):
        frames = [{"rate": 50, "url": "http://h/1"}, {"rate": 89.5, "url": "http://h/2"}]
        verdict = verdict_of(result("porn", "porn", "block", 89.5, frames=frames, sublabel="x"))
        assert [(one.confidence, one.frame_index) for one in verdict.detections] == [(50.0, 0), (89.5, 1)]
        assert verdict.detections[1].description == "Pornography; In detail: x"

    def test_worst_frame_wins(self):
        frames = [{"rate": 99, "suggestion": "pass"}, {"rate": 80, "suggestion": "block", "label": "porn"}]
        verdict = verdict_of({**PASSED, "frames": frames})
        assert (verdict.risk_level, seen(verdict)) == (RiskLevel.HIGH, [("porn_porn", 80.0, RiskLevel.HIGH)])

    def test_label_that_is_not_known_in_a_frame_is_not_passed(self):
        frames = [{"rate": 99, "label": "normal"}, {"rate": 99, "label": "newword"}]
        verdict = verdict_of({**PASSED, "frames": frames})
        assert (verdict.risk_level, seen(verdict)) == (
            RiskLevel.UNKNOWN,
            [("porn_newword", None, RiskLevel.UNKNOWN)],
        )

    def test_frames_of_a_pass_are_no_risk(self):
        verdict = verdict_of({**PASSED, "frames": [{"rate": 99.9, "url": "http://h/1"}]})
        assert (verdict.risk_level, verdict.detections) == (RiskLevel.NONE, ())

    @pytest.mark.parametrize("frames", ["x", {}, 5, [None], [[]], [{"suggestion": "maybe"}], [{"suggestion": 0}]])
    def test_frames_that_cannot_be_read_are_not_clean(self, frames):
        assert verdict_of({**PASSED, "frames": frames}).risk_level == RiskLevel.UNKNOWN


class TestErrors:
    def test_processing_is_no_verdict_yet_beside_a_verdict(self):
        waiting, done = read_tasks1(recorded("v1-ImageAsyncScanResults-2"), scenes=["ad"], where=WHERE)
        assert waiting.answer is None
        assert isinstance(done.answer, Verdict)
        assert seen(done.answer) == [("ad_qrcode", 91.9, RiskLevel.MEDIUM)]

    @pytest.mark.parametrize(
        ("code", "error", "kept"),
        [
            (588, ProviderThrottled, ErrorCode.THROTTLED),
            (589, ProviderRefused, ErrorCode.TOO_LARGE),
            (596, ProviderAuthError, ErrorCode.AUTHENTICATION),
            (None, ProviderProtocolError, ErrorCode.PROTOCOL),
            ("OK", ProviderProtocolError, ErrorCode.PROTOCOL),
            (True, ProviderProtocolError, ErrorCode.PROTOCOL),
        ],
    )
    def test_both_codes_are_checked_whatever_stands_beside_them(self, code, error, kept):
        [one] = read_tasks1({"code": 200, "data": [task(PASSED, code=code)]}, scenes=["porn"], where=WHERE)
        assert isinstance(one.answer, error)
        assert (one.data_id, one.reference, one.answer.code) == ("d1", "t1", kept)
        with pytest.raises(error) as raised:
            read_tasks1({"code": code, "data": [task(PASSED)]}, scenes=["porn"], where=WHERE)
        assert raised.value.code == kept

    @pytest.mark.parametrize("payload", [None, [], "x", {}, {"code": 200}, {"code": 200, "data": {}}, {"data": []}])
    def test_answer_without_a_list_is_not_understood(self, payload):
        with pytest.raises(ProviderProtocolError):
            read_tasks1(payload, scenes=["porn"], where=WHERE)

    def test_message_quotes_the_provider_without_signatures(self):
        with pytest.raises(ProviderError) as raised:
            read_tasks1({"code": 480, "msg": "cannot fetch http://h/p?s3cr3t"}, scenes=["porn"], where=WHERE)
        assert str(raised.value).startswith(WHERE)
        assert "http://h/p?…" in str(raised.value)


class TestOrder:
    def judged(self, *names: str) -> list[Judged]:
        tasks = [task(PASSED, dataId=name, taskId=f"t-{name}") for name in names]
        return read_tasks1({"code": 200, "data": tasks}, scenes=["porn"], where=WHERE)

    def test_by_our_names_and_by_theirs(self):
        judged = self.judged("b", "c", "a")
        assert [one.data_id for one in by_data_id(judged, ["a", "b"], where=WHERE)] == ["a", "b"]
        assert [one.data_id for one in by_reference(judged, ["t-c", "t-a"], where=WHERE)] == ["c", "a"]

    def test_missing_or_doubled_is_an_error_of_that_picture_alone(self):
        doubled, missing, fine = by_data_id(self.judged("a", "a", "b"), ["a", "x", "b"], where=WHERE)
        assert isinstance(doubled.answer, ProviderProtocolError)
        assert isinstance(missing.answer, ProviderProtocolError)
        assert 'no result for "x"' in str(missing.answer)
        assert isinstance(fine.answer, Verdict)

    def test_missing_all_of_them_is_an_error_of_the_request(self):
        with pytest.raises(ProviderProtocolError, match='no result for "x"'):
            by_reference(self.judged("a"), ["x", "y"], where=WHERE)


class TestAccepted:
    def test_references_without_results(self):
        judged = read_accepted1(recorded("v1-ImageAsyncScan-2"), where=WHERE)
        assert [(one.data_id, one.reference, one.answer) for one in judged] == [
            ("a-2", "img5sO$Zsssss7RYuz4Yyhhe-1q51iA", None),
            ("数据", "img5sO$Zsssss7RYuz4Yyhhe-1q51iB", None),
        ]

    def test_refusal_and_missing_reference_are_errors(self):
        tasks = [{"code": 588, "dataId": "a"}, {"code": 200, "dataId": "b"}]
        refused, nameless = read_accepted1({"code": 200, "data": tasks}, where=WHERE)
        assert isinstance(refused.answer, ProviderThrottled)
        assert isinstance(nameless.answer, ProviderProtocolError)


class TestCallback:
    @pytest.mark.parametrize("name", ["derived-callback-1", "derived-callback-2"])
    def test_content_is_one_element_of_the_results(self, name):
        form = json.loads((VECTORS / f"{name}.json").read_text())["form_fields"]
        parts = read_callback1(form)
        assert (parts.data_id, parts.checksum, parts.content) == ("数据-1", form["checksum"], form["content"])
        one = read_task1(parts.element, scenes=["porn"], where=WHERE)
        assert isinstance(one.answer, Verdict)
        assert one.answer.risk_level == RiskLevel.HIGH

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "[]",
            "{}",
            "NaN",
            "[" * 100_000,
            '{"dataId":""}',
            '{"dataId":5}',
            '{"dataId":"a\\u0000"}',
            '"x"',
            "1e999",
        ],
    )
    def test_what_is_no_callback_is_a_value_error(self, content):
        with pytest.raises(ValueError):  # noqa: PT011 - any of them, and no other
            read_callback1({"checksum": "c", "content": content})

    @pytest.mark.parametrize("fields", [{}, {"checksum": "c"}, {"content": "{}"}, {"checksum": 1, "content": "{}"}])
    def test_missing_or_wrong_fields_are_a_value_error(self, fields):
        with pytest.raises(ValueError, match="checksum and a content"):
            read_callback1(fields)


SECRET = "s3cr3t"
WHOLE = task(
    {**PASSED, "frames": [{"rate": 1.5, "url": f"http://h/?{SECRET}", "suggestion": "pass", "label": "normal"}]},
    result("ad", "normal", "pass", ocrData=["x"], hintWordsInfo=[{"context": "w"}]),
    result("logo", "TV", "pass", logoData=[{"type": "TV", "name": "n"}], sfaceData=[{"faces": [{"name": "n"}]}]),
    url=f"oss://b/k?{SECRET}",
    storedUrl=f"https://u:{SECRET}@h/p?{SECRET}",
    msg=f"http://h/?{SECRET}",
    extras={"hitLibInfo": [{"context": f"http://h/?{SECRET}", "libCode": "c", "libName": "n"}]},
)
SCENES = ("porn", "ad", "logo")


def assert_not_cleaner_than_it_says(given_task: Any, answer: Any) -> None:
    if isinstance(answer, ProviderError):
        return
    if answer is None:
        assert given_task["code"] in (280, "280")
        return
    assert isinstance(answer, Verdict)
    if answer.risk_level in (RiskLevel.NONE, RiskLevel.LOW):
        assert given_task["code"] in (200, "200")
        results = given_task["results"]
        assert {one["scene"] for one in results} >= set(SCENES)
        assert {one["suggestion"].lower() for one in results} == {"pass"}
        frames = [list(all_under(one.get("frames"), "suggestion")) for one in results]
        assert {str(word).lower() for words in frames for word in words if word is not None} <= {"pass"}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(variations(WHOLE) | json_values)
def test_any_json_is_a_verdict_that_was_given_or_an_error(given_task):
    one = read_task1(given_task, scenes=SCENES, where=WHERE)
    assert_not_cleaner_than_it_says(given_task, one.answer)
    if isinstance(one.answer, Verdict):
        assert SECRET not in json.dumps(one.answer.raw)
        assert all(found.confidence is None for found in one.answer.detections if found.risk_level == RiskLevel.NONE)
    assert SECRET not in str(one)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(variations({"code": 200, "msg": "OK", "requestId": "R", "data": [WHOLE, WHOLE]}) | json_values)
def test_any_json_is_read_or_a_provider_error(payload):
    try:
        judged = read_tasks1(payload, scenes=SCENES, where=WHERE)
        read_accepted1(payload, where=WHERE)
    except ProviderError:
        return
    with suppress(ProviderError):
        assert len(by_reference(judged, ["t1", "t2"], where=WHERE)) == 2
    for given_task, one in zip(payload["data"], judged, strict=True):
        assert_not_cleaner_than_it_says(given_task, one.answer)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["checksum", "content"]), json_values), variations(WHOLE))
def test_any_callback_has_parts_or_is_a_value_error(fields, content):
    for given_fields in (fields, {"checksum": "c", **fields, "content": json.dumps(content)}):
        try:
            parts = read_callback1(given_fields)
        except ValueError:
            continue
        one = read_task1(parts.element, scenes=SCENES, where=WHERE)
        assert_not_cleaner_than_it_says(parts.element, one.answer)
        assert one.data_id == parts.data_id


def test_nesting_without_end_is_only_cut():
    verdict = verdict_of({**PASSED, "ocrData": nested(5000)}, other=nested(5000))
    assert verdict.risk_level == RiskLevel.NONE
    assert len(json.dumps(verdict.raw)) < 1000
