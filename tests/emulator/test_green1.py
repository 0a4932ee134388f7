from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from django_imgmod.canary import canary_png, draw_canary
from django_imgmod.emulator import Fault, Judge, pictures
from django_imgmod.emulator.fetching import FetchError
from django_imgmod.emulator.objects import BUCKET
from django_imgmod.providers.alibaba.labels import SCENES
from tests.providers.pictures import encoded, landscape, qr_code, with_codes

from .listening import Listener, listening
from .signed import Reply, roa

SCAN, ASYNC, RESULTS, FEEDBACK = (f"/green/image/{name}" for name in ("scan", "asyncscan", "results", "feedback"))
UID = "1234567890123456"
WITH_CODE = encoded(with_codes(landscape(), (qr_code("https://example.com", 200), (10, 10))))


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


@pytest.fixture
def urls(emulator) -> dict[str, str]:
    """URLs of uploads, by what is seen on them."""
    found = {}
    for name, content in {
        "high": canary_png("high"),
        "medium": canary_png("medium"),
        "none": picture(),
        "text": b"no picture",
    }.items():
        emulator.objects.put(BUCKET, f"upload/{name}.jpg", content)
        found[name] = f"oss://{BUCKET}/upload/{name}.jpg"
    return found


def picture(size: tuple[int, int] = (64, 48), image_format: str = "PNG") -> bytes:
    output = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(output, image_format)
    return output.getvalue()


def body_of(*urls: str, **others: Any) -> dict[str, Any]:
    return {"scenes": ["porn"], "tasks": [{"url": url} for url in urls], **others}


def elements(reply: Reply) -> list[dict[str, Any]]:
    assert reply.status == 200
    assert reply.json["code"] == 200, reply.json
    data = reply.json["data"]
    assert isinstance(data, list)
    return data


def suggestion(reply: Reply) -> str:
    return str(elements(reply)[0]["results"][0]["suggestion"])


class TestScan:
    def test_answers_for_each_picture_and_scene(self, emulator, urls):
        tasks = [{"url": urls["high"], "dataId": "数据 1"}, {"url": urls["none"]}]
        scenes = ["porn", "terrorism", "logo"]
        reply = roa(SCAN, {"scenes": scenes, "tasks": tasks, "bizType": "avatar"}).send(emulator)
        assert set(reply.json) == {"code", "msg", "requestId", "data"}
        first, second = elements(reply)
        assert (first["dataId"], first["url"], first["code"]) == ("数据 1", urls["high"], 200)
        assert first["taskId"] != second["taskId"]
        assert "dataId" not in second
        assert [result["scene"] for result in first["results"]] == scenes
        assert [result["suggestion"] for result in first["results"]] == ["block", "block", "pass"]
        assert {result["label"] for result in second["results"]} == {"normal"}
        assert all(0 <= result["rate"] <= 100 for result in first["results"])

    def test_takes_every_scene(self, emulator, urls):
        reply = roa(SCAN, body_of(urls["none"], scenes=list(SCENES))).send(emulator)
        assert [result["scene"] for result in elements(reply)[0]["results"]] == list(SCENES)

    def test_fetches_a_picture(self, emulator, listener):
        listener.answer(body=canary_png("medium"))
        assert suggestion(roa(SCAN, body_of(f"{listener.url}/a b.png?x=图")).send(emulator)) == "review"
        assert listener.next().path == "/a%20b.png?x=%E5%9B%BE"

    def test_looks_at_frames_where_it_is_asked_to(self, emulator, urls):
        output = io.BytesIO()
        frames = [Image.new("L", (512, 512), 90), draw_canary("medium"), draw_canary("high")]
        frames[0].save(output, "GIF", save_all=True, append_images=frames[1:])
        emulator.objects.put(BUCKET, "animated", output.getvalue())
        task = {"url": f"oss://{BUCKET}/animated"}
        for options, expected in (
            ({}, "pass"),
            ({"maxFrames": 2}, "review"),
            ({"maxFrames": 3}, "block"),
            ({"maxFrames": 2, "interval": 2}, "block"),
        ):
            reply = roa(SCAN, body_of(scenes=["porn"], tasks=[{**task, **options}])).send(emulator)
            assert suggestion(reply) == expected, options

    def test_names_the_frames_of_which_it_speaks(self, emulator):
        output = io.BytesIO()
        frames = [draw_canary("high"), Image.new("L", (512, 512), 90), draw_canary("medium"), draw_canary("high")]
        frames[0].save(output, "GIF", save_all=True, append_images=frames[1:])
        emulator.objects.put(BUCKET, "animated", output.getvalue())
        url = f"oss://{BUCKET}/animated"
        for max_frames, counts in ((1, [None, None]), (2, [1, 2]), (4, [2, 4])):
            tasks = [{"url": url, "maxFrames": max_frames}]
            results = elements(roa(SCAN, body_of(scenes=["porn", "logo"], tasks=tasks)).send(emulator))[0]["results"]
            assert [result["suggestion"] for result in results] == ["block", "pass"]
            assert [len(result["frames"]) if "frames" in result else None for result in results] == counts
            if max_frames > 1:
                assert results[0]["frames"][0] == {"rate": 100, "url": url}

    def test_tells_what_qr_codes_say(self, make):
        emulator = make(judge=Judge())
        emulator.objects.put(BUCKET, "code", WITH_CODE)
        scan = roa(SCAN, body_of(f"oss://{BUCKET}/code", scenes=["qrcode", "porn"])).send(emulator)
        code, porn = elements(scan)[0]["results"]
        assert (code["suggestion"], code["label"], code["qrcodeData"]) == ("review", "qrcode", ["https://example.com"])
        assert "qrcodeData" not in porn
        [place] = code["qrcodeLocations"]
        assert all(isinstance(place[side], float) and place[side] > 0 for side in "xywh")

    def test_says_what_is_wrong_with_each_picture(self, emulator, urls):
        reply = roa(SCAN, body_of(urls["text"], f"oss://{BUCKET}/nothing", urls["none"])).send(emulator)
        assert [element["code"] for element in elements(reply)] == [590, 404, 200]
        assert elements(reply)[0]["results"] == []

    @pytest.mark.parametrize(
        ("kind", "code"),
        [
            ("not_allowed", 401),
            ("forbidden", 403),
            ("not_found", 404),
            ("failed", 480),
            ("timed_out", 592),
            ("too_large", 589),
        ],
    )
    def test_says_why_it_could_not_fetch(self, emulator, monkeypatch, kind, code):
        def fail(*args: Any, **kwargs: Any) -> bytes:
            raise FetchError(kind, "failed")

        monkeypatch.setattr(pictures, "fetch", fail)
        assert elements(roa(SCAN, body_of("https://photos.example/a.jpg")).send(emulator))[0]["code"] == code

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (picture() + bytes(20_000_000), 589),
            (picture((30_001, 1)), 589),
            (picture((2049, 2048), "GIF"), 589),
            (picture((2048, 2048), "GIF"), 200),
            (picture(image_format="TIFF"), 590),
            (picture()[:60], 590),
        ],
    )
    def test_takes_what_the_documentation_says(self, emulator, content, code):
        emulator.objects.put(BUCKET, "a", content)
        assert elements(roa(SCAN, body_of(f"oss://{BUCKET}/a")).send(emulator))[0]["code"] == code


