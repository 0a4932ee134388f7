from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from django_imgmod.canary import canary_png, draw_canary
from django_imgmod.emulator import Emulator, Fault, pictures
from django_imgmod.emulator.fetching import FetchError
from django_imgmod.emulator.objects import BUCKET

from .listening import Listener, listening
from .signed import Draft, Reply, acs3, roa, rpc

URL = "https://photos.example/a.jpg"
UID = "1234567890123456"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def stored(emulator: Emulator) -> Emulator:
    """An emulator with pictures in its bucket."""
    for name, content in {
        "high": canary_png("high"),
        "medium": canary_png("medium"),
        "none": picture(),
        "text": b"no picture",
    }.items():
        emulator.objects.put(BUCKET, f"upload/{name}.png", content)
    return emulator


def picture(size: tuple[int, int] = (64, 48), image_format: str = "PNG") -> bytes:
    output = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(output, image_format)
    return output.getvalue()


def of(name: str) -> dict[str, str]:
    return {"ossBucketName": BUCKET, "ossObjectName": f"upload/{name}.png"}


def given(parameters: Any, service: str = "baselineCheck_global") -> dict[str, str]:
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    return {"Service": service, "ServiceParameters": text}


def moderate(parameters: Any, **options: Any) -> Draft:
    return acs3("ImageModeration", form=given(parameters), **options)


def moderate_later(parameters: Any, **options: Any) -> Draft:
    return acs3("ImageAsyncModeration", query=given(parameters), **options)


def ask(req_id: str, **options: Any) -> Draft:
    return acs3("DescribeImageModerationResult", query={"ReqId": req_id}, **options)


def data_of(reply: Reply) -> dict[str, Any]:
    assert reply.status == 200
    assert reply.json["Code"] == 200, reply.json
    assert set(reply.json) == {"Code", "Msg", "RequestId", "Data"}
    data = reply.json["Data"]
    assert isinstance(data, dict)
    return data


class TestModeration:
    @pytest.mark.parametrize(
        ("name", "level", "label"),
        [
            ("high", "high", "pornographic_adultContent"),
            ("medium", "medium", "sexual_partialNudity"),
            ("none", "none", "nonLabel"),
        ],
    )
    def test_answers_at_once(self, stored, name, level, label):
        data = data_of(moderate({**of(name), "dataId": "a-1_b.c"}).send(stored))
        assert (data["DataId"], data["RiskLevel"], data["Result"][0]["Label"]) == ("a-1_b.c", level, label)
        assert (data["Result"][0]["Confidence"] is None) == (level == "none")
        assert [line["RiskLevel"] for line in data["Result"]] == [level]
        assert {"Frame", "ReqId"}.isdisjoint(data)

    def test_does_not_echo_what_was_not_sent(self, stored):
        assert "DataId" not in data_of(moderate(of("none")).send(stored))

    def test_fetches_a_picture(self, emulator, listener):
        listener.answer(body=canary_png("high"))
        assert data_of(moderate({"imageUrl": f"{listener.url}/a%20b.png?x=1"}).send(emulator))["RiskLevel"] == "high"
        arrival = listener.next()
        assert arrival.path == "/a%20b.png?x=1"
        assert "referer" not in arrival.headers

    @pytest.mark.parametrize("sign", [moderate, moderate_later])
    def test_tells_the_host_of_a_picture_the_referer_that_it_was_given(self, emulator, listener, sign):
        listener.answer(body=picture())
        data_of(sign({"imageUrl": listener.url, "referer": "www.example.com"}).send(emulator))
        assert listener.next().headers["referer"] == "www.example.com"

    def test_looks_at_frames_where_it_is_asked_to(self, emulator):
        output = io.BytesIO()
        frames = [Image.new("L", (512, 512), 90), draw_canary("medium"), draw_canary("high")]
        frames[0].save(output, "GIF", save_all=True, append_images=frames[1:])
        emulator.objects.put(BUCKET, "upload/animated.png", output.getvalue())
        assert data_of(moderate(of("animated")).send(emulator))["RiskLevel"] == "none"
        data = data_of(moderate({**of("animated"), "interval": 1, "maxFrameNum": 3}).send(emulator))
        levels = [(line["Label"], line["RiskLevel"]) for line in data["Result"]]
        assert (data["RiskLevel"], data["FrameNum"]) == ("high", 3)
        assert levels == [("pornographic_adultContent", "high"), ("sexual_partialNudity", "medium")]
        told = [frame["Result"][0]["Label"] for frame in json.loads(data["Frame"])]
        assert told == ["nonLabel", "sexual_partialNudity", "pornographic_adultContent"]

    @pytest.mark.parametrize(
        ("kind", "code"),
        [
            ("not_allowed", 404),
            ("forbidden", 404),
            ("not_found", 404),
            ("failed", 404),
            ("timed_out", 405),
            ("too_large", 406),
        ],
    )
    def test_says_why_it_could_not_fetch(self, emulator, monkeypatch, kind, code):
        def fail(*args: Any, **kwargs: Any) -> bytes:
            raise FetchError(kind, "failed")

        monkeypatch.setattr(pictures, "fetch", fail)
        reply = moderate({"imageUrl": URL}).send(emulator)
        assert (reply.status, reply.code) == (200, code)
        assert "Data" not in reply.json

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (picture() + bytes(20_000_000), 406),
            (picture((16_385, 1)), 406),
            (picture((16_384, 1)), 200),
            (picture(image_format="TIFF"), 200),
            (b"no picture", 407),
            (picture()[:60], 407),
        ],
    )
    def test_takes_what_the_documentation_says(self, emulator, content, code):
        emulator.objects.put(BUCKET, "upload/a.png", content)
        assert moderate(of("a")).send(emulator).code == code

    def test_of_an_object_takes_its_name_as_it_is(self, emulator):
        emulator.objects.put("of-the-site", "a b/图.png", picture())
        place = {"ossBucketName": "of-the-site", "ossObjectName": "a b/图.png", "ossRegionId": "ap-southeast-1"}
        assert moderate(place).send(emulator).code == 200
        assert moderate({**place, "ossObjectName": "a%20b/图.png"}).send(emulator).code == 404

    def test_of_several_services(self, stored):
        query = given(of("high"), "baselineCheck,tonalityImprove")
        data = data_of(acs3("ImageBatchModeration", query=query).send(stored))
        assert [result["Service"] for result in data["Results"]] == ["baselineCheck", "tonalityImprove"]
        # As the types of the official SDK have it.
        assert set(data) == {"RiskLevel", "Result", "Results"}
        assert set(data["Result"][0]) == {"Label", "Confidence", "Description"}
        assert set(data["Results"][0]) == {"Service", "RiskLevel", "Result", "Ext"}
        assert acs3("ImageBatchModeration", query=given(of("text"), "aigcCheck,baselineCheck")).send(stored).code == 407
        # Elsewhere that is no service.
        assert acs3("ImageModeration", form=query).send(stored).code == 401

    def test_in_the_older_style(self, stored):
        assert data_of(rpc("ImageModeration", form=given(of("high"))).send(stored))["RiskLevel"] == "high"
        req_id = data_of(rpc("ImageAsyncModeration", query=given(of("high"))).send(stored))["ReqId"]
        assert rpc("DescribeImageModerationResult", query={"ReqId": req_id}).send(stored).code == 280

    def test_tells_what_feedback_taught(self, stored):
        lesson = {"suggestion": "block", "scenes": ["porn"], "label": "porn", "url": f"oss://{BUCKET}/upload/none.png"}
        assert roa("/green/image/feedback", lesson).send(stored).code == 200
        data = data_of(moderate({**of("none"), "infoType": "customImage,logoData"}).send(stored))
        assert (data["RiskLevel"], data["Result"][0]["Label"]) == ("high", "pornographic_adultContent_lib")
        assert set(data["Ext"]["CustomImage"][0]) == {"ImageId", "LibId", "LibName"}
        assert data_of(moderate(of("none")).send(stored))["Ext"] == {}


class TestPlace:
    """Parameters count where the interface has them, and nowhere else."""

    def test_of_the_synchronous_operation_is_the_form(self, stored):
        assert acs3("ImageModeration", query=given(of("none"))).send(stored).code == 400
        assert rpc("ImageModeration", query=given(of("none"))).send(stored).code == 400

    @pytest.mark.parametrize("sign", [acs3, rpc])
    @pytest.mark.parametrize("action", ["ImageAsyncModeration", "ImageBatchModeration"])
    def test_of_the_others_is_the_query(self, stored, sign, action):
        assert sign(action, form=given(of("none"))).send(stored).code == 400
        assert sign(action, query=given(of("none"))).send(stored).code == 200

    def test_of_a_result_is_the_query(self, emulator):
        assert acs3("DescribeImageModerationResult", form={"ReqId": "x"}).send(emulator).code == 400

    def test_is_a_form_that_says_so(self, stored):
        reply = acs3("ImageModeration", form=given(of("none")), content_type="application/json").send(stored)
        assert reply.code == 400