URL = "https://photos.example/a.jpg"


class TestParameters:
    @pytest.mark.parametrize("path", [SCAN, ASYNC])
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"[]",
            b'"x"',
            b"\xff",
            b'{"scenes": ["porn"], "tasks": NaN}',
            b"[" * 100_000,
            body_of(URL, scenes=None),
            body_of(URL, scenes=[]),
            body_of(URL, scenes="porn"),
            body_of(URL, scenes=["porn", 1]),
            body_of(URL, scenes=["porn", "nothing"]),
            body_of(),
            body_of(tasks=None),
            body_of(tasks={"url": URL}),
            body_of(tasks=[URL]),
            body_of(tasks=[{}]),
            body_of(tasks=[{"url": 1}]),
            body_of(""),
            body_of("ftp://photos.example/a.jpg"),
            body_of("photos.example/a.jpg"),
            body_of("oss://bucket"),
            body_of(URL + "x" * (2049 - len(URL))),
            body_of(*[URL] * 51),
            body_of(URL, bizType=1),
            body_of(tasks=[{"url": URL, "dataId": 1}]),
            body_of(tasks=[{"url": URL, "interval": 0}]),
            body_of(tasks=[{"url": URL, "maxFrames": "2"}]),
            body_of(tasks=[{"url": URL, "maxFrames": True}]),
        ],
        ids=lambda body: str(body)[:60],
    )
    def test_of_a_scan_that_are_wrong(self, emulator, path, body):
        reply = roa(path, body).send(emulator)
        assert (reply.status, reply.json["code"]) == (200, 400)
        assert reply.json["msg"]
        assert "data" not in reply.json

    @pytest.mark.parametrize(
        "others",
        [
            {"callback": "https://site.example/"},
            {"callback": "site.example", "seed": "s"},
            {"callback": "ftp://site.example", "seed": "s"},
            {"callback": "https://site.example/", "seed": "s-1"},
            {"callback": "https://site.example/", "seed": "s" * 65},
            {"callback": "https://site.example/", "seed": 1},
            {"cryptType": "MD5"},
        ],
    )
    def test_of_a_callback_that_are_wrong(self, emulator, others):
        assert roa(ASYNC, body_of(URL, **others)).send(emulator).json["code"] == 400

    def test_of_a_scan_at_their_limits(self, emulator, monkeypatch):
        monkeypatch.setattr(pictures, "fetch", lambda *args, **kwargs: picture())
        body = body_of(*[URL + "x" * (2048 - len(URL))] * 50, seed="s" * 64, cryptType="SM3")
        assert len(elements(roa(ASYNC, body).send(emulator))) == 50

    @pytest.mark.parametrize("body", [b"", {}, [], [1], [""], ["a"] * 51])
    def test_of_results_that_are_wrong(self, emulator, body):
        assert roa(RESULTS, body).send(emulator).json["code"] == 400

    @pytest.mark.parametrize(
        "body",
        [
            [],
            {"suggestion": "review", "scenes": ["porn"]},
            {"suggestion": "pass"},
            {"suggestion": "pass", "scenes": []},
            {"suggestion": "pass", "scenes": ["logo"]},
            {"url": "x"},
            {"taskId": 1},
            {"note": 1},
            {"label": []},
        ],
    )
    def test_of_feedback_that_are_wrong(self, emulator, body):
        assert roa(FEEDBACK, body).send(emulator).json["code"] == 400

    def test_of_upload_credentials_that_are_wrong(self, emulator):
        assert roa("/green/credentials/uploadcredentials", []).send(emulator).json["code"] == 400