BAD_PARAMETERS: list[tuple[Any, int]] = [
    ({}, 400),
    ({"imageUrl": ""}, 400),
    ({"imageUrl": None}, 400),
    ({"ossBucketName": "b"}, 400),
    ({"ossObjectName": "o"}, 400),
    ("", 400),
    ("x", 401),
    ("[]", 401),
    ('{"imageUrl": NaN}', 401),
    ("[" * 20_000, 401),
    ({"imageUrl": 1}, 401),
    ({"imageUrl": "photos.example/a.jpg"}, 401),
    ({"imageUrl": "oss://bucket/a.jpg"}, 401),
    ({"imageUrl": "https://photos.example/图.jpg"}, 401),
    ({"imageUrl": URL + "x" * (2049 - len(URL))}, 402),
    ({"imageUrl": URL, "ossBucketName": "b", "ossObjectName": "o"}, 401),
    ({"imageUrl": URL, "dataId": "a b"}, 401),
    ({"imageUrl": URL, "dataId": "数据"}, 401),
    ({"imageUrl": URL, "dataId": 1}, 401),
    ({"imageUrl": URL, "dataId": "a" * 65}, 402),
    ({"imageUrl": URL, "referer": "a" * 257}, 402),
    ({"imageUrl": URL, "interval": 1}, 401),
    ({"imageUrl": URL, "maxFrameNum": 1}, 401),
    ({"imageUrl": URL, "interval": 1, "maxFrameNum": 101}, 401),
    ({"imageUrl": URL, "interval": 0, "maxFrameNum": 1}, 401),
    ({"imageUrl": URL, "interval": "1", "maxFrameNum": 1}, 401),
    ({"imageUrl": URL, "infoType": "nothing"}, 401),
    ({"imageUrl": URL, "infoType": ["customImage"]}, 401),
]


class TestParameters:
    @pytest.mark.parametrize("sign", [moderate, moderate_later])
    @pytest.mark.parametrize(("parameters", "code"), BAD_PARAMETERS, ids=lambda value: str(value)[:60])
    def test_that_are_wrong(self, emulator, sign, parameters, code):
        reply = sign(parameters).send(emulator)
        assert (reply.status, reply.code) == (200, code)
        assert set(reply.json) == {"Code", "Msg", "RequestId"}

    @pytest.mark.parametrize(
        ("others", "code"),
        [
            ({"callback": "https://site.example/"}, 401),
            ({"callback": "site.example", "seed": "s"}, 401),
            ({"callback": "https://site.example/", "seed": "s-1"}, 401),
            ({"callback": "https://site.example/", "seed": "s" * 65}, 402),
            ({"cryptType": "MD5"}, 401),
        ],
    )
    def test_of_a_callback_that_are_wrong(self, emulator, others, code):
        assert moderate_later({"imageUrl": URL, **others}).send(emulator).code == code

    def test_at_their_limits(self, emulator, monkeypatch):
        monkeypatch.setattr(pictures, "fetch", lambda *args, **kwargs: picture())
        parameters = {
            "imageUrl": URL + "x" * (2048 - len(URL)),
            "dataId": "a" * 64,
            "seed": "s" * 64,
            "cryptType": "SM3",
            "interval": 100,
            "maxFrameNum": 100,
            "referer": "图" * 256,
            "infoType": "customImage,textInImage,publicFigure,logoData",
        }
        assert moderate_later(parameters).send(emulator).code == 200
        assert moderate(parameters).send(emulator).code == 200

    @pytest.mark.parametrize(
        ("service", "code"),
        [
            ("", 400),
            ("a b", 401),
            ("a,b", 401),
            ("baselineCheck_01", 200),
            ("baselineCheck_global_12", 200),
            ("baselineCheck_globall", 401),
            ("baselineCheck_1", 401),
            ("copied_01", 401),
        ],
    )
    def test_of_the_service(self, stored, service, code):
        assert acs3("ImageModeration", form=given(of("none"), service)).send(stored).code == code

    @pytest.mark.parametrize(("service", "code"), [("ours", 404), ("ours_07", 404), ("baselineCheck", 404), ("o", 401)])
    def test_of_a_service_that_the_account_has_beside_those(self, make, service, code):
        reply = acs3("ImageModeration", form=given(of("gone"), service)).send(make(services=["ours"]))
        assert reply.code == code

    def test_of_a_result(self, emulator):
        assert ask("").send(emulator).code == 400
        assert ask("REQ &+ 1").send(emulator).code == 409

    def test_of_extra_information(self, emulator):
        for form, code in (({"ReqId": "x"}, 400), ({"ReqId": "x", "InfoType": "y"}, 401), ({"InfoType": ""}, 400)):
            assert acs3("DescribeImageResultExt", form=form).send(emulator).code == code


class TestAsync:
    def test_is_processed_first_and_then_judged(self, stored):
        accepted = data_of(moderate_later({**of("high"), "dataId": "a"}).send(stored))
        assert set(accepted) == {"ReqId", "DataId"}
        reply = ask(accepted["ReqId"]).send(stored)
        assert reply.code == 280
        assert set(reply.json) == {"Code", "Msg", "RequestId"}
        data = data_of(ask(accepted["ReqId"]).send(stored))
        assert (data["ReqId"], data["DataId"], data["RiskLevel"]) == (accepted["ReqId"], "a", "high")
        # As in the documentation's example, JSON within JSON.
        assert json.loads(data["Frame"])[0]["Result"] == data["Result"]

    def test_of_a_picture_that_cannot_be_judged(self, make):
        emulator = make(processing_answers=0)
        emulator.objects.put(BUCKET, "upload/text.png", b"no picture")
        req_id = data_of(moderate_later(of("text")).send(emulator))["ReqId"]
        assert ask(req_id).send(emulator).code == 407

    def test_is_forgotten_after_three_days(self, make, clock):
        emulator = make(processing_answers=0)
        emulator.objects.put(BUCKET, "upload/a.png", picture())
        req_id = data_of(moderate_later(of("a")).send(emulator))["ReqId"]
        clock.pass_(days=3, seconds=-1)
        assert ask(req_id, now=clock.now).send(emulator).code == 200
        clock.pass_(seconds=1)
        assert ask(req_id, now=clock.now).send(emulator).code == 409

    @pytest.mark.parametrize("crypt_type", ["SHA256", "SM3"])
    def test_calls_back(self, stored, listener, crypt_type):
        wish = {"callback": f"{listener.url}/back", "seed": "seed_1", "cryptType": crypt_type}
        accepted = data_of(moderate_later({**of("high"), **wish, "dataId": "a"}).send(stored))
        form = listener.next().form
        assert set(form) == {"ReqId", "Checksum", "Content"}
        assert form["ReqId"] == accepted["ReqId"]
        digest = hashlib.new(crypt_type.lower(), f"{UID}seed_1{form['Content']}".encode())
        assert form["Checksum"] == digest.hexdigest()
        data = json.loads(form["Content"])["Data"]
        assert (data["DataId"], data["ReqId"], data["RiskLevel"]) == ("a", accepted["ReqId"], "high")

    def test_calls_back_about_a_picture_that_cannot_be_judged(self, stored, listener):
        data_of(moderate_later({**of("text"), "callback": listener.url, "seed": "s", "dataId": "a"}).send(stored))
        content = json.loads(listener.next().form["Content"])
        assert (content["Code"], content["Data"]["DataId"]) == (407, "a")

    def test_has_extra_information(self, stored):
        lesson = {"suggestion": "block", "scenes": ["porn"], "url": f"oss://{BUCKET}/upload/none.png"}
        roa("/green/image/feedback", lesson).send(stored)
        form = {"ReqId": data_of(moderate_later(of("none")).send(stored))["ReqId"], "InfoType": "customImage"}
        assert acs3("DescribeImageResultExt", form=form).send(stored).code == 280
        assert "CustomImage" in data_of(acs3("DescribeImageResultExt", form=form).send(stored))
        assert acs3("DescribeImageResultExt", form={**form, "ReqId": "x"}).send(stored).code == 409


class TestStatus:
    def test_of_what_the_service_says_is_its_code_where_that_was_asked_for(self, make):
        emulator = make(is_code_in_status=True)
        emulator.objects.put(BUCKET, "upload/a.png", picture())
        assert moderate({}).send(emulator).status == 400
        assert moderate(of("nothing")).send(emulator).status == 404
        assert ask("unknown").send(emulator).status == 409
        accepted = moderate_later(of("a")).send(emulator)
        replies = [ask(accepted.json["Data"]["ReqId"]).send(emulator) for _ in range(2)]
        assert [reply.status for reply in (accepted, *replies)] == [200, 280, 200]
        assert [reply.code for reply in replies] == [280, 200]

    def test_is_the_gateways_own_whatever_was_asked_for(self, make):
        reply = moderate(of("a"), secret="another").send(make(is_code_in_status=True))
        assert (reply.status, reply.code) == (400, "SignatureDoesNotMatch")


class TestFaults:
    @pytest.mark.parametrize(("fault", "code"), [("no-permission", 408), ("throttled=service", 403)])
    def test_of_the_service(self, stored, fault, code):
        draft = moderate(of("none"))
        draft.headers["x-imgmod-emulator-fault"] = fault
        reply = draft.send(stored)
        assert (reply.status, reply.code) == (200, code)

    def test_of_the_gateway(self, stored):
        stored.faults.add(Fault(name="throttled", value="250"))
        reply = moderate(of("none")).send(stored)
        assert (reply.status, reply.code, reply.headers["x-acs-retry-after"]) == (400, "Throttling.User", "250")

    def test_of_a_picture(self, stored):
        stored.faults.add(Fault(name="not-fetchable", value="timed_out"))
        assert moderate(of("none")).send(stored).code == 405