class TestAsync:
    def test_is_processed_first_and_then_judged(self, emulator, urls):
        accepted = elements(roa(ASYNC, body_of(urls["high"], urls["text"])).send(emulator))
        assert all(set(element) == {"code", "msg", "taskId", "url"} for element in accepted)
        ids = [element["taskId"] for element in accepted]
        assert [element["code"] for element in elements(roa(RESULTS, ids).send(emulator))] == [280, 280]
        judged = elements(roa(RESULTS, ids).send(emulator))
        assert [element["code"] for element in judged] == [200, 590]
        assert judged[0]["results"][0]["suggestion"] == "block"
        assert [element["taskId"] for element in judged] == ids

    def test_is_forgotten_after_an_hour(self, make, clock):
        emulator = make(processing_answers=0)
        emulator.objects.put("bucket", "a", picture())
        task_id = elements(roa(ASYNC, body_of("oss://bucket/a")).send(emulator))[0]["taskId"]
        clock.pass_(minutes=59, seconds=59)
        assert elements(roa(RESULTS, [task_id], now=clock.now).send(emulator))[0]["code"] == 200
        clock.pass_(seconds=1)
        assert elements(roa(RESULTS, [task_id], now=clock.now).send(emulator))[0]["code"] == 594

    def test_that_is_not_known(self, emulator):
        assert elements(roa(RESULTS, ["img&=+ /@x-1"]).send(emulator))[0] == {
            "code": 594,
            "msg": "EXPIRED",
            "taskId": "img&=+ /@x-1",
        }

    @pytest.mark.parametrize("crypt_type", ["", "SHA256", "SM3"])
    def test_calls_back(self, emulator, urls, listener, crypt_type):
        wish = {"callback": f"{listener.url}/back?x=1", "seed": "seed_1", "cryptType": crypt_type}
        tasks = [{"url": urls["high"], "dataId": "数据"}]
        accepted = elements(roa(ASYNC, body_of(**{**wish, "tasks": tasks})).send(emulator))
        arrival = listener.next()
        assert arrival.path == "/back?x=1"
        assert set(arrival.form) == {"checksum", "content"}
        content = arrival.form["content"]
        digest = hashlib.new((crypt_type or "SHA256").lower(), f"{UID}seed_1{content}".encode())
        assert arrival.form["checksum"] == digest.hexdigest()
        element = json.loads(content)
        assert (element["taskId"], element["dataId"]) == (accepted[0]["taskId"], "数据")
        assert element["results"][0]["suggestion"] == "block"

    def test_calls_back_for_each_picture(self, emulator, urls, listener):
        body = body_of(urls["high"], urls["text"], callback=listener.url, seed="s")
        accepted = elements(roa(ASYNC, body).send(emulator))
        told = [json.loads(listener.next().form["content"]) for _ in accepted]
        assert {element["taskId"]: element["code"] for element in told} == {
            accepted[0]["taskId"]: 200,
            accepted[1]["taskId"]: 590,
        }

    def test_without_a_callback_tells_nobody(self, emulator, urls, listener):
        task_id = elements(roa(ASYNC, body_of(urls["high"], seed="s")).send(emulator))[0]["taskId"]
        for _ in range(2):
            elements(roa(RESULTS, [task_id]).send(emulator))
        assert emulator.sender.wait(5)
        assert listener.is_quiet


class TestFeedback:
    def test_changes_the_next_scan(self, emulator, urls):
        lesson = {"suggestion": "pass", "scenes": ["porn"], "url": urls["high"], "taskId": "t", "note": "审"}
        reply = roa(FEEDBACK, lesson).send(emulator)
        assert set(reply.json) == {"code", "msg", "requestId"}
        scan = roa(SCAN, body_of(urls["high"], scenes=["porn", "terrorism"])).send(emulator)
        assert [result["suggestion"] for result in elements(scan)[0]["results"]] == ["pass", "block"]

    def test_changes_the_next_scan_of_a_similar_picture(self, emulator, urls):
        lesson = {"suggestion": "block", "scenes": ["terrorism"], "label": "weapon", "url": urls["medium"]}
        assert roa(FEEDBACK, lesson).send(emulator).code == 200
        output = io.BytesIO()
        draw_canary("medium").resize((300, 300)).save(output, "JPEG", quality=70)
        emulator.objects.put(BUCKET, "similar", output.getvalue())
        scan = roa(SCAN, body_of(f"oss://{BUCKET}/similar", scenes=["terrorism"])).send(emulator)
        result = elements(scan)[0]["results"][0]
        assert (result["suggestion"], result["label"]) == ("block", "weapon")

    def test_without_a_picture_changes_nothing(self, emulator, urls):
        task_id = elements(roa(SCAN, body_of(urls["high"])).send(emulator))[0]["taskId"]
        assert roa(FEEDBACK, {"suggestion": "pass", "scenes": ["porn"], "taskId": task_id}).send(emulator).code == 200
        assert suggestion(roa(SCAN, body_of(urls["high"])).send(emulator)) == "block"

    def test_about_a_picture_that_cannot_be_had_is_refused(self, emulator, urls):
        for url, code in ((urls["text"], 590), (f"oss://{BUCKET}/nothing", 404)):
            lesson = {"suggestion": "pass", "scenes": ["porn"], "url": url}
            assert roa(FEEDBACK, lesson).send(emulator).code == code


class TestStatus:
    @pytest.mark.parametrize(("is_code_in_status", "status"), [(False, 200), (True, 400)])
    def test_of_what_the_service_refuses_is_as_was_asked_for(self, make, is_code_in_status, status):
        emulator = make(is_code_in_status=is_code_in_status)
        reply = roa(SCAN, body_of()).send(emulator)
        assert (reply.status, reply.json["code"]) == (status, 400)
        assert roa("/green/credentials/uploadcredentials", {}).send(emulator).status == 200

    def test_of_a_picture_that_cannot_be_had_is_that_of_the_request(self, make):
        reply = roa(SCAN, body_of(f"oss://{BUCKET}/nothing")).send(make(is_code_in_status=True))
        assert elements(reply)[0]["code"] == 404

    def test_may_be_one_that_http_does_not_know(self, make):
        draft = roa(SCAN, body_of(URL))
        draft.headers["x-imgmod-emulator-fault"] = "no-permission"
        reply = draft.send(make(is_code_in_status=True))
        assert (reply.status, reply.code) == (596, 596)


class TestFaults:
    def test_that_are_none_are_refused(self, emulator, urls):
        draft = roa(SCAN, body_of(urls["none"]))
        draft.headers["x-imgmod-emulator-fault"] = "nonsense"
        reply = draft.send(emulator)
        assert (reply.status, reply.code) == (400, "InvalidParameter")

    def test_of_a_picture(self, emulator, urls):
        emulator.faults.add(Fault(name="not-fetchable", value="timed_out", times=1))
        body = body_of(urls["none"], urls["none"])
        assert [element["code"] for element in elements(roa(SCAN, body).send(emulator))] == [592, 592]
        assert [element["code"] for element in elements(roa(SCAN, body).send(emulator))] == [200, 200]

    def test_of_half_an_answer(self, emulator):
        emulator.faults.add(Fault(name="garbage", value="half", times=1))
        half, whole = (roa(FEEDBACK, {}).send(emulator).body for _ in range(2))
        assert half == half.strip(b"}")
        assert abs(len(half) - len(whole) // 2) <= 1

    def test_of_callbacks_are_not_used_up_by_who_wants_none(self, emulator, urls, listener):
        emulator.faults.add(Fault(name="callback-twice", times=1))
        roa(ASYNC, body_of(urls["none"])).send(emulator)
        roa(ASYNC, body_of(urls["none"], callback=listener.url, seed="s")).send(emulator)
        assert listener.next().form == listener.next().form
